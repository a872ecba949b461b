use super::*;
use crate::http2::frame::DEFAULT_TABLE;
use crate::http2::hpack::{Decoder, FieldBlock};
use crate::testing::read_response;
use crate::{FieldName, HeadLimits, Method};

/// The lines of a block.
fn lines(write: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
    let (mut out, mut block) = (Vec::new(), FieldBlock::new());
    write(&mut out);
    Decoder::new(DEFAULT_TABLE).decode(&out, &mut block, usize::MAX).expect("what is written can be read");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    block.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
}

/// An answer of an origin over HTTP/1.1.
fn parsed(text: &str, method: Method) -> ResponseHead {
    let (outcome, head) = read_response(text.as_bytes(), method);
    assert!(outcome.is_ok(), "{outcome:?}");
    head
}

/// An answer of an origin over HTTP/2.
fn received(fields: &[(&str, &str)], end_of_stream: bool) -> ResponseHead {
    let mut head = ResponseHead::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    head.from_parts(200, end_of_stream, Method::Get, fields, &HeadLimits::default()).expect("a head");
    head
}

#[test]
fn answers() {
    let check = |head: &ResponseHead, expected: &[&str]| {
        assert_eq!(lines(|out| encode_response(head, out)), expected);
    };
    let text = "HTTP/1.1 200 OK\r\nServer: x\r\nX-Mixed-Case:  a b \r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: x\r\n\
                Set-Cookie: a=b\r\nContent-Length: 12\r\n\r\n";
    let mut head = parsed(text, Method::Get);
    check(
        &head,
        &[":status: 200", "server: x", "x-mixed-case: a b", "set-cookie: a=b", "content-length: 12"],
    );
    head.fields.set(&FieldName::of(Known::Server), b"other");
    head.fields.append(&FieldName::new("X-New").expect("a name"), b"1");
    check(
        &head,
        &[
            ":status: 200",
            "x-mixed-case: a b",
            "set-cookie: a=b",
            "server: other",
            "x-new: 1",
            "content-length: 12",
        ],
    );
    // What is not sent has its length among the fields.
    check(
        &parsed(text, Method::Head),
        &[":status: 200", "server: x", "x-mixed-case: a b", "set-cookie: a=b", "content-length: 12"],
    );
    check(
        &parsed("HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n", Method::Get),
        &[":status: 304", "content-length: 7"],
    );
    check(&parsed("HTTP/1.1 204 x\r\nContent-Length: 7\r\n\r\n", Method::Get), &[":status: 204"]);
    check(&parsed("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", Method::Get), &[":status: 200"]);
    check(
        &parsed("HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n", Method::Get),
        &[":status: 599", "content-length: 0"],
    );
    check(&parsed("HTTP/1.1 103 x\r\nLink: </a>\r\n\r\n", Method::Get), &[":status: 103", "link: </a>"]);
    check(&received(&[("te", "trailers"), ("grpc-status", "0")], true), &[":status: 200", "grpc-status: 0"]);
    check(&received(&[("content-length", "7")], false), &[":status: 200", "content-length: 7"]);
    check(&received(&[], false), &[":status: 200"]);
    check(&ResponseHead::new(), &[":status: 200"]);
}

#[test]
fn consents() {
    let text = "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\
                Sec-WebSocket-Protocol: chat\r\n\r\n";
    let head = parsed(text, Method::Get);
    assert_eq!(lines(|out| encode_consent(&head, out)), [":status: 200", "sec-websocket-protocol: chat"]);
}

#[test]
fn trailers() {
    let mut trailers = Fields::new();
    let mut out = b"before".to_vec();
    assert!(!encode_trailers(&trailers, &mut out) && out == b"before");
    trailers.push(b"te", b"trailers").expect("a field");
    assert!(!encode_trailers(&trailers, &mut out) && out == b"before");
    trailers.push(b"Grpc-Status", b"0").expect("a field");
    trailers.push(b"X-Sum", b"1").expect("a field");
    assert_eq!(lines(|out| assert!(encode_trailers(&trailers, out))), ["grpc-status: 0", "x-sum: 1"]);
}
