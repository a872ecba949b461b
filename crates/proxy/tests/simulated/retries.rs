//! What is sent again, to whom, and that it is the same.

use crate::world::{Message, Peer, Setup, pattern};
use irongate_config::{RetryPolicy, RouteTimeouts};
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How much the first origin gets of a request before its connection ends.
#[derive(Clone, Copy)]
enum Gets {
    /// The head and all of the body.
    All,
    /// The head and so many bytes.
    Part(usize),
}

/// What becomes of a request whose connection to the origin ends without an answer.
enum Expected {
    /// The second origin gets the same request, and answers it.
    Again,
    /// The second origin gets nothing.
    NotAgain,
}

fn check(name: &str, request: &[u8], gets: Gets, expected: &Expected) {
    Setup::default().run(async |world| {
        // What broke one connection has most likely broken more: a request that lost one gets a new one.
        let second = world.fresh_origin();
        let first = world.origin();
        let client = world.client();
        let upload = async {
            // Where the request is given up, not all of it may be taken.
            let _ = client.try_send(request).await;
        };
        let origins = async {
            let seen = fail(first, gets).await;
            match expected {
                Expected::Again => {
                    let again = second.message().await.expect("the request again");
                    if let Some(seen) = seen {
                        assert_eq!(again, seen, "{name}: the same request");
                    }
                    let trailers = String::from_utf8_lossy(request).contains("\r\nX-Trailer: ");
                    assert_eq!(again.trailers.contains("X-Trailer"), trailers, "{name}: the trailers");
                    assert_eq!(again.body, body_of(request), "{name}: the body");
                    second.send(OK).await;
                    assert!(client.message().await.expect("an answer").is("200"), "{name}");
                }
                Expected::NotAgain => {
                    let answer = client.message().await.expect("an answer");
                    assert!(answer.is("502"), "{name}: {}", answer.head);
                    assert!(second.is_quiet().await, "{name}: nothing is sent again");
                }
            }
        };
        tokio::join!(upload, origins);
        let retries = if let Expected::Again = expected { 1.0 } else { 0.0 };
        assert_eq!(world.metric("irongate_retries_total"), retries, "{name}: retries");
    });
}

/// Takes something of a request and goes away; gives the request, if it was all of it.
async fn fail(origin: Peer, gets: Gets) -> Option<Message> {
    match gets {
        Gets::All => Some(origin.message().await.expect("a request")),
        Gets::Part(length) => {
            origin.head().await.expect("a request");
            origin.take(length).await.expect("a part of its body");
            None
        }
    }
}

/// The body of a request that is sent with its length, or as one chunk.
fn body_of(request: &[u8]) -> &[u8] {
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    if !request[..head].windows(8).any(|window| window == b"chunked\r") {
        return &request[head..];
    }
    let line = head + request[head..].iter().position(|&byte| byte == b'\r').expect("a size");
    let size = std::str::from_utf8(&request[head..line]).expect("a size");
    &request[line + 2..][..usize::from_str_radix(size, 16).expect("a size")]
}

