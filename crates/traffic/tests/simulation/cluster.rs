//! The simulated cluster: events in virtual time, one seed, no dice elsewhere.

use super::plain::{Plain, Rule};
use irongate_config::{Algorithm, BackendOptions};
use irongate_traffic::{
    Affinity, AttemptFailure, BackendState, BalancePlan, Balancer, Begin, Change, Decision, EndpointIndex,
    EndpointState, Member, Outcome, PickRequest, RequestFacts, Ticket, Time, decide,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A refused connect takes this long, in microseconds.
const REFUSAL: u64 = 100;

/// What an origin does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    /// 200 after a time between these, in milliseconds.
    Answers { least: f64, most: f64 },
    /// Like [`GOOD`](Behaviour::GOOD), but with this probability it takes so many milliseconds more.
    Pauses { probability: f64, more: f64 },
    /// 503 at once with this probability, else like [`GOOD`](Behaviour::GOOD).
    Fails(f64),
    /// No process: connections break, connecting is refused.
    Dead,
    /// Takes requests and never answers.
    Hangs,
}

impl Behaviour {
    pub(crate) const GOOD: Self = Self::Answers { least: 4.0, most: 8.0 };
}

/// A scenario.
pub(crate) struct Cluster {
    pub(crate) algorithm: Algorithm,
    /// A rule of others in place of the balancer; with nothing that mends failures.
    pub(crate) rule: Option<Rule>,
    /// How many requests an origin works at at once; others wait their turn.
    pub(crate) slots: usize,
    pub(crate) weights: Vec<u32>,
    pub(crate) idempotent: bool,
    /// In seconds.
    pub(crate) duration: u64,
    cores: usize,
    rate: u64,
    /// By origin: from when on it does what.
    behaviours: Vec<Vec<(Time, Behaviour)>>,
}

/// What callers and origins saw.
pub(crate) struct Report {
    /// Callers that got a failure, or nothing.
    pub(crate) failures: usize,
    pub(crate) retries: usize,
    pub(crate) last_failure: Option<Time>,
    /// Each attempt: when, and on which origin.
    attempts: Vec<(Time, usize)>,
    /// Each answer that is no failure: when it was asked for, and how long that took, in microseconds.
    answers: Vec<(Time, u64)>,
}

impl Report {
    /// How long answers took that were asked for from a moment on, in milliseconds: the shortest that this part of
    /// them did not exceed.
    pub(crate) fn percentile(&self, part: f64, from: f64) -> f64 {
        let late = self.answers.iter().filter(|(at, _)| *at >= seconds(from));
        let mut times: Vec<u64> = late.map(|(_, took)| *took).collect();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get((last as f64 * part).round() as usize).map_or(f64::NAN, |took| *took as f64 / 1e3)
    }

    /// Failures as a part of all callers.
    pub(crate) fn error_share(&self) -> f64 {
        self.failures as f64 / (self.failures + self.answers.len()).max(1) as f64
    }

    /// How evenly attempts were spread over so many origins (Jain's index): 1 is even, 1/n all on one.
    pub(crate) fn fairness(&self, origins: usize, from: f64) -> f64 {
        let mut counts = vec![0.0_f64; origins];
        for (_, origin) in self.attempts.iter().filter(|(at, _)| *at >= seconds(from)) {
            counts[*origin] += 1.0;
        }
        let squares: f64 = counts.iter().map(|count| count * count).sum();
        counts.iter().sum::<f64>().powi(2) / (origins as f64 * squares.max(1.0))
    }

    /// An origin's part of the attempts between two moments, in seconds.
    pub(crate) fn share(&self, origin: usize, from: f64, to: f64) -> f64 {
        let within = self.attempts.iter().filter(|(at, _)| (seconds(from)..seconds(to)).contains(at));
        let (all, its) =
            within.fold((0_u32, 0_u32), |(all, its), &(_, on)| (all + 1, its + u32::from(on == origin)));
        f64::from(its) / f64::from(all.max(1))
    }
}

pub(crate) fn seconds(count: f64) -> Time {
    Time((count * 1e6) as u64)
}

