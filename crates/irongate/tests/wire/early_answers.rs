//! Answers that come before the request is whole: they are delivered, and the connections' state stays right.

use crate::{GET, OK, gateway, gateway_to};
use irongate_testkit::{Gate, Manifest, Origin};

const LARGE: usize = 8 << 20;

fn head_of_large(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {LARGE}\r\n\r\n")
}

const TOO_LARGE: &str = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig";

#[test]
fn a_refusal_by_the_origin_is_delivered_before_the_body_was_sent() {
    let origin = Origin::start(|connection| {
        loop {
            let head = connection.head()?;
            if head.start.starts_with("POST") {
                connection.send(TOO_LARGE)?;
            } else {
                connection.send(OK)?;
            }
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    // Not a byte of the body is sent before the answer.
    client.send(head_of_large("/"));
    let answer = client.response();
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    assert_eq!(gateway.get("/").text(), "ok", "and others are served");
    assert_eq!(origin.records().len(), 2, "by another connection: the first still owes a body");
}

#[test]
fn a_refusal_is_delivered_while_the_body_comes_and_nobody_reads_it() {
    for close in [false, true] {
        let gate = Gate::new();
        let origin = Origin::start({
            let gate = gate.clone();
            move |connection| {
                connection.head()?;
                connection.send(TOO_LARGE)?;
                if close {
                    // With the body unread, this is a reset on the wire.
                    connection.close();
                } else {
                    connection.stuck(&gate);
                }
                Ok(())
            }
        });
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        client.send(head_of_large("/"));
        let sending = client.send_beside(vec![b'a'; LARGE]);
        let answer = client.response();
        assert_eq!((answer.status, answer.text().as_str()), (413, "big"), "close: {close}");
        gate.open();
        drop(client);
        let _cut_short = sending.join();
    }
}

#[test]
fn after_an_early_answer_and_the_whole_body_the_client_goes_on_or_is_told() {
    let origin = Origin::start(|connection| {
        loop {
            let head = connection.head()?;
            connection.send(OK)?;
            connection.rest(head)?;
        }
    });
    let gateway = gateway_to(&origin);
    for _ in 0..10 {
        let mut client = gateway.connect();
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234");
        let answer = client.response();
        assert_eq!(answer.text(), "ok");
        if answer.field("connection") == Some("close") {
            continue;
        }
        // The rest of the body is no request, whatever it looks like.
        if client.try_send(format!("GET /{GET}")).is_ok() {
            match client.try_response("GET") {
                Ok(next) => assert_eq!(next.text(), "ok"),
                Err(error) => assert!(
                    matches!(error, irongate_testkit::ReadError::Closed | irongate_testkit::ReadError::Reset),
                    "{error}"
                ),
            }
        }
    }
    for request in origin.requests() {
        assert!(request.method() == "POST" || request.target() == "/", "{request:?}");
    }
}

#[test]
fn both_directions_run_at_once() {
    let origin = Origin::start(|connection| {
        let head = connection.head()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        for _ in 0..3 {
            let ping = connection.exactly(4)?;
            connection.send([b"4\r\n", &ping[..], b"\r\n"].concat())?;
        }
        connection.send("0\r\n\r\n")?;
        drop(head);
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 12\r\n\r\n");
    assert_eq!(client.head().expect("an early head").status, 200);
    assert_eq!(client.exactly(10).expect("a chunk"), b"5\r\nfirst\r\n");
    for ping in ["pin1", "pin2", "pin3"] {
        client.send(ping);
        assert_eq!(client.exactly(9).expect("a chunk"), format!("4\r\n{ping}\r\n").as_bytes());
    }
    assert_eq!(client.exactly(5).expect("the last chunk"), b"0\r\n\r\n");
}

#[test]
fn a_large_exchange_in_both_directions_does_not_stand_still() {
    // The origin sends as it reads: if either pump waited for the other, both would fill up and stop.
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
        for _ in 0..LARGE / 65_536 {
            let piece = connection.exactly(65_536)?;
            connection.send(piece)?;
        }
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let body: Vec<u8> = (0..LARGE).map(|i| (i / 999) as u8).collect();
    let sending = client.send_beside([head_of_large("/").as_bytes(), &body].concat());
    assert!(client.response().body == body, "another body");
    sending.join().expect("no panic").expect("the gateway takes it all");
}

#[test]
fn our_own_answer_is_delivered_to_a_client_that_goes_on_sending() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::new().service("origin", &[origin.address()]));
    for body in [10, 100_000, LARGE] {
        let mut client = gateway.connect();
        let head = format!("POST /none HTTP/1.1\r\nHost: test\r\nContent-Length: {body}\r\n\r\n");
        let sending = client.send_beside([head.into_bytes(), vec![b'a'; body]].concat());
        let answer = client.response();
        assert_eq!(answer.status, 404);
        if answer.field("connection") != Some("close") {
            sending.join().expect("no panic").expect("the body is drained");
            client.send(GET);
            assert_eq!(client.response().status, 404);
        }
    }
}

#[test]
fn our_own_answer_needs_no_100_continue() {
    let gateway = gateway(&Manifest::new());
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.interim.len()), (404, 0));
}
