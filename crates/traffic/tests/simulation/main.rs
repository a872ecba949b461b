//! A small cluster in virtual time: cores that share health, origins that turn bad, callers that count failures.
//!
//! Each scenario is run with several seeds; the bounds are those that the project promises for live traffic. Run with
//! `--nocapture` for the figures.

#![expect(clippy::print_stdout, reason = "the figures are for whoever asks with --nocapture")]

mod cluster;
mod plain;
mod scenarios;

use cluster::{Behaviour, Cluster, Report, seconds};
use irongate_config::Algorithm;
use plain::Rule;
use scenarios::{RULES, SCENARIOS};

/// As in a usual measurement: four origins of 4 to 8 ms, 300 requests a second for 14 s on two cores, and the first origin
/// turns into something else at second 4.
fn turning(behaviour: Behaviour) -> Cluster {
    let mut cluster = Cluster::new(2, 4, 300, 14);
    cluster.behave(0, 4.0, behaviour);
    cluster
}

/// Runs a scenario with several seeds; prints what it gave.
fn runs(name: &str, cluster: &Cluster) -> Vec<Report> {
    let reports: Vec<Report> = (1..=8).map(|seed| cluster.run(seed)).collect();
    let failures: Vec<usize> = reports.iter().map(|report| report.failures).collect();
    let shares: Vec<String> =
        reports.iter().map(|report| format!("{:.2}", 100.0 * report.share(0, 6.0, 14.0))).collect();
    println!("{name}: failures {failures:?}; share of the first after 2 s, per cent: {}", shares.join(" "));
    reports
}

fn worst(reports: &[Report]) -> usize {
    reports.iter().map(|report| report.failures).max().unwrap_or(0)
}

fn mean(reports: &[Report]) -> f64 {
    reports.iter().map(|report| report.failures as f64).sum::<f64>() / reports.len() as f64
}

#[test]
fn equal_endpoints_get_equal_shares() {
    for algorithm in [Algorithm::PeakEwma, Algorithm::LeastRequest, Algorithm::RoundRobin, Algorithm::Random]
    {
        let mut cluster = Cluster::new(2, 4, 300, 14);
        cluster.algorithm = algorithm;
        for report in runs(&format!("equal, {algorithm:?}"), &cluster) {
            assert_eq!(0, report.failures);
            for origin in 0..4 {
                let share = report.share(origin, 1.0, 14.0);
                assert!((0.22..0.28).contains(&share), "{algorithm:?}: {share}");
            }
        }
    }
}

#[test]
fn weights_are_kept() {
    for algorithm in [Algorithm::PeakEwma, Algorithm::LeastRequest, Algorithm::RoundRobin, Algorithm::Random]
    {
        let mut cluster = Cluster::new(2, 4, 300, 14);
        cluster.algorithm = algorithm;
        cluster.weights = vec![5, 1, 1, 1];
        for report in runs(&format!("weights 5, 1, 1, 1, {algorithm:?}"), &cluster) {
            let share = report.share(0, 1.0, 14.0);
            assert!((0.58..0.67).contains(&share), "{algorithm:?}: {share}");
        }
    }
}

#[test]
fn a_killed_endpoint_is_invisible_and_comes_back() {
    let mut cluster = turning(Behaviour::Dead);
    cluster.behave(0, 8.0, Behaviour::GOOD);
    for report in runs("killed at 4 s, started again at 8 s", &cluster) {
        assert_eq!(0, report.failures);
        assert_eq!(0.0, report.share(0, 4.1, 8.0));
        let share = report.share(0, 12.0, 13.0);
        assert!((0.17..0.33).contains(&share), "{share}");
        assert!((0.21..0.29).contains(&report.share(0, 12.0, 14.0)));
    }
}

#[test]
fn the_only_endpoint_is_noticed_at_once() {
    let mut cluster = Cluster::new(2, 1, 300, 14);
    cluster.behave(0, 4.0, Behaviour::Dead);
    cluster.behave(0, 8.0, Behaviour::GOOD);
    for report in runs("the only one killed at 4 s, started again at 8 s", &cluster) {
        let last = report.last_failure.expect("while it was dead, callers noticed");
        assert!(last <= seconds(8.001), "{last:?}");
    }
}

