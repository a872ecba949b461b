//! How fast bodies are passed on, where a policy bounds it.

use crate::world::{Peer, Setup, World, pattern};
use irongate_config::{Bandwidth, Compression, ContentCoding, TrafficOptions};
use std::sync::Arc;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
/// 100,000 bytes a second: of a body of a million bytes the first tenth of a second's go at once.
const RATE: u64 = 100_000;
const LENGTH: usize = 1_000_000;
const NEEDED: Duration = Duration::from_millis(9_900);

fn bandwidth(per_request: Option<u64>, total: Option<u64>) -> Option<Bandwidth> {
    Some(Bandwidth { scope: "default/p".into(), per_request, total })
}

fn setup(options: TrafficOptions) -> Setup {
    Setup { traffic: Some(Arc::new(options)), ..Setup::default() }
}

/// As long as the rate says and little longer.
#[track_caller]
fn assert_took(world: &World, what: &str) {
    let took = world.elapsed();
    assert!(took >= NEEDED && took < NEEDED + Duration::from_millis(500), "{what}: {took:?}");
    assert!(world.metric("irongate_bandwidth_held_total") > 10.0, "{what}");
}

/// Answers the next request with so many bytes, as fast as they are taken.
async fn answer(origin: &Peer, length: usize) {
    origin.head().await.expect("a request");
    origin.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")).await;
    origin.send(pattern(length)).await;
}

#[test]
fn an_answer_takes_its_time_and_waits_at_its_origin() {
    let options =
        TrafficOptions { response_bandwidth: bandwidth(Some(RATE), None), ..TrafficOptions::default() };
    Setup { capacity: 32 << 10, ..setup(options.clone()) }.run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send(GET).await;
        let (received, ()) = tokio::join!(client.message(), answer(&origin, LENGTH));
        assert!(received.expect("an answer").body == pattern(LENGTH));
        assert_took(&world, "one answer");
    });
    // What may not go yet is not read.
    Setup { capacity: 32 << 10, ..setup(options) }.run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send(GET).await;
        origin.head().await.expect("a request");
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
        let taken = origin.try_send_for(Duration::from_millis(1), &pattern(LENGTH)).await;
        assert!(taken < 400_000, "{taken} bytes are on their way");
    });
}

#[test]
fn a_shared_bandwidth_is_shared() {
    let options =
        TrafficOptions { response_bandwidth: bandwidth(None, Some(RATE)), ..TrafficOptions::default() };
    setup(options).run(async |world| {
        let (first, second) = (world.fresh_origin(), world.fresh_origin());
        let (one, other) = (world.client(), world.client());
        one.send(GET).await;
        other.send(GET).await;
        let (one, other, (), ()) = tokio::join!(
            async { (one.message().await, world.elapsed()) },
            async { (other.message().await, world.elapsed()) },
            answer(&first, LENGTH / 2),
            answer(&second, LENGTH / 2),
        );
        for (received, took) in [one, other] {
            assert!(received.expect("an answer").body == pattern(LENGTH / 2));
            assert!(took > NEEDED * 9 / 10, "neither is through long before the other: {took:?}");
        }
        assert_took(&world, "two answers");
    });
}

#[test]
fn a_request_takes_its_time() {
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let options = TrafficOptions {
            request_bandwidth: bandwidth(Some(RATE), Some(10 * RATE)),
            ..TrafficOptions::default()
        };
        setup(options).run(async |world| {
            let (origin, client) = (world.fresh_origin(), world.client());
            client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n")).await;
            let sending = async {
                if framing.starts_with("Content") {
                    client.send(pattern(LENGTH)).await;
                } else {
                    client.send(format!("{LENGTH:x}\r\n")).await;
                    client.send(pattern(LENGTH)).await;
                    client.send("\r\n0\r\n\r\n").await;
                }
            };
            let (request, ()) = tokio::join!(origin.message(), sending);
            assert!(request.expect("a request").body == pattern(LENGTH), "{framing}");
            assert_took(&world, framing);
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            assert!(client.message().await.expect("an answer").is("200"));
        });
    }
}

/// An origin that answers before it has taken all, and takes no more: nothing turns in circles for what was held back.
#[test]
fn a_request_that_is_cut_short_is_held_no_more() {
    let options =
        TrafficOptions { request_bandwidth: bandwidth(Some(1024), None), ..TrafficOptions::default() };
    setup(options).run(async |world| {
        let (origin, client) = (world.fresh_origin(), world.client());
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").await;
        client.send(pattern(100_000)).await;
        origin.head().await.expect("a request");
        origin.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\n").await;
        assert!(client.head().await.expect("an answer").contains("413"));
        origin.reset();
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(client);
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.assert_at_rest("cut short");
    });
}

#[test]
fn what_is_compressed_counts_as_it_is_sent() {
    let codings = vec![(ContentCoding::Gzip, 3)];
    let options = TrafficOptions {
        response_bandwidth: bandwidth(Some(RATE), None),
        compression: Some(Compression { codings, ..Compression::default() }),
        ..TrafficOptions::default()
    };
    setup(options).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send("GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let body = "the same again and again\n".repeat(40_000);
        let answering = async {
            origin.head().await.expect("a request");
            let length = body.len();
            origin
                .send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
                ))
                .await;
            origin.send(&body).await;
        };
        let (received, ()) = tokio::join!(client.message(), answering);
        assert_eq!(received.expect("an answer").field("content-encoding"), Some("gzip"));
        assert!(world.elapsed() < Duration::from_secs(1), "{:?}", world.elapsed());
    });
}
