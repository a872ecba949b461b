//! A request under way to an endpoint, and what it tells about it.

use super::CoreBackend;
use crate::failure::Failure;
use crate::live::ProbeReason;
use irongate_message::GrpcCode;
use irongate_traffic::{EndpointIndex, Outcome, Ticket, Time, Verdict};
use std::rc::Rc;

/// What a connection of plain bytes counts as that was opened: an answer that is no failure.
const OPENED: u16 = 200;

/// What it means for an endpoint that it was not connected to.
pub(crate) fn connect_outcome(failure: Failure) -> Outcome {
    if failure == Failure::ConnectTimeout { Outcome::ConnectTimedOut } else { Outcome::ConnectFailed }
}

/// A request under way to an endpoint: counts as load until it is ended or dropped.
pub(crate) struct Load {
    pub(super) backend: Rc<CoreBackend>,
    pub(crate) index: EndpointIndex,
    pub(super) ticket: Option<Ticket>,
    pub(super) begun: Time,
}

impl Load {
    /// Connecting worked.
    pub(crate) fn connected(&self, now: Time) {
        let change = self.backend.endpoint(self.index).and_then(|endpoint| endpoint.connect_succeeded(now));
        self.backend.live.note(change, self.index, &self.backend);
    }

    /// A connection is there of which nothing is known but that it could be opened: that is its answer, and how long it
    /// took the endpoint's latency. It counts as load until it ends.
    pub(crate) fn opened(&mut self, now: Time) {
        self.connected(now);
        self.answered(now, OPENED);
    }

    /// Looks whether a request that waits for so long waits in vain: nothing comes from its endpoint any more, and there is another
    /// than those that were tried. If it waits for much longer than usual, somebody is asked to find out.
    #[cold]
    pub(crate) fn is_in_vain(&self, now: Time, begun: Time, tried: &[EndpointIndex]) -> bool {
        let Some(endpoint) = self.backend.endpoint(self.index) else { return false };
        if endpoint.is_silent() {
            return self.backend.has_other(tried);
        }
        if self.backend.balancer.borrow().is_overdue(now, begun) && endpoint.suspect(now) {
            self.backend.live.probe(&endpoint, ProbeReason::Suspected);
        }
        false
    }

    /// All of the request was sent.
    pub(crate) fn sent(&mut self, now: Time) {
        if let Some(ticket) = &mut self.ticket {
            self.backend.balancer.borrow_mut().sent(ticket, now);
        }
    }

    /// The head of the final answer has come.
    pub(crate) fn answered(&mut self, now: Time, status: u16) -> Verdict {
        let Some(ticket) = &mut self.ticket else { return Verdict::default() };
        let verdict = self.backend.balancer.borrow_mut().answered(ticket, now, status);
        self.record(now, status >= 500, true);
        self.backend.live.note(verdict.change, self.index, &self.backend);
        verdict
    }

    /// The same where the head of an answer of gRPC says how all of it went.
    pub(crate) fn answered_grpc(&mut self, now: Time, code: GrpcCode) -> Verdict {
        let Some(ticket) = &mut self.ticket else { return Verdict::default() };
        let verdict = self.backend.balancer.borrow_mut().answered_grpc(ticket, now, code);
        self.record(now, code.is_failure(), true);
        self.backend.live.note(verdict.change, self.index, &self.backend);
        verdict
    }

    /// It is over, after an answer of gRPC whose trailers say this.
    pub(crate) fn end_grpc(&mut self, now: Time, code: GrpcCode) {
        if code.is_failure() {
            self.backend.with_endpoint(self.index, |endpoint| endpoint.metrics.failed_at_last());
        }
        self.end(now, Outcome::Grpc(code));
    }

    /// It is over.
    pub(crate) fn end(&mut self, now: Time, outcome: Outcome) {
        let failed = [Outcome::Failed, Outcome::TimedOut, Outcome::ConnectFailed, Outcome::ConnectTimedOut];
        if failed.contains(&outcome) {
            self.record(now, true, false);
        }
        self.finish(now, outcome);
    }

    fn finish(&mut self, now: Time, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let change = self.backend.balancer.borrow_mut().end(ticket, now, outcome);
            self.backend.live.note(change, self.index, &self.backend);
        }
    }

    fn record(&self, now: Time, failed: bool, answered: bool) {
        let begun = self.begun;
        self.backend.with_endpoint(self.index, |endpoint| {
            irongate_telemetry::AttemptRecord {
                endpoint: &endpoint.metrics,
                failed,
                first_byte_micros: answered.then(|| now.micros_since(begun)),
            }
            .record();
        });
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The task was ended half-way: by the client's leaving, a stop, or a panic.
        let begun = self.begun;
        self.finish(begun, Outcome::Cancelled);
    }
}