#[test]
fn one_that_always_fails_at_once_is_hardly_seen() {
    let reports = runs("503 always", &turning(Behaviour::Fails(1.0)));
    assert!(worst(&reports) <= 5);
    let mut posts = turning(Behaviour::Fails(1.0));
    posts.idempotent = false;
    let reports = runs("503 always, nothing may be sent twice", &posts);
    assert!(worst(&reports) <= 10);
    for algorithm in [Algorithm::LeastRequest, Algorithm::RoundRobin, Algorithm::Random] {
        let mut cluster = turning(Behaviour::Fails(1.0));
        cluster.algorithm = algorithm;
        assert!(worst(&runs(&format!("503 always, {algorithm:?}"), &cluster)) <= 10);
    }
}

#[test]
fn one_that_fails_half_of_the_time_is_hardly_seen() {
    let reports = runs("503 half of the time", &turning(Behaviour::Fails(0.5)));
    assert!(worst(&reports) <= 15);
    let mut posts = turning(Behaviour::Fails(0.5));
    posts.idempotent = false;
    assert!(mean(&runs("503 half of the time, nothing may be sent twice", &posts)) <= 30.0);
}

/// The first origin turns bad at second 4 and is well again after so many seconds: its share from five seconds later on.
fn share_after(name: &str, behaviour: Behaviour, bad_for: f64) {
    let mut cluster = turning(behaviour);
    cluster.behave(0, 4.0 + bad_for, Behaviour::GOOD);
    share_is_back(&format!("{name} for {bad_for} s"), cluster, 4.0 + bad_for);
}

/// The first origin is well from a moment on, in seconds: its share from five seconds later on.
fn share_is_back(name: &str, mut cluster: Cluster, well: f64) {
    cluster.duration = (well + 10.0) as u64;
    // Chance decides when it is tried again: the bound holds for each of many seeds.
    let shares: Vec<f64> = (1..=40).map(|seed| cluster.run(seed).share(0, well + 5.0, well + 9.0)).collect();
    let least = shares.iter().copied().fold(1.0, f64::min);
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    println!("{name}: share from the fifth second on: mean {mean:.3}, least {least:.3}");
    assert!(least >= 0.2 && shares.iter().all(|share| *share <= 0.3), "{name}: {shares:.3?}");
}

#[test]
fn one_that_failed_has_its_share_within_five_seconds() {
    for bad_for in [1.0, 5.0, 8.3, 60.0] {
        share_after("503 always", Behaviour::Fails(1.0), bad_for);
    }
    // One that comes back and fails again, over and over, is left out for longer each time.
    for bad_for in [1.0, 5.0, 30.0] {
        share_after("503 half of the time", Behaviour::Fails(0.5), bad_for);
    }
}

/// Well for some seconds and bad for as long, until second 44: each return was believed, and each was followed by a relapse.
fn relapsing(bad: Behaviour, period: f64) -> (Cluster, f64) {
    let mut cluster = Cluster::new(2, 4, 300, 44);
    let mut at = 4.0;
    while at + period <= 44.0 {
        cluster.behave(0, at, bad);
        cluster.behave(0, at + period, Behaviour::GOOD);
        at += 2.0 * period;
    }
    (cluster, at - period)
}

#[test]
fn one_that_relapsed_for_long_has_its_share_within_five_seconds() {
    for (name, bad, period) in [
        ("503 always", Behaviour::Fails(1.0), 2.0),
        ("503 always", Behaviour::Fails(1.0), 6.0),
        ("dead", Behaviour::Dead, 2.0),
        ("slow", Behaviour::Answers { least: 504.0, most: 508.0 }, 2.0),
    ] {
        let (cluster, well) = relapsing(bad, period);
        share_is_back(&format!("{name} every {period} s"), cluster, well);
    }
}

