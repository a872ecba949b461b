//! Heads: what is done to each of a request's and an answer's.

use crate::Case;
use irongate_message::{
    BodyLength, ConnectionOption, Forwarding, HeadLimits, HeadParser, Method, Parsed, RequestHead,
    ResponseHead, Version,
};
use std::hint::black_box;

/// As a browser sends it: 10 fields, 400 bytes.
const REQUEST: &[u8] = b"GET /app0/v1/items?page=3&sort=name HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Referer: http://shop.example.com/app0/\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\n\
    Cache-Control: no-cache\r\n\
    X-Request-Id: 7f9c1e\r\n\
    Connection: keep-alive\r\n\
    \r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Sun, 22 Nov 2026 14:00:00 GMT\r\n\
    Server: origin\r\n\
    Content-Type: application/json; charset=utf-8\r\n\
    Content-Length: 1024\r\n\
    Cache-Control: max-age=60\r\n\
    ETag: \"5f3a\"\r\n\
    Vary: Accept-Encoding\r\n\
    \r\n";

pub(crate) const CASES: &[Case] = &[
    Case { name: "head/request/parse", times: 1000, prepare: parse_request },
    Case { name: "head/request/forward-and-write", times: 1000, prepare: forward_request },
    Case { name: "head/response/parse", times: 1000, prepare: parse_response },
    Case { name: "head/response/write", times: 1000, prepare: write_response },
];

fn parse_request() -> Box<dyn FnMut()> {
    let mut head = RequestHead::new();
    Box::new(move || request(&mut head))
}

/// Parses as well, since forwarding edits the head; the figure of `head/request/parse` is part of this one.
fn forward_request() -> Box<dyn FnMut()> {
    let mut head = RequestHead::new();
    let mut out = Vec::with_capacity(4096);
    Box::new(move || {
        request(&mut head);
        let forwarding = Forwarding {
            client: b"192.0.2.7",
            trusted: false,
            scheme: b"http",
            port: b"80",
            via: b"irongate-5d1f",
            connection: 1,
        };
        black_box(head.forward(&forwarding)).expect("no loop");
        out.clear();
        head.write_http1(BodyLength::Empty, &mut out);
        black_box(&out);
    })
}

fn parse_response() -> Box<dyn FnMut()> {
    let mut head = ResponseHead::new();
    Box::new(move || response(&mut head))
}

fn write_response() -> Box<dyn FnMut()> {
    let mut head = ResponseHead::new();
    response(&mut head);
    let mut out = Vec::with_capacity(4096);
    Box::new(move || {
        out.clear();
        black_box(&head).write_http1(Version::Http11, head.body(), ConnectionOption::KeepAlive, &mut out);
        black_box(&out);
    })
}

fn request(head: &mut RequestHead) {
    let parsed = HeadParser::new().request(black_box(REQUEST), &HeadLimits::default(), head);
    assert!(matches!(parsed, Ok(Parsed::Head { length }) if length == REQUEST.len()), "{parsed:?}");
}

/// Reads the answer.
pub(crate) fn response(head: &mut ResponseHead) {
    let parsed = HeadParser::new().response(black_box(RESPONSE), &HeadLimits::default(), Method::Get, head);
    assert!(matches!(parsed, Ok(Parsed::Head { length }) if length == RESPONSE.len()), "{parsed:?}");
}
