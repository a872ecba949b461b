use super::*;
use crate::Parsed;
use crate::testing::read_response;

fn read(input: &str, method: Method) -> ResponseHead {
    let (outcome, head) = read_response(input.as_bytes(), method);
    assert_eq!(outcome, Ok(Parsed::Head { length: input.len() }), "{input}");
    head
}

fn written(head: &ResponseHead, to: Version, connection: ConnectionOption) -> String {
    let mut out = Vec::new();
    head.write_http1(to, head.body(), connection, &mut out);
    String::from_utf8(out).expect("text")
}

/// An answer to GET passes as this.
fn passes(input: &str, expected: &str) {
    let head = read(input, Method::Get);
    assert_eq!(written(&head, Version::Http11, ConnectionOption::KeepAlive), expected);
}

fn refused(input: &str, error: HeadError) {
    assert_eq!(read_response(input.as_bytes(), Method::Get).0, Err(error), "{input}");
}

#[test]
fn status_lines() {
    for (line, expected) in [
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.0 404 Not \tFound\u{e9}", "HTTP/1.1 404 Not \tFound\u{e9}"),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
        ("HTTP/1.1 299", "HTTP/1.1 299 "),
        ("HTTP/1.1 999 x", "HTTP/1.1 999 x"),
    ] {
        passes(&format!("{line}\r\n\r\n"), &format!("{expected}\r\n\r\n"));
    }
    for (line, error) in [
        ("", HeadError::StatusLine),
        ("HTTP/1.1", HeadError::StatusLine),
        ("HTTP/1.1 20", HeadError::StatusLine),
        ("HTTP/1.1 2000", HeadError::StatusLine),
        ("HTTP/1.1 099 x", HeadError::StatusLine),
        ("HTTP/1.1  200 x", HeadError::StatusLine),
        ("HTTP/1.1 +20 x", HeadError::StatusLine),
        ("HTTP/1.1 200x", HeadError::StatusLine),
        ("HTTP/1.1 200 a\rb", HeadError::StatusLine),
        ("HTTP/1.1 200 a\0", HeadError::StatusLine),
        ("http/1.1 200 x", HeadError::StatusLine),
        ("ICY 200 OK", HeadError::StatusLine),
        ("HTTP/2.0 200 OK", HeadError::Version),
        ("HTTP/1.2 200 OK", HeadError::Version),
    ] {
        refused(&format!("{line}\r\n\r\n"), error);
    }
    refused("\r\nHTTP/1.1 200 OK\r\n\r\n", HeadError::StatusLine);
    refused("HTTP/1.1 200 OK\n\r\n", HeadError::BareLineFeed);
}

#[test]
fn the_limit_of_targets_is_not_for_answers() {
    let limits = HeadLimits { target: 0, ..HeadLimits::default() };
    let input = format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(100));
    let mut head = ResponseHead::new();
    let outcome = crate::HeadParser::new().response(input.as_bytes(), &limits, Method::Get, &mut head);
    assert_eq!(outcome, Ok(Parsed::Head { length: input.len() }));
}

#[test]
fn framing() {
    use BodyLength::{Chunked, Empty, Length, UntilClose};
    let check = |version: &str, status: u16, lines: &str, method, body, keep_alive| {
        let head = read(&format!("HTTP/{version} {status} x\r\n{lines}\r\n"), method);
        assert_eq!(
            (head.body(), head.keep_alive()),
            (body, keep_alive),
            "{version} {status} {lines} {method:?}"
        );
    };
    check("1.1", 200, "Content-Length: 5\r\n", Method::Get, Length(5), true);
    check("1.1", 200, "Content-Length: 5\r\nContent-Length: 5\r\n", Method::Get, Length(5), true);
    check("1.1", 200, "Content-Length: 5, 5\r\n", Method::Get, Length(5), true);
    check("1.1", 200, "Content-Length: 5\r\nConnection: close\r\n", Method::Get, Length(5), false);
    check("1.1", 200, "Transfer-Encoding: Chunked\r\n", Method::Get, Chunked, true);
    check("1.1", 200, "", Method::Get, UntilClose, false);
    check("1.1", 200, "Connection: keep-alive\r\n", Method::Get, UntilClose, false);
    check("1.0", 200, "Content-Length: 5\r\n", Method::Get, Length(5), false);
    check("1.0", 200, "Content-Length: 5\r\nConnection: Keep-Alive\r\n", Method::Get, Length(5), true);
    check("1.1", 200, "Content-Length: 5\r\n", Method::Head, Empty, true);
    check("1.1", 200, "Transfer-Encoding: chunked\r\n", Method::Head, Empty, true);
    check("1.1", 200, "", Method::Head, Empty, true);
    check("1.1", 304, "Content-Length: 5\r\n", Method::Get, Empty, true);
    check("1.1", 204, "", Method::Get, Empty, true);
    check("1.1", 204, "Content-Length: 0\r\n", Method::Get, Empty, true);
    check("1.1", 204, "Content-Length: 5\r\n", Method::Get, Empty, false);
    check("1.1", 204, "Transfer-Encoding: chunked\r\n", Method::Get, Empty, false);
    check("1.1", 100, "", Method::Post, Empty, true);
    check("1.1", 103, "Link: x\r\n", Method::Get, Empty, true);
    check("1.1", 101, "Connection: upgrade\r\nUpgrade: websocket\r\n", Method::Get, Empty, false);
}

