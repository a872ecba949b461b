use super::*;
use irongate_config::{BackendOptions, Ejection};

fn seconds(count: f64) -> Time {
    Time((count * 1e6) as u64)
}

fn backend(endpoints: usize, ejection: Ejection) -> Arc<BackendState> {
    let backend = BackendState::new(&BackendOptions { ejection, ..BackendOptions::default() });
    backend.set_endpoints(endpoints);
    backend
}

fn endpoint(backend: &Arc<BackendState>) -> Arc<EndpointState> {
    EndpointState::new(SocketAddr::from(([127, 0, 0, 1], 80)), backend, Time::ZERO)
}

/// The endpoint fails so often, by requests that begin now; what the last failure changed.
fn fail(endpoint: &EndpointState, now: Time, times: u32) -> Option<Change> {
    let failures = (0..times).map(|_| endpoint.record_failure(now, now, Cause::Status(503), 0));
    failures.last().flatten()
}

/// When an endpoint that was just ejected takes its trial.
fn until(change: Option<Change>) -> Time {
    match change {
        Some(Change::Ejected { until }) => until,
        other => panic!("not ejected: {other:?}"),
    }
}

#[test]
fn failures_in_a_row_eject() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    let now = seconds(1.0);
    assert_eq!(None, fail(&endpoint, now, 4));
    assert_eq!(None, endpoint.record_success(now, now));
    assert_eq!(None, fail(&endpoint, now, 4));
    // What asks for less is not in trouble, but in doubt.
    assert_eq!(None, endpoint.record_failure(now, now, Cause::Status(429), 0));
    assert!(endpoint.doubt(now) > 0.5);
    assert_eq!(seconds(2.0), until(fail(&endpoint, now, 1)));
    let report = endpoint.report(now);
    assert_eq!(Health::Ejected { until: seconds(2.0) }, report.health);
    assert_eq!(
        (now, Cause::Status(503), 5, 1),
        (report.since, report.cause, report.streak, report.ejections)
    );
    assert_eq!(1, backend.ejected());
}

#[test]
fn at_most_a_part_is_ejected() {
    let check = |endpoints: usize, max_percent: u8, expected: usize| {
        let backend = backend(endpoints, Ejection { max_percent, ..Ejection::default() });
        let all: Vec<_> = (0..endpoints).map(|_| endpoint(&backend)).collect();
        for endpoint in &all {
            fail(endpoint, seconds(1.0), 9);
        }
        assert_eq!(expected, backend.ejected() as usize, "{endpoints} {max_percent}");
        assert_eq!(expected > 0 && expected < endpoints, backend.is_panicking());
        // The others fail as well. One that works again ends its part of the panic.
        for endpoint in &all {
            let out = matches!(endpoint.report(Time::ZERO).health, Health::Ejected { .. });
            assert!(out || endpoint.report(Time::ZERO).health == Health::Failing);
            if !out {
                assert_eq!(Some(Change::Ready), endpoint.record_success(seconds(2.0), seconds(2.0)));
            }
        }
        assert!(!backend.is_panicking());
        drop(all);
        assert_eq!(0, backend.ejected());
    };
    check(1, 50, 0);
    check(2, 50, 1);
    check(3, 50, 1);
    check(4, 50, 2);
    check(10, 10, 1);
    check(9, 10, 0);
    check(3, 100, 3);
    check(4, 0, 0);
}

#[test]
fn no_failures_in_a_row_are_too_many_when_switched_off() {
    let backend = backend(4, Ejection { consecutive_failures: 0, ..Ejection::default() });
    assert_eq!(None, fail(&endpoint(&backend), seconds(1.0), 100));
}

#[test]
fn a_place_that_becomes_free_is_taken() {
    let backend = backend(2, Ejection::default());
    let (first, second) = (endpoint(&backend), endpoint(&backend));
    until(fail(&first, seconds(1.0), 5));
    assert_eq!(Some(Change::Failing), fail(&second, seconds(1.0), 5));
    assert_eq!(None, fail(&second, seconds(1.5), 5));
    assert_eq!(Some(Change::Ready), first.record_success(seconds(2.0), seconds(2.0)));
    until(fail(&second, seconds(2.0), 1));
    assert_eq!((1, false), (backend.ejected(), backend.is_panicking()));
}

