//! What hostile and broken clients get over HTTP/3, and what they cost: their frames are written by hand.

use super::peers::{Client, code_of};
use super::{gateway_to, manifest};
use crate::gateway;
use crate::http2::peers::block_on;
use crate::http2::wait;
use crate::tls::Pair;
use irongate_testkit::{Gateway, Origin, PATIENCE, eventually};
use quinn::{ReadToEndError, VarInt};
use std::net::UdpSocket;
use tokio::time::timeout;

/// A frame (RFC 9114 §7.1).
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a short frame") | 0x8000_0000;
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// A frame of fields, all literal (RFC 9204 §4.5.6).
pub(super) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = vec![0, 0];
    for (name, value) in fields {
        match u8::try_from(name.len()).expect("a short name") {
            short @ ..7 => block.push(0x20 | short),
            long => block.extend([0x27, long - 7]),
        }
        block.extend(name.as_bytes());
        block.push(u8::try_from(value.len()).ok().filter(|length| *length < 127).expect("a short value"));
        block.extend(value.as_bytes());
    }
    frame(1, &block)
}

pub(super) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "test"), (":path", "/")];
pub(super) const POST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":authority", "test"), (":path", "/")];

/// Sends bytes on a stream of their own; what comes back, or the code that ends the stream or the connection.
async fn send(client: &Client, bytes: &[u8], end: bool) -> Result<Vec<u8>, u64> {
    let (mut send, mut receive) = client.connection.open_bi().await.expect("a stream");
    // Refused in the middle: what comes back tells why.
    let _refused = send.write_all(bytes).await;
    if end {
        let _refused = send.finish();
    }
    match timeout(PATIENCE, receive.read_to_end(1 << 20)).await.expect("an end") {
        Ok(answer) => Ok(answer),
        Err(ReadToEndError::Read(quinn::ReadError::Reset(code))) => Err(code.into_inner()),
        Err(ReadToEndError::Read(quinn::ReadError::ConnectionLost(error))) => Err(code_of(&error)),
        Err(other) => unreachable!("{other}"),
    }
}

fn post(field: (&str, &str), rest: &[u8]) -> Vec<u8> {
    [&head(&[&POST[..], &[field]].concat()), rest].concat()
}

#[test]
fn malformed_requests_end_their_stream() {
    const MESSAGE_ERROR: Result<Vec<u8>, u64> = Err(0x10e);
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        for (what, bytes) in [
            ("no method", head(&GET[1..])),
            ("no path", head(&GET[..3])),
            ("no host", head(&[GET[0], GET[1], GET[3]])),
            ("upper case", head(&[&GET[..], &[("X-A", "b")]].concat())),
            ("a field of a connection", head(&[&GET[..], &[("connection", "close")]].concat())),
            ("an unknown pseudo-field", head(&[&GET[..], &[(":a", "b")]].concat())),
            ("a line in a value", head(&[&GET[..], &[("a", "b\r\nc: d")]].concat())),
            ("two hosts", head(&[&GET[..], &[("host", "other")]].concat())),
            ("a length that is none", post(("content-length", "1x"), b"")),
            ("a body that is too short", post(("content-length", "3"), b"")),
            ("a body that is too long", post(("content-length", "1"), &frame(0, b"abc"))),
        ] {
            assert_eq!(send(&client, &bytes, true).await, MESSAGE_ERROR, "{what}");
        }
        assert!(send(&client, &head(&GET), true).await.is_ok(), "the connection goes on");
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn broken_frames_end_the_connection() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    let get = head(&GET);
    let trailers = head(&[("a", "b")]);
    for (what, bytes, code) in [
        ("a body before its head", frame(0, b"abc"), 0x105),
        ("settings on a stream", [&get[..], &frame(4, b"")].concat(), 0x105),
        ("a frame of HTTP/2", [&get[..], &frame(8, b"abcd")].concat(), 0x105),
        ("a body after trailers", [&get[..], &trailers, &frame(0, b"abc")].concat(), 0x105),
        ("an end within a body", post(("a", "b"), &frame(0, b"abcdef")[..8]), 0x106),
        ("an end within a head", get[..10].to_vec(), 0x106),
        ("a reference to what no table has", frame(1, &[1, 0, 0x80]), 0x200),
    ] {
        block_on(async {
            let client = Client::connect(gateway.address(), &pair).await;
            let _ended = send(&client, &bytes, true).await;
            assert_eq!(client.wait_closed().await, code, "{what}");
        });
    }
    let answered = origin.requests();
    assert!(answered.iter().all(|request| request.method() != "POST"), "{answered:#?}");
}