#[test]
fn doubtful_answers_are_refused() {
    for (lines, error) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", HeadError::RepeatedContentLength),
        ("Content-Length: 5, 6\r\n", HeadError::RepeatedContentLength),
        ("Content-Length: 5,\r\n", HeadError::ContentLength),
        ("Content-Length: x\r\n", HeadError::ContentLength),
        ("Content-Length: +5\r\n", HeadError::ContentLength),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadError::AmbiguousLength),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::TransferEncoding),
        ("A: b\r\n c\r\n", HeadError::Folding),
        (" A: b\r\n", HeadError::Folding),
        ("A: b\n", HeadError::BareLineFeed),
        ("A: b\0\r\n", HeadError::FieldValue),
        ("A b\r\n", HeadError::FieldName),
        (": b\r\n", HeadError::FieldName),
        (" : b\r\n", HeadError::Folding),
    ] {
        refused(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"), error);
    }
    refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::TransferEncoding);
}

#[test]
fn what_is_written() {
    passes(
        "HTTP/1.0 200 OK\r\nA : b\r\nServer:x\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, x\r\nX: y\r\n\
         Content-Length\t: 3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nProxy-Connection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\nServer:x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\n",
    );
    passes(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    passes("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 x\r\n\r\n");
    passes("HTTP/1.1 304 x\r\nContent-Length: 05\r\n\r\n", "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n");
    passes(
        "HTTP/1.1 426 x\r\nUpgrade: a/2\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 426 x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: a/2\r\n\r\n",
    );
    let head = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", Method::Head);
    for (to, connection, end) in [
        (Version::Http11, ConnectionOption::KeepAlive, ""),
        (Version::Http10, ConnectionOption::KeepAlive, "Connection: keep-alive\r\n"),
        (Version::Http10, ConnectionOption::Close, "Connection: close\r\n"),
    ] {
        let expected = format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n{end}\r\n");
        assert_eq!(written(&head, to, connection), expected);
    }
    // Whoever chooses another framing never gets two.
    let mut out = Vec::new();
    head.write_http1(Version::Http11, BodyLength::Chunked, ConnectionOption::Close, &mut out);
    assert_eq!(out, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    let tunnel = read("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", Method::Get);
    assert_eq!(tunnel.upgrade(), Some(&b"websocket"[..]));
    assert_eq!(
        written(&tunnel, Version::Http11, ConnectionOption::Upgrade),
        "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
}

#[test]
fn answers_of_our_own() {
    let mut head = ResponseHead::new();
    head.set_status(503);
    head.fields.append(&Known::RetryAfter.into(), b"1");
    let mut out = Vec::new();
    head.write_http1(Version::Http10, BodyLength::Length(0), ConnectionOption::Close, &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut head = read("HTTP/1.1 200 Fine\r\n\r\n", Method::Head);
    assert_eq!(head.reason(), b"Fine");
    head.set_status(404);
    assert_eq!((head.status(), head.reason()), (404, &b"Not Found"[..]));
}

#[test]
fn answers_over_http2() {
    let read = |status, end, method, fields: &[(&'static str, &'static str)]| {
        let mut head = ResponseHead::new();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        head.from_parts(status, end, method, fields, &HeadLimits::default())
            .map(|()| (head.body(), written(&head, Version::Http11, ConnectionOption::KeepAlive)))
    };
    assert_eq!(
        read(200, false, Method::Get, &[("a", "b"), ("content-length", "3")]),
        Ok((BodyLength::Length(3), "HTTP/1.1 200 OK\r\na: b\r\nContent-Length: 3\r\n\r\n".into()))
    );
    assert_eq!(
        read(200, false, Method::Get, &[]),
        Ok((BodyLength::Chunked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".into()))
    );
    assert_eq!(
        read(200, true, Method::Get, &[]),
        Ok((BodyLength::Length(0), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into()))
    );
    assert_eq!(
        read(200, true, Method::Head, &[("content-length", "7")]),
        Ok((BodyLength::Empty, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".into()))
    );
    assert_eq!(read(200, true, Method::Get, &[("content-length", "3")]), Err(HeadError::Malformed));
    assert_eq!(read(101, false, Method::Get, &[]), Err(HeadError::Malformed));
    assert_eq!(read(200, false, Method::Get, &[("connection", "x")]), Err(HeadError::ConnectionField));
    assert_eq!(read(200, false, Method::Get, &[("A", "x")]), Err(HeadError::FieldName));
    assert_eq!(read(200, false, Method::Get, &[("a", "x\r\nb: c")]), Err(HeadError::FieldValue));
}

#[test]
fn answers_without_a_date_get_one() {
    let now = b"Sun, 22 Nov 2026 17:30:00 GMT";
    let completed = |fields: &str| {
        let mut head = read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), Method::Head);
        head.complete_date(now);
        written(&head, Version::Http11, ConnectionOption::KeepAlive)
    };
    let ours = "HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 17:30:00 GMT\r\n\r\n";
    assert_eq!(completed(""), ours);
    // Only this connection's, says the origin: it is not passed on.
    assert_eq!(completed("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: date\r\n"), ours);
    for theirs in ["date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Date: soon\r\n", "DATE: \r\n"] {
        assert_eq!(completed(theirs), format!("HTTP/1.1 200 OK\r\n{theirs}\r\n"));
    }
}
