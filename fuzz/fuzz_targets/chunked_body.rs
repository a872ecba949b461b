//! Chunked bodies: any split, and any pace of taking the data, gives the same body, or the same refusal; and what
//! comes out is what a plain reader finds.
#![no_main]

use irongate_message::{
    BodyDecoder, BodyError, BodyLength, HeadLimits, Piece, write_chunk_size, write_last_chunk,
};
use libfuzzer_sys::fuzz_target;

const LIMITS: HeadLimits = HeadLimits { bytes: 256, fields: 8, target: 0 };

/// The body, the bytes that were used, and the trailers as written.
type Decoded = (Vec<u8>, usize, Vec<u8>);

/// Whatever comes after an error gives the same error.
fn stays_failed(decoder: &mut BodyDecoder, error: BodyError) -> BodyError {
    assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(error));
    assert_eq!(decoder.end_of_input(), Err(error));
    error
}

fn decode(input: &[u8], step: usize, take: usize) -> Result<Decoded, BodyError> {
    let mut decoder = BodyDecoder::with_limits(BodyLength::Chunked, LIMITS);
    let (mut body, mut read, mut visible) = (Vec::new(), 0, step.min(input.len()));
    loop {
        let decoded = decoder.decode(&input[read..visible]);
        match decoded.map_err(|error| stays_failed(&mut decoder, error))? {
            Piece::Data { skip, length } => {
                read += skip;
                let taken = length.min(take);
                assert!(length > 0 && read + length <= visible);
                body.extend_from_slice(&input[read..read + taken]);
                decoder.advance(taken);
                read += taken;
            }
            Piece::More { skip } => {
                read += skip;
                if visible == input.len() {
                    assert!(!decoder.is_done());
                    let ended = decoder.end_of_input();
                    ended.map_err(|error| stays_failed(&mut decoder, error))?;
                }
                visible = (visible + step).min(input.len());
            }
            Piece::End { skip } => {
                read += skip;
                let mut trailers = Vec::new();
                write_last_chunk(decoder.take_trailers().as_ref(), &mut trailers);
                return Ok((body, read, trailers));
            }
        }
    }
}

/// A reader of whole bodies that shares nothing with ours; `None` for whatever it does not like.
fn plain(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = input.get(at..)?;
        let end = line.windows(2).position(|pair| pair == b"\r\n")?;
        let size = line[..end].split(|&byte| byte == b';').next()?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        at += end + 2;
        if size == 0 {
            break;
        }
        body.extend_from_slice(input.get(at..at.checked_add(size)?)?);
        at += size;
        (input.get(at..at + 2)? == b"\r\n").then_some(())?;
        at += 2;
    }
    loop {
        let line = input.get(at..)?;
        let end = line.windows(2).position(|pair| pair == b"\r\n")?;
        at += end + 2;
        if end == 0 {
            return Some((body, at));
        }
    }
}

// The first byte chooses the steps in which the rest is read, and how much is taken at once.
fuzz_target!(|data: &[u8]| {
    let Some((&choice, input)) = data.split_first() else { return };
    let whole = decode(input, input.len().max(1), usize::MAX);
    let split = decode(input, usize::from(choice & 15) + 1, usize::from(choice >> 4) + 1);
    assert_eq!(whole, split);
    if let Ok((body, used, trailers)) = whole {
        assert_eq!(plain(input), Some((body.clone(), used)));
        let mut text = Vec::new();
        if !body.is_empty() {
            write_chunk_size(body.len(), &mut text);
            text.extend_from_slice(&body);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(&trailers);
        assert_eq!(decode(&text, text.len(), usize::MAX), Ok((body, text.len(), trailers)));
    }
});
