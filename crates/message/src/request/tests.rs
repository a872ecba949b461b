use super::*;
use crate::testing::{read_request, written};
use crate::{HeadError, HeadLimits, HeadParser, Parsed};

/// A request with a good request line, `Host: a` and these lines.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn refused(input: impl AsRef<[u8]>, error: HeadError) {
    let input = input.as_ref();
    assert_eq!(read_request(input).0, Err(error), "{}", String::from_utf8_lossy(input));
}

/// What goes upstream.
fn passes(input: impl AsRef<[u8]>, upstream: &str) -> RequestHead {
    let input = input.as_ref();
    let (outcome, head) = read_request(input);
    let text = String::from_utf8_lossy(input);
    assert_eq!(outcome, Ok(Parsed::Head { length: input.len() }), "{text}");
    assert_eq!(written(&head), upstream, "{text}");
    head
}

#[test]
fn lengths_that_are_not_plain_are_refused() {
    for (lines, error) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", HeadError::AmbiguousLength),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", HeadError::AmbiguousLength),
        ("Transfer-Encoding: gzip\r\nContent-Length: 3\r\n", HeadError::AmbiguousLength),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", HeadError::RepeatedContentLength),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", HeadError::RepeatedContentLength),
        ("Content-Length: 3, 3\r\n", HeadError::ContentLength),
        ("Content-Length: 3,\r\n", HeadError::ContentLength),
        ("Content-Length: +3\r\n", HeadError::ContentLength),
        ("Content-Length: -3\r\n", HeadError::ContentLength),
        ("Content-Length: 3 4\r\n", HeadError::ContentLength),
        ("Content-Length: 0x3\r\n", HeadError::ContentLength),
        ("Content-Length: 3;\r\n", HeadError::ContentLength),
        ("Content-Length: \r\n", HeadError::ContentLength),
        ("Content-Length:\r\n", HeadError::ContentLength),
        ("Content-Length: 1234567890123456789\r\n", HeadError::ContentLength),
        ("Content-Length: \u{663}\r\n", HeadError::ContentLength),
        ("Transfer-Encoding: chunked, chunked\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: \r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: ,\r\n", HeadError::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: chunked, gzip\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: identity\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: xchunked\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: \"chunked\"\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: chunked;a=b\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: chunked\u{a0}\r\n", HeadError::TransferCoding),
        ("Transfer-Encoding: \u{b}chunked\r\n", HeadError::FieldValue),
    ] {
        refused(with(lines), error);
    }
    refused("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::TransferEncoding);
    assert_eq!(HeadError::TransferCoding.status(), 501);
    assert_eq!(HeadError::TransferEncoding.status(), 400);
}

#[test]
fn one_framing_is_written_anew() {
    let start = "POST / HTTP/1.1\r\nHost: a\r\n";
    for (lines, framing, body) in [
        ("content-LENGTH:  007 \r\n", "Content-Length: 7\r\n", BodyLength::Length(7)),
        ("Content-Length: 0\r\n", "Content-Length: 0\r\n", BodyLength::Length(0)),
        (
            "Content-Length: 123456789012345678\r\n",
            "Content-Length: 123456789012345678\r\n",
            BodyLength::Length(123_456_789_012_345_678),
        ),
        ("transfer-encoding:CHUNKED\r\n", "Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("Transfer-Encoding: ,chunked ,\r\n", "Transfer-Encoding: chunked\r\n", BodyLength::Chunked),
        ("", "", BodyLength::Empty),
    ] {
        let head = passes(format!("{start}{lines}\r\n"), &format!("{start}{framing}\r\n"));
        assert_eq!(head.body(), body);
    }
}

#[test]
fn line_ends_and_control_characters() {
    for (input, error) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::BareLineFeed),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLineFeed),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::BareLineFeed),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine),
        ("\r\n \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::RequestLine),
        ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", HeadError::RequestLine),
        ("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rHost: c\r\n\r\n", HeadError::FieldValue),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", HeadError::Folding),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc: d\r\n\r\n", HeadError::Folding),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", HeadError::Folding),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", HeadError::SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", HeadError::SpaceBeforeColon),
        ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX@: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nXé: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", HeadError::FieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r \n\r\n", HeadError::FieldName),
    ] {
        refused(input, error);
    }
    for byte in (0..=31).chain([127]) {
        // In short values, in long ones, and at every place of a block.
        for length in [0, 1, 14, 15, 16, 17, 31, 32, 40] {
            let mut input = b"GET / HTTP/1.1\r\nHost: a\r\nX: v".to_vec();
            input.extend(std::iter::repeat_n(b'v', length));
            input.extend([byte, b'v']);
            input.extend(b"\r\n\r\n");
            match byte {
                b'\t' => assert!(read_request(&input).0.is_ok()),
                b'\n' => refused(&input, HeadError::BareLineFeed),
                _ => refused(&input, HeadError::FieldValue),
            }
        }
    }
    passes(with("X: \u{e9}\u{80}\tb\r\n"), &with("X: \u{e9}\u{80}\tb\r\n"));
}