/// How long an endpoint is out, in seconds, each time that its trial fails for this cause.
fn times_out(replayable: bool, cause: Cause, endpoints: usize) -> [u64; 8] {
    let backend = backend(endpoints, Ejection::default());
    let all: Vec<_> = (0..endpoints).map(|_| endpoint(&backend)).collect();
    let mut now = seconds(1.0);
    all[..endpoints / 2].iter().for_each(|endpoint| _ = until(fail(endpoint, now, 5)));
    let endpoint = &all[0];
    [(); 8].map(|()| {
        let due = endpoint.due(replayable);
        let out = due.saturating_since(now).as_secs();
        assert!(!endpoint.claim_trial(Time(due.0 - 1), replayable, 0));
        now = due;
        assert!(endpoint.claim_trial(now, replayable, 0));
        assert!(!endpoint.claim_trial(now, true, 0), "there is one trial");
        assert_eq!(Health::Trial, endpoint.report(now).health);
        assert!(matches!(endpoint.record_failure(now, now, cause, 0), Some(Change::Ejected { .. })));
        out
    })
}

#[test]
fn the_time_out_doubles_with_each_failed_trial() {
    let doubled = [1, 2, 4, 8, 16, 32, 60, 60];
    assert_eq!(doubled, times_out(true, Cause::Timeout, 2));
    assert_eq!(doubled.map(|time| time + 5), times_out(false, Cause::Status(503), 2));
}

#[test]
fn a_trial_that_costs_nothing_is_made_soon() {
    assert_eq!([1, 2, 2, 2, 2, 2, 2, 2], times_out(true, Cause::Status(503), 2));
    // Of many that are out each second some take their turn.
    assert_eq!([1, 2, 4, 8, 10, 10, 10, 10], times_out(true, Cause::Status(503), 100));
}

#[test]
fn the_time_out_is_spread() {
    let backend = backend(2, Ejection::default());
    assert_eq!(Duration::from_secs(1), backend.time_out(1, 0));
    let longest = backend.time_out(1, u64::MAX);
    assert!(longest > Duration::from_millis(1499) && longest <= Duration::from_millis(1500));
    assert!(backend.time_out(u32::MAX, u64::MAX) <= Duration::from_secs(90));
}

#[test]
fn ejections_that_follow_each_other_are_in_a_row() {
    let check = |back_for: f64, expected: Duration| {
        let backend = backend(2, Ejection::default());
        let endpoint = endpoint(&backend);
        until(fail(&endpoint, seconds(1.0), 5));
        assert!(endpoint.claim_trial(seconds(2.0), true, 0));
        assert_eq!(Some(Change::Ready), endpoint.record_success(seconds(2.1), seconds(2.0)));
        assert_eq!(0, backend.ejected());
        let again = seconds(2.1 + back_for);
        assert_eq!(expected, until(fail(&endpoint, again, 5)).saturating_since(again));
    };
    check(1.0, Duration::from_secs(2));
    check(59.0, Duration::from_secs(2));
    check(61.0, Duration::from_secs(1));
}

#[test]
fn who_relapses_has_more_trials_to_pass() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    let mut now = seconds(1.0);
    for expected in [1, 2, 3, 4, 5, 6, 7, 8, 8] {
        // Found out within a few seconds each time, however often it was.
        let due = until(fail(&endpoint, now, 5));
        assert!(due <= now.after(Duration::from_secs(2)), "{due:?} after {now:?}");
        // What was passed before a failure counts for nothing.
        let (mut passed, mut failed) = (0, expected < 2);
        now = due;
        while endpoint.claim_trial(now, true, 0) {
            if passed == 1 && !failed {
                (passed, failed) = (0, true);
                now = until(endpoint.record_failure(now, now, Cause::Status(503), 0));
                continue;
            }
            passed += 1;
            assert_eq!(1, backend.ejected());
            if endpoint.record_success(now, now).is_some() {
                break;
            }
            now = now.after(Duration::from_millis(1));
        }
        assert_eq!((expected, 0), (passed, backend.ejected()));
        now = now.after(Duration::from_secs(1));
    }
}

