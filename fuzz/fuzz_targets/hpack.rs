//! Header blocks of HTTP/2: what a block says does not depend on the memory it is read into, its bounds hold, what is
//! refused leaves nothing, and heads that come of it are plain and read back, over HTTP/1.1 and over HTTP/2.
#![no_main]

use irongate_fuzz::check_written;
use irongate_message::http2::frame::{FrameHeader, HEADER, Kind, flags, write_headers};
use irongate_message::http2::hpack::{Decoder, Encoder, FieldBlock};
use irongate_message::{Fields, HeadLimits, HeadParser, Parsed, RequestHead};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 20, target: 256 };
const TABLE: usize = 512;

// The first byte chooses how the blocks are split; the rest are blocks of one connection, each behind its length.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, mut rest)) = data.split_first() else { return };
    let most = usize::from(choice >> 1) + 1;
    let (mut decoder, mut other) = (Decoder::new(TABLE), Decoder::new(TABLE));
    let mut reused = FieldBlock::new();
    while let Some((&length, tail)) = rest.split_first() {
        let (block, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        let mut fresh = FieldBlock::new();
        let outcome = decoder.decode(block, &mut reused, LIMITS.bytes);
        // Joined from fragments of another size, into another memory, with a table that is kept small.
        let joined = joined(block, most);
        assert_eq!(joined, block);
        assert_eq!(other.decode(&joined, &mut fresh, LIMITS.bytes), outcome);
        other.shrink();
        if outcome.is_err() {
            return;
        }
        assert!(reused.iter().eq(fresh.iter()) && reused.size() == fresh.size());
        assert!(decoder.memory() <= 3 * TABLE && other.memory() <= 2 * TABLE);
        check_block(&reused, choice & 1 == 1);
    }
});

fn joined(block: &[u8], most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    write_headers(&mut text, 1, false, most, |out| out.extend_from_slice(block));
    let (mut joined, mut rest, mut ended) = (Vec::new(), &text[..], false);
    while let Some((header, tail)) = rest.split_first_chunk::<HEADER>() {
        let header = FrameHeader::parse(header);
        assert!(!ended && header.length as usize <= most);
        assert!(header.kind == if joined.is_empty() { Kind::HEADERS } else { Kind::CONTINUATION });
        ended = header.has(flags::END_HEADERS);
        joined.extend_from_slice(&tail[..header.length as usize]);
        rest = &tail[header.length as usize..];
    }
    assert!(ended && rest.is_empty());
    joined
}

fn check_block(block: &FieldBlock, end_of_stream: bool) {
    let size: usize = block.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert!(size <= LIMITS.bytes && (block.is_over() || size == block.size()));
    let mut text = Vec::new();
    for (name, value) in block.iter() {
        Encoder::field(&mut text, name, value);
    }
    let mut again = FieldBlock::new();
    Decoder::new(0).decode(&text, &mut again, usize::MAX).expect("what is written can be read");
    assert!(
        again
            .iter()
            .zip(block.iter())
            .all(|(again, first)| again.1 == first.1 && again.0 == first.0.to_ascii_lowercase())
    );
    assert_eq!(again.len(), block.len());

    let _ = Fields::from_trailer_block(block, &LIMITS);
    let mut head = RequestHead::new();
    let outcome = head.from_block(block, end_of_stream, &LIMITS);
    if outcome.is_err() {
        assert!(head.fields.is_empty() && head.path().is_empty() && head.upgrade().is_none());
        return;
    }
    assert!(!block.is_over());
    let mut text = Vec::new();
    head.write_http1(head.body(), &mut text);
    check_written(&text, 1);
    let unbounded = HeadLimits { bytes: 1 << 20, fields: 1000, target: 1 << 16 };
    let mut again = RequestHead::new();
    let parsed = HeadParser::new().request(&text, &unbounded, &mut again);
    assert_eq!(parsed, Ok(Parsed::Head { length: text.len() }));
    assert_eq!((again.path(), again.query(), again.method()), (head.path(), head.query(), head.method()));
    assert_eq!((again.host(), again.port(), again.body()), (head.host(), head.port(), head.body()));
}
