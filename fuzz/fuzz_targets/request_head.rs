//! Request heads: any split reads alike, what is refused leaves nothing, what is written is plain and reads back.
#![no_main]

use irongate_fuzz::{by_steps, check_path, check_written};
use irongate_message::{BodyLength, Forwarding, HeadError, HeadLimits, HeadParser, Parsed, RequestHead};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20, target: 256 };

fn write(head: &RequestHead) -> Vec<u8> {
    let mut out = Vec::new();
    head.write_http1(head.body(), &mut out);
    out
}

// The first byte chooses the steps in which the rest is read.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    let (mut whole, mut split) = (RequestHead::new(), RequestHead::new());
    let outcome = HeadParser::new().request(input, &LIMITS, &mut whole);
    let mut parser = HeadParser::new();
    let steps = [usize::from(choice & 15) + 1, usize::from(choice >> 4) + 1];
    let other = by_steps(input, &steps, |prefix| parser.request(prefix, &LIMITS, &mut split));
    assert_eq!(outcome, other);
    assert!(parser.examined() <= 2 * input.len() as u64);
    match outcome {
        Ok(Parsed::Head { length }) => {
            assert!(length <= input.len());
            assert_eq!(write(&whole), write(&split));
            check_head(whole, choice & 1 == 1);
        }
        Ok(Parsed::Partial) => assert!(input.len() < LIMITS.bytes + 2),
        Ok(Parsed::Http2Preface) => assert!(input.starts_with(b"PRI * HTTP/2.0")),
        Err(_) => assert!(whole.fields.is_empty() && whole.path().is_empty() && split.path().is_empty()),
    }
});

fn check_head(mut head: RequestHead, trusted: bool) {
    assert!(head.body() != BodyLength::UntilClose && !head.is_connect());
    if !head.is_asterisk() {
        assert!(head.path().starts_with(b"/"));
        check_path(head.path());
    }
    if head.authority().is_empty() {
        head.set_authority(b"origin");
    }
    let text = write(&head);
    let lines = check_written(&text, 1);
    assert!(lines[0].ends_with(b" HTTP/1.1") && lines[0].iter().filter(|&&byte| byte == b' ').count() == 2);

    let unbounded = HeadLimits { bytes: 1 << 20, fields: 1000, target: 1 << 16 };
    let mut again = RequestHead::new();
    let outcome = HeadParser::new().request(&text, &unbounded, &mut again);
    assert_eq!(outcome, Ok(Parsed::Head { length: text.len() }));
    assert_eq!(write(&again), text);
    assert_eq!((again.body(), again.path(), again.query()), (head.body(), head.path(), head.query()));
    assert_eq!((again.host(), again.port(), again.method()), (head.host(), head.port(), head.method()));
    assert_eq!(again.upgrade(), head.upgrade());

    let forwarding =
        Forwarding { client: b"192.0.2.7", trusted, scheme: b"http", port: b"80", via: b"irongate-1", connection: 1 };
    match head.forward(&forwarding) {
        Ok(()) => {
            let lines = check_written(&write(&head), 1);
            let named =
                |name: &[u8]| lines.iter().filter(|line| line.to_ascii_lowercase().starts_with(name)).count();
            assert_eq!(named(b"x-forwarded-for:"), 1);
            assert_eq!(named(b"x_forwarded_for:") + named(b"x_forwarded-for:"), 0);
            if !trusted {
                assert_eq!(named(b"forwarded:") + named(b"x-forwarded-prefix:"), 0);
                assert_eq!(named(b"x-real-ip:"), 1);
            }
        }
        Err(error) => assert_eq!(error, HeadError::Loop),
    }
}
