//! WebSocket: extended `CONNECT` (RFC 8441) and HTTP/1.1's upgrade, in all combinations. What passes is not parsed, so
//! the tests send what they like.

use super::peers::{self, Client, Http2Origin, block_on};
use crate::{OK, gateway, gateway_to};
use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::Response;
use irongate_testkit::{End, Gateway, Manifest, Origin};

/// How the origin over HTTP/2 answers `/chat`: it sends back what comes, with a mark behind it.
pub(super) async fn answer(
    head: &http::request::Parts,
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let asked = head.extensions.get::<h2::ext::Protocol>().is_some_and(|it| it.as_str() == "websocket");
    let key = head.headers.contains_key("sec-websocket-key");
    let status = if asked && head.method == http::Method::CONNECT && !key { 200 } else { 400 };
    let response = Response::builder().status(status).header("sec-websocket-protocol", "chat");
    let mut stream = respond.send_response(response.body(()).expect("valid"), status != 200)?;
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        if !data.is_empty() {
            stream.send_data([&data, &b"."[..]].concat().into(), false)?;
        }
    }
    stream.send_data(Bytes::new(), true)
}

const CHAT: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const RULE: &str = "- backendRefs: [{name: origin, port: 80}]";

fn before(origin: &Http2Origin) -> Gateway {
    gateway(&Manifest::new().route(RULE).service_http2("origin", &[origin.address()]))
}

/// Opens a tunnel, sends two pieces and its end, and reads to the end. Gives the head, and what came.
async fn talk(client: &mut Client) -> (Response<()>, Vec<u8>) {
    let (answer, mut stream): (ResponseFuture, SendStream<Bytes>) =
        client.websocket("/chat", &[("sec-websocket-version", "13")]).await;
    let (head, mut body) = answer.await.expect("an answer").into_parts();
    if head.status == 200 {
        stream.send_data("abcd".into(), false).expect("the stream is open");
        stream.send_data("efgh".into(), true).expect("the stream is open");
    }
    let bytes = peers::read_body(&mut body).await.expect("a whole answer");
    (Response::from_parts(head, ()), bytes)
}

#[test]
fn from_http2_to_http1() {
    let origin = Origin::start(|connection| {
        let head = connection.head()?;
        assert_eq!((head.start.as_str(), head.field("upgrade")), ("GET /chat HTTP/1.1", Some("websocket")));
        assert_eq!(head.field("sec-websocket-version"), Some("13"));
        assert_eq!(head.field("sec-websocket-key").map(str::len), Some(24), "{head:?}");
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\nhi ")?;
        let bytes = connection.exactly(8)?;
        connection.send(&bytes)?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let (head, bytes) = talk(&mut client).await;
        assert_eq!((head.status().as_u16(), &bytes[..]), (200, &b"hi abcdefgh"[..]));
        assert!(
            !head.headers().contains_key("sec-websocket-accept") && !head.headers().contains_key("upgrade")
        );
    });
    assert_eq!(origin.wait_ended(), Some(End::Closed), "the client's end is the origin's");
    assert_eq!(gateway.metric("irongate_requests_in_flight", &[]), 0.0);
}

#[test]
fn from_http1_to_http2() {
    let origin = Http2Origin::start();
    let gateway = before(&origin);
    let mut client = gateway.connect();
    client.send(CHAT);
    let answer = client.response();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("websocket")));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455 §1.3");
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
    for bytes in ["abcd", "GET "] {
        client.send(bytes);
        assert_eq!(client.exactly(5).expect("an echo"), format!("{bytes}.").as_bytes());
    }
    client.finish();
    client.expect_end();
}

#[test]
fn from_http2_to_http2() {
    let origin = Http2Origin::start();
    let gateway = before(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..3 {
            let (head, bytes) = talk(&mut client).await;
            assert_eq!(head.status(), 200);
            assert!([&b"abcd.efgh."[..], b"abcdefgh."].contains(&&bytes[..]), "{}", bytes.escape_ascii());
        }
        assert_eq!(client.ask("GET", "/echo", &[], None).await.status, 200, "the connection goes on");
    });
}

#[test]
fn a_refusal_is_no_tunnel() {
    for (answer, status) in [
        (OK, 502),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", 502),
    ] {
        let origin = Origin::start(move |connection| {
            connection.head()?;
            connection.send(answer)
        });
        let gateway = gateway_to(&origin);
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            assert_eq!(talk(&mut client).await.0.status(), status, "{answer}");
        });
    }
}

#[test]
fn other_protocols_are_refused() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for protocol in ["connect-udp", "webtransport"] {
        let fields = [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "http"),
            (":authority", "test"),
            (":path", "/"),
        ];
        assert_eq!(super::raw::outcome(gateway.address(), &fields, None), super::raw::Outcome::Status(501));
    }
    assert_eq!(origin.bytes(), b"");
}