impl Cluster {
    /// `rate` in requests a second, `duration` in seconds; all origins are good.
    pub(crate) fn new(cores: usize, origins: usize, rate: u64, duration: u64) -> Self {
        Self {
            algorithm: Algorithm::PeakEwma,
            rule: None,
            slots: usize::MAX,
            weights: vec![1; origins],
            idempotent: true,
            duration,
            cores,
            rate,
            behaviours: vec![vec![(Time::ZERO, Behaviour::GOOD)]; origins],
        }
    }

    /// From `from` (in seconds) on, an origin does this; to be called in order of time.
    pub(crate) fn behave(&mut self, origin: usize, from: f64, behaviour: Behaviour) {
        self.behaviours[origin].push((seconds(from), behaviour));
    }

    pub(crate) fn run(&self, seed: u64) -> Report {
        let mut run = Run::new(self, seed);
        let end = Time::ZERO.after(Duration::from_secs(self.duration));
        for request in 0..self.rate * self.duration {
            run.at(Time(request * 1_000_000 / self.rate), Event::Arrival);
        }
        while let Some(Reverse((at, _, id))) = run.queue.pop() {
            if at > end {
                break;
            }
            let event = run.events[id].take().expect("each event is queued once");
            run.happen(at, event);
        }
        let open = |exchange: &&Exchange| {
            (exchange.ticket.is_some() || exchange.origin.is_some()) && stuck(exchange, end)
        };
        run.report.failures += run.exchanges.iter().filter(open).count();
        run.finish()
    }

    fn behaviour(&self, origin: usize, at: Time) -> Behaviour {
        let past = self.behaviours[origin].iter().rev().find(|(from, _)| *from <= at);
        past.expect("there is one from the start").1
    }

    /// When the origin is killed between these, if it is.
    fn killed(&self, origin: usize, from: Time, to: Time) -> Option<Time> {
        let dies = |&&(at, behaviour): &&(Time, Behaviour)| {
            matches!(behaviour, Behaviour::Dead) && at > from && at <= to
        };
        self.behaviours[origin].iter().find(dies).map(|&(at, _)| at)
    }
}

/// Not just under way at the end.
fn stuck(exchange: &Exchange, end: Time) -> bool {
    end.saturating_since(exchange.arrived) > Duration::from_secs(1)
}

#[derive(Clone, Copy)]
enum Event {
    Arrival,
    Attempt { exchange: usize },
    Fails { exchange: usize, failure: AttemptFailure },
    Answer { exchange: usize, status: u16 },
    Probe { origin: usize },
}

/// One caller's request.
struct Exchange {
    core: usize,
    arrived: Time,
    ticket: Option<Ticket>,
    /// Where it is, by a rule of others.
    origin: Option<usize>,
    tried: Vec<EndpointIndex>,
}

struct Run<'a> {
    cluster: &'a Cluster,
    backend: Arc<BackendState>,
    endpoints: Vec<Arc<EndpointState>>,
    balancers: Vec<Balancer>,
    plain: Vec<Plain>,
    /// When each place of each origin that was ever taken is free again.
    busy: Vec<Vec<Time>>,
    exchanges: Vec<Exchange>,
    queue: BinaryHeap<Reverse<(Time, usize, usize)>>,
    events: Vec<Option<Event>>,
    random: u64,
    report: Report,
}

impl<'a> Run<'a> {
    fn new(cluster: &'a Cluster, seed: u64) -> Self {
        let options = BackendOptions::default();
        let backend = BackendState::new(&options);
        let address = |origin: usize| SocketAddr::from(([127, 0, 0, 1], 10_000 + origin as u16));
        let origins = 0..cluster.behaviours.len();
        let endpoints: Vec<_> =
            origins.map(|origin| EndpointState::new(address(origin), &backend, Time::ZERO)).collect();
        let weighted = endpoints.iter().zip(&cluster.weights);
        let members = weighted.map(|(state, &weight)| Member::new(state.clone(), weight)).collect();
        let options = BackendOptions { algorithm: cluster.algorithm, ..options };
        let plan = BalancePlan::new(&options, members, cluster.cores);
        let balancers =
            (0..cluster.cores).map(|core| Balancer::new(backend.clone(), &plan, core, Time::ZERO)).collect();
        let count = cluster.behaviours.len();
        let plain = |rule: Rule| (0..cluster.cores).map(move |_| Plain::new(rule, count)).collect();
        Self {
            cluster,
            plain: cluster.rule.map(plain).unwrap_or_default(),
            busy: vec![Vec::new(); count],
            backend,
            endpoints,
            balancers,
            exchanges: Vec::new(),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            random: seed,
            report: Report {
                failures: 0,
                retries: 0,
                last_failure: None,
                attempts: Vec::new(),
                answers: Vec::new(),
            },
        }
    }

