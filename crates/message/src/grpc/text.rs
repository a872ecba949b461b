//! base64 as gRPC-Web's text form has it: in pieces, each of which may be padded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memchr;

/// What came is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is no base64")]
pub struct NotBase64;

/// Decodes a stream. Keeps at most three bytes.
#[derive(Debug, Default)]
pub struct TextDecoder {
    kept: [u8; 4],
    count: usize,
}

impl TextDecoder {
    /// Appends what the input gives, as far as groups of four characters are whole.
    ///
    /// # Errors
    /// If it is no base64.
    pub fn decode(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
        while self.count > 0 {
            let Some((&first, rest)) = input.split_first() else { return Ok(()) };
            input = rest;
            self.kept[self.count] = first;
            self.count = (self.count + 1) % 4;
            if self.count == 0 {
                decode_groups(&self.kept, out)?;
            }
        }
        let (groups, rest) = input.split_at(input.len() / 4 * 4);
        decode_groups(groups, out)?;
        self.kept[..rest.len()].copy_from_slice(rest);
        self.count = rest.len();
        Ok(())
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count == 0
    }
}

/// Decodes whole groups; any of them may be padded.
fn decode_groups(mut groups: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
    while !groups.is_empty() {
        let end = memchr(b'=', groups).map_or(groups.len(), |place| (place / 4 + 1) * 4);
        STANDARD.decode_vec(&groups[..end], out).map_err(|_| NotBase64)?;
        groups = &groups[end..];
    }
    Ok(())
}

/// Encodes a stream. Keeps at most two bytes.
#[derive(Debug, Default)]
pub struct TextEncoder {
    kept: [u8; 3],
    count: usize,
}

impl TextEncoder {
    /// Appends the characters of what is whole groups of three.
    pub fn encode(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while self.count > 0 {
            let Some((&first, rest)) = input.split_first() else { return };
            input = rest;
            self.kept[self.count] = first;
            self.count = (self.count + 1) % 3;
            if self.count == 0 {
                append(&self.kept, out);
            }
        }
        let (groups, rest) = input.split_at(input.len() / 3 * 3);
        append(groups, out);
        self.kept[..rest.len()].copy_from_slice(rest);
        self.count = rest.len();
    }

    /// Appends the rest, padded: all that was put in can be decoded now.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        let count = std::mem::take(&mut self.count);
        append(&self.kept[..count], out);
    }
}

fn append(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // There is room for all: nothing can fail.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn padding_may_stand_in_the_middle() {
        for (text, expected) in [
            ("", Ok("")),
            ("YWJj", Ok("abc")),
            ("YQ==Yg==YWJj", Ok("ababc")),
            ("YQ", Ok("")),
            ("Y!==", Err(NotBase64)),
            ("=QYW", Err(NotBase64)),
            ("YWJj\n", Ok("abc")),
        ] {
            let mut out = Vec::new();
            let result = TextDecoder::default().decode(text.as_bytes(), &mut out);
            assert_eq!(
                result.map(|()| &*String::from_utf8_lossy(&out).into_owned().leak()),
                expected,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_come_back(pieces in vec((vec(any::<u8>(), 0..40), any::<bool>()), 0..12), size in 1_usize..9) {
            let (mut encoder, mut text) = (TextEncoder::default(), Vec::new());
            for (piece, flush) in &pieces {
                encoder.encode(piece, &mut text);
                if *flush {
                    encoder.flush(&mut text);
                }
            }
            encoder.flush(&mut text);
            let (mut decoder, mut out) = (TextDecoder::default(), Vec::new());
            for part in text.chunks(size) {
                decoder.decode(part, &mut out).expect("what we encode is base64");
            }
            prop_assert!(decoder.is_whole());
            let all: Vec<u8> = pieces.into_iter().flat_map(|(piece, _)| piece).collect();
            prop_assert_eq!(out, all);
        }
    }
}
