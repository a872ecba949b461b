//! Floods, by the section of RFC 9113 that they abuse: how each ends, and that another connection is served meanwhile.

use super::peers::Http2Origin;
use super::raw::{
    self, CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Outcome, PING,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, encode, frame,
};
use crate::{gateway, gateway_to};
use irongate_testkit::{Manifest, Origin, eventually};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

const PRIORITY: u8 = 2;
const WHOLE: u8 = END_HEADERS | END_STREAM;
const FLOW_CONTROL: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const CALM: u32 = 11;

fn head(method: &str, extra: &[(&str, &str)]) -> Vec<u8> {
    let head = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", "/")];
    encode(&[&head[..], extra].concat())
}

/// The frames that are sent on the `n`th turn.
type Turn = Box<dyn Fn(u32) -> Vec<u8>>;

/// The same again and again.
fn again(one: Vec<u8>) -> Turn {
    Box::new(move |_| one.clone())
}

/// A head on stream 1 first.
fn behind(first: Vec<u8>, then: Vec<u8>) -> Turn {
    Box::new(move |turn| if turn == 0 { [&first[..], &then].concat() } else { then.clone() })
}

/// A stream a turn.
fn by_stream(one: impl Fn(u32) -> Vec<u8> + 'static) -> Turn {
    Box::new(move |turn| one(2 * turn + 1))
}

/// A field of 4 KB that is put into the table (RFC 7541 §6.2.1), and a head that names it so many times.
fn bomb(times: usize) -> Turn {
    let large = [&[0x40, 1, b'x', 0x7f, 0x80 | 33, 30][..], &[b'y'; 4000]].concat();
    Box::new(move |turn| {
        let block = match turn {
            0 => [head("GET", &[]), large.clone()].concat(),
            // 62 is the newest field of the table.
            _ => [head("GET", &[]), vec![0xbe; times]].concat(),
        };
        frame(HEADERS, WHOLE, 2 * turn + 1, &block)
    })
}

/// Sends until the gateway ends the connection; gives the code that it ends with.
fn flood(address: SocketAddr, turn: &Turn) -> Option<u32> {
    const TURNS: u32 = 20_000;
    let mut connection = Connection::open(address);
    connection.stream.set_write_timeout(Some(Duration::from_millis(100))).expect("not zero");
    for bytes in (0..TURNS).map(turn) {
        match connection.stream.write_all(&bytes) {
            Ok(()) => {}
            // It waits for us to read, or has closed.
            Err(_) => break,
        }
    }
    raw::await_goaway(&mut connection)
}

