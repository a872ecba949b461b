//! Answers and trailers as header blocks (RFC 9113 8.1, 8.3.2).

use super::hpack::Encoder;
use crate::body::BodyLength;
use crate::bytes::decimal;
use crate::fields::{FRAMING, Fields};
use crate::method::Version;
use crate::name::{Known, KnownSet};
use crate::response::ResponseHead;
use crate::websocket::ACCEPT;

/// What frames a message or belongs to a connection, but for the length of a body that is not sent; and `te`, which
/// means nothing in an answer.
const DROPPED: KnownSet =
    FRAMING.without(KnownSet::of(&[Known::ContentLength])).and(KnownSet::of(&[Known::Te]));
const DROPPED_WITH_LENGTH: KnownSet = DROPPED.and(FRAMING);
/// Bytes of `:status` and of a length, at most.
const BESIDE: usize = 32;

/// Appends the head of an answer, interim ones included. `content-length` is written where the body has a length, but not
/// for an answer of an origin over HTTP/2 whose stream ended with its head: gRPC sends such answers, and the end of the
/// stream says as much.
pub fn encode_response(head: &ResponseHead, out: &mut Vec<u8>) {
    out.reserve(head.fields.arena.len() + BESIDE);
    Encoder::status(out, head.status());
    match head.body() {
        BodyLength::Length(length) if length > 0 || head.version() != Version::Http2 => {
            write_fields(&head.fields, DROPPED_WITH_LENGTH, |_| false, out);
            let (digits, start) = decimal(length);
            Encoder::known(out, Known::ContentLength, b"content-length", &digits[start..]);
        }
        BodyLength::Length(_) => _ = write_fields(&head.fields, DROPPED_WITH_LENGTH, |_| false, out),
        _ => _ = write_fields(&head.fields, DROPPED, |_| false, out),
    }
}

/// Appends the answer that makes a tunnel of a stream: 101 in HTTP/1.1, and 200 here (RFC 8441 5). It has no length and no
/// `sec-websocket-accept`.
pub fn encode_consent(head: &ResponseHead, out: &mut Vec<u8>) {
    Encoder::status(out, 200);
    let is_accept = |name: &[u8]| name.eq_ignore_ascii_case(ACCEPT.as_bytes());
    write_fields(&head.fields, DROPPED_WITH_LENGTH, is_accept, out);
}

/// Appends trailers; whether there are any. If there are none, nothing was appended.
#[must_use]
pub fn encode_trailers(trailers: &Fields, out: &mut Vec<u8>) -> bool {
    write_fields(trailers, DROPPED_WITH_LENGTH, |_| false, out)
}

/// Appends the kept fields but those of `dropped`, and of the unknown ones those that `drops` names; whether there are any.
#[inline(always)]
fn write_fields(
    fields: &Fields,
    dropped: KnownSet,
    drops: impl Fn(&[u8]) -> bool,
    out: &mut Vec<u8>,
) -> bool {
    let mut any = false;
    for line in &fields.lines {
        if !line.is_kept() || dropped.has(line.known) {
            continue;
        }
        let name = fields.bytes(line.name());
        if line.known == Known::Unknown && drops(name) {
            continue;
        }
        any = true;
        Encoder::known(out, line.known, name, fields.bytes(line.value()));
    }
    any
}

#[cfg(test)]
mod tests;
