//! A decoded header block.

use super::names::Pseudo;
use crate::bytes::{TOKEN, UNDERSCORE, UPPER, has_control, scan_token, trim};
use crate::fields::Span;
use crate::name::{Known, is_lookalike};
use std::fmt;

/// The fields of one header block, reusable: [`Decoder::decode`](super::Decoder::decode) clears and refills it, and it
/// keeps its memory.
///
/// The bytes lie as HTTP/1.1 has them, one line after the other, so that a head takes them over in one run.
#[derive(Default)]
pub struct FieldBlock {
    pub(crate) arena: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    size: usize,
    most: usize,
}

/// Memory beyond which a block gives it back when it is cleared: rare long lists must not pin it.
const ARENA_KEPT: usize = 16 << 10;
const ENTRIES_KEPT: usize = 128;

impl FieldBlock {
    /// An empty block, without memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The kept fields in order, pseudo-fields among them: name and value. They may break every rule of HTTP.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| (self.bytes(entry.name()), self.bytes(entry.value())))
    }

    /// How many fields were kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no field was kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the whole list as RFC 9113 6.5.2 counts them, 32 more a field; what was not kept is counted as well.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether the list was longer than allowed, so that not all of it was kept.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.size > self.most
    }

    /// Forgets the fields. Memory beyond what an ordinary head needs is given back.
    pub fn clear(&mut self) {
        if self.arena.capacity() > ARENA_KEPT {
            self.arena = Vec::new();
        }
        if self.entries.capacity() > ENTRIES_KEPT {
            self.entries = Vec::new();
        }
        self.arena.clear();
        self.entries.clear();
        self.size = 0;
        self.most = 0;
    }

    /// Bytes of memory that are held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.arena.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}

/// What the decoder does with a block.
impl FieldBlock {
    /// Begins anew, with a bound on the list's size.
    pub(super) fn begin(&mut self, most: usize) {
        self.clear();
        // Offsets are 32 bits wide.
        self.most = most.min(1 << 28);
    }

    /// Adds a field from a table; `field` says where it lies in `line`, that is from 0 on.
    #[inline]
    pub(super) fn add(&mut self, line: &[u8], field: &Entry) {
        self.size = self.size.saturating_add(line.len() + (OVERHEAD - PUNCTUATION));
        if self.size <= self.most {
            let start = self.arena.len() as u32;
            self.arena.extend_from_slice(line);
            self.entries.push(Entry { start, ..*field });
        }
    }

    /// Keeps the field that was written to the end of the arena, unless the list has become too long.
    pub(super) fn keep_last(&mut self, field: Entry) {
        self.size = self.size.saturating_add(field.size());
        if self.size <= self.most {
            self.entries.push(field);
        } else {
            self.arena.truncate(field.start as usize);
        }
    }

    fn bytes(&self, span: Span) -> &[u8] {
        self.arena.get(span.range()).unwrap_or_default()
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for FieldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}

/// A field: where it lies in an arena as a line of HTTP/1.1, and what is known of it. Tables keep the same, so that a
/// field is looked at once, however often it is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(super) start: u32,
    pub(super) name_length: u32,
    pub(super) value_length: u32,
    pub(crate) class: FieldClass,
}

const _: () = assert!(size_of::<Entry>() == 16);

/// Bytes of a line beside name and value: `: ` and CRLF.
pub(super) const PUNCTUATION: usize = 4;
/// What a field counts beside its name and value (RFC 7541 4.1).
pub(super) const OVERHEAD: usize = 32;

impl Entry {
    #[inline]
    pub(crate) fn name(self) -> Span {
        Span { start: self.start, end: self.start + self.name_length }
    }

    #[inline]
    pub(crate) fn value(self) -> Span {
        let start = self.start + self.name_length + 2;
        Span { start, end: start + self.value_length }
    }

    /// Bytes of the line.
    #[inline]
    pub(super) fn line_length(self) -> usize {
        self.name_length as usize + self.value_length as usize + PUNCTUATION
    }

    /// Bytes that it counts, in a list and in a table.
    #[inline]
    pub(super) fn size(self) -> usize {
        self.name_length as usize + self.value_length as usize + OVERHEAD
    }
}

/// What is known of a field beyond its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FieldClass {
    pub(crate) known: Known,
    pub(crate) pseudo: Pseudo,
    flags: u8,
}

/// The name is no token, or has upper-case letters (RFC 9113 8.2.1); not said of pseudo-fields.
const BAD_NAME: u8 = 1;
/// The value has control characters, or white space at its ends (RFC 9113 8.2.1).
const BAD_VALUE: u8 = 2;
/// The name has a `_` in it.
const UNDERSCORED: u8 = 4;
/// With `-` for `_` it is a name that we set or rely on.
const LOOKALIKE: u8 = 8;

impl FieldClass {
    /// Of a name of the static table.
    pub(super) const fn of_static(known: Known, pseudo: Pseudo) -> Self {
        Self { known, pseudo, flags: 0 }
    }

    /// Looks at a name.
    pub(super) fn of_name(name: &[u8]) -> Self {
        if name.first() == Some(&b':') {
            return Self { known: Known::Unknown, pseudo: Pseudo::from_text(name), flags: 0 };
        }
        let (length, classes) = scan_token(name);
        let is_good = length == name.len() && (1..=usize::from(u16::MAX)).contains(&length);
        let mut flags = if is_good && classes & (TOKEN | UPPER) == TOKEN { 0 } else { BAD_NAME };
        if classes & UNDERSCORE != 0 {
            flags |= if is_lookalike(name, classes) { UNDERSCORED | LOOKALIKE } else { UNDERSCORED };
        }
        Self { known: Known::from_text(name), pseudo: Pseudo::None, flags }
    }

    /// The same name, with this value.
    #[inline]
    pub(super) fn with_value(self, value: &[u8]) -> Self {
        let is_good = !has_control(value) && trim(value).len() == value.len();
        Self { flags: self.flags & !BAD_VALUE | if is_good { 0 } else { BAD_VALUE }, ..self }
    }

    /// Whether there is nothing to say about the field but its name.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.flags == 0
    }

    pub(crate) fn has_bad_name(self) -> bool {
        self.flags & BAD_NAME != 0
    }

    pub(crate) fn has_bad_value(self) -> bool {
        self.flags & BAD_VALUE != 0
    }

    pub(crate) fn is_lookalike(self) -> bool {
        self.flags & LOOKALIKE != 0
    }
}
