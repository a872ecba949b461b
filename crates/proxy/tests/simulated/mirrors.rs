//! Copies of requests are bounded in time, and in what is read of their answers.

use crate::world::{Peer, Setup, World};
use std::time::Duration;

/// Sends a request that is copied, and has it answered; the test goes on with the copy's origin.
fn check(test: impl AsyncFnOnce(&World, Peer)) {
    Setup { mirrored: true, ..Setup::default() }.run(async |world| {
        // Of idle connections the one that was made last is used first, here by the request itself.
        let copied = world.origin();
        let origin = world.origin();
        let client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        origin.head().await.expect("the request");
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert!(client.message().await.expect("an answer").is("200"));
        copied.head().await.expect("the copy");
        test(&world, copied).await;
    });
}

/// Copies that are over, by what became of them.
fn copies(world: &World, outcome: &str) -> f64 {
    let text = world.gateway.scrape();
    let of_outcome =
        |line: &&str| line.starts_with("irongate_mirrored_requests_total{") && line.contains(outcome);
    let values =
        text.lines().filter(of_outcome).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

#[test]
fn one_that_is_not_answered_ends_after_ten_seconds() {
    check(async |world, copied| {
        let begin = world.elapsed();
        let (more, _) = copied.rest().await;
        let took = world.elapsed() - begin;
        assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&took), "{took:?}");
        assert_eq!(more, b"");
        tokio::task::yield_now().await;
        assert_eq!(copies(world, "failed"), 1.0);
    });
}

#[test]
fn an_answer_that_never_ends_is_broken_off_after_a_mebibyte() {
    const MIB: usize = 1 << 20;
    check(async |world, copied| {
        copied.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n").await;
        let sent = copied.flood(64 * MIB).await;
        // What is on the way comes on top.
        assert!((MIB..2 * MIB).contains(&sent), "{sent} bytes were taken");
        assert_eq!(copies(world, "answered"), 1.0, "it was answered, though nobody read it to the end");
    });
}
