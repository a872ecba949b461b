use super::*;
use crate::http2::frame::DEFAULT_TABLE;
use crate::http2::hpack::{Decoder, Encoder};
use crate::path::PathError;
use crate::testing::written;
use crate::{BodyLength, Fields};
use proptest::prelude::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

const LIMITS: HeadLimits = HeadLimits { bytes: 1000, fields: 5, target: 20 };
const GET: Pairs<'_> = &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")];

fn block(fields: &[Pairs<'_>]) -> FieldBlock {
    let (mut text, mut block) = (Vec::new(), FieldBlock::new());
    for (name, value) in fields.iter().copied().flatten() {
        // As they are: the encoder would write the names in lower case.
        text.extend([0, name.len() as u8]);
        text.extend_from_slice(name.as_bytes());
        let start = text.len();
        Encoder::field(&mut text, b"x", value.as_bytes());
        text.drain(start..start + 3);
    }
    let decoded = Decoder::new(DEFAULT_TABLE).decode(&text, &mut block, LIMITS.bytes);
    assert_eq!(decoded, Ok(()));
    block
}

fn read(fields: &[Pairs<'_>], end_of_stream: bool) -> Result<RequestHead, HeadError> {
    let mut head = RequestHead::new();
    let result = head.from_block(&block(fields), end_of_stream, &LIMITS);
    if result.is_err() {
        assert!(head.fields.is_empty() && head.path().is_empty() && head.upgrade().is_none());
    }
    result.map(|()| head)
}

#[test]
fn the_same_shape() {
    let post: Pairs<'_> =
        &[(":path", "/a/../b?c"), (":authority", "Example.com:80"), (":method", "POST"), (":scheme", "HTTP")];
    let head = read(&[post, &[("x", "y"), ("te", "trailers")]], false).expect("a good request");
    assert_eq!((head.path(), head.query(), head.host()), (&b"/b"[..], Some(&b"c"[..]), &b"example.com"[..]));
    assert_eq!((head.method(), head.body(), head.port()), (Method::Post, BodyLength::Chunked, Some(80)));
    assert_eq!(head.version(), Version::Http2);
    assert_eq!(
        written(&head),
        "POST /b?c HTTP/1.1\r\nHost: example.com:80\r\nx: y\r\nte: trailers\r\nTransfer-Encoding: chunked\r\n\
         Connection: TE\r\n\r\n"
    );
    let head =
        read(&[GET, &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]], true).expect("a good request");
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: a\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n");
    let head = read(&[GET, &[("cookie", "a=1"), ("x", "y"), ("content-length", "0")]], true).expect("good");
    assert_eq!(
        written(&head),
        "GET / HTTP/1.1\r\nHost: a\r\ncookie: a=1\r\nx: y\r\nContent-Length: 0\r\n\r\n"
    );
    let head = read(&[GET, &[("host", "A"), ("proxy", "x"), ("x_real_ip", "1"), ("y_z", "2")]], true);
    let head = head.expect("a good request");
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: a\r\ny_z: 2\r\n\r\n");
    let head = read(&[&GET[..3], &[("host", "b"), ("content-length", "3")]], false).expect("a good request");
    assert_eq!((head.host(), head.body()), (&b"b"[..], BodyLength::Length(3)));
    let options: Pairs<'_> =
        &[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "a")];
    assert!(read(&[options], true).expect("a good request").is_asterisk());
}

#[test]
fn websockets() {
    let connect: Pairs<'_> = &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/chat"),
        (":authority", "a"),
    ];
    let head = read(&[connect, &[("sec-websocket-version", "13")]], false).expect("a good request");
    assert!(head.is_websocket() && head.is_extended_connect());
    assert_eq!((head.method(), head.method_text()), (Method::Get, &b"GET"[..]));
    assert_eq!((head.body(), head.path()), (BodyLength::Empty, &b"/chat"[..]));
    for without in 0..connect.len() {
        let mut fields = connect.to_vec();
        let (name, _) = fields.remove(without);
        assert_eq!(read(&[&fields], false).err(), Some(HeadError::Malformed), "{name}");
    }
    let plain: Pairs<'_> = &[(":method", "CONNECT"), (":authority", "a:1")];
    let mut other = connect.to_vec();
    other[1].1 = "connect-udp";
    for (fields, error) in [
        (plain, HeadError::Method),
        (&other, HeadError::Method),
        (&plain[..1], HeadError::Malformed),
        (&[plain[0], plain[1], (":path", "/")], HeadError::Malformed),
        (&[GET[0], GET[1], GET[2], GET[3], (":protocol", "websocket")], HeadError::Malformed),
    ] {
        assert_eq!(read(&[fields], false).err(), Some(error), "{fields:?}");
    }
}