#[test]
fn a_trial_that_comes_to_nothing_is_given_back() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    until(fail(&endpoint, seconds(1.0), 5));
    assert!(endpoint.claim_trial(seconds(3.0), true, 0));
    // Somebody else's is not.
    endpoint.release_trial(seconds(3.5), seconds(2.9));
    assert!(!endpoint.claim_trial(seconds(3.5), true, 0));
    endpoint.release_trial(seconds(3.5), seconds(3.0));
    assert!(endpoint.claim_trial(seconds(3.5), true, 0));
    // One that never ends counts as failed in the end.
    assert!(!endpoint.claim_trial(seconds(13.4), true, 0));
    assert!(!endpoint.claim_trial(seconds(13.5), true, 0));
    assert_eq!(Health::Ejected { until: seconds(15.5) }, endpoint.report(seconds(13.5)).health);
}

#[test]
fn a_request_that_cannot_be_sent_again_waits_longer() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    until(fail(&endpoint, seconds(1.0), 5));
    assert!(!endpoint.claim_trial(seconds(6.9), false, 0));
    assert!(endpoint.claim_trial(seconds(7.0), false, 0));
}

#[test]
fn one_core_of_many_claims_the_trial() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    until(fail(&endpoint, seconds(1.0), 5));
    let claims = || endpoint.claim_trial(seconds(2.0), true, 0);
    let claimed: usize = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..4).map(|_| scope.spawn(claims)).collect();
        cores.into_iter().map(|core| usize::from(core.join().unwrap())).sum()
    });
    assert_eq!(1, claimed);
}

#[test]
fn what_began_before_says_nothing() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    until(fail(&endpoint, seconds(1.0), 5));
    assert_eq!(None, endpoint.record_success(seconds(1.5), seconds(0.9)));
    assert_eq!(None, endpoint.record_failure(seconds(1.5), seconds(0.9), Cause::Transport, 0));
    assert_eq!(5, endpoint.report(seconds(1.5)).streak);
    assert_eq!(Some(Change::Unreachable), endpoint.connect_failed(seconds(2.0)));
    assert_eq!(None, endpoint.record_success(seconds(2.1), seconds(1.9)));
    assert_eq!(Some(Change::Ready), endpoint.record_success(seconds(2.2), seconds(2.1)));
}

#[test]
fn an_unreachable_endpoint_is_probed_with_growing_pauses() {
    let backend = backend(1, Ejection::default());
    let endpoint = endpoint(&backend);
    let mut now = seconds(1.0);
    assert_eq!(None, endpoint.next_probe());
    assert_eq!(Some(Change::Unreachable), endpoint.connect_failed(now));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let next = endpoint.next_probe().expect("it is unreachable");
        pauses.push(next.saturating_since(now).as_millis());
        // A request that fails as well before the probe is due changes nothing.
        assert_eq!(None, endpoint.connect_failed(Time(next.0 - 1)));
        assert_eq!(Some(next), endpoint.next_probe());
        now = next;
        assert_eq!(None, endpoint.connect_failed(now));
    }
    assert_eq!([100, 200, 400, 800, 1000, 1000].as_slice(), pauses);
    let report = endpoint.report(now);
    assert_eq!((seconds(1.0), Cause::Connect), (report.since, report.cause));
    assert_eq!(Some(Change::Ready), endpoint.connect_succeeded(now));
    assert_eq!(None, endpoint.connect_succeeded(now));
    assert_eq!(None, endpoint.next_probe());
    assert_eq!((Health::Ready, now, 1), {
        let report = endpoint.report(now);
        (report.health, report.since, endpoint.incarnation())
    });
}

#[test]
fn there_is_no_bound_on_the_unreachable() {
    let backend = backend(2, Ejection::default());
    let (first, second) = (endpoint(&backend), endpoint(&backend));
    until(fail(&first, seconds(1.0), 5));
    assert_eq!(Some(Change::Failing), fail(&second, seconds(1.0), 5));
    for endpoint in [&first, &second] {
        assert_eq!(Some(Change::Unreachable), endpoint.connect_failed(seconds(2.0)));
    }
    // They take no place among the ejected any more, and come back without a stain.
    assert_eq!((0, false), (backend.ejected(), backend.is_panicking()));
    first.connect_succeeded(seconds(3.0));
    assert_eq!((0, 0.0), (first.report(seconds(3.0)).streak, first.doubt(seconds(3.0))));
}

