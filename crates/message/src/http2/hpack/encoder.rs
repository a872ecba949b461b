//! From fields to header blocks.

use super::integer;
use super::names::INDEX_OF_KNOWN;
use crate::name::{Known, KnownSet};

/// Writes fields into header blocks. There is no state: blocks may be written in any order, and thrown away.
///
/// Names of the static table go by number; values and other names as they are, without Huffman code. Nothing is ever put
/// into the peer's table, whose size then does not matter; credentials and cookies are marked as never to be put into
/// any (RFC 7541 7.1.3).
#[derive(Clone, Copy, Debug)]
pub struct Encoder;

/// A literal that stays out of the table (RFC 7541 6.2.2), and the bit that keeps it out of all others (6.2.3).
const LITERAL: u8 = 0x00;
const NEVER_INDEXED: u8 = 0x10;
/// A literal's index that is 15 or more: 15, and the rest behind it.
const LONG_INDEX: u8 = 0x0f;

/// What others on the way must not put into a table either, where it could be guessed.
const SECRET: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::Cookie,
    Known::SetCookie,
    Known::XApiKey,
]);

impl Encoder {
    /// Appends `:status`, 100 to 999.
    #[inline]
    pub fn status(out: &mut Vec<u8>, status: u16) {
        let index = match status {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => {
                let digit = |of: u16| b'0' + (of % 10) as u8;
                // A literal with the name of index 8.
                out.extend_from_slice(&[
                    LITERAL | 8,
                    3,
                    digit(status / 100),
                    digit(status / 10),
                    digit(status),
                ]);
                return;
            }
        };
        out.push(0x80 | index);
    }

    /// Appends a field, pseudo-fields included; letters of the name are written in lower case. Neither is checked.
    pub fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        Self::known(out, Known::from_text(name), name, value);
    }

    /// The same, where it is known which name it is.
    #[inline]
    pub(crate) fn known(out: &mut Vec<u8>, known: Known, name: &[u8], value: &[u8]) {
        let literal = if SECRET.has(known) { NEVER_INDEXED } else { LITERAL };
        match INDEX_OF_KNOWN[known as usize & 63] {
            0 => {
                Self::name(out, literal, name);
                integer::write(0, 0x7f, value.len(), out);
            }
            // Most of what is written: three bytes that go out at once.
            index if value.len() < 0x7f => {
                out.extend_from_slice(&[literal | LONG_INDEX, index - LONG_INDEX, value.len() as u8]);
            }
            index => {
                out.extend_from_slice(&[literal | LONG_INDEX, index - LONG_INDEX]);
                integer::write(0, 0x7f, value.len(), out);
            }
        }
        out.extend_from_slice(value);
    }

    #[inline(never)]
    fn name(out: &mut Vec<u8>, literal: u8, name: &[u8]) {
        out.push(literal);
        integer::write(0, 0x7f, name.len(), out);
        let start = out.len();
        out.extend_from_slice(name);
        out[start..].make_ascii_lowercase();
    }
}
