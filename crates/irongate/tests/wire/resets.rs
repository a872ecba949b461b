//! Resets at every stage, by either side: each ends its exchange, and nobody else's.

use crate::{GET, OK, gateway_to};
use irongate_testkit::{End, Gate, Gateway, Origin, ReadError, eventually};

/// The gateway serves on, and holds nothing of what was broken off.
#[track_caller]
fn assert_well(gateway: &Gateway) {
    assert_eq!(gateway.get("/well").text(), "ok");
}

/// Answers with "ok" where the target is `/well`, else follows the script.
fn origin(script: impl irongate_testkit::Script) -> Origin {
    Origin::start(move |connection| {
        while connection.head()?.start.contains("/well") {
            connection.send(OK)?;
        }
        script(connection)
    })
}

#[test]
fn a_client_that_leaves_before_a_whole_head() {
    let origin = origin(|connection| connection.until_end());
    let gateway = gateway_to(&origin);
    for start in ["", "G", "GET / HTTP/1.1\r\nHost: test\r\n"] {
        for reset in [false, true] {
            let mut client = gateway.connect();
            client.send(start);
            if reset {
                client.reset();
            }
        }
    }
    assert_well(&gateway);
    assert_eq!(origin.records().len(), 1);
}

#[test]
fn a_client_that_leaves_before_the_answer() {
    let origin = origin(|connection| connection.until_end());
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    eventually("the request arrives", || origin.bytes().ends_with(b"\r\n\r\n"));
    client.reset();
    origin.wait_ended();
    assert_well(&gateway);
}

#[test]
fn a_client_that_leaves_in_its_body() {
    let origin = origin(|connection| connection.until_end());
    let gateway = gateway_to(&origin);
    for reset in [false, true] {
        let mut client = gateway.connect();
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234");
        eventually("a part arrives", || origin.bytes().ends_with(b"01234"));
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        origin.wait_ended();
        assert!(origin.bytes().ends_with(b"01234"), "nothing was made up");
    }
    assert_well(&gateway);
}

#[test]
fn a_client_that_leaves_in_the_answer() {
    let origin = origin(|connection| {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
        loop {
            connection.send([b'a'; 65_536])?;
        }
    });
    let gateway = gateway_to(&origin);
    for reset in [false, true] {
        let mut client = gateway.connect();
        client.send(GET);
        client.exactly(100_000).expect("a part");
        if reset {
            client.reset();
        } else {
            drop(client);
        }
        origin.wait_ended();
    }
    assert_well(&gateway);
}

#[test]
fn an_origin_that_resets_at_once() {
    let origin = Origin::start(|connection| {
        connection.reset();
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na");
        let status = client.response().status;
        assert!([502, 503].contains(&status), "{status}");
    }
}

#[test]
fn an_origin_that_resets_before_the_answer_or_in_its_head() {
    for part in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let origin = origin(move |connection| {
            connection.send(part)?;
            connection.reset();
            Ok(())
        });
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        for _ in 0..2 {
            client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.response().status, 502, "after {part:?}");
        }
        assert_well(&gateway);
    }
}

#[test]
fn an_origin_that_resets_in_its_body() {
    for head in ["Content-Length: 1000", "Transfer-Encoding: chunked", "Connection: close"] {
        let gate = Gate::new();
        let origin = origin({
            let gate = gate.clone();
            move |connection| {
                connection.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\n01234\r\n"))?;
                gate.wait();
                connection.reset();
                Ok(())
            }
        });
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        client.send(GET);
        let mut watcher = gateway.connect();
        watcher.send("GET /well HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(watcher.response().text(), "ok");
        gate.open();
        let result = client.try_response("GET");
        assert!(
            matches!(&result, Err(ReadError::Truncated | ReadError::Reset))
                || result.as_ref().is_ok_and(|a| a.status == 502),
            "{head}: {result:?}"
        );
        assert_well(&gateway);
    }
}

#[test]
fn an_origin_that_resets_while_it_is_idle() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            loop {
                connection.request()?;
                connection.send(OK)?;
                if connection.number() == 0 {
                    gate.wait();
                    connection.reset();
                    return Ok(());
                }
            }
        }
    });
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").text(), "ok");
    gate.open();
    eventually("the origin has reset", || origin.records()[0].end == Some(End::Script));
    // The reset is on its way or there; a POST must not fall into it unless it may have been sent.
    let answer = gateway.exchange("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na");
    assert!([200, 502].contains(&answer.status));
    assert_eq!(gateway.get("/").text(), "ok");
}

#[test]
fn an_origin_that_resets_while_the_body_is_sent() {
    let origin = origin(|connection| {
        connection.exactly(1000)?;
        connection.reset();
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let head = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 8000000\r\n\r\n";
    let sending = client.send_beside([head.as_bytes(), &vec![b'a'; 8_000_000]].concat());
    match client.try_response("POST") {
        Ok(answer) => assert_eq!(answer.status, 502),
        Err(error) => unreachable!("no answer: {error}"),
    }
    drop(client);
    let _cut_short = sending.join();
    assert_well(&gateway);
}