#[test]
fn relapses_are_hardly_seen() {
    for (bad, most_gets, most_posts) in [(Behaviour::Fails(1.0), 10, 70), (Behaviour::Fails(0.5), 20, 120)] {
        let (mut cluster, _) = relapsing(bad, 2.0);
        assert!(worst(&runs(&format!("{bad:?} every 2 s"), &cluster)) <= most_gets);
        cluster.idempotent = false;
        assert!(
            worst(&runs(&format!("{bad:?} every 2 s, nothing may be sent twice"), &cluster)) <= most_posts
        );
    }
    let mut cluster = turning(Behaviour::Fails(0.5));
    cluster.duration = 64;
    assert!(worst(&runs("503 half of the time, a minute", &cluster)) <= 20);
    cluster.idempotent = false;
    assert!(worst(&runs("503 half of the time, a minute, nothing may be sent twice", &cluster)) <= 120);
}

#[test]
fn a_slow_one_is_hardly_asked() {
    for cores in [1, 2, 16] {
        let mut cluster = Cluster::new(cores, 4, 300, 14);
        cluster.behave(0, 4.0, Behaviour::Answers { least: 504.0, most: 508.0 });
        for report in runs(&format!("500 ms more, {cores} cores"), &cluster) {
            assert!(report.share(0, 6.0, 14.0) <= 0.008);
        }
    }
}

#[test]
fn one_that_was_slow_has_its_share_within_five_seconds() {
    for (more, bad_for) in
        [(500.0, 1.0), (500.0, 5.0), (500.0, 8.3), (500.0, 60.0), (50.0, 5.0), (1000.0, 5.0)]
    {
        let slow = Behaviour::Answers { least: 4.0 + more, most: 8.0 + more };
        share_after(&format!("{more} ms more"), slow, bad_for);
    }
}

#[test]
fn one_that_never_answers_is_hardly_asked() {
    let reports = runs("accepts, never answers", &turning(Behaviour::Hangs));
    assert!(worst(&reports) <= 8);
    assert!(mean(&reports) <= 5.0);
}

#[test]
fn mixed_speeds_are_all_used() {
    let mut cluster = Cluster::new(2, 4, 300, 14);
    for (origin, least) in [1.0, 5.0, 10.0, 20.0].into_iter().enumerate() {
        cluster.behave(origin, 0.0, Behaviour::Answers { least, most: least * 1.5 });
    }
    for report in runs("1, 5, 10 and 20 ms", &cluster) {
        let shares: Vec<f64> = (0..4).map(|origin| report.share(origin, 1.0, 14.0)).collect();
        assert!(shares.is_sorted_by(|quick, slow| quick > slow), "{shares:?}");
        assert!(shares[0] < 0.6, "{shares:?}");
    }
}

#[test]
fn a_pause_is_soon_forgotten() {
    for (probability, more) in [(0.001, 100.0), (0.01, 60.0), (0.01, 200.0)] {
        let mut cluster = Cluster::new(2, 4, 300, 18);
        for origin in 0..4 {
            cluster.behave(origin, 0.0, Behaviour::Pauses { probability, more });
        }
        for report in runs(&format!("{more} ms more with a probability of {probability}"), &cluster) {
            for from in [2.0, 6.0, 10.0, 14.0] {
                let share = report.share(0, from, from + 4.0);
                assert!((0.1..0.4).contains(&share), "{share} from {from} s on");
            }
        }
    }
}

#[test]
fn a_new_cold_endpoint_is_not_flooded() {
    let mut cluster = turning(Behaviour::Dead);
    cluster.behave(0, 0.0, Behaviour::Dead);
    // Cold for two seconds after it starts.
    cluster.behave(0, 4.0, Behaviour::Answers { least: 200.0, most: 400.0 });
    cluster.behave(0, 6.0, Behaviour::GOOD);
    for report in runs("starts at 4 s, cold until 6 s", &cluster) {
        assert_eq!(0, report.failures);
        assert!(report.share(0, 4.0, 6.0) < 0.05, "{}", report.share(0, 4.0, 6.0));
    }
}

