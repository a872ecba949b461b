use super::*;
use crate::testing::written;

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn read(
    method: &str,
    authority: Option<&str>,
    path: &str,
    end_of_stream: bool,
    fields: Pairs<'_>,
) -> Result<RequestHead, HeadError> {
    let mut head = RequestHead::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let authority = authority.map(str::as_bytes);
    let limits = HeadLimits { bytes: 1000, fields: 5, target: 20 };
    let result = head.from_parts(
        method.as_bytes(),
        b"https",
        authority,
        path.as_bytes(),
        end_of_stream,
        fields,
        &limits,
    );
    if result.is_err() {
        assert!(head.fields.is_empty() && head.path().is_empty());
    }
    result.map(|()| head)
}

fn get(fields: Pairs<'_>) -> Result<RequestHead, HeadError> {
    read("GET", Some("a"), "/", true, fields)
}

#[test]
fn the_same_shape() {
    let head = read("POST", Some("Example.com:80"), "/a/../b?c", false, &[("x", "y"), ("te", "trailers")]);
    let head = head.expect("a good request");
    assert_eq!((head.path(), head.query(), head.host()), (&b"/b"[..], Some(&b"c"[..]), &b"example.com"[..]));
    assert_eq!(
        (head.version(), head.method(), head.body()),
        (Version::Http2, Method::Post, BodyLength::Chunked)
    );
    assert_eq!(
        written(&head),
        "POST /b?c HTTP/1.1\r\nHost: example.com:80\r\nx: y\r\nte: trailers\r\nTransfer-Encoding: chunked\r\n\
         Connection: TE\r\n\r\n"
    );
    let head =
        get(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("host", "A")]).expect("a good request");
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: a\r\nx: y\r\ncookie: a=1; b=2\r\n\r\n");
    let head =
        read("PUT", None, "/", false, &[("host", "a"), ("content-length", "3")]).expect("a good request");
    assert_eq!((head.host(), head.body()), (&b"a"[..], BodyLength::Length(3)));
    let twice = [("expect", "100-continue"), ("expect", "100-Continue")];
    let head = read("PUT", Some("a"), "/", false, &twice).expect("a good request");
    assert!(head.expects_continue() && written(&head).matches("expect").count() == 1);
    let head = read("PUT", Some("a"), "/", true, &twice).expect("a good request");
    assert!(!head.expects_continue() && !written(&head).contains("expect"));
    let head =
        get(&[("te", "trailers"), ("http2-settings", "x"), ("te", "trailers")]).expect("a good request");
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: a\r\nte: trailers\r\nConnection: TE\r\n\r\n");
    assert_eq!(read("TRACE", Some("a"), "/", true, &[("max-forwards", "0")]).err(), Some(HeadError::Method));
    let head = read("OPTIONS", Some("a"), "*", true, &[]).expect("a good request");
    assert!(head.is_asterisk());
}

#[test]
fn malformed_requests() {
    use crate::host::HostError;
    for (fields, error) in [
        (&[("connection", "close")][..], HeadError::ConnectionField),
        (&[("keep-alive", "x")], HeadError::ConnectionField),
        (&[("proxy-connection", "x")], HeadError::ConnectionField),
        (&[("transfer-encoding", "chunked")], HeadError::ConnectionField),
        (&[("upgrade", "websocket")], HeadError::ConnectionField),
        (&[("te", "gzip")], HeadError::ConnectionField),
        (&[("X-Upper", "a")], HeadError::FieldName),
        (&[(":path", "/")], HeadError::FieldName),
        (&[("", "a")], HeadError::FieldName),
        (&[("a b", "c")], HeadError::FieldName),
        (&[("a", "b\r\nc: d")], HeadError::FieldValue),
        (&[("a", "b\0")], HeadError::FieldValue),
        (&[("a", " b")], HeadError::FieldValue),
        (&[("a", "b\t")], HeadError::FieldValue),
        (&[("cookie", "b\n")], HeadError::FieldValue),
        (&[("host", "b")], HeadError::HostDiffers),
        (&[("host", "a"), ("host", "a")], HeadError::HostRepeated),
        (&[("host", "a b")], HeadError::Host(HostError::Character)),
        (&[("content-length", "3")], HeadError::Malformed),
        (&[("content-length", "0"), ("content-length", "0")], HeadError::RepeatedContentLength),
        (&[("expect", "x")], HeadError::Expectation),
        (&[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", ""), ("f", "")], HeadError::TooManyFields),
    ] {
        assert_eq!(get(fields).err(), Some(error), "{fields:?}");
    }
    let long = "x".repeat(970);
    assert_eq!(get(&[("a", &long)]).err(), Some(HeadError::TooLarge));
    assert_eq!(get(&[("cookie", &long)]).err(), Some(HeadError::TooLarge));
    for (method, authority, path, error) in [
        ("GET", None, "/", HeadError::HostMissing),
        ("GET", Some(""), "/", HeadError::Host(HostError::Empty)),
        ("GET", Some("u@a"), "/", HeadError::Host(HostError::Character)),
        ("GET", Some("a"), "", HeadError::Target),
        ("GET", Some("a"), "*", HeadError::Target),
        ("GET", Some("a"), "a", HeadError::Target),
        ("GET", Some("a"), "http://a/", HeadError::Target),
        ("GET", Some("a"), "/a b", HeadError::Target),
        ("GET", Some("a"), "/a#b", HeadError::Target),
        ("GET", Some("a"), "/aaaaaaaaaaaaaaaaaaaaaaa", HeadError::TargetTooLong),
        ("GET", Some("a"), "/a\\b", HeadError::Path(crate::path::PathError::Character)),
        ("G T", Some("a"), "/", HeadError::Malformed),
        ("", Some("a"), "/", HeadError::Malformed),
        ("CONNECT", Some("a"), "/", HeadError::Method),
    ] {
        assert_eq!(
            read(method, authority, path, true, &[]).err(),
            Some(error),
            "{method} {authority:?} {path}"
        );
    }
}
