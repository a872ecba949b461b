//! Slow and stuck peers on both sides: every wait ends. The bounds are set short here; each test waits for the
//! effect, and none measures how long it took, save that what moves slowly is let through.

use crate::{GET, OK, gateway};
use irongate_testkit::{Client, Gate, Gateway, Manifest, Origin, ReadError, SilentPort, eventually};
use std::time::Duration;

/// A gateway whose bounds on waits are short, to one origin.
fn impatient(origin: &Origin, timeouts: &str) -> Gateway {
    gateway(&Manifest::to_origins(&[origin.address()]).parameters(&format!("timeouts: {{{timeouts}}}")))
}

/// Sends pieces with a pause between them until the gateway has enough.
fn drip(client: &mut Client, piece: &str, times: usize) -> std::io::Result<()> {
    for _ in 0..times {
        client.try_send(piece)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[test]
fn a_head_has_so_long_from_its_first_byte() {
    let origin = Origin::echoing();
    let gateway = impatient(&origin, "head: 300ms, idle: 60s");
    for start in ["G", "GET / HTTP/1.1\r\nHost: test\r\nA: "] {
        let mut client = gateway.connect();
        client.send(start);
        // Each byte comes well within the bound; all of them would take ten times as long.
        let _cut_off = drip(&mut client, "a", 150);
        match client.try_response("GET") {
            Ok(answer) => assert_eq!(answer.status, 408),
            Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
        }
        client.expect_end();
    }
    assert!(origin.bytes().is_empty());
}

#[test]
fn a_head_that_stops_is_answered_or_closed() {
    let origin = Origin::echoing();
    let gateway = impatient(&origin, "head: 200ms, idle: 60s");
    let mut client = gateway.connect();
    client.send(GET);
    assert_eq!(client.response().status, 200);
    client.send("GET / HTTP/1.1\r\n");
    match client.try_response("GET") {
        Ok(answer) => assert_eq!(answer.status, 408),
        Err(error) => assert_eq!(error, ReadError::Closed),
    }
    client.expect_end();
}

#[test]
fn idle_clients_are_closed() {
    let origin = Origin::echoing();
    let gateway = impatient(&origin, "head: 200ms, idle: 200ms");
    let mut fresh = gateway.connect();
    let mut used = gateway.connect();
    used.send(GET);
    assert_eq!(used.response().status, 200);
    fresh.expect_end();
    used.expect_end();
}

#[test]
fn an_origin_that_never_answers() {
    let origin = Origin::start(|connection| connection.until_end());
    let gateway = impatient(&origin, "response: 200ms");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(client.response().status, 504);
    origin.wait_ended();
}

#[test]
fn an_origin_that_stops_in_its_head() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-")?;
        connection.until_end()
    });
    let gateway = impatient(&origin, "response: 200ms");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(client.response().status, 504);
    origin.wait_ended();
}

#[test]
fn an_origin_that_stops_in_its_body() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")?;
        connection.until_end()
    });
    let gateway = impatient(&origin, "streamIdle: 200ms");
    let mut client = gateway.connect();
    client.send(GET);
    let result = client.try_response("GET");
    assert!(matches!(result, Err(ReadError::Truncated | ReadError::Reset)), "{result:?}");
    origin.wait_ended();
}

#[test]
fn an_origin_that_takes_no_bytes() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.head()?;
            connection.stuck(&gate);
            connection.until_end()
        }
    });
    let gateway = impatient(&origin, "stalledWrite: 300ms, streamIdle: 60s");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 33554432\r\n\r\n");
    let sending = client.send_beside(vec![b'a'; 32 << 20]);
    match client.try_response("POST") {
        Ok(answer) => assert!([502, 503, 504].contains(&answer.status), "{answer:?}"),
        Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
    }
    drop(client);
    let _cut_short = sending.join();
    gate.open();
    origin.wait_ended();
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_client_that_stops_in_its_body() {
    let origin = Origin::echoing();
    let gateway = impatient(&origin, "streamIdle: 200ms");
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234");
    match client.try_response("POST") {
        Ok(answer) => assert_eq!(answer.status, 408),
        Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
    }
    client.expect_end();
    origin.wait_ended();
    assert_eq!(origin.requests(), []);
}

#[test]
fn a_client_that_takes_no_bytes() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
        loop {
            connection.send([b'a'; 65_536])?;
        }
    });
    let gateway = impatient(&origin, "stalledWrite: 300ms, streamIdle: 60s");
    let mut client = gateway.connect();
    client.shrink_receive_buffer();
    client.send(GET);
    eventually("the origin is cut off", || origin.records().iter().any(|record| record.end.is_some()));
    let result = client.try_response("GET");
    assert!(matches!(result, Err(ReadError::Truncated | ReadError::Reset)), "{result:?}");
}

#[test]
fn what_is_slow_and_moves_is_let_through() {
    let origin = Origin::start(|connection| {
        let request = connection.request()?;
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()))?;
        for byte in &request.body {
            connection.send([*byte])?;
            std::thread::sleep(Duration::from_millis(30));
        }
        connection.until_end()
    });
    let gateway = impatient(
        &origin,
        "streamIdle: 400ms, stalledWrite: 400ms, response: 400ms, idle: 400ms, head: 400ms",
    );
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 25\r\n\r\n");
    drip(&mut client, "a", 25).expect("a body may come slowly");
    assert_eq!(client.response().body, [b'a'; 25]);
}

#[test]
fn a_request_timeout_of_a_route() {
    let origin = Origin::start(|connection| {
        loop {
            let request = connection.request()?;
            match request.target() {
                "/quick" | "/unbounded" => connection.send(OK)?,
                _ => return connection.until_end(),
            }
        }
    });
    let rule = |path: &str, timeouts: &str| {
        format!(
            "- matches: [{{path: {{value: {path}}}}}]\n  timeouts: {{{timeouts}}}\n  backendRefs: [{{name: origin, port: 80}}]\n"
        )
    };
    let rules = [
        rule("/request", "request: 200ms"),
        rule("/backend", "backendRequest: 200ms"),
        rule("/quick", "request: 5s, backendRequest: 5s"),
        rule("/unbounded", "request: 0s"),
    ];
    let gateway = gateway(&Manifest::new().route(&rules.concat()).service("origin", &[origin.address()]));
    for (target, status) in [("/request", 504), ("/backend", 504), ("/quick", 200), ("/unbounded", 200)] {
        let mut client = gateway.connect();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na"));
        assert_eq!(client.response().status, status, "{target}");
    }
}

#[test]
fn a_request_timeout_ends_an_answer_that_has_begun() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            connection.send("1\r\na\r\n")?;
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let rules = "- timeouts: {request: 300ms}\n  backendRefs: [{name: origin, port: 80}]";
    let gateway = gateway(&Manifest::new().route(rules).service("origin", &[origin.address()]));
    let mut client = gateway.connect();
    client.send(GET);
    let result = client.try_response("GET");
    assert!(matches!(result, Err(ReadError::Truncated | ReadError::Reset)), "{result:?}");
}

#[test]
fn connecting_has_its_bound() {
    let silent = SilentPort::hanging();
    let policy = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: p}\nspec:\n  \
                  targetRefs: [{group: '', kind: Service, name: origin}]\n  connectTimeout: 200ms\n";
    let gateway = gateway(&Manifest::to_origins(&[silent.address()]).document(policy));
    assert_eq!(gateway.get("/").status, 503);
}