#[test]
fn white_space_around_values_is_left_out_where_it_differs() {
    passes(
        with("A: b\r\nX:y\r\nX: \t z \t\r\nEmpty:\r\nBlank:   \r\nC: d\r\n"),
        &with("A: b\r\nX:y\r\nX: z\r\nEmpty:\r\nBlank:   \r\nC: d\r\n"),
    );
}

#[test]
fn request_lines() {
    for (line, error) in [
        ("GET  / HTTP/1.1", HeadError::Target),
        ("GET / HTTP/1.1 ", HeadError::RequestLine),
        ("GET /  HTTP/1.1", HeadError::Target),
        (" GET / HTTP/1.1", HeadError::RequestLine),
        ("GET\t/ HTTP/1.1", HeadError::RequestLine),
        ("GET / b HTTP/1.1", HeadError::Target),
        ("GET HTTP/1.1", HeadError::RequestLine),
        ("GET  HTTP/1.1", HeadError::Target),
        ("GET /", HeadError::RequestLine),
        ("G@T / HTTP/1.1", HeadError::RequestLine),
        ("GET / http/1.1", HeadError::RequestLine),
        ("GET / HTTP/1.1x", HeadError::RequestLine),
        ("GET / HTTP/11", HeadError::RequestLine),
        ("GET / HTTP/1.10", HeadError::RequestLine),
        ("GET / HTTP/0.9", HeadError::Version),
        ("GET / HTTP/1.2", HeadError::Version),
        ("GET / HTTP/2.0", HeadError::Version),
        ("PRI * HTTP/2.0", HeadError::Version),
        ("CONNECT a:80 HTTP/1.1", HeadError::Method),
        ("CONNECT / HTTP/1.1", HeadError::Method),
        ("AMETHODTHATISLONGERTHANANYINUSEIS / HTTP/1.1", HeadError::Method),
        ("GET * HTTP/1.1", HeadError::Target),
        ("OPTIONS ** HTTP/1.1", HeadError::Target),
        ("GET a HTTP/1.1", HeadError::Target),
        ("GET ?a HTTP/1.1", HeadError::Target),
        ("GET a:80 HTTP/1.1", HeadError::Target),
        ("GET ftp://a/ HTTP/1.1", HeadError::Target),
        ("GET /a#b HTTP/1.1", HeadError::Target),
        ("GET /?a#b HTTP/1.1", HeadError::Target),
        ("GET /\u{e9} HTTP/1.1", HeadError::Target),
        ("GET /?\u{e9} HTTP/1.1", HeadError::Target),
        ("GET /\u{7f} HTTP/1.1", HeadError::RequestLine),
        ("GET /a\0b HTTP/1.1", HeadError::RequestLine),
        ("GET /a\\b HTTP/1.1", HeadError::Path(crate::path::PathError::Character)),
        ("GET /a/..%2fb HTTP/1.1", HeadError::Path(crate::path::PathError::HiddenDots)),
        ("GET http:///a HTTP/1.1", HeadError::Host(crate::host::HostError::Empty)),
        ("GET http://u@a/ HTTP/1.1", HeadError::Host(crate::host::HostError::Character)),
        ("GET http://a:x/ HTTP/1.1", HeadError::Host(crate::host::HostError::Port)),
    ] {
        refused(format!("{line}\r\nHost: a\r\n\r\n"), error);
    }
    for (error, status) in [
        (HeadError::Version, 505),
        (HeadError::Method, 501),
        (HeadError::Target, 400),
        (HeadError::TargetTooLong, 414),
        (HeadError::TooLarge, 431),
        (HeadError::TooManyFields, 431),
        (HeadError::Loop, 508),
    ] {
        assert_eq!(error.status(), status, "{error}");
    }
}

