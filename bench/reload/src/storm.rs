//! Reloads under a steady load: does any request fail, or go where it should not?

use crate::gateway::{Gateway, free_port};
use crate::load::{Record, steady};
use crate::manifest;
use crate::{origin, permille, verdict};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Callers, each with a connection of its own.
const CALLERS: u32 = 20;
/// Routes that are asked.
const ROUTES: usize = 10;
/// How soon a configuration has to count.
const SOON: Duration = Duration::from_millis(100);
/// By how much reloads may raise the 99th percentile.
const BOUND: f64 = 1.2;
/// How long after a rename requests are looked at by themselves.
const NEAR: Duration = Duration::from_millis(50);

/// The origins, and what each version makes of them.
struct Plan {
    origins: Vec<SocketAddr>,
    port: u16,
    other_port: u16,
}

impl Plan {
    /// The instances of both Services in a version: they overlap with those before and after.
    fn endpoints(&self, version: usize) -> [Vec<SocketAddr>; 2] {
        let count = self.origins.len();
        let pick = |first: usize| (0..2).map(|n| self.origins[(first + n) % count]).collect();
        [pick(version), pick(version + 2)]
    }

    /// Everything that a version says: routes, weights, filters, endpoints and listeners all change.
    fn text(&self, version: usize) -> String {
        let [a, b] = self.endpoints(version);
        let mut text = manifest::gateway("gw", self.port);
        if version.is_multiple_of(3) {
            text += &manifest::gateway("other", self.other_port);
        }
        text += &manifest::service("a", &a);
        text += &manifest::service("b", &b);
        let weight = u32::try_from(version % 10).unwrap_or_default();
        for path in paths() {
            text += &manifest::route(&path, version, &[("a", 10 - weight), ("b", weight)]);
        }
        // Routes that come and go beside those that are asked.
        for number in 0..version % 7 {
            text += &manifest::route(&format!("gone-{version}-{number}"), version, &[("a", 1)]);
        }
        text
    }
}

fn paths() -> Vec<String> {
    (0..ROUTES).map(|number| format!("r{number}")).collect()
}

pub(crate) fn run(smoke: bool, good: &mut bool) {
    let (reloads, rate) = if smoke { (4, 400) } else { (300, 2000) };
    let plan = Plan {
        origins: (0..4).map(|_| origin::start()).collect(),
        port: free_port(),
        other_port: free_port(),
    };
    let gateway =
        Gateway::start("storm", |port| Plan { port, origins: plan.origins.clone(), ..plan }.text(0));
    let plan = Plan { port: gateway.port, ..plan };
    // Half of the comparison comes before the storm and half after it, since machines do not stay the same.
    let calm_time = Duration::from_secs(if smoke { 1 } else { 30 });
    let calm = || under_load(&gateway, rate, || std::thread::sleep(calm_time)).0;
    let mut calm_records = calm();
    let begin = gateway.resident();
    let (records, times) = under_load(&gateway, rate, || {
        let start = Instant::now();
        let mut times = vec![start];
        for version in 1..=reloads {
            let text = plan.text(version);
            let due = start + Duration::from_secs(1) * u32::try_from(version).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            times.push(gateway.configure(&text));
        }
        std::thread::sleep(Duration::from_secs(1));
        times
    });
    let end = gateway.resident();
    calm_records.extend(calm());
    judge(&plan, &records, &times, good);
    // A short turn shows how long things took, and does not judge it.
    let mut timely = true;
    compare(&calm_records, &records, &times, &mut timely);
    *good &= timely || smoke;
    let grows = (end - begin) / begin * 100.0;
    println!("  RSS {begin:.1} MiB before, {end:.1} MiB after ({grows:+.1} %)");
}

/// Callers at work while something is done. Their requests arrive evenly spread.
fn under_load<T>(gateway: &Gateway, rate: u32, work: impl FnOnce() -> T) -> (Vec<Record>, T) {
    let stop = AtomicBool::new(false);
    let per_caller = rate / CALLERS;
    let paths = paths();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| {
                scope.spawn({
                    let (stop, paths) = (&stop, &paths);
                    let wait = Duration::from_secs(1) / rate * number;
                    move || steady(gateway.port, per_caller, wait, paths, stop)
                })
            })
            .collect();
        let done = work();
        stop.store(true, Ordering::Relaxed);
        (callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect(), done)
    })
}

/// Whether each answer is right.
fn judge(plan: &Plan, records: &[Record], times: &[Instant], good: &mut bool) {
    let (mut failed, mut misrouted, mut answered) = (Vec::new(), Vec::new(), 0);
    for record in records {
        failed.extend(record.broken.iter().cloned());
        answered += record.answers.len();
        for (turn, answer) in &record.answers {
            if answer.status != 200 {
                failed.push(format!("status {}", answer.status));
                continue;
            }
            let Some(version) = answer.version else {
                misrouted.push("an answer without a version".to_owned());
                continue;
            };
            // It was written before the answer came, and replaced at most a moment before the request was sent.
            let is_current = times.get(version).is_some_and(|at| *at <= answer.done)
                && times.get(version + 1).is_none_or(|next| *next + SOON >= answer.sent);
            let allowed = [version, version + 1].map(|version| plan.endpoints(version)).concat().concat();
            let is_there = allowed.iter().any(|origin| origin.port() == answer.origin);
            if !is_current || !is_there || answer.route != paths()[*turn] {
                let late = times.get(version + 1).map(|next| answer.sent.saturating_duration_since(*next));
                misrouted
                    .push(format!("version {version} on {}, {late:?} after it was replaced", answer.route));
            }
        }
    }
    let reloads = times.len() - 1;
    println!("{reloads} reloads, {answered} requests answered");
    let is_whole = failed.is_empty() && misrouted.is_empty();
    println!("  {} failed, {} misrouted  {}", failed.len(), misrouted.len(), verdict(is_whole, good));
    for line in failed.iter().chain(&misrouted).take(10) {
        println!("    {line}");
    }
}

/// How long answers took, beside those without reloads.
fn compare(calm: &[Record], records: &[Record], times: &[Instant], good: &mut bool) {
    let sorted = |mut millis: Vec<f64>| {
        millis.sort_by(f64::total_cmp);
        millis
    };
    let all = |records: &[Record]| sorted(records.iter().flat_map(|record| record.millis.clone()).collect());
    let (calm, stormy) = (all(calm), all(records));
    let is_near = |sent: Instant| {
        let after = times.partition_point(|time| *time <= sent);
        after > 1 && sent - times[after - 1] < NEAR
    };
    let answers =
        records.iter().flat_map(|record| record.answers.iter().map(|(_, answer)| answer).zip(&record.millis));
    let near =
        sorted(answers.filter(|(answer, _)| is_near(answer.sent)).map(|(_, millis)| *millis).collect());
    let ratio = permille(&stormy, 990) / permille(&calm, 990);
    println!(
        "  p50 {:.2} ms, p99 {:.2} ms; without reloads {:.2} and {:.2}: p99 x {ratio:.2} (at most {BOUND})  {}",
        permille(&stormy, 500),
        permille(&stormy, 990),
        permille(&calm, 500),
        permille(&calm, 990),
        verdict(ratio <= BOUND, good),
    );
    println!(
        "  of the {} requests within {NEAR:?} of a rename: p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        near.len(),
        permille(&near, 500),
        permille(&near, 990),
        permille(&near, 1000),
    );
}
