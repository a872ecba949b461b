//! Upgrades become tunnels, only after 101.

use crate::{GET, OK, gateway_to};
use irongate_testkit::{End, Gate, Origin, Script, eventually};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: b\r\n\r\n";

/// Switches protocols, then does what the script says.
fn switching(script: impl Script) -> Origin {
    Origin::start(move |connection| {
        let head = connection.head()?;
        assert_eq!(head.field("upgrade"), Some("websocket"));
        assert!(
            head.field("connection").is_some_and(|list| list.to_ascii_lowercase().contains("upgrade")),
            "{head:?}"
        );
        assert_eq!(head.field("sec-websocket-key"), Some("a"));
        connection.send(SWITCH)?;
        script(connection)
    })
}

#[test]
fn bytes_go_both_ways_after_101() {
    let origin = switching(|connection| {
        for _ in 0..5 {
            let bytes = connection.exactly(4)?;
            connection.send([b"<", &bytes[..], b">"].concat())?;
        }
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(UPGRADE);
    let answer = client.response();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("websocket")));
    assert!(answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    assert_eq!(answer.field("sec-websocket-accept"), Some("b"));
    // What passes is not parsed.
    for bytes in ["\0\u{1}\r\n", "GET ", "0\r\n\r", "\r\n\r\n", "last"] {
        let bytes = &bytes.as_bytes()[..4];
        client.send(bytes);
        assert_eq!(client.exactly(6).expect("an echo"), [b"<", bytes, b">"].concat());
    }
    client.finish();
    assert_eq!(origin.wait_ended(), Some(End::Closed));
    client.expect_end();
}

#[test]
fn early_bytes_of_both_sides_belong_to_the_tunnel() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send(format!("{SWITCH}early from the origin"))?;
        let bytes = connection.exactly(21)?;
        connection.send(&bytes)?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(format!("{UPGRADE}early from the client"));
    assert_eq!(client.response().status, 101);
    assert_eq!(client.exactly(21).expect("bytes"), b"early from the origin");
    assert_eq!(client.exactly(21).expect("bytes"), b"early from the client");
}

#[test]
fn each_direction_ends_by_itself() {
    let origin = switching(|connection| {
        connection.send("all that I say")?;
        connection.finish();
        connection.exactly(10)?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(UPGRADE);
    assert_eq!(client.response().status, 101);
    let (bytes, end) = client.read_to_end();
    assert_eq!((bytes.as_slice(), end), (&b"all that I say"[..], End::Closed));
    client.send("0123456789");
    client.finish();
    assert_eq!(origin.wait_ended(), Some(End::Closed));
    assert!(origin.bytes().ends_with(b"0123456789"));
}

#[test]
fn much_passes_both_ways_at_once() {
    const LENGTH: usize = 4 << 20;
    let origin = switching(|connection| {
        for _ in 0..LENGTH / 4096 {
            let bytes = connection.exactly(4096)?;
            connection.send(bytes)?;
        }
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(UPGRADE);
    assert_eq!(client.response().status, 101);
    let bytes: Vec<u8> = (0..LENGTH).map(|i| (i / 777) as u8).collect();
    let sending = client.send_beside(bytes.clone());
    assert!(client.exactly(LENGTH).expect("all of it") == bytes, "other bytes");
    sending.join().expect("no panic").expect("the gateway takes it all");
}

#[test]
fn another_answer_than_101_is_an_ordinary_one() {
    let origin = Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send(OK)?;
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    // What came early is then the next request.
    client.send(format!("{UPGRADE}GET /next HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert_eq!(client.response().text(), "ok");
    assert_eq!(client.response().text(), "ok");
    client.send(GET);
    assert_eq!(client.response().text(), "ok");
    let targets: Vec<String> = origin.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/chat", "/next", "/"]);
}

#[test]
fn early_bytes_are_not_sent_before_101() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.head()?;
            gate.wait();
            connection.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")?;
            connection.until_end()
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(format!("{UPGRADE}POST /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"));
    eventually("the head comes", || origin.bytes().ends_with(b"\r\n\r\n"));
    gate.open();
    assert_eq!(client.response().status, 403);
    assert_eq!(client.response().status, 400, "the early bytes are a request, and a bad one");
    assert!(!String::from_utf8_lossy(&origin.bytes()).contains("evil"));
}

#[test]
fn a_101_that_nobody_asked_for_is_a_bad_gateway() {
    for request in [
        GET,
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let origin = Origin::answering(SWITCH);
        let gateway = gateway_to(&origin);
        let answer = gateway.exchange(request);
        assert_eq!(answer.status, 502, "{request:?}");
        let asked = origin.requests();
        assert!(asked.iter().all(|request| request.field("upgrade").is_none()), "{asked:?}");
    }
}

#[test]
fn another_protocol_than_asked_for_is_a_bad_gateway() {
    let origin = Origin::answering(SWITCH.replace("websocket", "something-else"));
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange(UPGRADE).status, 502);
}

#[test]
fn the_h2c_upgrade_is_removed() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(answer.status, 200);
    let request = origin.only_request();
    for gone in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(request.field(gone), None, "{request:#?}");
    }
}

#[test]
fn a_tunnel_ends_when_either_side_resets() {
    for by_client in [false, true] {
        let gate = Gate::new();
        let origin = switching({
            let gate = gate.clone();
            move |connection| {
                if by_client {
                    return connection.until_end();
                }
                gate.wait();
                connection.reset();
                Ok(())
            }
        });
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        client.send(UPGRADE);
        assert_eq!(client.response().status, 101);
        gate.open();
        if by_client {
            client.reset();
            origin.wait_ended();
        } else {
            client.expect_end();
        }
    }
}
