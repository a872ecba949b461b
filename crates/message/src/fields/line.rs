//! Where a field line lies in an arena, and how it is read.

use crate::bytes::{UNDERSCORE, scan_token, trim_range};
use crate::error::HeadError;
use crate::name::{Known, is_lookalike};
use std::ops::Range;

/// A range of an arena.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    #[inline]
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    #[inline]
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(crate) fn length(self) -> usize {
        self.range().len()
    }
}

/// One field line.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// Where the line, that is its name, begins.
    start: u32,
    /// Where the value begins and ends, without the white space around it.
    value: Span,
    name_length: u16,
    pub(crate) known: Known,
    flags: u8,
}

const _: () = assert!(size_of::<Line>() == 16);

/// No part of the head any more, or never (framing and connection fields).
const DROPPED: u8 = 1;
/// The bytes in the arena must not be copied as they are: there is white space before the colon or after the value.
const IRREGULAR: u8 = 2;
/// The name came from a peer and has a `_` in it.
const UNDERSCORED: u8 = 4;

impl Line {
    /// A line that we wrote, at `start`: its name, `: `, its value.
    pub(crate) fn written(start: usize, name_length: usize, value: Range<usize>, known: Known) -> Self {
        Self {
            start: start as u32,
            value: Span::new(value),
            name_length: name_length as u16,
            known,
            flags: 0,
        }
    }

    /// The same line in an arena in which it lies so much further behind.
    #[inline]
    pub(crate) fn moved_by(self, offset: u32) -> Self {
        let value = Span { start: self.value.start + offset, end: self.value.end + offset };
        Self { start: self.start + offset, value, ..self }
    }

    #[inline]
    pub(crate) fn is_kept(self) -> bool {
        self.flags & DROPPED == 0
    }

    #[inline]
    pub(crate) fn drop(&mut self) {
        self.flags |= DROPPED;
    }

    #[inline]
    pub(crate) fn is_underscored(self) -> bool {
        self.flags & UNDERSCORED != 0
    }

    pub(crate) fn mark_underscored(&mut self) {
        self.flags |= UNDERSCORED;
    }

    /// Whether the line must be composed anew where it is written.
    #[inline]
    pub(crate) fn is_irregular(self) -> bool {
        self.flags & IRREGULAR != 0
    }

    /// Where the whole line, its CRLF included, lies as it may be copied, unless it [is irregular](Line::is_irregular).
    #[inline]
    pub(crate) fn whole(self) -> Span {
        Span { start: self.start, end: self.value.end + 2 }
    }

    #[inline]
    pub(crate) fn name(self) -> Span {
        Span { start: self.start, end: self.start + u32::from(self.name_length) }
    }

    #[inline]
    pub(crate) fn value(self) -> Span {
        self.value
    }

    /// The line, without its CRLF, of a known name with its colon at this place. It will lie at `offset` in the
    /// arena, and has no control characters.
    #[inline(always)]
    pub(crate) fn known(text: &[u8], offset: usize, colon: usize, known: Known) -> Self {
        Self::new(text, offset, colon, colon, known, 0)
    }

    /// Reads any line. `lenient`: white space before the colon is left out instead of refused (RFC 9112 5.1: in
    /// answers).
    #[inline(never)]
    pub(crate) fn parse(text: &[u8], offset: usize, lenient: bool) -> Result<Self, HeadError> {
        let (name_length, classes) = scan_token(text);
        let mut flags = 0;
        let mut colon = name_length;
        if text.get(colon) != Some(&b':') || name_length == 0 {
            colon = find_late_colon(text, name_length, lenient)?;
            flags |= IRREGULAR;
        }
        let name = &text[..name_length];
        if name_length > usize::from(u16::MAX) {
            return Err(HeadError::FieldName);
        }
        if classes & UNDERSCORE != 0 {
            flags |= if is_lookalike(name, classes) { DROPPED } else { UNDERSCORED };
        }
        // A known name is here when white space follows it.
        Ok(Self::new(text, offset, name_length, colon, Known::from_text(name), flags))
    }

    #[inline(always)]
    fn new(text: &[u8], offset: usize, name_length: usize, colon: usize, known: Known, flags: u8) -> Self {
        let value = trim_range(text, colon + 1);
        Self {
            start: offset as u32,
            value: Span::new(offset + value.start..offset + value.end),
            name_length: name_length as u16,
            known,
            flags: if value.end == text.len() { flags } else { flags | IRREGULAR },
        }
    }
}

/// What is wrong with a line that has no colon right after its name, or where the colon is nevertheless.
#[cold]
fn find_late_colon(text: &[u8], name_length: usize, lenient: bool) -> Result<usize, HeadError> {
    let space = text[name_length..].iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
    match (name_length, space, text.get(name_length + space)) {
        (0, 1.., _) => Err(HeadError::Folding),
        (1.., 1.., Some(b':')) if lenient => Ok(name_length + space),
        (1.., 1.., Some(b':')) => Err(HeadError::SpaceBeforeColon),
        _ => Err(HeadError::FieldName),
    }
}
