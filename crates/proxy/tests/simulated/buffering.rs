//! Bodies of requests that are read whole before anything is sent.

use crate::world::{Setup, World};
use irongate_config::{RequestBuffer, RetryPolicy, TrafficOptions};
use std::sync::Arc;
use std::time::Duration;

/// Bodies are read whole first, up to 8 bytes and for 10 seconds.
fn buffered() -> TrafficOptions {
    let buffer = RequestBuffer { scope: "default/p".into(), max_size: 8, timeout: Duration::from_secs(10) };
    TrafficOptions { request_buffer: Some(buffer), ..TrafficOptions::default() }
}

fn buffering(test: impl AsyncFnOnce(World)) {
    Setup { traffic: Some(Arc::new(buffered())), ..Setup::default() }.run(test);
}

#[test]
fn a_buffered_body_is_sent_whole_and_with_its_length() {
    buffering(async |world| {
        let (origin, client) = (world.fresh_origin(), world.client());
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for piece in ["3\r\n123\r\n", "5\r\n45678\r\n"] {
            tokio::time::sleep(Duration::from_secs(2)).await;
            client.send(piece).await;
            assert!(origin.is_quiet().await, "nothing goes out before all of it is there");
        }
        client.send("0\r\n\r\n").await;
        let request = origin.message().await.expect("a request");
        assert_eq!((request.body.as_slice(), request.field("content-length")), (&b"12345678"[..], Some("8")));
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert!(client.message().await.expect("an answer").is("200"));
        assert_eq!(world.metric_of("irongate_buffered_requests_total", "buffered"), 1.0);
        // The next one on the same connection; an empty body is one, too.
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
        let request = origin.message().await.expect("a request");
        assert_eq!((request.body.len(), request.field("content-length")), (0, Some("0")));
    });
}

#[test]
fn trailers_of_a_buffered_body_stay() {
    buffering(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: y\r\n\r\n").await;
        let request = origin.message().await.expect("a request");
        assert_eq!((request.body.as_slice(), request.trailers.as_str()), (&b"ab"[..], "X-T: y\r\n"));
    });
}

#[test]
fn a_buffered_body_has_its_bounds() {
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    // What is sent, and the answer.
    for (sent, status) in [
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n".to_owned(), "413"),
        (format!("{CHUNKED}5\r\n12345\r\n4\r\n6789\r\n"), "413"),
        (format!("{CHUNKED}5\r\n12345\r\n"), "408"),
        (format!("{CHUNKED}5\r\n12345\r\nzz\r\n"), "400"),
    ] {
        buffering(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(&sent).await;
            let answer = client.message().await.expect("an answer");
            assert!(answer.is(status), "{sent:?}: {}", answer.head);
            let waited = if status == "408" { Duration::from_secs(10) } else { Duration::ZERO };
            let took = world.elapsed();
            assert!(took >= waited && took < waited + Duration::from_secs(1), "{sent:?}: {took:?}");
            assert!(origin.is_quiet().await, "{sent:?}: nothing went out");
            assert_eq!(world.metric("irongate_upstream_requests_total"), 0.0);
        });
    }
}

#[test]
fn a_client_that_waits_to_send_a_buffered_body_is_told_to() {
    buffering(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
        assert!(client.head().await.expect("an interim answer").starts_with("HTTP/1.1 100 "));
        client.send("abc").await;
        let request = origin.message().await.expect("a request");
        assert_eq!((request.body.as_slice(), request.field("expect")), (&b"abc"[..], None));
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert!(client.message().await.expect("an answer").is("200"));
    });
}

#[test]
fn a_buffered_body_is_sent_again() {
    let retry = RetryPolicy { attempts: 1, codes: vec![503], ..RetryPolicy::default() };
    let setup = Setup { traffic: Some(Arc::new(buffered())), retry: Some(retry), ..Setup::default() };
    setup.run(async |world| {
        let (second, first, client) = (world.origin(), world.origin(), world.client());
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").await;
        let failing = async {
            assert_eq!(first.message().await.expect("a request").body, b"abc");
            first.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
        };
        let serving = async {
            let again = second.message().await.expect("the request again");
            assert_eq!((again.body.as_slice(), again.field("content-length")), (&b"abc"[..], Some("3")));
            second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        };
        let (answer, (), ()) = tokio::join!(client.message(), failing, serving);
        assert!(answer.expect("an answer").is("200"));
    });
}

#[test]
fn a_client_that_leaves_while_its_body_is_read_leaves_nothing() {
    buffering(async |world| {
        let client = world.client();
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(client);
        tokio::time::sleep(Duration::from_secs(5)).await;
        world.assert_at_rest("a client left");
    });
}

/// Bodies that find no memory are passed on as they come.
#[test]
fn buffered_bodies_share_so_much_memory() {
    let buffer = RequestBuffer { max_size: 16 << 20, ..buffered().request_buffer.expect("it has one") };
    let options = TrafficOptions { request_buffer: Some(buffer), ..TrafficOptions::default() };
    Setup { traffic: Some(Arc::new(options)), ..Setup::default() }.run(async |world| {
        let mut held = Vec::new();
        let piece = vec![b'x'; 12 << 20];
        while world.metric_of("irongate_buffered_requests_total", "streamed") == 0.0 {
            assert!(held.len() < 10, "memory is bounded");
            let (client, origin) = (world.client(), world.fresh_origin());
            client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 16000000\r\n\r\n").await;
            client.try_send_for(Duration::from_millis(1), &piece).await;
            held.push((client, origin));
        }
        // The one that was passed on took the first of the connections.
        let (_, origin) = &held[0];
        let head = origin.head().await.expect("a request");
        assert!(head.contains("Content-Length: 16000000\r\n"), "{head}");
        assert_eq!(origin.take(1 << 20).await.expect("its beginning"), vec![b'x'; 1 << 20]);
    });
}
