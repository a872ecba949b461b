use super::*;
use crate::testing::{by_steps, read_request, read_request_within, summary, written};
use crate::{BodyLength, Forwarding, Known};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 200, fields: 3, target: 20 };

fn refused(input: impl AsRef<[u8]>, error: HeadError) {
    let input = input.as_ref();
    assert_eq!(read_request_within(input, &LIMITS).0, Err(error), "{}", String::from_utf8_lossy(input));
}

#[test]
fn only_the_head_is_used() {
    for (before, head, after) in [
        ("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "body"),
        ("\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\n"),
        ("", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\0"),
    ] {
        let (outcome, _) = read_request(format!("{before}{head}{after}").as_bytes());
        assert_eq!(outcome, Ok(Parsed::Head { length: before.len() + head.len() }));
    }
}

#[test]
fn parts_of_heads_are_partial() {
    let input = b"\r\nGET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    for end in 0..input.len() {
        assert_eq!(read_request(&input[..end]).0, Ok(Parsed::Partial), "{end}");
    }
    assert!(matches!(read_request(input).0, Ok(Parsed::Head { .. })));
}

#[test]
fn the_preface_of_http2_comes_first() {
    for end in 0..24 {
        assert_eq!(read_request(&PREFACE[..end]).0, Ok(Parsed::Partial), "{end}");
    }
    assert_eq!(read_request(PREFACE).0, Ok(Parsed::Http2Preface));
    assert_eq!(read_request(&[PREFACE, b"\0\0\0\x04"].concat()).0, Ok(Parsed::Http2Preface));
    for (input, error) in [
        (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"[..], HeadError::Version),
        (b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", HeadError::Version),
        (b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::Version),
    ] {
        assert_eq!(read_request(input).0, Err(error));
    }
    assert!(matches!(read_request(b"PRI /a HTTP/1.1\r\nHost: a\r\n\r\n").0, Ok(Parsed::Head { .. })));
}

#[test]
fn limits() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - 1));
    assert!(read_request_within(target(20).as_bytes(), &LIMITS).0.is_ok());
    refused(target(21), HeadError::TargetTooLong);
    refused(format!("GET /{}", "x".repeat(100)), HeadError::TargetTooLong);
    refused("x".repeat(84), HeadError::TargetTooLong);
    assert_eq!(read_request_within("x".repeat(83).as_bytes(), &LIMITS).0, Ok(Parsed::Partial));
    assert_eq!(HeadError::TargetTooLong.status(), 414);

    let sized = |length: usize| {
        let rest = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "x".repeat(length - rest))
    };
    assert_eq!(read_request_within(sized(200).as_bytes(), &LIMITS).0, Ok(Parsed::Head { length: 200 }));
    refused(sized(201), HeadError::TooLarge);
    refused(&sized(500)[..200], HeadError::TooLarge);
    assert_eq!(read_request_within(&sized(500).as_bytes()[..199], &LIMITS).0, Ok(Parsed::Partial));
    // The empty line in front is no part of the head.
    let after_empty_line = format!("\r\n{}", sized(200));
    assert_eq!(read_request_within(after_empty_line.as_bytes(), &LIMITS).0, Ok(Parsed::Head { length: 202 }));

    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    assert!(read_request_within(fields(3).as_bytes(), &LIMITS).0.is_ok());
    refused(fields(4), HeadError::TooManyFields);
}

#[test]
fn work_is_linear_however_slowly_the_input_comes() {
    let line = format!("A: {}\r\n", "x".repeat(4000));
    let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(16));
    for step in [1, 7, 1460, input.len()] {
        let (mut head, mut parser) = (RequestHead::new(), HeadParser::new());
        let outcome = by_steps(input.as_bytes(), step, |prefix| {
            parser.request(prefix, &HeadLimits::default(), &mut head)
        });
        assert_eq!(outcome, Ok(Parsed::Head { length: input.len() }));
        assert!(parser.examined() <= 2 * input.len() as u64, "{} in steps of {step}", parser.examined());
        assert_eq!(head.fields.iter().count(), 16);
    }
}

