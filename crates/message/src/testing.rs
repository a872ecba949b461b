//! The doors of the tests: heads read whole and byte by byte, with everything that must hold for each of them.

use crate::{HeadError, HeadLimits, HeadParser, Method, Parsed, RequestHead, ResponseHead};

/// How reading a head ended.
pub(crate) type Outcome = Result<Parsed, HeadError>;

/// Reads a request whole, then byte by byte, and checks that both end alike.
pub(crate) fn read_request(input: &[u8]) -> (Outcome, RequestHead) {
    read_request_within(input, &HeadLimits::default())
}

pub(crate) fn read_request_within(input: &[u8], limits: &HeadLimits) -> (Outcome, RequestHead) {
    let mut head = RequestHead::new();
    let whole = HeadParser::new().request(input, limits, &mut head);
    let (mut other, mut parser) = (RequestHead::new(), HeadParser::new());
    let split = by_steps(input, 1, |prefix| parser.request(prefix, limits, &mut other));
    assert_eq!(whole, split, "by bytes: {}", String::from_utf8_lossy(input));
    assert!(parser.examined() <= 2 * input.len() as u64);
    let (first, second) = (summary(&head), summary(&other));
    if whole != Ok(Parsed::Partial) {
        assert_eq!(first, second, "by bytes: {}", String::from_utf8_lossy(input));
    }
    if whole.is_err() {
        assert_eq!(first, summary(&RequestHead::new()), "what is refused leaves nothing");
    }
    (whole, head)
}

/// The same for an answer to a request of that method.
pub(crate) fn read_response(input: &[u8], method: Method) -> (Outcome, ResponseHead) {
    let limits = HeadLimits::default();
    let mut head = ResponseHead::new();
    let whole = HeadParser::new().response(input, &limits, method, &mut head);
    let (mut other, mut parser) = (ResponseHead::new(), HeadParser::new());
    let split = by_steps(input, 1, |prefix| parser.response(prefix, &limits, method, &mut other));
    assert_eq!(whole, split, "by bytes: {}", String::from_utf8_lossy(input));
    assert!(parser.examined() <= 2 * input.len() as u64);
    if whole.is_err() {
        assert!(head.fields.is_empty() && other.fields.is_empty());
    }
    (whole, head)
}

/// Gives longer and longer prefixes until something comes of it.
pub(crate) fn by_steps(input: &[u8], step: usize, mut read: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut length = 0;
    loop {
        length = (length + step).min(input.len());
        match read(&input[..length]) {
            Ok(Parsed::Partial) if length < input.len() => {}
            outcome => return outcome,
        }
    }
}

/// All that a head tells, as text.
pub(crate) fn summary(head: &RequestHead) -> String {
    let mut out = Vec::new();
    head.write_http1(head.body(), &mut out);
    format!(
        "{} {:?} {:?} {:?} {:?} {:?} {} {} {:?}",
        String::from_utf8_lossy(&out),
        head.method(),
        head.version(),
        String::from_utf8_lossy(head.host()),
        head.port(),
        head.body(),
        head.keep_alive(),
        head.expects_continue(),
        head.upgrade(),
    )
}

/// The head as it goes upstream.
pub(crate) fn written(head: &RequestHead) -> String {
    let mut out = Vec::new();
    head.write_http1(head.body(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
