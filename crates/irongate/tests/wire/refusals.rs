//! What is refused in a head: the status, the end of the connection, and not a byte upstream.

use crate::{assert_untouched, gateway_to};
use irongate_testkit::{Gateway, Origin};

/// One refusal: the bytes that a client sends, and the statuses that may answer them.
type Case<'a> = (&'a [u8], &'a [u16]);

const BAD: &[u16] = &[400];
/// For codings that a reader may call broken or merely unknown.
const BAD_OR_UNKNOWN: &[u16] = &[400, 501];
const VERSION: &[u16] = &[505];

/// Sends each case on a connection of its own, then proves that nothing reached the origin.
#[track_caller]
fn check(cases: &[Case<'_>]) {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for (request, statuses) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        refuse(&gateway, request, statuses, &shown);
        let bytes = origin.bytes();
        assert!(bytes.is_empty(), "{shown:?} reached the origin: {}", String::from_utf8_lossy(&bytes));
    }
    assert_untouched(&gateway, &origin, "after every refusal");
}

#[track_caller]
fn refuse(gateway: &Gateway, request: &[u8], statuses: &[u16], shown: &str) {
    let mut client = gateway.connect();
    // A refusal may come before all of the bytes are taken.
    let _refused_early = client.try_send(request);
    match client.try_response("GET") {
        Ok(answer) => {
            assert!(statuses.contains(&answer.status), "{shown:?}: {} and not {statuses:?}", answer.status);
            assert_eq!(answer.field("connection"), Some("close"), "{shown:?}");
        }
        Err(error) => unreachable!("{shown:?}: no answer: {error}"),
    }
    client.expect_end();
}

/// A request with one more field line, or several.
fn with_field(line: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: test\r\n{line}\r\n\r\n").into_bytes()
}

fn with_target(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
}

#[track_caller]
fn check_fields(statuses: &[u16], lines: &[&str]) {
    let requests: Vec<Vec<u8>> = lines.iter().map(|line| with_field(line)).collect();
    let cases: Vec<Case<'_>> = requests.iter().map(|request| (&request[..], statuses)).collect();
    check(&cases);
}

#[test]
fn content_length() {
    check_fields(
        BAD,
        &[
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 0\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: 5\r\nA: b\r\ncontent-length: 5",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 5 5",
            "Content-Length: 5, 5",
            "Content-Length: 5,5",
            "Content-Length: 5,",
            "Content-Length:",
            "Content-Length: 0x5",
            "Content-Length: 5a",
            "Content-Length: 5.0",
            "Content-Length: \"5\"",
            "Content-Length: 1234567890123456789",
            "Content-Length: 18446744073709551621",
            "Content-Length: 0000000000000000005",
        ],
    );
}

#[test]
fn transfer_encoding() {
    check_fields(
        BAD,
        &[
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding:",
            "Transfer-Encoding: \x0bchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding : chunked",
        ],
    );
    check_fields(
        BAD_OR_UNKNOWN,
        &[
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, gzip",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chunked;q=1",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: cow",
            "Transfer-Encoding: xchunked",
        ],
    );
    check(&[
        (b"POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", BAD),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n", BAD_OR_UNKNOWN),
    ]);
}

#[test]
fn an_unknown_coding_is_not_implemented() {
    check_fields(&[501], &["Transfer-Encoding: cow"]);
}