#[test]
fn targets() {
    for (line, upstream) in [
        ("GET /a?b=[c]|^\\{} HTTP/1.1", "GET /a?b=[c]|^\\{} HTTP/1.1"),
        ("GET /a/./%62/../c%2Fd?e=%2e/../ HTTP/1.1", "GET /a/c%2Fd?e=%2e/../ HTTP/1.1"),
        ("GET /? HTTP/1.1", "GET /? HTTP/1.1"),
        ("GET //a//b HTTP/1.1", "GET //a//b HTTP/1.1"),
        ("PROPFIND /a HTTP/1.1", "PROPFIND /a HTTP/1.1"),
        ("get /a HTTP/1.1", "get /a HTTP/1.1"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a?b HTTP/1.1", "OPTIONS /?b HTTP/1.1"),
        ("OPTIONS http://a/ HTTP/1.1", "OPTIONS / HTTP/1.1"),
        ("GET http://a HTTP/1.1", "GET / HTTP/1.1"),
        ("GET http://a?b HTTP/1.1", "GET /?b HTTP/1.1"),
        ("GET hTTps://a/b/../c HTTP/1.1", "GET /c HTTP/1.1"),
    ] {
        let head = passes(format!("{line}\r\nHost: a\r\n\r\n"), &format!("{upstream}\r\nHost: a\r\n\r\n"));
        assert_eq!(head.is_asterisk(), upstream.contains('*'));
        assert!(!head.is_connect());
    }
    let head = passes("\r\nPOST /a?b HTTP/1.0\r\nhost: B\r\n\r\n", "POST /a?b HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(
        (head.method(), head.version(), head.query()),
        (Method::Post, Version::Http10, Some(&b"b"[..]))
    );
}

#[test]
fn hosts() {
    use crate::host::HostError;
    for (lines, error) in [
        ("", HeadError::HostMissing),
        ("Host: a\r\nHost: a\r\n", HeadError::HostRepeated),
        ("Host: a\r\nhOST: b\r\n", HeadError::HostRepeated),
        ("Host: a, b\r\n", HeadError::Host(HostError::Character)),
        ("Host: u@a\r\n", HeadError::Host(HostError::Character)),
        ("Host: a:99999\r\n", HeadError::Host(HostError::Port)),
        ("Host:\r\n", HeadError::Host(HostError::Empty)),
        ("Host: a/b\r\n", HeadError::Host(HostError::Character)),
    ] {
        refused(format!("GET / HTTP/1.1\r\n{lines}\r\n"), error);
        // The target's authority wins, and the field is refused nevertheless.
        refused(format!("GET http://c/ HTTP/1.1\r\n{lines}\r\n"), error);
        if error != HeadError::HostMissing {
            refused(format!("GET / HTTP/1.0\r\n{lines}\r\n"), error);
        }
    }
    let head = passes("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: \r\n\r\n");
    assert_eq!((head.host(), head.port(), head.authority()), (&b""[..], None, &b""[..]));
    let head = passes(
        "GET http://B.c.:081/x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: b.c:81\r\n\r\n",
    );
    assert_eq!((head.host(), head.port(), head.authority()), (&b"b.c"[..], Some(81), &b"b.c:81"[..]));
    let head = passes("GET / HTTP/1.1\r\nHost: [::A]:80\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::a]:80\r\n\r\n");
    assert_eq!(head.host(), b"[::a]");
    let mut head = passes(with(""), &with(""));
    head.set_authority(b"other.example:81");
    head.set_path(b"/new");
    assert_eq!(written(&head), "GET /new HTTP/1.1\r\nHost: other.example:81\r\n\r\n");
    assert_eq!((head.host(), head.port()), (&b"other.example"[..], Some(81)));
    head.set_authority(b"not valid");
    assert_eq!(head.host(), b"other.example");
}

#[test]
fn what_belongs_to_the_connection_stays_here() {
    let rest = "A: b\r\nAuthorization: c\r\nCookie: d\r\nX-Forwarded-For: e\r\n";
    for dropped in [
        "Connection: keep-alive\r\n",
        "Connection: close, X-Gone ,, x-also\r\nX-Gone: 1\r\nx-gone: 2\r\nX-Also: 3\r\n",
        "Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        "TE: gzip\r\n",
        "Upgrade: websocket\r\n",
        "HTTP2-Settings: AAAA\r\n",
        "Proxy: evil\r\n",
        "X_Forwarded_For: evil\r\nX-Forwarded_Proto: evil\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n",
        "Connection: Authorization, cookie, X-Forwarded-For, Host\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n",
        "Connection: upgrade\r\nUpgrade: H2C, h2\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0, h2c-14\r\n",
        "Connection: upgrade\r\nUpgrade: \r\n",
        "Connection: upgrade\r\n",
    ] {
        let (before, after) = (with(&format!("{dropped}{rest}")), with(&format!("{rest}{dropped}")));
        passes(before, &with(rest));
        passes(after, &with(rest));
    }
    passes(with("Content-Length: 3\r\nConnection: content-length\r\n"), &with("Content-Length: 3\r\n"));
    passes(with("X_Custom: kept\r\nTrailer: X\r\n"), &with("X_Custom: kept\r\nTrailer: X\r\n"));
    passes(with("TE: gzip, Trailers\r\nConnection: TE\r\n"), &with("te: trailers\r\nConnection: TE\r\n"));
    let many = "x,".repeat(33);
    refused(with(&format!("Connection: {many}\r\n")), HeadError::ConnectionOptions);
}

#[test]
fn keep_alive_and_expectations() {
    let check = |version: &str, lines: &str, keep_alive, expects| {
        let (_, head) = read_request(format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n").as_bytes());
        assert_eq!((head.keep_alive(), head.expects_continue()), (keep_alive, expects), "{version} {lines}");
        assert_eq!(head.fields.get(Known::Expect).is_some(), expects);
    };
    check("1.1", "", true, false);
    check("1.1", "Connection: Keep-Alive\r\n", true, false);
    check("1.1", "Connection: keep-alive, CLOSE\r\n", false, false);
    check("1.1", "Connection: x\r\nConnection: close\r\n", false, false);
    check("1.0", "", false, false);
    check("1.0", "Connection: keep-alive\r\n", true, false);
    check("1.0", "Proxy-Connection: keep-alive\r\n", false, false);
    check("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true, true);
    check("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false, false);
    passes(
        with(
            "Expect: 100-continue\r\nExpect: 100-continue\r\nConnection: expect\r\nTransfer-Encoding: chunked\r\n",
        ),
        &with("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
    );
    refused(with("Expect: 200-ok\r\n"), HeadError::Expectation);
    // Where no content will come there is nothing to wait for.
    for length in ["", "Content-Length: 0\r\n"] {
        let head = passes(with(&format!("Expect: 100-continue\r\n{length}")), &with(length));
        assert!(!head.expects_continue());
    }
}

#[test]
fn max_forwards() {
    let request = |method: &str, left: &str| {
        format!("{method} /a?b HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\n\r\n")
    };
    for method in ["OPTIONS", "TRACE"] {
        let ours = request(method, "4").replace("Max-F", "max-f");
        passes(request(method, "5"), &ours);
        passes(request(method, "x"), &request(method, "x"));
    }
    passes(request("GET", "0"), &request("GET", "0"));
    refused(request("TRACE", "0"), HeadError::Method);
    let head = passes(request("OPTIONS", "0"), &request("OPTIONS", "0").replace("/a?b", "*"));
    assert!(head.is_asterisk());
}

#[test]
fn upgrades() {
    let websocket = "Sec-WebSocket-Key: x\r\n";
    let upgrade = format!("{websocket}Connection: Upgrade\r\nUpgrade: websocket\r\n");
    for lines in [
        format!("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n{websocket}"),
        format!("Upgrade: websocket\r\n{websocket}connection: UPGRADE\r\n"),
        format!("Upgrade: h2c, websocket\r\n{websocket}connection: upgrade\r\n"),
        format!("Upgrade: websocket\r\nUpgrade: h2c\r\n{websocket}connection: upgrade\r\n"),
    ] {
        let mut head = passes(with(&lines), &with(&upgrade));
        assert_eq!(head.upgrade(), Some(&b"websocket"[..]));
        head.remove_upgrade();
        assert_eq!(written(&head), with(websocket));
    }
    passes(
        with("Connection: te, upgrade\r\nTE: trailers\r\nUpgrade: a/1\r\n"),
        &with("te: trailers\r\nConnection: Upgrade, TE\r\nUpgrade: a/1\r\n"),
    );
    let (_, head) =
        read_request(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(head.upgrade(), None);
}

#[test]
fn edits_show_in_lookups_and_in_what_is_written() {
    let mut head =
        passes(with("A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\n"), &with("A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\n"));
    let name = |text: &str| crate::FieldName::new(text).expect("a token");
    let fields = &mut head.fields;
    assert_eq!(fields.values(&name("a")).collect::<Vec<_>>(), [b"1", b"3"]);
    fields.set(&name("B"), b" 5 ");
    fields.remove(&name("a"));
    fields.append(&name("D"), b"6");
    fields.append(&name("user-agent"), b"7");
    assert_eq!(fields.get(Known::UserAgent), Some(&b"7"[..]));
    assert_eq!(fields.get_named(&name("b")), Some(&b"5"[..]));
    assert_eq!(fields.get_named(&name("a")), None);
    // What frames is not for edits, and what would end a line is not taken.
    fields.set(&name("Content-Length"), b"9");
    fields.set(&name("host"), b"evil");
    fields.append(&name("E"), b"x\r\nEvil: y");
    fields.append(&Known::Unknown.into(), b"x");
    assert_eq!(fields.push(b"transfer-encoding", b"chunked"), Err(HeadError::ConnectionField));
    assert_eq!(fields.push(b"a b", b""), Err(HeadError::FieldName));
    assert_eq!(fields.push(b"a", b"\n"), Err(HeadError::FieldValue));
    assert_eq!(written(&head), with("C: 4\r\nb: 5\r\nd: 6\r\nuser-agent: 7\r\n"));
    assert_eq!(format!("{:?}", head.fields), r#"["C", "b", "d", "user-agent"]"#, "values may be secrets");
}

#[test]
fn edits_also_remove_names_that_differ_by_underscores() {
    let name = |text: &str| crate::FieldName::new(text).expect("a token");
    let lines = "X_User: evil\r\nx_uSer-Name: evil\r\nUser_Agent: evil\r\nX_Users: b\r\nX-User: evil\r\n";
    let mut head = passes(with(lines), &with(lines));
    head.fields.push(b"x_user", b"evil").expect("a good field");
    head.fields.set(&name("X-User"), b"us");
    head.fields.remove(&name("x-user_name"));
    head.fields.remove(&Known::UserAgent.into());
    assert_eq!(written(&head), with("X_Users: b\r\nx-user: us\r\n"));
    // Names that the configuration itself writes so are as good as others.
    head.fields.set(&name("y_z"), b"1");
    head.fields.set(&name("y-z"), b"2");
    assert_eq!(written(&head), with("X_Users: b\r\nx-user: us\r\ny_z: 1\r\ny-z: 2\r\n"));
}

#[test]
fn heads_are_reused_without_growing_for_ever() {
    let (mut head, mut parser, limits) = (RequestHead::new(), HeadParser::new(), HeadLimits::default());
    for long in [true, false] {
        let input = with(&format!("A: {}\r\n", "x".repeat(if long { 60_000 } else { 10 })));
        parser.reset();
        assert!(matches!(parser.request(input.as_bytes(), &limits, &mut head), Ok(Parsed::Head { .. })));
        assert_eq!(written(&head), input);
    }
    assert!(head.fields.arena.capacity() < 1024);
}
