//! What goes in comes out again, in any pieces.

use super::*;
use std::io::Read;

/// Text that can be compressed, and bytes that cannot.
fn bodies() -> [Vec<u8>; 4] {
    let text = (0..40_000).flat_map(|n: u32| format!("line {} of {}\n", n % 977, n).into_bytes());
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    [Vec::new(), b"a".to_vec(), text.collect(), noise.take(300_000).collect()]
}

fn decoded(coding: ContentCoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    match coding {
        ContentCoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut all)?,
        ContentCoding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut all)?,
        ContentCoding::Zstd => zstd::stream::read::Decoder::new(bytes)?.read_to_end(&mut all)?,
    };
    Ok(all)
}

/// As much as can be read of what may not be whole.
fn readable(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn Read + '_> = match coding {
        ContentCoding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        ContentCoding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
        ContentCoding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
    };
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        all.extend_from_slice(&piece[..length]);
    }
    all
}

fn encoded(mut encoder: Encoder, body: &[u8], piece: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in body.chunks(piece) {
        encoder.write(piece).expect("it takes what comes");
        all.append(encoder.output());
    }
    for _ in 0..2 {
        encoder.finish().expect("it ends");
    }
    all.append(encoder.output());
    assert!(encoder.write(b"x").is_err(), "after the end nothing is taken");
    all
}

#[test]
fn what_goes_in_comes_out_again() {
    for coding in ContentCoding::ALL {
        for body in bodies() {
            for (level, piece, says_length) in [
                (coding.usual_level(), 16 << 10, true),
                (coding.usual_level(), 1, false),
                (1, 977, true),
                (coding.highest_level(), 64 << 10, false),
            ] {
                let length = says_length.then_some(body.len() as u64);
                let all = encoded(Encoder::new(coding, level, length), &body, piece);
                let context = format!("{coding:?} {level} {piece} {length:?}");
                assert!(decoded(coding, &all).expect(&context) == body, "{context}");
                if body.starts_with(b"line") {
                    assert!(all.len() * 2 < body.len(), "{context}: {} of {}", all.len(), body.len());
                }
            }
        }
    }
}

#[test]
fn a_flush_brings_out_all_that_was_written() {
    for coding in ContentCoding::ALL {
        let mut encoder = Encoder::new(coding, coding.usual_level(), None);
        let (mut all, mut written) = (Vec::new(), Vec::new());
        for event in ["data: one\n\n", "data: two\n\n", "x"] {
            written.extend_from_slice(event.as_bytes());
            encoder.write(event.as_bytes()).expect("it takes what comes");
            encoder.flush().expect("it flushes");
            all.append(encoder.output());
            assert_eq!(readable(coding, &all), written, "{coding:?}");
        }
        assert!(
            decoded(coding, &all).is_err() || coding == ContentCoding::Zstd,
            "{coding:?}: what is cut does not look whole"
        );
    }
}
