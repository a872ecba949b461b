//! What the end of an attempt means: whose fault it is, and whether another could help.

use super::End;
use crate::exchange::HeadFailure;
use crate::exchange::await_head::NoHead;
use crate::failure::Failure;
use irongate_traffic::{AttemptFailure, Outcome as LoadOutcome};

/// Whether an origin switches to what the client asked for: each protocol of its `Upgrade` has to be among the
/// client's (RFC 9110 §7.8).
pub(super) fn is_agreed(asked: Option<&[u8]>, answered: Option<&[u8]>) -> bool {
    let (Some(asked), Some(answered)) = (asked, answered) else { return false };
    let is_asked = |protocol: &[u8]| {
        let mut all = asked.split(|&byte| byte == b',');
        all.any(|one| one.trim_ascii().eq_ignore_ascii_case(protocol.trim_ascii()))
    };
    answered.split(|&byte| byte == b',').all(is_asked)
}

/// Whose fault a failure in the middle of an answer is.
pub(super) fn blame(failure: Failure) -> LoadOutcome {
    match failure {
        Failure::AnswerBroken(_) | Failure::AnswerReset(_) | Failure::UpstreamStalled => LoadOutcome::Failed,
        Failure::RequestTimeout => LoadOutcome::TimedOut,
        _ => LoadOutcome::Cancelled,
    }
}

/// What it means that no head came.
pub(super) fn no_head(failure: NoHead, sent: bool, pooled: bool) -> (End, LoadOutcome) {
    match failure {
        NoHead::Upstream(HeadFailure::Closed) if pooled => {
            // The origin closed an idle connection just when we used it: no fault of its health.
            let reason = if sent { AttemptFailure::StaleConnection } else { AttemptFailure::Reset { sent } };
            (End::Failed(reason, Failure::UpstreamClosed), LoadOutcome::Cancelled)
        }
        NoHead::Upstream(HeadFailure::Closed) => {
            (End::Failed(AttemptFailure::Reset { sent }, Failure::UpstreamClosed), LoadOutcome::Failed)
        }
        NoHead::Upstream(HeadFailure::Reset(code)) => {
            (End::Failed(AttemptFailure::Reset { sent }, Failure::UpstreamReset(code)), LoadOutcome::Failed)
        }
        NoHead::Upstream(HeadFailure::Refused) => {
            (End::Failed(AttemptFailure::Refused, Failure::UpstreamClosed), LoadOutcome::Cancelled)
        }
        NoHead::Upstream(HeadFailure::Malformed(reason)) => {
            (End::Failed(AttemptFailure::BadAnswer, Failure::BadAnswer(reason)), LoadOutcome::Failed)
        }
        NoHead::Silent => {
            // It is known to be gone already.
            (End::Failed(AttemptFailure::Reset { sent }, Failure::UpstreamSilent), LoadOutcome::Cancelled)
        }
        NoHead::AttemptTimeout => {
            (End::Failed(AttemptFailure::Timeout, Failure::AttemptTimeout), LoadOutcome::TimedOut)
        }
        NoHead::Final(
            failure @ (Failure::RequestTimeout | Failure::AttemptTimeout | Failure::UpstreamStalled),
        ) => (End::Final(failure), LoadOutcome::TimedOut),
        NoHead::Final(failure) => (End::Final(failure), LoadOutcome::Cancelled),
    }
}