#[test]
fn a_parser_and_a_head_are_used_again() {
    let (mut head, mut parser, limits) = (RequestHead::new(), HeadParser::new(), HeadLimits::default());
    let inputs = [
        ("POST /a?b HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\nA: b\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
    ];
    for (input, good) in inputs {
        parser.reset();
        let outcome = parser.request(input.as_bytes(), &limits, &mut head);
        assert_eq!(outcome.is_ok(), good, "{input}");
        let (_, fresh) = read_request(input.as_bytes());
        assert_eq!(summary(&head), summary(&fresh), "{input}");
    }
}

/// Reads a head that was written by us, and checks what must hold for every such head.
fn read_back(text: &[u8]) -> RequestHead {
    let (outcome, head) = read_request(text);
    assert_eq!(outcome, Ok(Parsed::Head { length: text.len() }), "{}", String::from_utf8_lossy(text));
    let lower = String::from_utf8_lossy(text).to_ascii_lowercase();
    let count = |name: &str| lower.matches(&format!("\r\n{name}:")).count();
    assert_eq!(count("host"), 1);
    assert!(count("content-length") + count("transfer-encoding") <= 1);
    head
}

fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => "[A-Za-z!#$%&'*+.^_`|~-]{1,12}",
        3 => prop::sample::select(vec![
            "Connection", "TE", "Upgrade", "Expect", "Via", "X-Forwarded-For", "x_real_ip", "Cookie", "Keep-Alive",
            "Content-Length", "Transfer-Encoding", "Host", "Content-Type", "Trailer", "Forwarded",
        ]).prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        3 => "[ -~\u{e9}\t]{0,30}",
        2 => prop::sample::select(vec![
            "close", "keep-alive, X", "upgrade", "trailers", "websocket", "h2c, x", "chunked", "3", "100-continue",
            "1.1 a", "TE, Upgrade, host",
        ]).prop_map(str::to_owned),
    ];
    (name, "[ \t]{0,2}", value, "[ \t]{0,2}")
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"))
}

fn head() -> impl Strategy<Value = String> {
    let method = prop::sample::select(vec!["GET", "POST", "OPTIONS", "X-Y"]);
    let target = prop_oneof![
        "/[a-c./%;]{0,8}([?][!-~&&[^#]]{0,6})?",
        "/(%2[eEfF5]|[.]|/|a|%41){0,8}",
        Just("*".to_owned()),
        "http://[a-cA-C.]{0,4}(:[0-9]{0,3})?(/a)?([?]b)?",
    ];
    let host = prop_oneof![4 => "Host: [a-cA-C]{1,5}(:[1-9]{1,3})?\r\n", 1 => Just(String::new())];
    (method, target, 0..2, host, prop::collection::vec(line(), 0..6)).prop_map(
        |(method, target, minor, host, lines)| {
            format!("{method} {target} HTTP/1.{minor}\r\n{host}{}\r\n", lines.concat())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn what_is_written_is_read_back(input in head(), trusted in any::<bool>()) {
        let (outcome, mut first) = read_request(input.as_bytes());
        if outcome.is_ok() {
            if first.authority().is_empty() {
                first.set_authority(b"origin");
            }
            let text = written(&first);
            let second = read_back(text.as_bytes());
            prop_assert_eq!(&written(&second), &text, "what is written stays");
            prop_assert_eq!(second.body(), first.body());
            prop_assert_eq!(second.authority(), first.authority());
            prop_assert_eq!((second.path(), second.query()), (first.path(), first.query()));
            let forwarding = Forwarding {
                client: b"::1",
                trusted,
                scheme: b"http",
                port: b"80",
                via: b"irongate",
                connection: 0,
            };
            prop_assert_eq!(first.forward(&forwarding), Ok(()));
            let third = read_back(written(&first).as_bytes());
            let last = third.fields.get(Known::XForwardedFor).unwrap_or_default();
            prop_assert!(last.ends_with(b"::1"));
        }
    }

    #[test]
    fn any_split_gives_the_same(input in prop_oneof![
        head(),
        "(GET|P|R|/| |HTTP/1[.][01]|\r\n|\r|\n|Host: a|A: b|\t|:|\0|PRI [*] HTTP/2[.]0){0,12}",
    ]) {
        let (outcome, head) = read_request_within(input.as_bytes(), &LIMITS);
        if outcome.is_err() {
            prop_assert_eq!(written(&head), written(&RequestHead::new()), "what is refused leaves nothing");
        }
        prop_assert!(head.body() != BodyLength::UntilClose);
    }

    #[test]
    fn answers_are_read_back(
        version in 0..2,
        status in 100u16..600,
        lines in prop::collection::vec(line(), 0..5),
        method in prop::sample::select(vec![Method::Get, Method::Head]),
    ) {
        let input = format!("HTTP/1.{version} {status} X\r\n{}\r\n", lines.concat());
        let (outcome, first) = crate::testing::read_response(input.as_bytes(), method);
        if outcome.is_ok() {
            let mut text = Vec::new();
            let option = crate::ConnectionOption::KeepAlive;
            first.write_http1(crate::Version::Http11, first.body(), option, &mut text);
            let (outcome, second) = crate::testing::read_response(&text, method);
            prop_assert_eq!(outcome, Ok(Parsed::Head { length: text.len() }));
            prop_assert_eq!((second.status(), second.body()), (first.status(), first.body()));
            let mut again = Vec::new();
            second.write_http1(crate::Version::Http11, second.body(), option, &mut again);
            prop_assert_eq!(again, text);
        }
    }
}
