//! The scenarios that rules are compared in.

use super::cluster::{Behaviour, Cluster, Report};
use super::plain::Rule;
use irongate_config::Algorithm;

/// A scenario: its name, and a cluster.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) origins: usize,
    /// From when on answers are looked at, in seconds.
    pub(crate) from: f64,
    /// How many runs are taken together.
    pub(crate) seeds: u64,
    make: fn() -> Cluster,
}

/// What is compared: a name, and our algorithm or a rule of others.
pub(crate) const RULES: [(&str, Result<Algorithm, Rule>); 9] = [
    ("`PeakEwma` (default)", Ok(Algorithm::PeakEwma)),
    ("`LeastRequest`", Ok(Algorithm::LeastRequest)),
    ("`RoundRobin`", Ok(Algorithm::RoundRobin)),
    ("`Random`", Ok(Algorithm::Random)),
    ("`RingHash`", Ok(Algorithm::RingHash)),
    ("`Maglev`", Ok(Algorithm::Maglev)),
    ("plain round robin", Err(Rule::RoundRobin)),
    ("plain least request", Err(Rule::LeastRequest)),
    ("Linkerd's rule", Err(Rule::Linkerd)),
];

pub(crate) const SCENARIOS: [Scenario; 9] = [
    of("all well", || four(|_| {})),
    of("one slow: 500 ms more", || {
        four(|cluster| cluster.behave(0, 4.0, Behaviour::Answers { least: 504.0, most: 508.0 }))
    }),
    of("one fails at once: 503 always", || four(|cluster| cluster.behave(0, 4.0, Behaviour::Fails(1.0)))),
    of("one lossy: 503 for one in five", || four(|cluster| cluster.behave(0, 4.0, Behaviour::Fails(0.2)))),
    of("one never answers", || four(|cluster| cluster.behave(0, 4.0, Behaviour::Hangs))),
    of("one starts, cold for 2 s", || {
        four(|cluster| {
            cluster.behave(0, 0.0, Behaviour::Dead);
            cluster.behave(0, 4.0, Behaviour::Answers { least: 200.0, most: 400.0 });
            cluster.behave(0, 6.0, Behaviour::GOOD);
        })
    }),
    of("mixed speeds: 2, 5, 10, 40 ms, 4 at once", || {
        four(|cluster| {
            cluster.slots = 4;
            for (origin, least) in [2.0, 5.0, 10.0, 40.0].into_iter().enumerate() {
                cluster.behave(origin, 0.0, Behaviour::Answers { least, most: least * 1.5 });
            }
        })
    }),
    of("rolling update: each away for 1 s, then cold for 1 s", || {
        four(|cluster| {
            for origin in 0..4 {
                let from = 4.0 + 2.5 * origin as f64;
                cluster.behave(origin, from, Behaviour::Dead);
                cluster.behave(origin, from + 1.0, Behaviour::Answers { least: 40.0, most: 80.0 });
                cluster.behave(origin, from + 2.0, Behaviour::GOOD);
            }
        })
    }),
    Scenario {
        name: "a thousand, 20,000 a second, ten slow",
        origins: 1000,
        from: 1.0,
        seeds: 1,
        make: thousand,
    },
];

const fn of(name: &'static str, make: fn() -> Cluster) -> Scenario {
    Scenario { name, origins: 4, from: 4.0, seeds: 4, make }
}

/// Four origins of 4 to 8 ms, 300 requests a second for 14 s on two cores.
fn four(change: impl FnOnce(&mut Cluster)) -> Cluster {
    let mut cluster = Cluster::new(2, 4, 300, 14);
    change(&mut cluster);
    cluster
}

fn thousand() -> Cluster {
    let mut cluster = Cluster::new(4, 1000, 20_000, 5);
    for origin in 0..10 {
        cluster.behave(origin, 0.0, Behaviour::Answers { least: 504.0, most: 508.0 });
    }
    cluster
}

/// What a rule came to in a scenario: means over its runs.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "the table of the example `simulate` shows all of them, the tests look at some")]
pub(crate) struct Figures {
    pub(crate) median: f64,
    pub(crate) p99: f64,
    pub(crate) errors: f64,
    pub(crate) fairness: f64,
}

impl Scenario {
    pub(crate) fn run(&self, rule: Result<Algorithm, Rule>) -> Figures {
        let mut cluster = (self.make)();
        match rule {
            Ok(algorithm) => cluster.algorithm = algorithm,
            Err(rule) => cluster.rule = Some(rule),
        }
        let reports: Vec<Report> = (1..=self.seeds).map(|seed| cluster.run(seed)).collect();
        let mean =
            |figure: &dyn Fn(&Report) -> f64| reports.iter().map(figure).sum::<f64>() / reports.len() as f64;
        Figures {
            median: mean(&|report| report.percentile(0.5, self.from)),
            p99: mean(&|report| report.percentile(0.99, self.from)),
            errors: mean(&Report::error_share),
            fairness: mean(&|report| report.fairness(self.origins, self.from)),
        }
    }
}