#[test]
fn other_sizes_behave_alike() {
    for (cores, origins, rate) in [(1, 2, 50), (1, 2, 300), (8, 4, 1000), (2, 12, 500)] {
        let name = |what| format!("{what}; {cores} cores, {origins} origins, {rate} a second");
        let mut cluster = Cluster::new(cores, origins, rate, 14);
        cluster.behave(0, 4.0, Behaviour::Dead);
        assert_eq!(0, worst(&runs(&name("killed"), &cluster)));
        let mut cluster = Cluster::new(cores, origins, rate, 14);
        cluster.behave(0, 4.0, Behaviour::Fails(1.0));
        assert!(worst(&runs(&name("503 always"), &cluster)) <= 5);
        let mut cluster = Cluster::new(cores, origins, rate, 14);
        cluster.behave(0, 4.0, Behaviour::Fails(0.5));
        assert!(worst(&runs(&name("503 half of the time"), &cluster)) <= 15);
        let mut cluster = Cluster::new(cores, origins, rate, 14);
        cluster.behave(0, 4.0, Behaviour::Answers { least: 504.0, most: 508.0 });
        for report in runs(&name("500 ms more"), &cluster) {
            assert!(report.share(0, 6.0, 14.0) <= 0.01);
        }
    }
}

#[test]
fn when_all_fail_all_are_asked() {
    let mut cluster = Cluster::new(2, 4, 300, 14);
    for origin in 0..4 {
        cluster.behave(origin, 4.0, Behaviour::Fails(1.0));
        cluster.behave(origin, 8.0, Behaviour::GOOD);
    }
    for report in runs("all fail from 4 s to 8 s", &cluster) {
        let last = report.last_failure.expect("callers noticed");
        assert!(last <= seconds(8.2), "{last:?}");
        assert!(report.retries <= 100 + 14 * 300 / 5, "{}", report.retries);
    }
}

#[test]
fn a_thousand_endpoints_share_evenly() {
    let mut cluster = Cluster::new(4, 1000, 20_000, 5);
    cluster.behave(0, 0.0, Behaviour::Dead);
    let report = cluster.run(1);
    assert_eq!(0, report.failures);
    let shares = (1..1000).map(|origin| report.share(origin, 1.0, 5.0) * 999.0);
    let (least, most) =
        shares.fold((f64::MAX, 0.0), |(least, most), share| (share.min(least), share.max(most)));
    println!("a thousand: shares from {least:.2} to {most:.2} of the even one");
    assert!(least > 0.4 && most < 1.8, "{least} {most}");
}

#[test]
fn the_default_is_no_worse_than_what_others_do() {
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.origins == 4) {
        let ours = scenario.run(Ok(Algorithm::PeakEwma));
        for (name, rule) in RULES {
            let other = scenario.run(rule);
            println!("{}: {name}: {other:?}", scenario.name);
            assert!(ours.errors <= other.errors + 0.002, "{}: {name}", scenario.name);
        }
        assert!((0.25..=1.0).contains(&ours.fairness) && ours.p99 < 100.0, "{}: {ours:?}", scenario.name);
        // Whatever happens, half of the callers do not notice.
        assert!(ours.median < 12.0 && ours.errors < 0.005, "{}: {ours:?}", scenario.name);
    }
}

#[test]
fn failing_quickly_draws_no_traffic() {
    let scenario =
        SCENARIOS.iter().find(|scenario| scenario.name.contains("503 always")).expect("it is there");
    let errors = |rule| scenario.run(rule).errors;
    let ours = errors(Ok(Algorithm::PeakEwma));
    assert!(ours <= errors(Ok(Algorithm::RoundRobin)) + 0.000_01 && ours < 0.001, "{ours}");
    // What is quick to fail looks quick: in turn a quarter fails, by latency more.
    assert!(errors(Err(Rule::RoundRobin)) > 0.15 && errors(Err(Rule::Linkerd)) > 0.15);
}
