//! What is tried again, and what never is.

use crate::{GET, OK, gateway, gateway_to};
use irongate_testkit::{Manifest, Origin, ReadError, SilentPort};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

fn post(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An origin whose first `failing` connections answer one request and are reset when the head of the second has
/// come: what a client of a pool sees of a server that closed just then.
fn stale(failing: usize) -> Origin {
    Origin::start(move |connection| {
        connection.request()?;
        connection.send(OK)?;
        if connection.number() < failing {
            connection.head()?;
            connection.reset();
            return Ok(());
        }
        loop {
            connection.request()?;
            connection.send(OK)?;
        }
    })
}

#[test]
fn an_endpoint_that_refuses_is_invisible() {
    let (dead, origin) = (SilentPort::refusing(), Origin::echoing());
    let gateway = gateway(&Manifest::to_origins(&[dead.address(), origin.address()]));
    for _ in 0..10 {
        assert_eq!(gateway.get("/").status, 200);
        assert_eq!(gateway.exchange(post("body")).text(), "POST / 4", "nothing was sent to the dead one");
    }
}

#[test]
fn an_endpoint_that_never_accepts_is_invisible() {
    let (silent, origin) = (SilentPort::hanging(), Origin::echoing());
    let policy = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: p}\nspec:\n  \
                  targetRefs: [{group: '', kind: Service, name: origin}]\n  connectTimeout: 200ms\n";
    let gateway = gateway(&Manifest::to_origins(&[silent.address(), origin.address()]).document(policy));
    for _ in 0..6 {
        assert_eq!(gateway.exchange(post("body")).text(), "POST / 4");
    }
}

#[test]
fn nobody_to_connect_to_is_unavailable() {
    let (a, b) = (SilentPort::refusing(), SilentPort::refusing());
    let gateway = gateway(&Manifest::to_origins(&[a.address(), b.address()]));
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(post("body"));
        assert_eq!(client.response().status, 503);
    }
}

#[test]
fn an_origin_that_comes_back_is_used_again() {
    let mut origin = Origin::echoing();
    let address = origin.address();
    let gateway = gateway(&Manifest::to_origins(&[address]));
    assert_eq!(gateway.get("/").status, 200);
    origin.stop();
    assert!([502, 503].contains(&gateway.get("/").status));
    let listener = std::net::TcpListener::bind(address);
    // The port may have been taken meanwhile; then there is nothing to see.
    let Ok(listener) = listener else { return };
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the gateway comes");
        let mut chunk = [0; 4096];
        // Probes connect and leave; the request comes on one of the connections.
        while !matches!(std::io::Read::read(&mut stream, &mut chunk), Ok(1..)) {
            stream = listener.accept().expect("the gateway comes").0;
        }
        std::io::Write::write_all(&mut stream, OK.as_bytes()).expect("it waits for the answer");
    });
    irongate_testkit::eventually("it is found again", || gateway.get("/").status == 200);
    serving.join().expect("it was asked");
}

#[test]
fn a_stale_pooled_connection_is_invisible_to_a_get() {
    let origin = stale(3);
    let gateway = gateway_to(&origin);
    for _ in 0..8 {
        assert_eq!(gateway.get("/").text(), "ok");
    }
}

#[test]
fn many_stale_pooled_connections_are_invisible_to_a_get() {
    const STALE: usize = 4;
    let together = Barrier::new(STALE);
    let origin = Origin::start(move |connection| {
        connection.request()?;
        if connection.number() < STALE {
            // All of them are open at once, and so pooled later.
            together.wait();
            connection.send(OK)?;
            connection.head()?;
            connection.reset();
            return Ok(());
        }
        connection.send(OK)
    });
    let gateway = gateway_to(&origin);
    let mut clients: Vec<_> = (0..STALE).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(gateway.get("/again").text(), "ok");
    let tries = String::from_utf8_lossy(&origin.bytes()).matches("GET /again").count();
    assert_eq!(tries, 2, "one broken connection is enough to stop trusting the pool");
}

#[test]
fn a_post_is_not_sent_twice_over_a_stale_connection() {
    let origin = stale(1);
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").text(), "ok");
    let answer = gateway.exchange(post("body"));
    let posts = String::from_utf8_lossy(&origin.bytes()).matches("POST /").count();
    assert_eq!((answer.status, posts), (502, 1), "the origin may have acted on it");
}