#[test]
fn malformed_requests() {
    let check = |fields: &[Pairs<'_>], error| assert_eq!(read(fields, true).err(), Some(error), "{fields:?}");
    for (fields, error) in [
        (&[("connection", "close")][..], HeadError::ConnectionField),
        (&[("keep-alive", "x")], HeadError::ConnectionField),
        (&[("proxy-connection", "x")], HeadError::ConnectionField),
        (&[("transfer-encoding", "chunked")], HeadError::ConnectionField),
        (&[("upgrade", "websocket")], HeadError::ConnectionField),
        (&[("te", "gzip")], HeadError::ConnectionField),
        (&[("X-Upper", "a")], HeadError::FieldName),
        (&[("Host", "a")], HeadError::FieldName),
        (&[("", "a")], HeadError::FieldName),
        (&[("a b", "c")], HeadError::FieldName),
        (&[("a:", "c")], HeadError::FieldName),
        (&[("a", "b\r\nc: d")], HeadError::FieldValue),
        (&[("a", "b\0")], HeadError::FieldValue),
        (&[("a", " b")], HeadError::FieldValue),
        (&[("a", "b\t")], HeadError::FieldValue),
        (&[("cookie", "b\n")], HeadError::FieldValue),
        (&[("host", "b")], HeadError::HostDiffers),
        (&[("host", "a"), ("host", "a")], HeadError::HostRepeated),
        (&[("content-length", "3")], HeadError::Malformed),
        (&[("content-length", "0"), ("content-length", "0")], HeadError::RepeatedContentLength),
        (&[("content-length", "+1")], HeadError::ContentLength),
        (&[("expect", "x")], HeadError::Expectation),
        (&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")], HeadError::TooManyFields),
        // Pseudo-fields that come twice, behind fields, or are of no request (RFC 9113 8.3).
        (&[(":path", "/")], HeadError::Malformed),
        (&[("x", "y"), (":protocol", "websocket")], HeadError::Malformed),
        (&[(":status", "200")], HeadError::Malformed),
        (&[(":other", "x")], HeadError::Malformed),
        (&[(":", "x")], HeadError::Malformed),
        (&[(":Path", "/")], HeadError::Malformed),
    ] {
        check(&[GET, fields], error);
    }
    for without in 0..3 {
        let mut fields = GET.to_vec();
        fields.remove(without);
        check(&[&fields], HeadError::Malformed);
    }
    check(&[&GET[..3]], HeadError::HostMissing);
    check(&[GET, &[("a", &"x".repeat(970))]], HeadError::TooLarge);
    for (place, value, error) in [
        (0, "G T", HeadError::Malformed),
        (0, "", HeadError::Malformed),
        (0, "ANMETHODTHATISLONGERTHANANYTHINGTHEREIS", HeadError::Method),
        (1, "ftp", HeadError::Malformed),
        (2, "", HeadError::Target),
        (2, "*", HeadError::Target),
        (2, "a", HeadError::Target),
        (2, "http://a/", HeadError::Target),
        (2, "/a b", HeadError::Target),
        (2, "/a#b", HeadError::Target),
        (2, "/aaaaaaaaaaaaaaaaaaaaaaa", HeadError::TargetTooLong),
        (2, "/a\\b", HeadError::Path(PathError::Character)),
        (3, "", HeadError::Host(crate::host::HostError::Empty)),
        (3, "u@a", HeadError::Host(crate::host::HostError::Character)),
    ] {
        let mut fields = GET.to_vec();
        fields[place].1 = value;
        check(&[&fields], error);
    }
}

#[test]
fn what_ends_the_stream_is_told_from_what_is_not_served() {
    for (error, malformed) in [
        (HeadError::FieldName, true),
        (HeadError::ConnectionField, true),
        (HeadError::HostDiffers, true),
        (HeadError::Target, true),
        (HeadError::HostMissing, false),
        (HeadError::Path(PathError::Character), false),
        (HeadError::TargetTooLong, false),
        (HeadError::Method, false),
    ] {
        assert_eq!(error.is_malformed_http2(), malformed, "{error}");
    }
}

#[test]
fn trailers() {
    let check = |fields: Pairs<'_>, expected: Result<Option<&str>, HeadError>| {
        let trailers = Fields::from_trailer_block(&block(&[fields]), &LIMITS).map(|trailers| {
            let name = |(name, _): (&[u8], &[u8])| String::from_utf8_lossy(name).into_owned();
            trailers.map(|trailers| trailers.iter().map(name).collect::<Vec<_>>().join(" "))
        });
        assert_eq!(
            trailers.as_ref().map(|names| names.as_deref()).map_err(|error| *error),
            expected,
            "{fields:?}"
        );
    };
    check(&[], Ok(None));
    check(&[("grpc-status", "0"), ("x", "y")], Ok(Some("grpc-status x")));
    check(&[("cookie", "a"), ("host", "b"), ("x", "y"), ("content_length", "1")], Ok(Some("x")));
    check(&[("authorization", "a"), ("te", "trailers")], Ok(None));
    check(&[("te", "x")], Err(HeadError::ConnectionField));
    check(&[("connection", "x")], Err(HeadError::ConnectionField));
    check(&[("x", "y"), (":path", "/")], Err(HeadError::Malformed));
    check(&[(":status", "200")], Err(HeadError::Malformed));
    check(&[("X", "y")], Err(HeadError::FieldName));
    check(&[("x", "y\n")], Err(HeadError::FieldValue));
    check(&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")], Err(HeadError::TooManyFields));
    check(&[("a", &"x".repeat(968))], Err(HeadError::TooLarge));
}

fn pair() -> impl Strategy<Value = (&'static str, &'static str)> {
    let names = prop::sample::select(&[
        "x",
        "y_z",
        "cookie",
        "te",
        "expect",
        "host",
        "content-length",
        "x_real_ip",
        "accept",
        "proxy",
        "upgrade",
        "",
        "X",
        "max-forwards",
        "user-agent",
    ]);
    let values = prop::sample::select(&[
        "",
        "a",
        "trailers",
        "100-continue",
        "0",
        "7",
        "a.example",
        "b\r",
        "A.Example:80",
    ]);
    (names, values)
}

proptest! {
    /// A block is read as its parts are.
    #[test]
    fn as_its_parts(
        method in prop::sample::select(&["GET", "POST", "OPTIONS", "TRACE", "CONNECT", "x", "a b"]),
        path in prop::sample::select(&["/", "/a//b/../c?d", "*", "/%2e%2e", "a", "", "/a b"]),
        authority in prop::sample::select(&[None, Some("a.example"), Some("A.example:80"), Some("")]),
        fields in prop::collection::vec(pair(), 0..7),
        end_of_stream: bool,
    ) {
        let mut pseudo = vec![(":method", method), (":scheme", "http"), (":path", path)];
        pseudo.extend(authority.map(|authority| (":authority", authority)));
        let (mut head, mut other) = (RequestHead::new(), RequestHead::new());
        let outcome = head.from_block(&block(&[&pseudo, &fields]), end_of_stream, &LIMITS);
        let bytes = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let expected = other.from_parts(
            method.as_bytes(),
            b"http",
            authority.map(str::as_bytes),
            path.as_bytes(),
            end_of_stream,
            bytes,
            &LIMITS,
        );
        // What is wrong first may differ, and a `CONNECT` with a path is malformed in a block.
        prop_assert_eq!(outcome.is_ok(), expected.is_ok(), "{:?} {:?}", outcome, expected);
        let lines = |head: &RequestHead| {
            let mut lines: Vec<_> = written(head).lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        prop_assert_eq!(lines(&head), lines(&other));
        prop_assert_eq!((head.body(), head.host(), head.port()), (other.body(), other.host(), other.port()));
        prop_assert_eq!((head.path(), head.query()), (other.path(), other.query()));
        prop_assert_eq!(head.expects_continue(), other.expects_continue());
    }
}
