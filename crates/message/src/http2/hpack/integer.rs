//! Numbers (RFC 7541 5.1).

use super::HpackError;

/// Bytes behind a prefix: enough for 2^35, far more than any block has.
const MOST: usize = 5;

/// Reads a number whose first byte holds `prefix`, of which `full`, all ones, means that more bytes follow.
#[inline]
pub(super) fn read(prefix: u8, full: u8, rest: &mut &[u8]) -> Result<usize, HpackError> {
    if prefix < full { Ok(usize::from(prefix)) } else { read_long(full, rest) }
}

fn read_long(full: u8, rest: &mut &[u8]) -> Result<usize, HpackError> {
    let mut number = u64::from(full);
    for index in 0..MOST {
        let (&byte, tail) = rest.split_first().ok_or(HpackError::Truncated)?;
        *rest = tail;
        number += u64::from(byte & 0x7f) << (index * 7);
        if byte < 0x80 {
            return usize::try_from(number).map_err(|_| HpackError::Integer);
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

fn write_long(pattern: u8, full: u8, number: usize, out: &mut Vec<u8>) {
    out.push(pattern | full);
    let mut left = number - usize::from(full);
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}
