//! How long after a rename the first answer comes by a route that is new.

use crate::gateway::Gateway;
use crate::load::Caller;
use crate::manifest;
use crate::{origin, permille, verdict};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) fn run(smoke: bool, good: &mut bool) {
    let origin = origin::start();
    let cases: &[(usize, usize, f64)] =
        if smoke { &[(100, 5, 50.0)] } else { &[(100, 100, 50.0), (10_000, 100, 150.0)] };
    let mut timely = true;
    for &(routes, rounds, bound) in cases {
        let gateway = Gateway::start(&format!("fresh-{routes}"), |port| text(port, routes, 0, origin));
        let mut caller = Caller::new(gateway.port);
        let mut millis = Vec::with_capacity(rounds);
        for round in 1..=rounds {
            let next = text(gateway.port, routes, round, origin);
            std::thread::sleep(Duration::from_millis(150));
            let begin = gateway.configure(&next);
            millis.push(wait(&mut caller, round, begin));
        }
        millis.sort_by(f64::total_cmp);
        let p99 = permille(&millis, 990);
        println!(
            "{routes} routes, {rounds} reloads: rename to first answer p50 {:.1} ms, p99 {p99:.1} ms (at most {bound}), \
             most {:.1}; RSS {:.1} MiB  {}",
            permille(&millis, 500),
            permille(&millis, 1000),
            gateway.resident(),
            verdict(p99 <= bound, &mut timely),
        );
    }
    // A short turn shows how long it took, and does not judge it.
    *good &= timely || smoke;
}

/// Asks until the new route answers; gives how long that took, in milliseconds.
fn wait(caller: &mut Caller, round: usize, begin: Instant) -> f64 {
    let path = format!("new-{round}");
    loop {
        if let Ok(answer) = caller.ask(&path)
            && (answer.status, answer.version) == (200, Some(round))
        {
            return answer.done.duration_since(begin).as_secs_f64() * 1000.0;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "the new route does not answer");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// So many routes, and one that only this round has, in their middle.
fn text(port: u16, routes: usize, round: usize, origin: SocketAddr) -> String {
    let mut text = manifest::gateway("gw", port) + &manifest::service("a", &[origin]);
    for number in 0..routes {
        if number == routes / 2 {
            text += &manifest::route(&format!("new-{round}"), round, &[("a", 1)]);
        }
        text += &manifest::route(&format!("r{number}"), 0, &[("a", 1)]);
    }
    text
}