#[test]
fn a_retired_endpoint_takes_no_place() {
    let backend = backend(2, Ejection::default());
    let endpoint = endpoint(&backend);
    until(fail(&endpoint, seconds(1.0), 5));
    endpoint.retire(seconds(2.0));
    assert_eq!((Health::Ready, 0), (endpoint.report(seconds(2.0)).health, backend.ejected()));
}

#[test]
fn doubt_rises_and_fades() {
    let backend = backend(1, Ejection::default());
    let endpoint = endpoint(&backend);
    let near = |expected: f32, at: f64| {
        let doubt = endpoint.doubt(seconds(at));
        assert!((doubt - expected).abs() < 0.01, "{doubt} at {at}");
    };
    near(0.0, 1.0);
    fail(&endpoint, seconds(1.0), 1);
    near(0.25, 1.0);
    fail(&endpoint, seconds(1.0), 1);
    near(0.4375, 1.0);
    near(0.161, 11.0);
    near(0.0, 60.0);
    for expected in [0.328, 0.246, 0.185, 0.138, 0.104] {
        endpoint.record_success(seconds(1.0), seconds(1.0));
        near(expected, 1.0);
    }
    for _ in 0..7 {
        endpoint.record_success(seconds(1.0), seconds(1.0));
    }
    assert_eq!(0.0, endpoint.doubt(seconds(1.0)));
}

#[test]
fn causes_and_words_are_packed() {
    let faults = [
        CheckFault::Connect,
        CheckFault::Timeout,
        CheckFault::Status(599),
        CheckFault::Content,
        CheckFault::NotServing(14),
        CheckFault::Broken,
    ];
    let others = [
        Cause::None,
        Cause::Connect,
        Cause::Silent,
        Cause::Transport,
        Cause::Timeout,
        Cause::Status(599),
        Cause::Grpc(16),
        Cause::SuccessRate(79),
        Cause::Latency(u16::MAX),
    ];
    for cause in faults.map(Cause::Check).into_iter().chain(others) {
        assert_eq!(cause, Cause::unpack(cause.pack()));
    }
    for kind in [Kind::Ready, Kind::Failing, Kind::Unreachable, Kind::Ejected, Kind::Trial, Kind::Waiting] {
        // 2000 years are enough.
        for until in [0, 1, 1 << 55] {
            let word = Word::new(kind, 77, Time(until));
            assert_eq!((kind, 31, Time(until)), (word.kind(), word.count(), word.until()));
        }
    }
    assert_eq!(Word::READY, Word::new(Kind::Ready, 0, Time::ZERO));
}

#[test]
fn counts_hold_when_cores_race() {
    let backend = backend(4, Ejection::default());
    let endpoints: Vec<_> = (0..4).map(|_| endpoint(&backend)).collect();
    let core = |seed: u64| {
        let mut dice = seed;
        for step in 0..20_000_u64 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let endpoint = &endpoints[(dice >> 60) as usize % 4];
            let now = Time(step * 20_000);
            let _ = match (dice >> 40) % 32 {
                0 => endpoint.connect_failed(now),
                13 => endpoint.check_failed(now, CheckFault::Content),
                14 | 15 => endpoint.check_passed(now),
                1..4 => endpoint.connect_succeeded(now),
                4..8 => endpoint.record_success(now, now),
                8..12 => {
                    let _ = endpoint.claim_trial(now, dice.is_multiple_of(2), dice);
                    None
                }
                12 => {
                    endpoint.retire(now);
                    None
                }
                _ => endpoint.record_failure(now, now, Cause::Transport, dice),
            };
            assert!(backend.ejected() <= 2);
        }
    };
    std::thread::scope(|scope| {
        for seed in 1..5 {
            scope.spawn(move || core(seed));
        }
    });
    let out = |endpoint: &&Arc<EndpointState>| matches!(endpoint.word().kind(), Kind::Ejected | Kind::Trial);
    assert_eq!(endpoints.iter().filter(out).count(), backend.ejected() as usize);
    for endpoint in &endpoints {
        endpoint.retire(Time(u64::from(u32::MAX)));
    }
    assert_eq!((0, false), (backend.ejected(), backend.is_panicking()));
}