fn with_length(method: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{method} /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn in_chunks(method: &str, body: &[u8], trailer: &str) -> Vec<u8> {
    let head = format!("{method} /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    let size = format!("{:x}\r\n", body.len());
    let end = format!("\r\n0\r\n{trailer}\r\n");
    [head.as_bytes(), size.as_bytes(), body, end.as_bytes()].concat()
}

#[test]
fn a_pooled_connection_that_ends_is_not_the_clients_problem() {
    let get = b"GET /x?y HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n";
    check("GET", get, Gets::All, &Expected::Again);
    check("GET with a body", &with_length("GET", b"hello"), Gets::All, &Expected::Again);
    check("POST", &with_length("POST", b"hello"), Gets::All, &Expected::NotAgain);
    check("POST without a body", &with_length("POST", b""), Gets::All, &Expected::NotAgain);
    check("PATCH", &with_length("PATCH", b"hello"), Gets::All, &Expected::NotAgain);
    check("a method of somebody's own", &with_length("BREW", b""), Gets::All, &Expected::NotAgain);
}

#[test]
fn bodies_are_sent_again_as_they_were() {
    let limit = 64 << 10;
    let put = |length: usize| with_length("PUT", &pattern(length));
    check("short", &put(10), Gets::All, &Expected::Again);
    check("a part of it was taken", &put(10_000), Gets::Part(5_000), &Expected::Again);
    check("as long as is kept", &put(limit), Gets::All, &Expected::Again);
    check("longer than is kept", &put(limit + 1), Gets::All, &Expected::NotAgain);
    check("much longer", &put(1 << 20), Gets::Part(limit + 1), &Expected::NotAgain);
    check("chunks", &in_chunks("PUT", &pattern(3_000), ""), Gets::All, &Expected::Again);
    let long = in_chunks("PUT", &pattern(limit + 1), "");
    check("long chunks", &long, Gets::All, &Expected::NotAgain);
    let trailers = in_chunks("PUT", b"hello", "X-Trailer: 7\r\n");
    check("trailers", &trailers, Gets::All, &Expected::Again);
}

#[test]
fn a_connection_that_ended_while_it_was_idle_is_not_used() {
    let check = |name: &str, end: fn(Peer)| {
        Setup::default().run(async |world| {
            let good = world.origin();
            end(world.origin());
            let client = world.client();
            client.send(with_length("POST", b"hello")).await;
            assert_eq!(good.message().await.expect("the request").body, b"hello", "{name}");
            good.send(OK).await;
            assert!(client.message().await.expect("an answer").is("200"), "{name}");
            assert_eq!(world.metric("irongate_upstream_connections_active"), 1.0, "{name}");
        });
    };
    check("closed", drop);
    check("reset", |origin| origin.reset());
    check("half closed", |origin| {
        origin.shutdown();
        // Its other half stays open.
        std::mem::forget(origin);
    });
}

#[test]
fn bytes_that_nobody_asked_for_end_a_pooled_connection() {
    Setup::default().run(async |world| {
        let good = world.origin();
        let early = world.origin();
        early.send("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").await;
        let client = world.client();
        client.send(with_length("POST", b"hello")).await;
        good.message().await.expect("the request");
        good.send(OK).await;
        assert!(client.message().await.expect("an answer").is("200"));
        assert!(early.rest().await.0.is_empty());
    });
}

#[test]
fn bytes_behind_an_answer_end_its_connection() {
    Setup::default().run(async |world| {
        let good = world.origin();
        let odd = world.origin();
        let client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        odd.message().await.expect("the request");
        odd.send([OK, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"].concat()).await;
        assert_eq!(client.message().await.expect("an answer").body, b"ok");
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        good.message().await.expect("the next request");
        good.send(OK).await;
        assert_eq!(client.message().await.expect("an answer").body, b"ok");
        assert!(odd.rest().await.0.is_empty(), "the odd one is closed");
    });
}

/// Four connections end under the same request: that is not the connections' fault.
#[test]
fn tries_are_bounded() {
    Setup::default().run(async |world| {
        let origins = [world.origin(), world.fresh_origin(), world.fresh_origin(), world.fresh_origin()];
        let spare = world.fresh_origin();
        let client = world.client();
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        for origin in origins {
            origin.message().await.expect("the request");
        }
        assert!(client.message().await.expect("an answer").is("502"));
        assert!(spare.is_quiet().await);
    });
}

/// What an origin does before a retry that would begin too late.
#[derive(Clone, Copy)]
enum Fails {
    Answers,
    Closes,
}

/// A route that waits 10 s before it tries again, for a request that has 5 s (or as long as it likes).
fn late(name: &str, limit: Option<Duration>, fails: Fails, expected: &str) {
    let retry = RetryPolicy {
        attempts: 3,
        codes: vec![503],
        backoff: Some(Duration::from_secs(10)),
        ..RetryPolicy::default()
    };
    let timeouts = RouteTimeouts { request: limit, backend_request: None };
    Setup { retry: Some(retry), timeouts, ..Setup::default() }.run(async |world| {
        // Both on new connections: an idle one that ends has a reason of its own.
        let (first, second, client) = (world.fresh_origin(), world.fresh_origin(), world.client());
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        first.head().await.expect("a request");
        match fails {
            Fails::Answers => first.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy").await,
            Fails::Closes => drop(first),
        }
        let retried = expected == "200";
        if retried {
            second.head().await.expect("the request again");
            second.send(OK).await;
        }
        let answer = client.message().await.expect("an answer");
        assert!(answer.is(expected), "{name}: {}", answer.head);
        if let (Fails::Answers, false) = (fails, retried) {
            assert_eq!(answer.body, b"busy", "{name}: the origin's own answer");
        }
        assert_eq!(world.elapsed() < Duration::from_secs(1), !retried, "{name}: nobody waits in vain");
        assert_eq!(world.metric("irongate_retries_total"), f64::from(u8::from(retried)), "{name}");
    });
}

#[test]
fn a_retry_that_would_come_too_late_gives_the_answer_that_there_is() {
    let limit = Duration::from_secs(5);
    late("an answer", Some(limit), Fails::Answers, "503");
    late("an answer, and time enough", None, Fails::Answers, "200");
    late("an answer, and more time", Some(4 * limit), Fails::Answers, "200");
    // Alone, an endpoint that reset a connection has a moment before it is asked again.
    late("an end", Some(Duration::from_millis(20)), Fails::Closes, "502");
}
