//! Which endpoint a request goes to. One [`Balancer`] a backend and core, no locks, no allocation on the way of a request.
//!
//! Load (latency and what is under way) is the core's own; health and doubt are shared ([`health`](crate::health)).
//! The way of a request: [`pick`](Balancer::pick), [`begin`](Balancer::begin), for one with a body
//! [`sent`](Balancer::sent), [`answered`](Balancer::answered) at the head of the final answer, and
//! [`end`](Balancer::end) when all of the answer has gone out: until then the request counts as load.

mod affinity;
mod draw;
mod key;
mod latency;
mod least_request;
mod level;
mod members;
mod peak_ewma;
mod plan;
mod random;
mod request;
mod round_robin;
mod slot;
mod table;
mod view;

pub use affinity::Affinity;
pub use key::hash_key;
pub use plan::{BalancePlan, Member};
pub use request::{Begin, EndpointIndex, EndpointLoad, Outcome, PickRequest, Picked, Ticket, Verdict};

use crate::Time;
use crate::health::{BackendState, Cause, Change, EndpointState};
use crate::time::as_f32;
use affinity::Sessions;
use draw::Dice;
use irongate_config::Algorithm;
use irongate_message::GrpcCode;
use level::Level;
use members::Tier;
use request::{Stage, is_failure};
use slot::Slot;
use std::sync::Arc;
use std::time::Duration;
use view::View;

/// From here on an endpoint is in doubt: one failure of late, or two that three successes have not made good.
const DOUBTED: f32 = 0.125;
/// What a full doubt multiplies the cost by, less one. One failure makes an endpoint 4 times as dear.
const DOUBT_COST: f32 = 12.0;
/// Endpoints that are looked at for one without doubt.
const LOOK_FOR_OTHER: usize = 16;
/// Requests that are told to the budget together, and after how long at most.
const BATCH: u32 = 16;
const BATCH_MICROS: u64 = 100_000;

/// The load of a backend's endpoints as one core sees it, and the choice among them.
#[derive(Debug)]
pub struct Balancer {
    backend: Arc<BackendState>,
    plan: Arc<BalancePlan>,
    /// The plan's.
    algorithm: Algorithm,
    /// Whose balancer it is.
    core: u16,
    /// By the position of an [`EndpointIndex`]; a removed endpoint keeps its slot until its requests have ended.
    slots: Vec<Slot>,
    /// Beside `slots`; `None`: the slot is free.
    states: Vec<Option<Arc<EndpointState>>>,
    free: Vec<u32>,
    /// The slots of the backend's endpoints, in the order of the plan.
    members: Vec<u32>,
    /// Those of them that are picked from; of those that are preferred, if any are.
    first: Level,
    /// The others, each level preferred to the next. Nearly always there is none.
    further: Vec<Level>,
    /// Which state of the backend's health the levels were made from.
    version: u32,
    tier: Tier,
    /// When the next ejected endpoint takes a request as its trial: one that can be sent again, or any.
    due: [Time; 2],
    /// What a request to this backend usually takes, in microseconds; negative: not known.
    typical: f32,
    /// The latest random number that was given.
    entropy: u64,
    /// Requests under way to all of them.
    under_way: u32,
    /// Made when the first request of a session comes.
    sessions: Option<Sessions>,
    /// Requests that the budget does not know of yet, and when it was told last.
    untold: u32,
    told: Time,
}

impl Balancer {
    /// The balancer of a core over a plan's endpoints.
    #[must_use]
    pub fn new(backend: Arc<BackendState>, plan: &Arc<BalancePlan>, core: usize, now: Time) -> Self {
        let mut balancer = Self {
            version: backend.version(),
            backend,
            plan: plan.clone(),
            algorithm: plan.algorithm,
            core: u16::try_from(core).unwrap_or(0),
            slots: Vec::new(),
            states: Vec::new(),
            free: Vec::new(),
            members: Vec::new(),
            first: Level::default(),
            further: Vec::new(),
            tier: Tier::Ready,
            due: [Time::NEVER; 2],
            typical: -1.0,
            entropy: 0,
            under_way: 0,
            sessions: None,
            untold: 0,
            told: now,
        };
        balancer.update(plan, now);
        balancer
    }

    /// The endpoint, while it is one of the backend's or has requests under way.
    #[must_use]
    pub fn endpoint(&self, index: EndpointIndex) -> Option<&Arc<EndpointState>> {
        let known = self.slots.get(index.position()).is_some_and(|slot| slot.generation == index.generation);
        if known { self.states[index.position()].as_ref() } else { None }
    }

