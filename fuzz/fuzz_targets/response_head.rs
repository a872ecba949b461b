//! Heads of answers: any split reads alike, what is refused leaves nothing, what is written is plain and reads back.
#![no_main]

use irongate_fuzz::{by_steps, check_written};
use irongate_message::{
    BodyLength, ConnectionOption, HeadLimits, HeadParser, Method, Parsed, ResponseHead, Version,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20, target: 256 };

fn write(head: &ResponseHead, framing: BodyLength, connection: ConnectionOption) -> Vec<u8> {
    let mut out = Vec::new();
    head.write_http1(Version::Http11, framing, connection, &mut out);
    out
}

// The first byte chooses the steps in which the rest is read, and the request's method.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    let method = if choice & 128 == 0 { Method::Get } else { Method::Head };
    let (mut whole, mut split) = (ResponseHead::new(), ResponseHead::new());
    let outcome = HeadParser::new().response(input, &LIMITS, method, &mut whole);
    let mut parser = HeadParser::new();
    let steps = [usize::from(choice & 15) + 1, usize::from(choice >> 4) + 1];
    let other = by_steps(input, &steps, |prefix| parser.response(prefix, &LIMITS, method, &mut split));
    assert_eq!(outcome, other);
    assert!(parser.examined() <= 2 * input.len() as u64);
    match outcome {
        Ok(Parsed::Head { .. }) => check_head(&whole, method),
        Ok(Parsed::Partial) => assert!(input.len() < LIMITS.bytes),
        Ok(Parsed::Http2Preface) => panic!("answers have no preface"),
        Err(_) => assert!(whole.fields.is_empty() && split.fields.is_empty()),
    }
});

fn check_head(head: &ResponseHead, method: Method) {
    let text = write(head, head.body(), ConnectionOption::KeepAlive);
    let lines = check_written(&text, 0);
    assert!(lines[0].starts_with(b"HTTP/1.1 "));
    // Whatever framing is chosen, there is one.
    for framing in [BodyLength::Empty, BodyLength::Length(7), BodyLength::Chunked, BodyLength::UntilClose] {
        for connection in [ConnectionOption::Close, ConnectionOption::Upgrade] {
            check_written(&write(head, framing, connection), 0);
        }
    }
    let unbounded = HeadLimits { bytes: 1 << 20, fields: 1000, target: 0 };
    let mut again = ResponseHead::new();
    let outcome = HeadParser::new().response(&text, &unbounded, method, &mut again);
    assert_eq!(outcome, Ok(Parsed::Head { length: text.len() }));
    assert_eq!((again.status(), again.reason(), again.body()), (head.status(), head.reason(), head.body()));
    assert_eq!(write(&again, again.body(), ConnectionOption::KeepAlive), text);
}
