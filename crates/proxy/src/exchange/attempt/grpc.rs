//! What is different for a request of gRPC: its time, and where its answer says how it went.

use super::Attempts;
use crate::backend::Load;
use crate::body::{Pump, Sink};
use crate::exchange::{Downstream, Scratch};
use crate::failure::Failure;
use crate::snapshot::RulePlan;
use irongate_config::{RouteTimeouts, Timeouts};
use irongate_message::{Fields, GrpcCode, GrpcKind};
use irongate_traffic::{AttemptFailure, Deadlines, Outcome as LoadOutcome, Time, Verdict};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What there is to know of a request of gRPC.
pub(super) struct Grpc {
    kind: GrpcKind,
    /// How long the client waits, if it says so.
    timeout: Option<Duration>,
    /// What the answer's head says in place of trailers.
    code: Option<GrpcCode>,
}

/// By when a request has to be through, and how long nothing may move meanwhile. `attempt`: how long an attempt may take where the
/// rule does not say it.
pub(super) fn bounds(
    scratch: &Scratch,
    rule: &RulePlan,
    attempt: Option<Duration>,
    timeouts: &Timeouts,
    begun: Time,
) -> (Option<Grpc>, Deadlines, Duration) {
    let request = &scratch.request;
    let of_route =
        RouteTimeouts { backend_request: rule.timeouts.backend_request.or(attempt), ..rule.timeouts };
    if let Some(kind) = scratch.grpc {
        // Its own timeout rules, and streams may be silent for long.
        let timeout = request.grpc_timeout();
        let deadlines = Deadlines::new(begun, &of_route, None);
        let deadlines = timeout.map_or(deadlines, |timeout| deadlines.within(begun, timeout));
        return (Some(Grpc { kind, timeout, code: None }), deadlines, timeouts.tunnel_idle);
    }
    // An upgrade may be a long poll: only silence ends it.
    let response = if request.upgrade().is_some() { timeouts.stream_idle } else { timeouts.response };
    (None, Deadlines::new(begun, &of_route, Some(response)), timeouts.stream_idle)
}

impl<D: Downstream> Attempts<'_, D> {
    /// Tells the origin how long the client waits from now on, where that is shorter than the client said.
    pub(super) fn say_time_left(&mut self, now: Time) {
        if let Some(asked) = self.grpc.as_ref().and_then(|grpc| grpc.timeout)
            && let Some(left) = self.deadlines.left(now).filter(|left| *left < asked)
        {
            self.scratch.request.set_grpc_timeout(left);
        }
    }

    /// What the answer's head says of the endpoint, and what would be tried again.
    #[inline]
    pub(super) fn judge(&mut self, load: &mut Load, now: Time, status: u16) -> (Verdict, AttemptFailure) {
        if let Some(grpc) = &mut self.grpc {
            grpc.code = self.scratch.response.grpc_code();
            if let Some(code) = grpc.code {
                let failure = match code {
                    GrpcCode::UNAVAILABLE => AttemptFailure::Unavailable,
                    GrpcCode::OK => AttemptFailure::Status(status),
                    code => AttemptFailure::Grpc(code.number()),
                };
                return (load.answered_grpc(now, code), failure);
            }
        }
        (load.answered(now, status), AttemptFailure::Status(status))
    }

    /// The answer is whole: in gRPC it says itself how it went.
    #[inline]
    pub(super) fn end_load(&mut self, load: &mut Load, now: Time, download: &Pump) {
        let Some(grpc) = &self.grpc else { return load.end(now, LoadOutcome::Complete) };
        let told = grpc.code.or_else(|| download.trailers().and_then(Fields::grpc_code));
        let status = self.outcome.status;
        let unsaid = if status == 200 { GrpcCode::UNKNOWN } else { GrpcCode::of_http(status) };
        self.outcome.grpc = Some(told.unwrap_or(unsaid));
        match told {
            Some(code) => load.end_grpc(now, code),
            None => load.end(now, LoadOutcome::Complete),
        }
    }

    /// Ends an answer of gRPC that broke off by trailers that say so: a reset would tell less. False: it is none, or the
    /// client is not there.
    pub(super) fn end_by_status(&mut self, failure: Failure) -> bool {
        // In gRPC-Web the trailers would be taken for a part of the message that was cut.
        let native = self.grpc.as_ref().is_some_and(|grpc| grpc.kind == GrpcKind::Native);
        if !native || failure.status() == 0 || !self.scratch.response.is_grpc() {
            return false;
        }
        let Ok(trailers) = Fields::grpc_status(failure.grpc_code(), failure.message()) else { return false };
        let mut cx = Context::from_waker(Waker::noop());
        matches!(self.downstream.sink().poll_finish(&mut cx, Some(&trailers)), Poll::Ready(Ok(())))
    }
}
