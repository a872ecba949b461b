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
    any(text, is_control)
}

/// Where the first control character other than tab lies, from `start` on: the end of a line, if all is well;
/// or the end of the text. One pass finds the line's end and checks its bytes.
pub(crate) fn find_control(text: &[u8], start: usize) -> usize {
    let mut rest = text.get(start..).unwrap_or_default();
    // 16 bytes at once, without a branch a byte, so that the compiler uses vectors.
    while let Some((block, behind)) = rest.split_first_chunk::<16>() {
        if block.iter().fold(false, |found, &byte| found | is_control(byte)) {
            return text.len() - rest.len() + first_control(block);
        }
        rest = behind;
    }
    let found = rest.iter().position(|&byte| is_control(byte));
    text.len() - rest.len() + found.unwrap_or(rest.len())
}

#[inline(always)]
fn is_control(byte: u8) -> bool {
    (byte < b' ') & (byte != b'\t') | (byte == 0x7f)
}

/// The place of the first control character in a block that has one.
#[inline(always)]
fn first_control(block: &[u8; 16]) -> usize {
    let (words, _) = block.as_chunks::<8>();
    let mut place = 0;
    for &bytes in words {
        let mut found = control_bits(u64::from_le_bytes(bytes));
        while found != 0 {
            let at = place + found.trailing_zeros() as usize / 8;
            if block[at & 15] != b'\t' {
                return at;
            }
            found &= found - 1;
        }
        place += 8;
    }
    0
}

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The highest bit of each byte that is a control character, tab included. No sum carries into the next byte,
/// so each byte is judged by itself.
#[inline(always)]
fn control_bits(word: u64) -> u64 {
    let low = word & LOW;
    let reaches_space = low + ONES * 0x60;
    let is_delete = low + ONES;
    (!reaches_space | is_delete) & !word & HIGH
}

/// Where the first colon lies among 8 bytes.
#[inline]
pub(crate) fn find_colon(word: u64) -> Option<usize> {
    let difference = word ^ (ONES * 0x3a);
    // The lowest bit that is found is right; higher ones may be the fault of a borrow.
    let found = difference.wrapping_sub(ONES) & !difference & HIGH;
    if found == 0 { None } else { Some(found.trailing_zeros() as usize / 8) }
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
    let end = text.len();
    // One space in front and none behind is how nearly all fields come.
    if let Some([b' ', second, ..]) = text.get(start..)
        && !is_space(*second)
        && !is_space(text[end - 1])
    {
        return start + 1..end;
    }
    trim_any(text, start)
}

fn trim_any(text: &[u8], mut start: usize) -> Range<usize> {
    let is_space = |byte: u8| byte == b' ' || byte == b'\t';
    let mut end = text.len();
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
pub(crate) fn write_decimal(number: u64, out: &mut Vec<u8>) {
    if number < 100_000_000 {
        // Nearly all are so short, and appending 8 bytes, whatever they are, takes no call.
        let (digits, count) = short_decimal(number as u32);
        out.extend_from_slice(&digits);
        out.truncate(out.len() - digits.len() + count);
    } else {
        let (digits, start) = decimal(number);
        out.extend_from_slice(&digits[start..]);
    }
}

/// A number of up to 8 digits in decimal, and how many it has.
#[inline]
fn short_decimal(mut number: u32) -> ([u8; 8], usize) {
    let mut digits = 0;
    let mut count = 0;
    loop {
        digits = (digits << 8) | (u64::from(b'0') + u64::from(number % 10));
        count += 1;
        number /= 10;
        if number == 0 {
            return (digits.to_le_bytes(), count);
        }
    }
}

/// A number in decimal, and where it begins.
#[inline]
pub(crate) fn decimal(mut number: u64) -> ([u8; 20], usize) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return (digits, start);
        }
    }
}

/// A number of 1 to 18 decimal digits and nothing else: no sign, no space, no list.
pub(crate) fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter()
        .try_fold(0u64, |number, &byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_words_agree_with_bytes() {
        for byte in 0..=255 {
            for place in 0..40 {
                for length in [place + 1, place + 7, place + 20, 60] {
                    // Neighbours that a carry could spoil.
                    for filler in [b'\t', b' ', 0xff, b'~', 0x80] {
                        let mut text = vec![filler; length];
                        text[place] = byte;
                        let expected = text.iter().position(|&byte| is_control(byte));
                        let found = find_control(&text, 0);
                        assert_eq!(found, expected.unwrap_or(length), "{byte} at {place} of {length}");
                        assert_eq!(has_control(&text), expected.is_some());
                    }
                }
            }
        }
        assert_eq!(find_control(b"\r\r\n", 1), 1);
        assert_eq!(find_control(b"\r", 1), 1);
        assert_eq!(find_control(b"\r", 2), 1);
        assert_eq!(find_control(&[b'a'; 40], 41), 40);
    }

    #[test]
    fn decimals() {
        let mut numbers = vec![0, u64::MAX];
        for power in 0..20 {
            let ten = 10u64.pow(power);
            numbers.extend([ten - 1, ten, ten + 1, ten / 2 * 3]);
        }
        for number in numbers {
            let mut out = b"x".to_vec();
            write_decimal(number, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("x{number}"));
        }
    }

    #[test]
    fn colons() {
        for (text, expected) in
            [(b"abcdefgh", None), (b":bcdefgh", Some(0)), (b"abc;::;:", Some(4)), (b"abcdefg:", Some(7))]
        {
            assert_eq!(find_colon(u64::from_le_bytes(*text)), expected);
        }
    }
}
