//! What one hostile HTTP/2 connection may cost: it is slowed down or ended, the gateway's memory stays bounded, and others
//! are served.

use super::peers::{Client, Http2Origin, block_on};
use super::raw::{
    self, CONTINUATION, Connection, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, SETTINGS, WINDOW_UPDATE,
    encode, frame,
};
use crate::{gateway, gateway_to};
use irongate_testkit::{Gate, Gateway, Manifest, Origin, eventually};
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Growth that is allowed: 2 MiB are promised; what a debug build and the allocator need on top is a guess.
const GROWTH: usize = 8 << 20;
/// How a flood ended.
#[derive(Debug, PartialEq, Eq)]
enum Flood {
    /// The gateway ended the connection.
    Ended,
    /// The gateway takes no more until its own bytes are read.
    Held,
    /// It took everything.
    Taken,
}

/// Sends the bytes again and again and reads nothing.
fn flood(connection: &mut Connection, bytes: &[u8], times: usize) -> Flood {
    connection.stream.set_write_timeout(Some(Duration::from_millis(500))).expect("not zero");
    for _ in 0..times {
        match connection.stream.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Flood::Held;
            }
            Err(_) => return Flood::Ended,
        }
    }
    Flood::Taken
}

#[track_caller]
fn assert_well(gateway: &Gateway, before: usize, what: &str) {
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < GROWTH, "{what}: grown by {grown} bytes");
    assert_eq!(gateway.get("/").status, 200, "{what}: others are served");
}

fn request(extra: &[(&str, &str)]) -> Vec<u8> {
    let head = [(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/")];
    encode(&[&head[..], extra].concat())
}

#[test]
fn floods_of_control_frames() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 200);
    let floods = [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("SETTINGS of a table's size", frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("an unknown kind", frame(0xfa, 0, 0, &[0; 64])),
    ];
    for (name, one) in floods {
        let before = gateway.resident();
        let mut connection = Connection::open(gateway.address());
        flood(&mut connection, &one.repeat(1_000), 300);
        assert_well(&gateway, before, name);
    }
}

#[test]
fn floods_end_with_the_right_code() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let hold = encode(&[(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/")]);
    for (name, one) in [
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("an unknown kind", frame(0xfa, 0, 0, &[0; 64])),
        ("empty DATA", frame(raw::DATA, 0, 1, &[])),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(HEADERS, END_HEADERS, 1, &hold);
        flood(&mut connection, &one.repeat(100), 30);
        let ended = raw::await_goaway(&mut connection);
        assert_eq!(ended, Some(ENHANCE_YOUR_CALM), "{name}");
    }
    assert_eq!(gateway.get("/").status, 200, "others are served");
    let refused = gateway.metric("irongate_refusals_total", &["http2_flood"]);
    assert!(refused >= 5.0, "{refused}: the crate ends some by itself");
}

/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn endless_heads() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 200);
    let before = gateway.resident();
    for (name, one) in [
        ("empty CONTINUATION", frame(CONTINUATION, 0, 1, &[])),
        ("CONTINUATION with fields", frame(CONTINUATION, 0, 1, &encode(&[("a", "b")]).repeat(1_000))),
    ] {
        let mut connection = Connection::open(gateway.address());
        connection.send(HEADERS, END_STREAM, 1, &request(&[]));
        // Far more than the sockets' buffers hold: what the gateway does not read cannot all be written.
        let many = one.repeat(80_000 / one.len());
        assert_eq!(flood(&mut connection, &many, 5_000), Flood::Ended, "{name}");
        assert_well(&gateway, before, name);
    }
    assert!(origin.requests().iter().all(|request| request.method() == "GET"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    let field = encode(&[("a", &"b".repeat(100))]);
    connection.send(HEADERS, END_STREAM, 1, &request(&[]));
    // 132 bytes each as the list's size counts: 80 KiB in all.
    connection.send(CONTINUATION, 0, 1, &field.repeat(155));
    connection.send(CONTINUATION, 0, 1, &field.repeat(155));
    connection.send(CONTINUATION, 0, 1, &field.repeat(155));
    connection.send(CONTINUATION, END_HEADERS, 1, &field.repeat(155));
    let outcome = raw::await_outcome(&mut connection);
    let refused =
        matches!(outcome, raw::Outcome::Status(431) | raw::Outcome::Reset(_) | raw::Outcome::GoAway(_));
    assert!(refused, "{outcome:?}");
    assert!(origin.bytes().is_empty());
}

#[test]
fn empty_data_frames() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            let head = connection.head()?;
            if head.start.starts_with("GET") {
                connection.rest(head)?;
                return connection.send(crate::OK);
            }
            connection.stuck(&gate);
            connection.until_end()
        }
    });
    let gateway = gateway_to(&origin);
    let before = gateway.resident();
    let mut connection = Connection::open(gateway.address());
    connection.send(HEADERS, END_HEADERS, 1, &request(&[]));
    flood(&mut connection, &frame(raw::DATA, 0, 1, &[]).repeat(1_000), 1_000);
    assert_well(&gateway, before, "empty DATA");
    gate.open();
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let origin = Origin::start(|connection| connection.until_end());
    let gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    for number in 0..150 {
        connection.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &request(&[]));
    }
    let mut refused = 0;
    while refused < 50 {
        match connection.frame() {
            Some((3, ..)) => refused += 1,
            Some((GOAWAY, ..)) | None => break,
            Some(_) => {}
        }
    }
    assert!(origin.records().len() <= 100, "{}", origin.records().len());
}