#[test]
fn line_ends_and_folding() {
    check(&[
        (b"GET / HTTP/1.1\nHost: test\n\n", BAD),
        (b"GET / HTTP/1.1\nHost: test\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\n\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\nC: d\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\rC: d\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\r\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\rHost: test\r\r\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\r\n c\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: b\r\n\tc\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\n Host: test\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\n\tA: b\r\nHost: test\r\n\r\n", BAD),
        (b"GET / HTTP/1.1\r\nHost: test\r\n\n", BAD),
        (b"\nGET / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b" GET / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
    ]);
}

#[test]
fn names_and_values() {
    check_fields(
        BAD,
        &[
            "A : b",
            "A\t: b",
            "Transfer-Encoding : chunked",
            "Content-Length : 0",
            ": b",
            " : b",
            "A(b: c",
            "A\"b: c",
            "A/b: c",
            "A b: c",
            "A\0b: c",
            "A\x7fb: c",
            "\u{e4}: b",
            "no colon",
            "A: b\0c",
            "A: b\x01c",
            "A: b\x0bc",
            "A: b\x7fc",
            "A: \x1b[0m",
        ],
    );
}

#[test]
fn hosts() {
    let requests: Vec<Vec<u8>> = [
        "",
        "Host: test\r\nHost: test\r\n",
        "Host: test\r\nhost: other\r\n",
        "Host: user@test\r\n",
        "Host: user:pw@test\r\n",
        "Host: a,b\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: test:port\r\n",
        "Host: test:65536\r\n",
        "Host: test:99999999999999999999\r\n",
        "Host: test:-1\r\n",
        "Host: test:80:80\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [zz]\r\n",
        "Host: [::1]x\r\n",
        "Host: te/st\r\n",
        "Host: te\\st\r\n",
        "Host: test?a\r\n",
        "Host: test#a\r\n",
        "Host: http://test\r\n",
        "Host: te%00st\r\n",
        "Host: te\"st\r\n",
        "Host: t\u{e9}st\r\n",
    ]
    .iter()
    .map(|lines| format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes())
    .collect();
    let mut cases: Vec<Case<'_>> = requests.iter().map(|request| (&request[..], BAD)).collect();
    cases.push((b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", BAD));
    cases.push((b"GET http://test/ HTTP/1.1\r\n\r\n", BAD));
    cases.push((b"GET http://test/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", BAD));
    check(&cases);
}

#[test]
fn targets() {
    let requests: Vec<Vec<u8>> = [
        "/a#b",
        "/#",
        "#",
        "/a b",
        "/a\x01",
        "/a\0",
        "/a\x7f",
        "/a\tb",
        "/a\\b",
        "\\",
        "/\u{e9}",
        "/?\u{e9}",
        "/?a\x01",
        "/?a#b",
        "",
        "a",
        "a/b",
        "?a",
        "*",
        "http://",
        "http:///a",
        "http://user@test/",
        "http://user:pw@test/",
        "http://test:port/",
        "http://te st/",
        "http:/a",
        "//test:x@y#/",
    ]
    .iter()
    .map(|target| with_target(target))
    .collect();
    let cases: Vec<Case<'_>> = requests.iter().map(|request| (&request[..], BAD)).collect();
    check(&cases);
}

#[test]
fn methods_and_versions() {
    check(&[
        (b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n", &[501]),
        (b"CONNECT test:443 HTTP/1.0\r\n\r\n", &[501]),
        (b"GE(T / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"G\0T / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"G\xc3T / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"GET\t/ HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"GET /  HTTP/1.1\r\nHost: test\r\n\r\n", BAD),
        (b"GET / HTTP/1.1 \r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET /\r\nHost: test\r\n\r\n", BAD),
        (b"GET\r\nHost: test\r\n\r\n", BAD),
        (b"GET / http/1.1\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTP/11\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTP/1.1x\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTP/1.10\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTP/ 1.1\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTPS/1.1\r\nHost: test\r\n\r\n", &[400, 505]),
        (b"GET / HTTP/0.9\r\nHost: test\r\n\r\n", VERSION),
        (b"GET / HTTP/1.2\r\nHost: test\r\n\r\n", VERSION),
        (b"GET / HTTP/2.0\r\nHost: test\r\n\r\n", VERSION),
        (b"GET / HTTP/3.0\r\nHost: test\r\n\r\n", VERSION),
        // TLS, and another protocol altogether.
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", BAD),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", BAD),
    ]);
}

#[test]
fn paths() {
    let requests: Vec<Vec<u8>> = [
        "/%00",
        "/a%00b",
        "/%c0%af",
        "/%c0%ae%c0%ae/",
        "/%C1%9C",
        "/%e0%80%af",
        "/%f0%80%80%af",
        "/a/..%2fb",
        "/a%2f..%2fb",
        "/a%2F..",
        "/..%5cb",
        "/a%5C..%5Cb",
        "/a/%2e%2e%2fb",
        "/a%2f%2e%2e/b",
        "/a/%252e%252e/b",
        "/a/%252e/b",
        "/a/.%252e/b",
        "/a/..;/b",
        "/a/..;x=y/b",
        "/a/.;/b",
        "/a/%2e%2e;/b",
    ]
    .iter()
    .map(|target| with_target(target))
    .collect();
    let cases: Vec<Case<'_>> = requests.iter().map(|request| (&request[..], BAD)).collect();
    check(&cases);
}

#[test]
fn limits() {
    let long_target = with_target(&format!("/{}", "a".repeat(16 << 10)));
    let long_query = with_target(&format!("/?{}", "a".repeat(16 << 10)));
    let long_value = with_field(&format!("A: {}", "a".repeat(64 << 10)));
    let long_name = with_field(&format!("{}: a", "a".repeat(64 << 10)));
    let many_bytes = with_field(&vec![format!("A: {}", "a".repeat(1000)); 70].join("\r\n"));
    let many_fields = with_field(&vec!["A: b"; 256].join("\r\n"));
    check(&[
        (&long_target, &[414]),
        (&long_query, &[414]),
        (&long_value, &[431]),
        (&long_name, &[431]),
        (&many_bytes, &[431]),
        (&many_fields, &[431]),
    ]);
}

#[test]
fn a_head_that_never_ends_is_bounded() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for (start, statuses) in [
        ("GET / HTTP/1.1\r\nHost: test\r\nA: ", &[431][..]),
        ("GET /", &[414]),
        ("GET", &[400, 414, 431]),
        ("", &[400, 414, 431]),
    ] {
        let mut client = gateway.connect();
        client.send(start);
        for _ in 0..80 {
            if client.try_send([b'A'; 1024]).is_err() {
                break;
            }
        }
        let answer = client.try_response("GET").expect("a refusal");
        assert!(statuses.contains(&answer.status), "{start:?}: {}", answer.status);
        client.expect_end();
    }
    assert_untouched(&gateway, &origin, "after endless heads");
}

#[test]
fn what_is_at_the_limits_is_served() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let fields = vec!["A: b"; 255].join("\r\n");
    let target = format!("/{}", "a".repeat((16 << 10) - 1));
    let value = "a".repeat(60 << 10);
    for request in [
        format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: test\r\nA: {value}\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 000000000000000000\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: test\r\nA: \u{e9}\tb\r\nB:\r\nC:\t \r\n\r\n".to_owned(),
    ] {
        assert_eq!(gateway.exchange(&request).status, 200, "{:?}", &request[..60]);
    }
}

#[test]
fn a_refusal_is_delivered_although_the_client_goes_on_sending() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    let sending = client.send_beside(vec![b'a'; 256 << 10]);
    assert_eq!(client.response().status, 400);
    client.expect_end();
    drop(client);
    let _cut_short = sending.join();
    assert_untouched(&gateway, &origin, "after the refusal");
}

#[test]
fn options_of_the_server_are_answered_by_us() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange("OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_untouched(&gateway, &origin, "after OPTIONS *");
}
