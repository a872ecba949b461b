//! What others do, as far as it is published: rules without health, retries or budgets.

use irongate_traffic::Time;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// In turn.
    RoundRobin,
    /// The one of two with less under way.
    LeastRequest,
    /// Linkerd's: the one of two whose latency times what is under way is less, among those that are connected. A sample
    /// above the estimate replaces it, one below moves it by time (τ = 10 s); what is idle fades to 0. Its circuit breaker
    /// and its retries are off unless asked for.
    Linkerd,
}

/// Linkerd's constants.
const FIRST: f64 = 30_000.0;
const TAU: f64 = 10_000_000.0;

/// One core's view of the origins.
pub(crate) struct Plain {
    rule: Rule,
    pending: Vec<u32>,
    /// In microseconds, and when it was so.
    estimates: Vec<(f64, Time)>,
    turn: usize,
}

impl Plain {
    pub(crate) fn new(rule: Rule, origins: usize) -> Self {
        Self { rule, pending: vec![0; origins], estimates: vec![(FIRST, Time::ZERO); origins], turn: 0 }
    }

    /// An origin; it counts as asked from now on.
    pub(crate) fn pick(&mut self, now: Time, random: u64, is_dead: impl Fn(usize) -> bool) -> usize {
        let count = self.pending.len();
        let (first, second) = self.two(random);
        let picked = match self.rule {
            Rule::RoundRobin => {
                self.turn += 1;
                self.turn % count
            }
            Rule::LeastRequest if self.pending[second] < self.pending[first] => second,
            Rule::LeastRequest => first,
            Rule::Linkerd => match (is_dead(first), is_dead(second)) {
                (false, false) if self.cost(second, now) < self.cost(first, now) => second,
                (false, _) => first,
                (true, false) => second,
                (true, true) => (0..count).find(|&origin| !is_dead(origin)).unwrap_or(first),
            },
        };
        self.pending[picked] += 1;
        picked
    }

    /// The answer's head has come, or the request has failed, so many microseconds after it was sent.
    pub(crate) fn answered(&mut self, origin: usize, now: Time, took: u64) {
        self.pending[origin] -= 1;
        let (estimate, at) = self.estimates[origin];
        let kept = fade(now, at);
        let took = took as f64;
        let estimate = if took > estimate { took } else { estimate * kept + took * (1.0 - kept) };
        self.estimates[origin] = (estimate, now);
    }

    fn two(&self, random: u64) -> (usize, usize) {
        let count = self.pending.len() as u64;
        let first = (random >> 32) % count;
        let other = (first + 1 + (random & 0xFFFF_FFFF) % (count - 1).max(1)) % count;
        (first as usize, other as usize)
    }

    fn cost(&self, origin: usize, now: Time) -> f64 {
        let (estimate, at) = self.estimates[origin];
        estimate * fade(now, at) * f64::from(self.pending[origin] + 1)
    }
}

fn fade(now: Time, at: Time) -> f64 {
    (-(now.micros_since(at) as f64) / TAU).exp()
}
