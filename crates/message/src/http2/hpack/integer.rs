//! Numbers (RFC 7541 5.1).

use super::HpackError;

/// Bytes behind a prefix: enough for 2^35, far more than any block has.
const MOST: usize = 5;

/// Reads a number whose first byte holds `prefix`, of which `full`, all ones, means that more bytes follow; also what is
/// behind it. (Nothing here takes a reference to the rest: it would live in memory then, and not in registers.)
#[inline]
pub(super) fn read(prefix: u8, full: u8, rest: &[u8]) -> Result<(usize, &[u8]), HpackError> {
    if prefix < full { Ok((usize::from(prefix), rest)) } else { read_long(full, rest) }
}

#[inline(never)]
fn read_long(full: u8, mut rest: &[u8]) -> Result<(usize, &[u8]), HpackError> {
    let mut number = u64::from(full);
    for index in 0..MOST {
        let (&byte, tail) = rest.split_first().ok_or(HpackError::Truncated)?;
        rest = tail;
        number += u64::from(byte & 0x7f) << (index * 7);
        if byte < 0x80 {
            let number = usize::try_from(number).map_err(|_| HpackError::Integer)?;
            return Ok((number, rest));
        }
    }
    Err(HpackError::Integer)
}

/// Appends a number behind the pattern in the first byte, whose free bits are those of `full`.
#[inline]
pub(super) fn write(pattern: u8, full: u8, number: usize, out: &mut Vec<u8>) {
    if number < usize::from(full) {
        out.push(pattern | number as u8);
    } else {
        write_long(pattern, full, number, out);
    }
}

#[inline(never)]
fn write_long(pattern: u8, full: u8, number: usize, out: &mut Vec<u8>) {
    out.push(pattern | full);
    let mut left = number - usize::from(full);
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}
