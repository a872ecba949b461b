use super::*;
use crate::BodyLength;

#[test]
fn a_plain_request() {
    let mut head = RequestHead::new();
    let input = b"GET /a/../b?c HTTP/1.1\r\nHost: Example.com\r\nAccept: */*\r\n\r\nrest";
    let parsed = HeadParser::new().request(input, &HeadLimits::default(), &mut head);
    assert_eq!(parsed, Ok(Parsed::Head { length: input.len() - 4 }));
    assert_eq!((head.path(), head.query(), head.host()), (&b"/b"[..], Some(&b"c"[..]), &b"example.com"[..]));
    let mut out = Vec::new();
    head.write_http1(BodyLength::Empty, &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "GET /b?c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n"
    );
}

#[test]
fn a_plain_answer() {
    let mut head = ResponseHead::new();
    let input = b"HTTP/1.1 200 Fine\r\ncontent-length : 3\r\nX: y \r\n\r\nabc";
    let parsed = HeadParser::new().response(input, &HeadLimits::default(), Method::Get, &mut head);
    assert_eq!(parsed, Ok(Parsed::Head { length: input.len() - 3 }));
    let mut out = Vec::new();
    head.write_http1(crate::Version::Http11, head.body(), crate::ConnectionOption::KeepAlive, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), "HTTP/1.1 200 Fine\r\nX: y\r\nContent-Length: 3\r\n\r\n");
}