    fn at(&mut self, time: Time, event: Event) {
        let id = self.events.len();
        self.events.push(Some(event));
        self.queue.push(Reverse((time, id, id)));
    }

    fn random(&mut self) -> u64 {
        // Any good generator will do: an LCG with its upper bits mixed down.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (self.random ^ (self.random >> 29)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        word ^ (word >> 32)
    }

    fn unit(&mut self) -> f64 {
        (self.random() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happen(&mut self, now: Time, event: Event) {
        match event {
            Event::Arrival => {
                let core = self.random() as usize % self.cluster.cores;
                let tried = Vec::new();
                self.exchanges.push(Exchange { core, arrived: now, ticket: None, origin: None, tried });
                self.attempt(now, self.exchanges.len() - 1);
            }
            Event::Attempt { exchange } => self.attempt(now, exchange),
            Event::Fails { exchange, failure } => self.fails(now, exchange, failure),
            Event::Answer { exchange, status } => self.answer(now, exchange, status),
            Event::Probe { origin } => self.probe(now, origin),
        }
    }

    fn attempt(&mut self, now: Time, exchange: usize) {
        let random = self.random();
        let origin = if self.cluster.rule.is_some() {
            self.pick_plainly(now, exchange, random)
        } else {
            self.pick(now, exchange, random)
        };
        self.report.attempts.push((now, origin));
        self.ask(now, exchange, origin);
    }

    /// By a rule of others.
    fn pick_plainly(&mut self, now: Time, exchange: usize, random: u64) -> usize {
        let Exchange { core, origin, .. } = &mut self.exchanges[exchange];
        let is_dead = |origin: usize| matches!(self.cluster.behaviour(origin, now), Behaviour::Dead);
        let picked = self.plain[*core].pick(now, random, is_dead);
        *origin = Some(picked);
        picked
    }

    fn pick(&mut self, now: Time, exchange: usize, random: u64) -> usize {
        let Exchange { core, tried, .. } = &self.exchanges[exchange];
        let balancer = &mut self.balancers[*core];
        let affinity = Affinity { session: None, key: Some(random) };
        let request =
            PickRequest { random, tried, replayable: self.cluster.idempotent, affinity: Some(&affinity) };
        let picked = balancer.pick(now, &request).expect("there are endpoints");
        let ticket = balancer.begin(&picked, now, Begin::Whole);
        let address = balancer.endpoint(picked.index).expect("it was picked").address();
        let origin = usize::from(address.port()) - 10_000;
        self.exchanges[exchange].ticket = Some(ticket);
        self.exchanges[exchange].tried.push(picked.index);
        origin
    }

    /// What comes of a request to an origin.
    fn ask(&mut self, now: Time, exchange: usize, origin: usize) {
        let (after, status) = match self.cluster.behaviour(origin, now) {
            Behaviour::Dead => {
                let failure = AttemptFailure::Connect;
                return self.at(Time(now.0 + REFUSAL), Event::Fails { exchange, failure });
            }
            Behaviour::Hangs => return,
            Behaviour::Fails(probability) if self.unit() < probability => (0.2, 503),
            Behaviour::Fails(_) => (4.0 + 4.0 * self.unit(), 200),
            Behaviour::Pauses { probability, more } => {
                let more = if self.unit() < probability { more } else { 0.0 };
                (4.0 + 4.0 * self.unit() + more, 200)
            }
            Behaviour::Answers { least, most } => (least + (most - least) * self.unit(), 200),
        };
        let start = self.start(now, origin);
        let answer = Time(start.0 + (after * 1e3) as u64);
        self.busy[origin].push(answer);
        match self.cluster.killed(origin, now, answer) {
            Some(at) => self.at(at, Event::Fails { exchange, failure: AttemptFailure::Reset { sent: true } }),
            None => self.at(answer, Event::Answer { exchange, status }),
        }
    }

    /// When an origin begins with a request.
    fn start(&mut self, now: Time, origin: usize) -> Time {
        let busy = &mut self.busy[origin];
        busy.retain(|until| *until > now);
        let waits = (busy.len() + 1).saturating_sub(self.cluster.slots);
        busy.sort_unstable();
        // It begins when so many of those before it are through.
        waits.checked_sub(1).map_or(now, |last| busy[last])
    }

    fn answer(&mut self, now: Time, exchange: usize, status: u16) {
        let Exchange { core, origin, arrived, .. } = &mut self.exchanges[exchange];
        let (origin, took) = (origin.take(), now.0 - arrived.0);
        if status < 500 {
            self.report.answers.push((*arrived, took));
        }
        if let Some(origin) = origin {
            self.plain[*core].answered(origin, now, took);
            self.fail_if(now, status >= 500);
            return;
        }
        let Exchange { core, ticket, .. } = &mut self.exchanges[exchange];
        let mut ticket = ticket.take().expect("an attempt is under way");
        let balancer = &mut self.balancers[*core];
        let verdict = balancer.answered(&mut ticket, now, status);
        let change = balancer.end(ticket, now, Outcome::Complete);
        self.changed(exchange, verdict.change.or(change));
        if status >= 500 {
            self.decide(now, exchange, AttemptFailure::Status(status), verdict.elsewhere);
        }
    }

    fn fail_if(&mut self, now: Time, failed: bool) {
        if failed {
            self.report.failures += 1;
            self.report.last_failure = Some(now);
        }
    }

    fn fails(&mut self, now: Time, exchange: usize, failure: AttemptFailure) {
        let Exchange { core, origin, arrived, .. } = &mut self.exchanges[exchange];
        if let Some(origin) = origin.take() {
            self.plain[*core].answered(origin, now, now.0 - arrived.0);
            return self.fail_if(now, true);
        }
        let Exchange { core, ticket, .. } = &mut self.exchanges[exchange];
        let ticket = ticket.take().expect("an attempt is under way");
        let outcome = match failure {
            AttemptFailure::Connect => Outcome::ConnectFailed,
            _ => Outcome::Failed,
        };
        let change = self.balancers[*core].end(ticket, now, outcome);
        self.changed(exchange, change);
        self.decide(now, exchange, failure, false);
    }

    fn decide(&mut self, now: Time, exchange: usize, failure: AttemptFailure, doubted: bool) {
        let random = self.random();
        let Exchange { core, tried, .. } = &self.exchanges[exchange];
        let balancer = &mut self.balancers[*core];
        let facts = RequestFacts {
            idempotent: self.cluster.idempotent,
            replayable: true,
            answer_started: false,
            tries: tried.len() as u32,
            other_endpoint: balancer.has_other(tried),
            doubted,
        };
        match decide(failure, &facts, None, random) {
            Decision::Again { wait, .. } if balancer.try_retry(now) => {
                self.report.retries += 1;
                self.at(now.after(wait), Event::Attempt { exchange });
            }
            _ => self.fail_if(now, true),
        }
    }

    /// What the proxy does when an endpoint's health changes.
    fn changed(&mut self, exchange: usize, change: Option<Change>) {
        if change == Some(Change::Unreachable) {
            let Exchange { core, tried, .. } = &self.exchanges[exchange];
            let index = *tried.last().expect("it was tried");
            let address = self.balancers[*core].endpoint(index).expect("it stays").address();
            let origin = usize::from(address.port()) - 10_000;
            self.schedule_probe(origin);
        }
    }

    fn schedule_probe(&mut self, origin: usize) {
        if let Some(at) = self.endpoints[origin].next_probe() {
            self.at(at, Event::Probe { origin });
        }
    }

    fn probe(&mut self, now: Time, origin: usize) {
        match self.cluster.behaviour(origin, now) {
            Behaviour::Dead => self.endpoints[origin].connect_failed(now),
            _ => self.endpoints[origin].connect_succeeded(now),
        };
        self.schedule_probe(origin);
    }

    fn finish(self) -> Report {
        let Self { balancers, endpoints, backend, report, .. } = self;
        drop((balancers, endpoints));
        assert_eq!(0, backend.ejected(), "nothing that was counted is left over once the endpoints are gone");
        report
    }
}
