//! The canonical form of a path: what the router, the rules, the log and the origin all see.
//!
//! Percent-encoded unreserved characters are decoded and dot segments resolved (RFC 3986 6.2.2.2, 5.2.4).
//! Everything else stays as it came: `//`, `%2F` and `%5C` are data, and never separators. Refused are paths
//! in which some origin might see more than that: `%00` and `%2500`, overlong UTF-8, malformed escapes, and dot segments
//! that would show after decoding `%2F` or `%5C`, after decoding twice, or after cutting `;parameters`.

use memchr::{memchr, memmem};

/// Why a path is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("does not begin with '/'")]
    Relative,
    /// `\`, `#`, `?`, white space, a control character, or a byte that is not ASCII.
    #[error("holds a character that must be encoded")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("holds a malformed percent-encoding")]
    Escape,
    /// `%00`, or what becomes it when it is decoded.
    #[error("holds an encoded NUL")]
    Nul,
    /// A longer form of a character in UTF-8 than needed.
    #[error("holds an overlong form of UTF-8")]
    Overlong,
    /// Dot segments would show if the path were decoded further.
    #[error("hides dot segments")]
    HiddenDots,
}

/// Bytes that no path may hold.
const BAD: u8 = 1;
/// `.`: a dot segment may begin here.
const DOT: u8 = 2;
/// `%`.
const PERCENT: u8 = 4;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        table[byte] = match byte as u8 {
            0..=b' ' | 0x7f..=0xff | b'\\' | b'#' | b'?' => BAD,
            b'.' => DOT,
            b'%' => PERCENT,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Brings a path (without query) into its canonical form. `Ok(false)`: it is already; `Ok(true)`: `out` holds it
/// instead of whatever it held. Canonical paths stay as they are.
///
/// # Errors
/// [`PathError`] if the path is refused; `out` is then without meaning.
pub fn canonicalize(raw: &[u8], out: &mut Vec<u8>) -> Result<bool, PathError> {
    if raw.first() != Some(&b'/') {
        return Err(PathError::Relative);
    }
    let classes = raw.iter().fold(0, |classes, &byte| classes | CLASS[usize::from(byte)]);
    if classes == 0 || (classes == DOT && memmem::find(raw, b"/.").is_none()) {
        return Ok(false);
    }
    if classes & BAD != 0 {
        return Err(PathError::Character);
    }
    out.clear();
    decode_unreserved(raw, out)?;
    resolve_dots(out);
    refuse_hidden(out)?;
    Ok(out != raw)
}

/// Decodes the escapes of letters, digits, `-`, `.`, `_`, `~`; checks that the others are well formed.
fn decode_unreserved(raw: &[u8], out: &mut Vec<u8>) -> Result<(), PathError> {
    let mut rest = raw;
    while let Some(at) = memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        let (escape, after) = rest[at..].split_first_chunk::<3>().ok_or(PathError::Escape)?;
        match unescape(escape).ok_or(PathError::Escape)? {
            0 => return Err(PathError::Nul),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(byte),
            _ => out.extend_from_slice(escape),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The byte that `%XX` stands for.
fn unescape(escape: &[u8; 3]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    (escape[0] == b'%').then_some(())?;
    Some(digit(escape[1])? << 4 | digit(escape[2])?)
}

/// Removes dot segments in place (RFC 3986 5.2.4); empty segments count as segments.
fn resolve_dots(path: &mut Vec<u8>) {
    let mut written = 0;
    let mut read = 0;
    // Both stand at a `/` at the beginning of each turn.
    while read < path.len() {
        let end = memchr(b'/', &path[read + 1..]).map_or(path.len(), |at| read + 1 + at);
        let is_last = end == path.len();
        match &path[read + 1..end] {
            b"." => {}
            b".." => written = path[..written].iter().rposition(|&byte| byte == b'/').unwrap_or(0),
            _ => {
                path.copy_within(read..end, written);
                written += end - read;
                read = end;
                continue;
            }
        }
        if is_last {
            // What the last segment named was a folder.
            path[written] = b'/';
            written += 1;
        }
        read = end;
    }
    path.truncate(written);
}

/// Refuses a path, already canonical, that would show dot segments or overlong forms to a more eager reader.
fn refuse_hidden(path: &[u8]) -> Result<(), PathError> {
    // Once for the parameters, then decoded once, then twice; the last two only where there is what to decode.
    inspect(path.iter().copied())?;
    if memchr(b'%', path).is_some() {
        inspect(Decode::new(path.iter().copied()))?;
        if memmem::find(path, b"%25").is_some() {
            inspect(Decode::new(Decode::new(path.iter().copied())))?;
        }
    }
    Ok(())
}

/// Looks for dot segments, with `\` as a separator too and parameters cut, for NUL and for overlong forms.
fn inspect(bytes: impl Iterator<Item = u8>) -> Result<(), PathError> {
    let mut segment = Segment::Dots(3);
    let mut previous = 0;
    for byte in bytes {
        if byte == 0 {
            return Err(PathError::Nul);
        }
        if is_overlong(previous, byte) {
            return Err(PathError::Overlong);
        }
        previous = byte;
        segment = match (segment, byte) {
            (segment, b'/' | b'\\') if segment.is_dots() => return Err(PathError::HiddenDots),
            (_, b'/' | b'\\') => Segment::Dots(0),
            (Segment::Dots(count @ 0..2), b'.') => Segment::Dots(count + 1),
            (Segment::Dots(count), b';') => Segment::Parameters(count),
            (segment @ Segment::Parameters(_), _) => segment,
            _ => Segment::Other,
        };
    }
    if segment.is_dots() { Err(PathError::HiddenDots) } else { Ok(()) }
}

/// What is known of the segment that is being read.
#[derive(Clone, Copy)]
enum Segment {
    /// So many dots and nothing else.
    Dots(u8),
    /// So many dots and nothing else before its parameters.
    Parameters(u8),
    /// Something else.
    Other,
}

impl Segment {
    fn is_dots(self) -> bool {
        matches!(self, Self::Dots(1 | 2) | Self::Parameters(1 | 2))
    }
}

/// Whether two bytes begin a form of UTF-8 that is longer than needed (RFC 3629 3), the five and six byte forms
/// of old included.
fn is_overlong(lead: u8, next: u8) -> bool {
    match lead {
        0xc0 | 0xc1 => matches!(next, 0x80..=0xbf),
        0xe0 => matches!(next, 0x80..=0x9f),
        0xf0 => matches!(next, 0x80..=0x8f),
        0xf8 => matches!(next, 0x80..=0x87),
        0xfc => matches!(next, 0x80..=0x83),
        _ => false,
    }
}

/// Decodes every escape once; what is no escape stays.
struct Decode<I> {
    inner: I,
    /// Bytes that were read ahead and turned out to be no escape.
    held: [Option<u8>; 2],
}

impl<I> Decode<I> {
    fn new(inner: I) -> Self {
        Self { inner, held: [None; 2] }
    }
}

impl<I: Iterator<Item = u8>> Decode<I> {
    fn next_raw(&mut self) -> Option<u8> {
        match self.held[0].take() {
            Some(byte) => {
                self.held.swap(0, 1);
                Some(byte)
            }
            None => self.inner.next(),
        }
    }
}

impl<I: Iterator<Item = u8>> Iterator for Decode<I> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.next_raw()?;
        if byte != b'%' {
            return Some(byte);
        }
        let first = self.next_raw();
        let second = first.and_then(|_| self.next_raw());
        if let (Some(first), Some(second)) = (first, second)
            && let Some(decoded) = unescape(&[b'%', first, second])
        {
            return Some(decoded);
        }
        self.held = [first, second];
        Some(byte)
    }
}

#[cfg(test)]
mod tests;