#[test]
fn an_idempotent_request_is_sent_again_with_its_body() {
    let seen = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start({
        let seen = seen.clone();
        move |connection| {
            loop {
                let request = connection.request()?;
                if seen.fetch_add(1, Ordering::Relaxed) == 0 {
                    connection.reset();
                    return Ok(());
                }
                let length = request.body.len();
                connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{length:05}"))?;
            }
        }
    });
    let gateway = gateway_to(&origin);
    let body = "b".repeat(20_000);
    for framing in [
        format!("Content-Length: 20000\r\n\r\n{body}"),
        format!("Transfer-Encoding: chunked\r\n\r\n4e20\r\n{body}\r\n0\r\nX-Sum: 1\r\n\r\n"),
    ] {
        seen.store(0, Ordering::Relaxed);
        let answer = gateway.exchange(format!("PUT / HTTP/1.1\r\nHost: test\r\n{framing}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "20000"));
    }
    for request in origin.requests() {
        assert_eq!(request.body, body.as_bytes());
    }
    let with_trailers = origin.requests().iter().filter(|request| !request.trailers.is_empty()).count();
    assert_eq!((origin.requests().len(), with_trailers), (4, 2), "trailers are sent again too");
}

#[test]
fn a_body_too_large_to_keep_is_not_sent_again() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.reset();
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let body = "b".repeat(200_000);
    let mut client = gateway.connect();
    let sending = client.send_beside(
        format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 200000\r\n\r\n{body}").into_bytes(),
    );
    assert_eq!(client.response().status, 502);
    sending.join().expect("no panic").expect("it is all taken");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_post_that_was_sent_is_never_sent_again() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.reset();
        Ok(())
    });
    let other = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address(), other.address()]));
    let statuses: Vec<u16> = (0..12).map(|_| gateway.exchange(post("body")).status).collect();
    let failed = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(origin.requests().len(), failed, "{statuses:?}");
    assert_eq!(other.requests().len(), statuses.len() - failed, "{statuses:?}");
}

#[test]
fn a_get_is_tried_elsewhere_when_its_endpoint_resets() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.reset();
        Ok(())
    });
    let other = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address(), other.address()]));
    for _ in 0..12 {
        assert_eq!(gateway.get("/").status, 200);
    }
}

#[test]
fn nothing_is_tried_again_once_the_answer_has_begun() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")?;
        connection.exactly(1)?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    assert_eq!(client.head().expect("the head").status, 200);
    assert_eq!(client.exactly(5).expect("a part"), b"01234");
    drop(origin);
    client.expect_end();
}

fn with_retry(retry: &str, origin: &Origin) -> Manifest {
    Manifest::new()
        .route(&format!("- retry: {{{retry}}}\n  backendRefs: [{{name: origin, port: 80}}]"))
        .service("origin", &[origin.address()])
}

/// Fails the first `failures` requests with 503, whatever the connection.
fn failing_first(failures: usize) -> Origin {
    let seen = AtomicUsize::new(0);
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            let number = seen.fetch_add(1, Ordering::Relaxed);
            let answer =
                if number < failures { "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nlate" } else { OK };
            connection.send(answer)?;
        }
    })
}

#[test]
fn a_route_may_ask_for_retries_by_status() {
    let origin = failing_first(2);
    let gateway = gateway(&with_retry("attempts: 2, codes: [503]", &origin));
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn the_last_answer_is_given_when_tries_run_out() {
    let origin = failing_first(99);
    let gateway = gateway(&with_retry("attempts: 2, codes: [503]", &origin));
    let answer = gateway.get("/");
    assert_eq!((answer.status, answer.text().as_str()), (503, "late"));
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn other_statuses_are_not_tried_again() {
    let origin = failing_first(99);
    let gateway = gateway(&with_retry("attempts: 2, codes: [500]", &origin));
    assert_eq!(gateway.get("/").status, 503);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn without_a_policy_an_answer_is_an_answer() {
    let origin = failing_first(1);
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 503);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_origin_that_closes_without_an_answer_is_a_bad_gateway() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(post("body"));
    let answer: Result<_, ReadError> = client.try_response("POST");
    assert_eq!(answer.expect("an answer").status, 502);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_connection_idle_for_a_second_carries_no_request_that_cannot_be_sent_again() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 200);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(gateway.exchange(post("body")).status, 200);
    assert_eq!(origin.records().len(), 2);
}