#[test]
fn heads_that_are_too_long_are_told_so() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = gateway(&manifest(&pair, &origin).parameters("http3: true\nlimits: {headBytes: 2Ki}"));
    let long = "a".repeat(100);
    let many: Vec<_> = GET.into_iter().chain((0..15).map(|_| ("x", long.as_str()))).collect();
    let small: Vec<_> = GET.into_iter().chain((0..60).map(|_| ("x", "y"))).collect();
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        // One that is too long as it is sent, and one whose fields are too many.
        let refused = send(&client, &frame(1, &[0; 3000]), true).await.expect("an answer");
        assert!(refused.windows(3).any(|text| text == b"431"), "{refused:?}");
        // Of which no byte has come but its length.
        let announced = send(&client, &[1, 0xbf, 0xff, 0xff, 0xff], false).await.expect("an answer");
        assert_eq!(announced, refused);
        for fields in [many, small] {
            assert!(!send(&client, &head(&fields), true).await.expect("an answer").is_empty());
        }
        assert!(send(&client, &head(&GET), true).await.is_ok(), "the connection goes on");
    });
    assert_eq!(origin.requests().len(), 1);
    assert!(gateway.metric("irongate_refusals_total", &["head_too_large"]) > 3.5);
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = gateway(&manifest(&pair, &origin).parameters("http3: true\ntimeouts: {head: 1s}"));
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        let part = &head(&GET)[..12];
        assert_eq!(send(&client, part, false).await, Err(0x10d));
    });
    assert!(gateway.metric("irongate_refusals_total", &["head_timeout"]) > 0.5);
}

#[test]
fn heads_that_are_not_whole_share_a_bound() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        let begun = [&[1][..], &0x8000_f000_u32.to_be_bytes(), &[0; 100]].concat();
        let mut held = Vec::new();
        for _ in 0..4 {
            let (mut send, receive) = client.connection.open_bi().await.expect("a stream");
            send.write_all(&begun).await.expect("open");
            held.push((send, receive));
        }
        let refused = send(&client, &begun, false).await.expect("an answer");
        assert!(refused.windows(3).any(|text| text == b"431"), "{refused:?}");
        for (mut send, _) in held {
            send.reset(VarInt::from_u32(0x10c)).expect("open");
        }
        wait(|| gateway.metric("irongate_refusals_total", &["head_too_large"]) > 0.5).await;
        assert!(send(&client, &head(&GET), true).await.is_ok(), "the connection goes on");
    });
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let origin = Origin::start(|connection| connection.until_end());
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        for _ in 0..3000 {
            let Ok(Ok((mut send, mut receive))) = timeout(PATIENCE, client.connection.open_bi()).await else {
                break;
            };
            if send.write_all(&head(&GET)).await.is_err() {
                break;
            }
            let _gone = send.reset(VarInt::from_u32(0x10c));
            let _gone = receive.stop(VarInt::from_u32(0x10c));
        }
        assert_eq!(client.wait_closed().await, 0x107);
        // Others are served.
        let mut other = Client::connect(gateway.address(), &pair).await;
        let _stream = other.open("GET", "/", &[]).await.expect("a stream");
    });
    assert!(gateway.metric("irongate_refusals_total", &["http3_resets"]) > 0.5);
}

