//! Classes of bytes, and the folds that check many at once.

use std::ops::Range;

/// A byte of a token (RFC 9110 5.6.2).
pub(crate) const TOKEN: u8 = 1;
/// `_`: a token byte that some origins cannot tell from `-`.
pub(crate) const UNDERSCORE: u8 = 2;
/// An upper-case letter.
pub(crate) const UPPER: u8 = 4;

/// For each byte, its classes: [`TOKEN`], [`UNDERSCORE`], [`UPPER`].
pub(crate) const NAME_CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let symbol = byte as u8;
        table[byte] = match symbol {
            b'A'..=b'Z' => TOKEN | UPPER,
            b'_' => TOKEN | UNDERSCORE,
            b'a'..=b'z' | b'0'..=b'9' => TOKEN,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|'
            | b'~' => TOKEN,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// The length of the token that `text` begins with, and the classes of its bytes together.
#[inline]
pub(crate) fn scan_token(text: &[u8]) -> (usize, u8) {
    let mut classes = 0;
    for (index, &byte) in text.iter().enumerate() {
        let class = NAME_CLASS[usize::from(byte)];
        if class & TOKEN == 0 {
            return (index, classes);
        }
        classes |= class;
    }
    (text.len(), classes)
}

/// Whether the whole text is one token, not empty.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && scan_token(text).0 == text.len()
}

/// Whether there is a control character other than tab (RFC 9110 5.5; bytes from 0x80 are none).
#[inline]
pub(crate) fn has_control(text: &[u8]) -> bool {
    any(text, |byte| (byte < b' ') & (byte != b'\t') | (byte == 0x7f))
}

/// Whether there is a byte that no request target may hold: white space, control characters, `#`, not ASCII.
#[inline]
pub(crate) fn has_bad_target_byte(text: &[u8]) -> bool {
    any(text, |byte| (byte <= b' ') | (byte >= 0x7f) | (byte == b'#'))
}

/// Whether any byte is bad, in blocks of 16 without a branch a byte, so that the compiler uses vectors; the
/// rest is checked as a last block that overlaps the one before.
#[inline(always)]
fn any(text: &[u8], bad: impl Fn(u8) -> bool + Copy) -> bool {
    let block = |bytes: &[u8; 16]| bytes.iter().fold(false, |found, &byte| found | bad(byte));
    let (blocks, rest) = text.as_chunks::<16>();
    if blocks.is_empty() {
        return rest.iter().any(|&byte| bad(byte));
    }
    blocks.iter().fold(false, |found, bytes| found | block(bytes)) || text.last_chunk().is_some_and(block)
}

/// Without the white space (space, tab) at both ends.
#[inline]
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    &text[trim_range(text, 0)]
}

/// Where the text from `start` on lies without the white space (space, tab) at both ends.
#[inline]
pub(crate) fn trim_range(text: &[u8], start: usize) -> Range<usize> {
    let is_space = |byte: u8| byte == b' ' || byte == b'\t';
    let (mut start, mut end) = (start, text.len());
    while start < end && is_space(text[start]) {
        start += 1;
    }
    while start < end && is_space(text[end - 1]) {
        end -= 1;
    }
    start..end
}

/// The elements of a comma-separated list (RFC 9110 5.6.1), trimmed; empty ones are left out.
pub(crate) fn list(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Appends a number in decimal.
pub(crate) fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// A number of 1 to 18 decimal digits and nothing else: no sign, no space, no list.
pub(crate) fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter()
        .try_fold(0u64, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}
