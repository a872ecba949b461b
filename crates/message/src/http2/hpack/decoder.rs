//! From header blocks to fields.

use super::block::{Entry, FieldBlock, FieldClass};
use super::names::STATIC;
use super::table::Table;
use super::{huffman, integer};
use std::fmt;

/// A header block that cannot be read. The state of the table is lost with it: the connection ends with
/// COMPRESSION_ERROR (RFC 9113 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum HpackError {
    /// The block ends within a field.
    #[error("the header block ends within a field")]
    Truncated,
    /// An index that is 0 or beyond the table (RFC 7541 2.3.3).
    #[error("there is no field of that index")]
    Index,
    /// A number of more than 5 bytes behind its prefix (RFC 7541 5.1).
    #[error("a number is too large")]
    Integer,
    /// Huffman code with the symbol EOS, or with padding that is longer than 7 bits or not all ones (RFC 7541 5.2).
    #[error("Huffman code is malformed")]
    Huffman,
    /// A change of the table's size behind a field, or above what was allowed (RFC 7541 4.2, 6.3).
    #[error("a change of the table's size is not allowed here")]
    TableSize,
}

/// The reading side of a connection's header compression.
pub struct Decoder {
    table: Table,
}

/// The first bit of an indexed field (RFC 7541 6.1).
const INDEXED: u8 = 0x80;
/// Of a literal that goes into the table (6.2.1).
const INCREMENTAL: u8 = 0x40;
/// Of a change of the table's size (6.3); below it are literals that stay out of the table (6.2.2, 6.2.3).
const RESIZE: u8 = 0x20;
/// Of a string in Huffman code (5.2).
const HUFFMAN: u8 = 0x80;
/// The longest string that is read: offsets in an arena are 32 bits wide.
const LONGEST: usize = 1 << 28;

impl Decoder {
    /// A decoder whose table holds up to `table` bytes as RFC 7541 4.1 counts them: what we announce as
    /// `SETTINGS_HEADER_TABLE_SIZE`, or [`DEFAULT_TABLE`](crate::http2::frame::DEFAULT_TABLE) where we announce nothing.
    /// It takes no memory before it is used; then up to twice that, and half as much for an index.
    #[must_use]
    pub fn new(table: usize) -> Self {
        Self { table: Table::new(table) }
    }

    /// Decodes a whole header block, its fragments joined, into `into`, which is cleared before. `most` bounds the list as
    /// `SETTINGS_MAX_HEADER_LIST_SIZE` does: what lies beyond is decoded, since the table needs it, but not kept, and
    /// [`FieldBlock::is_over`] says so. `into` holds no more than `most` bytes, one field, and 16 bytes for each field.
    ///
    /// The work is linear in the block and in what comes out of it. One byte may name a field as large as the table, so
    /// who bounds work looks at [`FieldBlock::size`] too.
    ///
    /// # Errors
    /// [`HpackError`]: the connection has to end.
    pub fn decode(&mut self, block: &[u8], into: &mut FieldBlock, most: usize) -> Result<(), HpackError> {
        into.begin(most);
        let mut rest = block;
        let mut has_fields = false;
        while let Some((&first, tail)) = rest.split_first() {
            rest = tail;
            if first >= INDEXED {
                let (index, tail) = integer::read(first & 0x7f, 0x7f, rest)?;
                rest = tail;
                match STATIC.get(index.wrapping_sub(1)) {
                    Some(field) => into.add(field.line, &field.entry),
                    None => {
                        let (line, field) = self.field(index)?;
                        into.add(line, field);
                    }
                }
            } else if !(RESIZE..INCREMENTAL).contains(&first) {
                rest = self.literal(first, rest, into)?;
            } else {
                let (limit, tail) = integer::read(first & 0x1f, 0x1f, rest)?;
                rest = tail;
                if has_fields || !self.table.resize(limit) {
                    return Err(HpackError::TableSize);
                }
                continue;
            }
            has_fields = true;
        }
        Ok(())
    }

    /// Gives back memory that is not in use: for a connection that falls quiet.
    pub fn shrink(&mut self) {
        self.table.shrink();
    }

    /// Bytes of memory that are held beside the value itself.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.table.memory()
    }

    #[cfg(test)]
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The field of an index, and its line.
    #[inline]
    fn field(&self, index: usize) -> Result<(&[u8], &Entry), HpackError> {
        let index = index.checked_sub(1).ok_or(HpackError::Index)?;
        match STATIC.get(index) {
            Some(field) => Ok((field.line, &field.entry)),
            None => self.table.get(index - STATIC.len()).ok_or(HpackError::Index),
        }
    }

    /// Takes a literal, and gives what is behind it. Name and value are written to the end of the arena before the table changes: the name may be of
    /// a field that has to go for this one.
    #[inline(never)]
    fn literal<'a>(
        &mut self,
        first: u8,
        rest: &'a [u8],
        into: &mut FieldBlock,
    ) -> Result<&'a [u8], HpackError> {
        let is_kept = first >= INCREMENTAL;
        let full = if is_kept { 0x3f } else { 0x0f };
        let (index, mut rest) = integer::read(first & full, full, rest)?;
        let arena = &mut into.arena;
        let start = arena.len();
        let class = if index == 0 {
            rest = read_string(rest, arena)?;
            let class = FieldClass::of_name(&arena[start..]);
            arena.extend_from_slice(b": ");
            class
        } else {
            let (line, field) = self.field(index)?;
            arena.extend_from_slice(&line[..field.name_length as usize + 2]);
            field.class
        };
        let value = arena.len();
        rest = read_string(rest, arena)?;
        let value_length = (arena.len() - value) as u32;
        let class = class.with_value(&arena[value..]);
        arena.extend_from_slice(b"\r\n");
        let field =
            Entry { start: start as u32, name_length: (value - start - 2) as u32, value_length, class };
        if is_kept {
            self.table.insert(&arena[start..], field);
        }
        into.keep_last(field);
        Ok(rest)
    }
}

/// Appends a string (RFC 7541 5.2), and gives what is behind it.
fn read_string<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], HpackError> {
    let (&first, rest) = rest.split_first().ok_or(HpackError::Truncated)?;
    let (length, rest) = integer::read(first & !HUFFMAN, 0x7f, rest)?;
    if length > LONGEST {
        return Err(HpackError::Integer);
    }
    let (text, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    if first & HUFFMAN == 0 {
        out.extend_from_slice(text);
    } else {
        huffman::decode(text, out)?;
    }
    Ok(rest)
}

/// No fields: values may be secrets.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("memory", &self.memory()).finish_non_exhaustive()
    }
}