    /// What the cores share of the backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<BackendState> {
        &self.backend
    }

    /// An endpoint for a request; `None` only if the backend has none at all: those that are out are used rather than
    /// failing without a try, the ejected before the unreachable (so that an only instance that is started again
    /// is noticed by the first request).
    pub fn pick(&mut self, now: Time, request: &PickRequest<'_>) -> Option<Picked> {
        self.entropy = request.random;
        if self.version != self.backend.version() {
            self.look_again(now);
        }
        if request.tried.is_empty() {
            self.count_request(now);
        }
        if let Some(id) = request.affinity.and_then(|affinity| affinity.session)
            && let Some(slot) = self.of_session(id, request.tried)
        {
            return Some(self.picked(slot));
        }
        if request.tried.is_empty()
            && self.due[usize::from(!request.replayable)] <= now
            && let Some(picked) = self.claim_trial(now, request)
        {
            return Some(picked);
        }
        let slot = self.choose(now, request)?;
        Some(self.picked(slot))
    }

    /// Whether there is an endpoint to pick besides these.
    #[must_use]
    pub fn has_other(&self, tried: &[EndpointIndex]) -> bool {
        let is_other = |&slot: &u32| !tried.contains(&self.index(slot));
        self.levels().any(|level| level.candidates.list.iter().any(is_other))
    }

    /// Takes a retry from the backend's budget, if it has one.
    #[must_use]
    pub fn try_retry(&mut self, now: Time) -> bool {
        self.tell_budget(now);
        self.backend.budget().try_retry(now)
    }

    /// A request goes to a picked endpoint: call it right after the pick, before connecting.
    pub fn begin(&mut self, picked: &Picked, now: Time, begin: Begin) -> Ticket {
        let mut ticket = Ticket {
            index: picked.index,
            group: 0,
            trial: picked.trial,
            stage: Stage::Sending,
            begun: now,
            waits: now,
        };
        let known = self.slot(picked.index).map(|slot| slot.is_left_alone(now));
        if let Some(is_left_alone) = known {
            let slot = picked.index.slot;
            let estimate = is_left_alone.then(|| self.latency(slot, now));
            self.slots[slot as usize].begin(now, estimate);
            self.under_way += 1;
        }
        if begin == Begin::Whole {
            self.sent(&mut ticket, now);
        }
        ticket
    }

    /// All of the request's body has come from the client and was sent.
    pub fn sent(&mut self, ticket: &mut Ticket, now: Time) {
        if ticket.stage == Stage::Sending
            && let Some(slot) = self.slot(ticket.index)
        {
            ticket.group = slot.wait(now);
            ticket.waits = now;
            ticket.stage = Stage::Waiting;
        }
    }

    /// The head of the final answer has come (not a 1xx other than 101). Latency is measured here, and what an answer says
    /// about health is noted.
    pub fn answered(&mut self, ticket: &mut Ticket, now: Time, status: u16) -> Verdict {
        let failure = is_failure(status).then_some(Cause::Status(status));
        self.answered_with(ticket, now, failure)
    }

    /// The same where the head of an answer of gRPC says how all of it went.
    pub fn answered_grpc(&mut self, ticket: &mut Ticket, now: Time, code: GrpcCode) -> Verdict {
        let failure = code.is_failure().then_some(Cause::Grpc(code.number()));
        self.answered_with(ticket, now, failure)
    }

    #[inline]
    fn answered_with(&mut self, ticket: &mut Ticket, now: Time, failure: Option<Cause>) -> Verdict {
        let waited = self.stop_waiting(ticket, now);
        let Some(cause) = failure else {
            ticket.stage = Stage::Answered;
            if let Some(waited) = waited {
                self.sample(ticket.index, waited, now);
            }
            // The answer may be a stream without end; what waits for the trial should not.
            let trial = if ticket.trial { self.endpoint(ticket.index) } else { None };
            let change = trial.and_then(|state| state.record_success(now, ticket.begun));
            return Verdict { elsewhere: false, change };
        };
        ticket.stage = Stage::Bad;
        self.sample_at_least(ticket.index, waited, now);
        let is_starting = self.slot(ticket.index).is_some_and(|slot| slot.is_starting(now));
        let Some(state) = self.endpoint(ticket.index) else { return Verdict::default() };
        let doubted = ticket.trial || is_starting || state.doubt(now) >= DOUBTED;
        let elsewhere = cause.counts_in_a_row() && doubted && self.has_undoubted_other(now, ticket.index);
        let change = state.record_failure(now, ticket.begun, cause, self.entropy);
        Verdict { elsewhere, change }
    }

    /// The request is over, however it went. Its endpoint's place is free again if it was removed meanwhile.
    pub fn end(&mut self, mut ticket: Ticket, now: Time, outcome: Outcome) -> Option<Change> {
        let was_bad = ticket.stage == Stage::Bad;
        if let Some(waited) = self.stop_waiting(&mut ticket, now)
            && !matches!(outcome, Outcome::ConnectFailed | Outcome::ConnectTimedOut)
        {
            self.sample_at_least(ticket.index, Some(waited), now);
        }
        let change = self.endpoint(ticket.index).and_then(|state| match outcome {
            Outcome::Complete | Outcome::Grpc(_) if was_bad => None,
            Outcome::Grpc(code) if code.is_failure() => {
                state.record_failure(now, ticket.begun, Cause::Grpc(code.number()), self.entropy)
            }
            Outcome::Complete | Outcome::Grpc(_) => state.record_success(now, ticket.begun),
            Outcome::Failed => state.record_failure(now, ticket.begun, Cause::Transport, self.entropy),
            Outcome::TimedOut => state.record_failure(now, ticket.begun, Cause::Timeout, self.entropy),
            Outcome::ConnectFailed => state.connect_failed(now),
            Outcome::ConnectTimedOut => state.connect_timed_out(now),
            Outcome::Cancelled => {
                if ticket.trial {
                    state.release_trial(now, ticket.begun);
                }
                None
            }
        });
        self.release(ticket.index);
        change
    }

    /// Every endpoint's load and health.
    #[must_use]
    pub fn snapshot(&self, now: Time) -> Vec<EndpointLoad> {
        let load = |&slot: &u32| {
            let endpoint = self.states[slot as usize].clone()?;
            let load = &self.slots[slot as usize];
            let estimate = Duration::from_micros(self.latency(slot, now) as u64);
            let health = endpoint.report(now);
            Some(EndpointLoad { endpoint, weight: load.weight, estimate, pending: load.pending, health })
        };
        self.members.iter().filter_map(load).collect()
    }

    fn picked(&self, slot: u32) -> Picked {
        Picked { index: self.index(slot), trial: false, panic: self.tier != Tier::Ready }
    }

    fn choose(&self, now: Time, request: &PickRequest<'_>) -> Option<u32> {
        if let Some(key) = request.affinity.and_then(|affinity| affinity.key)
            && let Some(slot) = self.of_key(key, request.tried)
        {
            return Some(slot);
        }
        if !self.further.is_empty() {
            return self.choose_by_level(now, request);
        }
        let candidates = &self.first.candidates;
        View { balancer: self, candidates, now, tried: request.tried }.choose(&mut Dice::new(request.random))
    }

    fn index(&self, slot: u32) -> EndpointIndex {
        EndpointIndex { slot, generation: self.slots[slot as usize].generation }
    }

    fn slot(&mut self, index: EndpointIndex) -> Option<&mut Slot> {
        self.slots.get_mut(index.position()).filter(|slot| slot.generation == index.generation)
    }

    /// How long the endpoint was waited for, if it was until now.
    fn stop_waiting(&mut self, ticket: &mut Ticket, now: Time) -> Option<f32> {
        if ticket.stage != Stage::Waiting {
            return None;
        }
        ticket.stage = Stage::Answered;
        let group = ticket.group;
        self.slot(ticket.index)?.stop_waiting(group);
        Some(as_f32(now.micros_since(ticket.waits)))
    }

    fn has_undoubted_other(&self, now: Time, index: EndpointIndex) -> bool {
        let undoubted = |state: &Arc<EndpointState>| state.doubt(now) < DOUBTED;
        let start = Dice::new(self.entropy);
        self.levels().any(|level| {
            let list = &level.candidates.list;
            let start = start.clone().below(list.len());
            let others = list[start..].iter().chain(&list[..start]).take(LOOK_FOR_OTHER);
            others
                .filter(|&&slot| slot != index.slot)
                .any(|&slot| self.states[slot as usize].as_ref().is_some_and(undoubted))
        })
    }

    fn count_request(&mut self, now: Time) {
        self.untold += 1;
        if self.untold >= BATCH || now.micros_since(self.told) >= BATCH_MICROS {
            self.tell_budget(now);
        }
    }

    fn tell_budget(&mut self, now: Time) {
        if self.untold > 0 {
            self.backend.budget().record_requests(now, self.untold);
        }
        self.untold = 0;
        self.told = now;
    }
}

#[cfg(test)]
mod tests;
