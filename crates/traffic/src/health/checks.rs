//! What active checks say of an endpoint.
//!
//! What cannot be connected to is *unreachable*, as for requests. What answers wrongly is *unhealthy*: ejected for as long as
//! checks fail, within the backend's bound; no request tries it meanwhile. Only checks bring it back.

use super::word::{Kind, Word};
use super::{Cause, Change, EndpointState};
use crate::Time;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How a check failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFault {
    /// No connection, or no TLS.
    Connect,
    /// No answer in time.
    Timeout,
    /// An answer with this status, which is not expected.
    Status(u16),
    /// What came is not what is expected.
    Content,
    /// gRPC's health service says that it does not serve; or what its status is, if it is not 0.
    NotServing(u8),
    /// The connection ended before there was an answer, or what came is none.
    Broken,
}

/// What checks have said last, thresholds and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// There are no checks, or none has come to an end.
    Unknown,
    Passing,
    Failing,
}

impl Checked {
    fn unpack(packed: u32) -> Self {
        match packed {
            0 => Self::Unknown,
            1 => Self::Passing,
            _ => Self::Failing,
        }
    }
}

impl EndpointState {
    /// It gets no requests until a check has passed, while there are others. For a new endpoint.
    pub fn await_check(&self, now: Time) {
        let word = self.load();
        let is_new = word == Word::READY && self.checked() == Checked::Unknown;
        if is_new && self.exchange(word, Word::new(Kind::Waiting, 0, Time::ZERO)) {
            self.changed(Kind::Ready, Kind::Waiting, now);
        }
    }

    /// As many checks in a row have failed as it takes.
    pub fn check_failed(&self, now: Time, fault: CheckFault) -> Option<Change> {
        self.checked.store(Checked::Failing as u32, Release);
        match fault {
            CheckFault::Connect => self.unreachable(now, Cause::Check(fault)),
            _ => self.hold(now, Cause::Check(fault)),
        }
    }

    /// As many checks in a row have passed as it takes.
    pub fn check_passed(&self, now: Time) -> Option<Change> {
        self.checked.store(Checked::Passing as u32, Release);
        self.let_in(now)
    }

    /// It is not checked any more.
    pub fn checks_ended(&self, now: Time) -> Option<Change> {
        self.checked.store(Checked::Unknown as u32, Release);
        self.let_in(now)
    }

    /// Takes back what checks alone have said.
    fn let_in(&self, now: Time) -> Option<Change> {
        let word = self.load();
        let by_check = matches!(Cause::unpack(self.cause.load(Relaxed)), Cause::Check(_));
        match word.kind() {
            Kind::Unreachable => return self.connect_succeeded(now),
            Kind::Ejected if word.is_held() => {}
            Kind::Failing if by_check => {}
            Kind::Waiting => {}
            _ => return None,
        }
        if !self.exchange(word, Word::READY) {
            return None;
        }
        self.streak.store(0, Relaxed);
        if word.kind() == Kind::Ejected {
            self.returned.store(now.0, Relaxed);
            self.incarnation.fetch_add(1, Relaxed);
        }
        self.changed(word.kind(), Kind::Ready, now);
        Some(Change::Ready)
    }

    /// Out for as long as checks fail, if the backend's bound allows.
    pub(super) fn hold(&self, now: Time, cause: Cause) -> Option<Change> {
        let word = self.load();
        let held = Word::new(Kind::Ejected, word.count(), Word::HELD);
        match word.kind() {
            Kind::Ejected | Kind::Trial => {
                if word.is_held() || !self.exchange(word, held) {
                    return None;
                }
                // It has its place among the ejected already.
                self.cause.store(cause.pack(), Relaxed);
                self.backend.bump();
                return Some(Change::Unhealthy);
            }
            Kind::Ready | Kind::Failing | Kind::Unreachable | Kind::Waiting => {}
        }
        if !self.backend.claim_ejection() {
            let failing = Word::new(Kind::Failing, 0, Time::ZERO);
            if word.kind() == Kind::Failing || !self.exchange(word, failing) {
                return None;
            }
            self.cause.store(cause.pack(), Relaxed);
            self.changed(word.kind(), Kind::Failing, now);
            return Some(Change::Failing);
        }
        if !self.exchange(word, held) {
            self.backend.release_ejection();
            return None;
        }
        self.cause.store(cause.pack(), Relaxed);
        self.changed(word.kind(), Kind::Ejected, now);
        Some(Change::Unhealthy)
    }

    /// Whether checks fail: nothing else brings it back then.
    pub(super) fn is_failing_checks(&self) -> bool {
        self.checked() == Checked::Failing
    }