#[test]
fn answers_of_http2_that_nobody_reads() {
    let origin = Http2Origin::start();
    let route = "- backendRefs: [{name: origin, port: 80}]";
    let gateway = gateway(&Manifest::new().route(route).service_http2("origin", &[origin.address()]));
    leave_unread(&gateway, [3 << 20, 3 << 20]);
}

#[test]
fn answers_of_http1_that_nobody_reads() {
    let origin = Origin::start(|connection| {
        loop {
            // More than the kernel takes for the client, in pieces, since many are sent at once. Little of it is to wait
            // there: what the kernel holds of hundreds of connections has a bound for the whole machine (`tcp_mem`).
            connection.shrink_send_buffer();
            let pieces = if connection.request()?.target() == "/large" { 1 << 10 } else { 1 };
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", pieces * PIECE.len()))?;
            for _ in 0..pieces {
                connection.send(PIECE)?;
            }
        }
    });
    leave_unread(&gateway_to(&origin), [3 << 20, 4 << 20]);
}

/// A part of an answer.
const PIECE: [u8; 16 << 10] = [b'l'; 16 << 10];
/// As many as the gateway allows on one connection unless told.
const STREAMS: u32 = 100;
/// Connections whose cost is measured together: the allocator takes memory from the system by MiBs.
const CONNECTIONS: u32 = 8;

/// Asks for as many large answers as there may be on a connection, of which none is read: by clients that open no
/// window beyond the first, and by such that open all and take nothing from their sockets. Each of the
/// former, and of the latter, may cost so many bytes.
#[track_caller]
fn leave_unread(gateway: &Gateway, most: [usize; 2]) {
    let mut unread = Vec::new();
    let mut ask = |opens: bool| {
        unread.push(ask_for_much(gateway, opens));
        settle(gateway, unread.len() as u32 * STREAMS);
    };
    for (opens, most) in [false, true].into_iter().zip(most) {
        // What all connections share is there after the first one.
        ask(opens);
        let before = gateway.resident();
        (0..CONNECTIONS).for_each(|_| ask(opens));
        let each = gateway.resident().saturating_sub(before) / CONNECTIONS as usize;
        assert!(each <= most, "windows opened: {opens}: {each} bytes a connection");
        assert_eq!(gateway.get("/").status, 200, "others are served");
    }
}

fn ask_for_much(gateway: &Gateway, opens: bool) -> Connection {
    let mut connection = Connection::open(gateway.address());
    if opens {
        connection.send(SETTINGS, 0, 0, &[&[0, 4][..], &0x7fff_ffff_u32.to_be_bytes()].concat());
        connection.send(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
    }
    let head =
        encode(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/large")]);
    for number in 0..STREAMS {
        connection.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head);
    }
    connection
}

/// Waits until so many requests are under way and what comes of their answers has come.
#[track_caller]
fn settle(gateway: &Gateway, requests: u32) {
    eventually("all are under way", || {
        gateway.metric("irongate_requests_in_flight", &[]) >= f64::from(requests)
    });
    let (mut last, mut times) = (0, 0);
    eventually("the memory stays as it is", || {
        let now = gateway.resident();
        times = if now == last { times + 1 } else { 0 };
        last = now;
        times > 50
    });
}

#[test]
fn a_body_that_nobody_reads_is_held_back() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.head()?;
            connection.stuck(&gate);
            connection.until_end()
        }
    });
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let mut stream = client.open("POST", "/", false);
        let mut sent = 0;
        loop {
            stream.reserve_capacity(65_536);
            let room = std::future::poll_fn(|cx| stream.poll_capacity(cx));
            match tokio::time::timeout(Duration::from_millis(500), room).await {
                Ok(Some(Ok(room))) => {
                    stream.send_data(vec![b'a'; room].into(), false).expect("the stream is open");
                    sent += room;
                }
                Ok(_) => break,
                Err(_held_back) => break,
            }
            assert!(sent < 64 << 20, "the window never closes");
        }
        // What the kernel's buffers towards the origin take is part of it.
        assert!(sent < 16 << 20, "{sent} bytes were taken for an origin that reads none");
    });
    gate.open();
}
