//! What is tried again, where, and when.
//!
//! [`decide`] says whether another try could help and would be right; whether there may be one is up to the
//! backend's [`RetryBudgetState`], which is to be asked next, once a try.
//!
//! Two kinds of reasons. *Implicit* ones hold for every route, so that a dead endpoint is invisible: the peer
//! cannot have acted on the request, or the method is idempotent and no answer came; and an endpoint known
//! to fail lately failed again. *The route's own*: its [`RetryPolicy`] (GEP-1731).

mod budget;

pub use budget::RetryBudgetState;

use irongate_config::RetryPolicy;
use std::time::Duration;

/// Tries beyond the first when nothing can have been acted on. A failed connect takes its endpoint out at
/// once, so more are only needed when many die in one moment.
const MOST_UNSENT: u32 = 7;
/// Tries beyond the first when an idempotent request was sent. Three instances may die in one moment, one under each try; what ends
/// four connections is likely to end a fifth.
const MOST_SENT: u32 = 3;
/// Tries beyond the first when an endpoint in doubt answers with a failure.
const MOST_DOUBTED: u32 = 1;
/// The wait before the only endpoint there is gets the request that reset its last connection.
const PAUSE_ALONE: Duration = Duration::from_millis(25);
/// The least wait before another try where a policy says none.
const BACKOFF: Duration = Duration::from_millis(25);
/// A backoff grows to this many times what was written.
const MOST_BACKOFF: u32 = 10;

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptFailure {
    /// No connection; nothing was sent.
    Connect,
    /// A pooled connection ended before any byte of an answer, and bytes of the request were sent on it
    /// (if none was: `Reset { sent: false }`).
    StaleConnection,
    /// The connection broke before the head of an answer.
    Reset {
        /// Whether any byte of the request went out.
        sent: bool,
    },
    /// The attempt's own time was over ([`Bound::BackendRequest`](crate::Bound)); not the request's.
    Timeout,
    /// An answer with this status; nothing of it has gone out.
    Status(u16),
    /// The peer says that it did not act on it: `REFUSED_STREAM`, or a stream above GOAWAY's last (RFC 9113 §8.7).
    Refused,
    /// What came is no valid answer.
    BadAnswer,
    /// An answer of gRPC without messages whose status is unavailable: the service says that it is not there. As for other
    /// callers of gRPC (and Envoy's and Istio's `unavailable`), the method does not matter: all of its are `POST`.
    Unavailable,
    /// The same with another status of gRPC.
    Grpc(u8),
}

/// What the decision depends on besides the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// By its method (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Everything that was taken of its body can be sent again: it has none, none was taken, or it was kept.
    pub replayable: bool,
    /// Something of an answer (other than 1xx) has gone to the client.
    pub answer_started: bool,
    /// Tries made, the failed one with them: at least 1.
    pub tries: u32,
    /// There is an endpoint that was not tried yet ([`Balancer::has_other`](crate::Balancer::has_other)).
    pub other_endpoint: bool,
    /// For [`AttemptFailure::Status`] and `Unavailable`: [`Verdict::elsewhere`](crate::Verdict).
    pub doubted: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The failure is the answer: a status is passed on, anything else becomes a reply of ours.
    GiveUp,
    /// Another try, if the budget has one.
    Again {
        /// On another endpoint; otherwise there is none, and the same one gets it (on a fresh connection).
        other_endpoint: bool,
        /// After this long. Zero almost always.
        wait: Duration,
    },
}

/// Whether a failed attempt is followed by another. `policy` is the route's; `random` spreads its waits.
///
/// A request that is not idempotent is never sent twice once a byte of it may have been acted on, whatever the
/// policy says, unless the peer says in gRPC that the service is unavailable. Where a route has a policy, answers are tried again only as it says.
#[must_use]
pub fn decide(
    failure: AttemptFailure,
    facts: &RequestFacts,
    policy: Option<&RetryPolicy>,
    random: u64,
) -> Decision {
    let unsent = matches!(
        failure,
        AttemptFailure::Connect | AttemptFailure::Refused | AttemptFailure::Reset { sent: false }
    );
    let listed = policy.is_some_and(|policy| is_listed(failure, policy));
    // All methods of gRPC are POST: a policy that lists a status says that it does no harm.
    let may_repeat = unsent
        || facts.idempotent
        || failure == AttemptFailure::Unavailable
        || matches!(failure, AttemptFailure::Grpc(_)) && listed;
    if facts.answer_started || !facts.replayable || !may_repeat {
        return Decision::GiveUp;
    }
    let wait = if facts.tries <= implicit_tries(failure, facts, policy.is_some()) {
        let alone = matches!(failure, AttemptFailure::Reset { sent: true }) && !facts.other_endpoint;
        if alone { PAUSE_ALONE } else { Duration::ZERO }
    } else {
        match policy {
            Some(policy) if listed && facts.tries <= policy.attempts => backoff(policy, facts, random),
            _ => return Decision::GiveUp,
        }
    };
    Decision::Again { other_endpoint: facts.other_endpoint, wait }
}

/// How many tries beyond the first there are for every route.
fn implicit_tries(failure: AttemptFailure, facts: &RequestFacts, has_policy: bool) -> u32 {
    match failure {
        // The only endpoint refuses: asking it again at once gives the same.
        AttemptFailure::Connect if facts.other_endpoint => MOST_UNSENT,
        AttemptFailure::Refused | AttemptFailure::Reset { sent: false } => MOST_UNSENT,
        AttemptFailure::StaleConnection | AttemptFailure::Reset { sent: true } => MOST_SENT,
        AttemptFailure::Status(500..) | AttemptFailure::Unavailable
            if facts.doubted && facts.other_endpoint && !has_policy =>
        {
            MOST_DOUBTED
        }
        _ => 0,
    }
}

/// Whether the policy asks for another try after this.
fn is_listed(failure: AttemptFailure, policy: &RetryPolicy) -> bool {
    match failure {
        AttemptFailure::Status(status) => policy.codes.contains(&status),
        AttemptFailure::Unavailable => policy.codes.contains(&503) || policy.grpc_codes.contains(&14),
        AttemptFailure::Grpc(code) => policy.grpc_codes.contains(&code),
        AttemptFailure::BadAnswer => false,
        AttemptFailure::Connect => policy.conditions.connect_failure,
        AttemptFailure::StaleConnection | AttemptFailure::Reset { .. } => policy.conditions.reset,
        AttemptFailure::Timeout => policy.conditions.timeout,
        AttemptFailure::Refused => policy.conditions.refused_stream,
    }
}

/// At least what was written, doubled each time up to ten times that, and up to a quarter more so that those
/// who failed together do not come back together. Where nothing was written, the first on another endpoint comes at once.
fn backoff(policy: &RetryPolicy, facts: &RequestFacts, random: u64) -> Duration {
    let least = match policy.backoff {
        Some(least) => least,
        None if facts.tries == 1 && facts.other_endpoint => return Duration::ZERO,
        None => BACKOFF,
    };
    let doublings = facts.tries.saturating_sub(1);
    let doubled = 1_u32.checked_shl(doublings).unwrap_or(MOST_BACKOFF).clamp(1, MOST_BACKOFF);
    let wait = least.saturating_mul(doubled);
    let spread = u32::try_from(random >> 32).unwrap_or(0) / 4;
    let more = wait.as_micros().saturating_mul(u128::from(spread)) >> 32;
    wait.saturating_add(Duration::from_micros(u64::try_from(more).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