#[test]
fn each_ends_with_its_code_and_others_are_served() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut other = Connection::open(gateway.address());
    let post = frame(HEADERS, END_HEADERS, 1, &head("POST", &[]));
    let cancel = 8_u32.to_be_bytes();
    let floods: Vec<(&str, Turn, u32)> = vec![
        ("4.1 frames of an unknown kind", again(frame(0xfa, 0, 0, &[0; 64])), CALM),
        (
            "5.1.2 streams beyond those that there may be",
            by_stream(|stream| frame(HEADERS, END_HEADERS, stream, &head("POST", &[]))),
            CALM,
        ),
        ("6.1 DATA of nothing", behind(post.clone(), frame(DATA, 0, 1, &[])), CALM),
        ("6.1 DATA of padding alone", behind(post, frame(DATA, 8, 1, &[3, 0, 0, 0])), CALM),
        ("6.3 PRIORITY", Box::new(|turn| frame(PRIORITY, 0, 2 * turn + 1, &[0, 0, 0, 0, 1])), CALM),
        (
            "6.4 RST_STREAM at once",
            by_stream(move |stream| {
                [frame(HEADERS, WHOLE, stream, &head("GET", &[])), frame(RST_STREAM, 0, stream, &cancel)]
                    .concat()
            }),
            CALM,
        ),
        (
            "6.4 streams that we have to reset",
            by_stream(|stream| frame(HEADERS, WHOLE, stream, &head("GET", &[("connection", "close")]))),
            CALM,
        ),
        ("6.5 SETTINGS", again(frame(SETTINGS, 0, 0, &[])), CALM),
        ("6.5 SETTINGS of a table's size", again(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0])), CALM),
        ("6.7 PING", again(frame(PING, 0, 0, &[0; 8])), CALM),
        ("6.9 WINDOW_UPDATE", again(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])), CALM),
        (
            "6.10 CONTINUATION of nothing",
            behind(frame(HEADERS, END_STREAM, 1, &head("GET", &[])), frame(CONTINUATION, 0, 1, &[])),
            CALM,
        ),
        (
            "6.10 CONTINUATION of fields",
            behind(
                frame(HEADERS, END_STREAM, 1, &head("GET", &[])),
                frame(CONTINUATION, 0, 1, &encode(&[("a", "b")]).repeat(200)),
            ),
            CALM,
        ),
        ("10.5.1 a field that each head names a hundred times", bomb(100), CALM),
    ];
    let mut failed = Vec::new();
    for (turn, (name, flood_of, expected)) in floods.iter().enumerate() {
        let code = flood(gateway.address(), flood_of);
        if code != Some(*expected) {
            failed.push(format!("{name}: {code:?}"));
        }
        let stream = 2 * turn as u32 + 1;
        other.send(HEADERS, WHOLE, stream, &head("GET", &[]));
        assert_eq!(raw::await_outcome_of(&mut other, stream), Outcome::Status(200), "after {name}");
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_body_beyond_its_window_is_a_fault_of_flow_control() {
    let origin = Http2Origin::start();
    let route = "- backendRefs: [{name: origin, port: 80}]";
    let gateway = gateway(&Manifest::new().route(route).service_http2("origin", &[origin.address()]));
    let mut connection = Connection::open(gateway.address());
    connection.send(HEADERS, END_HEADERS, 1, &hanging());
    // 64 KiB may be sent ahead; some may have gone on meanwhile, so much more is sent.
    for _ in 0..16 {
        connection.send(DATA, 0, 1, &[0; 16_384]);
    }
    let outcome = raw::await_outcome(&mut connection);
    assert!(matches!(outcome, Outcome::Reset(FLOW_CONTROL) | Outcome::GoAway(FLOW_CONTROL)), "{outcome:?}");
}

/// A request with a body that its origin does not read.
fn hanging() -> Vec<u8> {
    encode(&[(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/hang")])
}

/// What no origin takes waits: short messages are no flood, how many of them ever there are.
#[test]
fn short_messages_that_wait_for_an_origin_are_no_flood() {
    // It never opens a window: of all streams together it takes 64 KiB.
    let origin = Origin::start(|connection| {
        connection.send([frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat())?;
        connection.until_end()
    });
    let route = "- backendRefs: [{name: origin, port: 80}]";
    let gateway = gateway(&Manifest::new().route(route).service_http2("origin", &[origin.address()]));
    let mut connection = Connection::open(gateway.address());
    connection.send(HEADERS, WHOLE, 1, &head("GET", &[]));
    eventually("the origin's connection is there", || !origin.bytes().is_empty());
    // Four times what that may be sent, in messages of 20 bytes.
    for stream in [3, 5, 7, 9] {
        connection.send(HEADERS, END_HEADERS, stream, &hanging());
        let messages = frame(DATA, 0, stream, &[b'm'; 20]).repeat(400);
        for number in 0..8_u64 {
            connection.write(&messages);
            // So that what came is looked at before more comes.
            connection.send(PING, 0, 0, &number.to_be_bytes());
            loop {
                match connection.frame().expect("the connection goes on") {
                    (PING, 1, ..) => break,
                    (GOAWAY, .., payload) => unreachable!("{payload:?}"),
                    _ => {}
                }
            }
        }
    }
}

/// Some kilobytes that stand for 64 MB cost about as much as a thousand requests.
#[test]
fn two_heads_of_a_thousand_times_their_limit_end_the_connection() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    let bombs = bomb(16_000);
    (0..3).for_each(|turn| connection.write(&bombs(turn)));
    let code = loop {
        match connection.frame().expect("the gateway says why") {
            (GOAWAY, .., payload) => break payload[4..8].to_vec(),
            _other => {}
        }
    };
    assert_eq!(code, CALM.to_be_bytes());
}

#[test]
fn long_heads_share_a_bound() {
    let origin = Origin::start(|connection| connection.until_end());
    let gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    connection.write(&bomb(15)(0));
    // Of 60 KB each: some have room, and all others may be sent again.
    for turn in 1..60 {
        connection.write(&bomb(14)(turn));
    }
    connection.send(PING, 0, 0, b"all sent");
    let mut refused = 0;
    while refused < 40 {
        match connection.frame().expect("the connection goes on") {
            (RST_STREAM, _, _, payload) => {
                assert_eq!(payload, REFUSED_STREAM.to_be_bytes());
                refused += 1;
            }
            (GOAWAY, _, _, payload) => unreachable!("{payload:?}"),
            _ => {}
        }
    }
    assert!(gateway.metric("irongate_refusals_total", &["http2_heads"]) > 39.5);
    // A short head always has room.
    let before = gateway.metric("irongate_requests_in_flight", &[]);
    connection.send(HEADERS, WHOLE, 201, &head("GET", &[]));
    eventually("it is under way", || gateway.metric("irongate_requests_in_flight", &[]) > before + 0.5);
}