    fn checked(&self) -> Checked {
        Checked::unpack(self.checked.load(Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BackendState, Cause, Health};
    use super::*;
    use irongate_config::BackendOptions;
    use std::net::SocketAddr;
    use std::sync::Arc;

    const BAD: CheckFault = CheckFault::Status(500);

    fn endpoints(count: u16) -> (Arc<BackendState>, Vec<Arc<EndpointState>>) {
        let backend = BackendState::new(&BackendOptions::default());
        backend.set_endpoints(count.into());
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let endpoints = (0..count).map(|port| EndpointState::new(address(port), &backend, Time::ZERO));
        let endpoints = endpoints.collect();
        (backend, endpoints)
    }

    fn seconds(count: u64) -> Time {
        Time(count * 1_000_000)
    }

    fn health(endpoint: &EndpointState) -> (Health, Cause) {
        let report = endpoint.report(seconds(100));
        (report.health, report.cause)
    }

    #[test]
    fn only_checks_bring_back_what_they_took_out() {
        let (backend, all) = endpoints(2);
        let endpoint = &all[0];
        assert_eq!(Some(Change::Unhealthy), endpoint.check_failed(seconds(1), BAD));
        assert_eq!(None, endpoint.check_failed(seconds(2), BAD), "said once");
        assert_eq!((Health::Unhealthy, Cause::Check(BAD)), health(endpoint));
        assert_eq!(seconds(1), endpoint.report(seconds(3)).since);
        assert!(!endpoint.claim_trial(seconds(1_000_000), true, 0), "no request tries it");
        assert_eq!(None, endpoint.record_success(seconds(3), seconds(3)));
        assert_eq!(1, backend.ejected());
        assert_eq!(Some(Change::Ready), endpoint.check_passed(seconds(4)));
        assert_eq!(None, endpoint.check_passed(seconds(5)));
        assert_eq!((Health::Ready, 0), (health(endpoint).0, backend.ejected()));
    }

    #[test]
    fn at_most_half_is_unhealthy_and_any_number_unreachable() {
        let (backend, all) = endpoints(2);
        assert_eq!(Some(Change::Unhealthy), all[0].check_failed(seconds(1), BAD));
        assert_eq!(Some(Change::Failing), all[1].check_failed(seconds(1), BAD));
        assert!(backend.is_panicking());
        assert_eq!(None, all[1].record_success(seconds(2), seconds(2)), "requests do not overrule checks");
        assert_eq!(Some(Change::Unreachable), all[0].check_failed(seconds(3), CheckFault::Connect));
        assert_eq!(0, backend.ejected());
        // There is room for the other one now.
        assert_eq!(Some(Change::Unhealthy), all[1].check_failed(seconds(4), BAD));
        assert_eq!(Some(Change::Unreachable), all[1].check_failed(seconds(5), CheckFault::Connect));
        assert_eq!((0, false), (backend.ejected(), backend.is_panicking()));
    }

    #[test]
    fn who_can_be_connected_to_again_waits_for_its_checks() {
        let (backend, all) = endpoints(2);
        let fault = CheckFault::Connect;
        assert_eq!(Some(Change::Unreachable), all[0].check_failed(seconds(1), fault));
        assert_eq!(Some(Change::Unhealthy), all[0].connect_succeeded(seconds(2)));
        assert_eq!((Health::Unhealthy, Cause::Check(fault)), health(&all[0]));
        assert_eq!(Some(Change::Ready), all[0].check_passed(seconds(3)));
        assert_eq!(0, backend.ejected());
        // Without checks, connecting is enough.
        let _ = all[1].check_failed(seconds(1), fault);
        assert_eq!(Some(Change::Ready), all[1].checks_ended(seconds(2)));
    }

    #[test]
    fn a_new_endpoint_waits_for_its_first_check_where_that_is_asked() {
        let (_, all) = endpoints(2);
        all[0].await_check(seconds(1));
        assert_eq!(Health::Waiting, health(&all[0]).0);
        assert_eq!(None, all[0].record_success(seconds(2), seconds(2)));
        assert_eq!(Some(Change::Ready), all[0].check_passed(seconds(3)));
        all[0].await_check(seconds(4));
        assert_eq!(Health::Ready, health(&all[0]).0, "it is not new any more");
        all[1].await_check(seconds(1));
        assert_eq!(Some(Change::Unhealthy), all[1].check_failed(seconds(2), BAD));
    }

    #[test]
    fn what_requests_took_out_checks_keep_out() {
        let (backend, all) = endpoints(2);
        for _ in 0..5 {
            let _ = all[0].record_failure(seconds(1), seconds(1), Cause::Status(503), 0);
        }
        assert_eq!(Health::Ejected { until: seconds(2) }, health(&all[0]).0);
        assert_eq!(None, all[0].check_passed(seconds(1)), "its time is not over");
        assert_eq!(Some(Change::Unhealthy), all[0].check_failed(seconds(2), BAD));
        assert_eq!(1, backend.ejected());
        assert_eq!(Some(Change::Ready), all[0].check_passed(seconds(3)));
        assert_eq!(0, backend.ejected());
    }
}