#[test]
fn a_flood_of_frames_without_use_ends_the_connection() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    for (what, idle) in
        [("bodies of nothing", frame(0, b"")), ("frames that mean nothing", frame(0x21, b"a"))]
    {
        block_on(async {
            let client = Client::connect(gateway.address(), &pair).await;
            let flood = post(("a", "b"), &idle.repeat(5000));
            assert_eq!(send(&client, &flood, true).await, Err(0x107), "{what}");
        });
    }
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        // Another control stream is refused (RFC 9114 §6.2.1), and so is a frame that is kept until it is whole.
        let mut control = client.connection.open_uni().await.expect("a stream");
        control.write_all(&[&[0x21], &[0; 100][..]].concat()).await.expect("open");
        let mut second = client.connection.open_uni().await.expect("a stream");
        second.write_all(&[&[0], &frame(4, b"")[..]].concat()).await.expect("open");
        assert_eq!(client.wait_closed().await, 0x103);
    });
}

/// Random bytes that are the same in each run.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }
}

/// Datagrams that are none of QUIC, or nearly so.
fn garbage(number: u64, bytes: &mut Bytes) -> Vec<u8> {
    let length = [0, 1, 9, 21, 50, 1200, 1400, 5000][(number % 8) as usize];
    let mut datagram: Vec<u8> = (0..length).map(|_| bytes.next() as u8).collect();
    let head: &[u8] = match number % 5 {
        // A first packet of version 1, of a version that nobody knows, a retry, one of an established connection.
        0 => &[0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0],
        1 => &[0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0],
        2 => &[0xf3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0],
        3 => &[0x43],
        _ => &[],
    };
    let length = datagram.len().min(head.len());
    datagram[..length].copy_from_slice(&head[..length]);
    datagram
}

#[test]
fn garbage_costs_nothing() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = Gateway::start_with(crate::BINARY, &manifest(&pair, &origin), &["--threads", "2"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let serves = || {
        block_on(async {
            let mut client = Client::connect(gateway.address(), &pair).await;
            assert_eq!(client.get("/").await.status, 200);
        });
    };
    serves();
    let mut bytes = Bytes(1);
    let mut flood = |count: u64| {
        for number in 0..count {
            // What the kernel has no room for is lost, as it would be.
            let _lost = socket.send_to(&garbage(number, &mut bytes), gateway.address());
        }
    };
    flood(5000);
    serves();
    let before = gateway.resident();
    flood(20_000);
    serves();
    let after = gateway.resident();
    assert!(after < before + (8 << 20), "{before} → {after}");
    assert!(gateway.metric("irongate_panics_total", &[]) < 0.5);
}

/// What clients send first: each of a connection of its own.
async fn first_datagrams(count: usize) -> Vec<Vec<u8>> {
    let pair = Pair::new();
    let mut datagrams = Vec::new();
    for _ in 0..count {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("its address");
        let shaking = super::peers::shake_hands(address, "test", super::peers::trusting(&[&pair]));
        let mut datagram = vec![0; 2000];
        tokio::select! {
            received = socket.recv(&mut datagram) => datagram.truncate(received.expect("a datagram")),
            _ = shaking => unreachable!("nobody answers"),
        }
        datagrams.push(datagram);
    }
    datagrams
}

#[test]
fn under_load_clients_have_to_show_their_address() {
    /// More than the gateway begins without.
    const COUNT: usize = 100;
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = gateway(&manifest(&pair, &origin).parameters("http3: true\ntimeouts: {head: 5s}"));
    block_on(async {
        // A first message is spread over two datagrams, so that these handshakes stay as they are.
        let datagrams = first_datagrams(COUNT).await;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        for datagram in &datagrams {
            socket.send_to(datagram, gateway.address()).await.expect("sent");
        }
        let retried = async {
            let mut answer = vec![0; 2000];
            loop {
                socket.recv(&mut answer).await.expect("open");
                // A retry (RFC 9000 §17.2.5).
                if answer[0] & 0xf0 == 0xf0 {
                    return;
                }
            }
        };
        timeout(PATIENCE, retried).await.expect("a retry");
        let mut client = Client::connect(gateway.address(), &pair).await;
        assert_eq!(client.get("/").await.status, 200);
    });
    eventually("all are over", || gateway.metric("irongate_connections_active", &[]) < 1.5);
}
