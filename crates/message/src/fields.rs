//! Field lines: one arena of bytes in HTTP/1 shape, and an index of 16 bytes a line.

use crate::bytes::{NAME_CLASS, UNDERSCORE, has_control, is_token, trim};
use crate::error::HeadError;
use crate::name::{FieldName, Known, KnownSet, is_lookalike};
use std::fmt;

mod block;
mod line;
mod trailers;

pub(crate) use block::{CONNECTION_SPECIFIC, check_entry};
pub(crate) use line::{Line, Span};

/// The fields of a head or of a trailer section, for every version of HTTP.
///
/// What was received stays where it is; edits append lines and drop lines. The writer then copies each run of
/// lines that lie one after another as one range. Framing and connection fields (`Host`, `Content-Length`,
/// `Transfer-Encoding`, `Connection`, `Keep-Alive`, `Proxy-Connection`, `Upgrade`) are **not** among them: what
/// they mean is told by the head, and what is sent is written by us. Edits of these names are ignored.
#[derive(Default, Clone)]
pub struct Fields {
    pub(crate) arena: Vec<u8>,
    pub(crate) lines: Vec<Line>,
    /// Which known names are among the kept lines, so that most lookups of what is not there cost nothing.
    pub(crate) present: KnownSet,
}

/// Names that no edit touches, since they are written from what the head means.
pub(crate) const FRAMING: KnownSet = KnownSet::of(&[
    Known::Host,
    Known::ContentLength,
    Known::TransferEncoding,
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Upgrade,
]);

/// Capacity beyond which an arena is given back when it is cleared: rare large heads must not pin memory.
const ARENA_KEPT: usize = 16 << 10;
const LINES_KEPT: usize = 128;
/// Room behind the content that is not worth giving back.
const ROOM_KEPT: usize = 4 << 10;

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first field of that name, without the white space around it.
    #[inline]
    #[must_use]
    pub fn get(&self, name: Known) -> Option<&[u8]> {
        if !self.present.has(name) {
            return None;
        }
        self.lines
            .iter()
            .find(|line| line.known == name && line.is_kept())
            .map(|line| self.bytes(line.value()))
    }

    /// Like [`Fields::get`], for any name.
    #[must_use]
    pub fn get_named(&self, name: &FieldName) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The values of all fields of that name, in order.
    pub fn values<'a>(&'a self, name: &FieldName) -> impl Iterator<Item = &'a [u8]> {
        self.lines
            .iter()
            .filter(move |line| line.is_kept() && self.is_named(line, name))
            .map(|line| self.bytes(line.value()))
    }

    /// All fields in order: the name as written, and the value without the white space around it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .filter(|line| line.is_kept())
            .map(|line| (self.bytes(line.name()), self.bytes(line.value())))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| line.is_kept())
    }

    /// Replaces by one all fields that [`Fields::remove`] would remove. Framing names are left alone, and a value
    /// with control characters is not taken; configurations are checked long before.
    pub fn set(&mut self, name: &FieldName, value: &[u8]) {
        if is_editable(name) && !has_control(value) {
            self.remove(name);
            self.append_line(name.as_str().as_bytes(), name.known(), &[trim(value)]);
        }
    }

    /// Adds a field after all others. Framing names and bad values: as with [`Fields::set`].
    pub fn append(&mut self, name: &FieldName, value: &[u8]) {
        if is_editable(name) && !has_control(value) {
            self.append_line(name.as_str().as_bytes(), name.known(), &[trim(value)]);
        }
    }

    /// Removes all fields of that name, and those that a peer sent under a name that differs only by `_`: origins
    /// that make variables of names (CGI and its heirs) would take them for it. Framing names: as with
    /// [`Fields::set`].
    pub fn remove(&mut self, name: &FieldName) {
        for line in 0..self.lines.len() {
            if self.lines[line].is_underscored() && self.looks_like(line, name) {
                self.drop_line(line);
            }
        }
        match name.known() {
            Known::Unknown => {
                for index in 0..self.lines.len() {
                    if self.is_named(&self.lines[index], name) {
                        self.drop_line(index);
                    }
                }
            }
            known => self.remove_all(KnownSet::of(&[known])),
        }
    }

    /// Adds a field that came from a peer, checked as if it had come in a head of HTTP/1.
    ///
    /// # Errors
    /// If the name is no token or belongs to the framing, or the value has control characters.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        let known = self.push_any(name, value)?;
        if FRAMING.has(known) {
            self.drop_line(self.lines.len() - 1);
            return Err(HeadError::ConnectionField);
        }
        Ok(())
    }
}

/// Memory.
impl Fields {
    /// How many bytes are held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.arena.capacity() + self.lines.capacity() * size_of::<Line>()
    }

    /// Gives back most of what is held beyond the content, where that is much: for a long head that is kept for a while.
    pub fn fit(&mut self) {
        if self.arena.capacity() - self.arena.len() > ROOM_KEPT {
            self.arena.shrink_to(self.arena.len() + ROOM_KEPT / 4);
        }
    }

    /// Forgets fields that take much memory: nobody reads them any more.
    pub fn forget_large(&mut self) {
        if self.arena.capacity() > ARENA_KEPT || self.lines.capacity() > LINES_KEPT {
            self.clear();
        }
    }
}

/// What the rest of the crate does with fields.
impl Fields {
    /// The bytes of a span. Empty if it does not lie in the arena, which only a caller who moves fields
    /// between heads can bring about.
    #[inline]
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        self.arena.get(span.range()).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        if self.arena.capacity() > ARENA_KEPT {
            self.arena = Vec::new();
        }
        if self.lines.capacity() > LINES_KEPT {
            self.lines = Vec::new();
        }
        self.arena.clear();
        self.lines.clear();
        self.present = KnownSet::EMPTY;
    }

    /// Takes the bytes of the head whose lines were already indexed. There is room behind them for what is
    /// added on the way.
    pub(crate) fn take(&mut self, head: &[u8]) {
        self.arena.clear();
        self.arena.reserve(head.len() + 384);
        self.arena.extend_from_slice(head);
    }

    /// Adds a line of any name, framing included, and says which it is.
    pub(crate) fn push_any(&mut self, name: &[u8], value: &[u8]) -> Result<Known, HeadError> {
        if !is_token(name) || name.len() > usize::from(u16::MAX) {
            return Err(HeadError::FieldName);
        }
        if has_control(value) {
            return Err(HeadError::FieldValue);
        }
        let classes = name.iter().fold(0, |classes, &byte| classes | NAME_CLASS[usize::from(byte)]);
        let known = Known::from_text(name);
        self.append_line(name, known, &[trim(value)]);
        if let (true, Some(line)) = (classes & UNDERSCORE != 0, self.lines.last_mut()) {
            if is_lookalike(name, classes) { line.drop() } else { line.mark_underscored() }
        }
        Ok(known)
    }

    /// Adds a field of HTTP/2, whose names are in lower case and never of a connection (RFC 9113 8.2).
    pub(crate) fn push_http2(&mut self, name: &[u8], value: &[u8]) -> Result<Known, HeadError> {
        if name.iter().any(u8::is_ascii_uppercase) {
            return Err(HeadError::FieldName);
        }
        if trim(value).len() != value.len() {
            // RFC 9113 8.2.1: white space around a value is malformed, where HTTP/1 only ignores it.
            return Err(HeadError::FieldValue);
        }
        let known = self.push_any(name, value)?;
        match known {
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade => Err(HeadError::ConnectionField),
            Known::Te if !trim(value).eq_ignore_ascii_case(b"trailers") => Err(HeadError::ConnectionField),
            _ => Ok(known),
        }
    }

    /// Drops the line that was added last, the only one of its name.
    pub(crate) fn drop_last(&mut self, known: Known) {
        self.drop_last_repeated();
        self.present.remove(KnownSet::of(&[known]));
    }

    /// Drops the line that was added last; others of its name stay.
    pub(crate) fn drop_last_repeated(&mut self) {
        if let Some(line) = self.lines.last_mut() {
            line.drop();
        }
    }

    /// Writes a line at the end of the arena; the value is what the parts make together.
    pub(crate) fn append_line(&mut self, name: &[u8], known: Known, value: &[&[u8]]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(name);
        self.arena.extend_from_slice(b": ");
        for part in value {
            self.arena.extend_from_slice(part);
        }
        self.finish_line(start, name.len(), known);
    }

    /// Writes a line of ours: the prefix is a known name, `: ` and what the value begins with. Its length is
    /// known when this is compiled, which halves the cost.
    #[inline(always)]
    pub(crate) fn append_ours<const N: usize>(&mut self, prefix: &[u8; N], known: Known, value: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(prefix);
        self.arena.extend_from_slice(value);
        self.finish_line(start, known.text().len(), known);
    }

    /// The same, where the rest of the value already lies in the arena.
    pub(crate) fn append_stored<const N: usize>(&mut self, prefix: &[u8; N], known: Known, value: Span) {
        let start = self.arena.len();
        if value.range().end > start {
            return;
        }
        self.arena.extend_from_slice(prefix);
        self.arena.extend_from_within(value.range());
        self.finish_line(start, known.text().len(), known);
    }

    #[inline]
    fn finish_line(&mut self, start: usize, name_length: usize, known: Known) {
        let value = start + name_length + 2..self.arena.len();
        self.arena.extend_from_slice(b"\r\n");
        self.lines.push(Line::written(start, name_length, value, known));
        self.present.insert(known);
    }

    /// Adds all lines of other fields, which are lines of ours.
    pub(crate) fn append_all(&mut self, other: &Self) {
        let offset = self.arena.len() as u32;
        self.arena.extend_from_slice(&other.arena);
        self.lines.extend(other.lines.iter().map(|line| line.moved_by(offset)));
        self.present = self.present.and(other.present);
    }

    /// Puts bytes that are no field into the arena.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        Span::new(start..self.arena.len())
    }

    #[inline]
    pub(crate) fn drop_line(&mut self, index: usize) {
        self.lines[index].drop();
    }

    /// Drops all lines of these names.
    pub(crate) fn remove_all(&mut self, names: KnownSet) {
        if self.present.meets(names) {
            for line in &mut self.lines {
                if names.has(line.known) {
                    line.drop();
                }
            }
            self.present.remove(names);
        }
    }

    /// Drops the lines whose names do not fit, and notes which known names are left.
    pub(crate) fn keep_only(&mut self, keep: impl Fn(Known) -> bool) {
        self.present = KnownSet::EMPTY;
        for line in &mut self.lines {
            if keep(line.known) {
                self.present.insert(line.known);
            } else {
                line.drop();
            }
        }
    }

    fn is_named(&self, line: &Line, name: &FieldName) -> bool {
        match name.known() {
            Known::Unknown => {
                line.known == Known::Unknown
                    && line.name().length() == name.as_str().len()
                    && self.bytes(line.name()).eq_ignore_ascii_case(name.as_str().as_bytes())
            }
            known => line.known == known,
        }
    }

    /// Whether a line's name is that name if `_` and `-` are the same.
    #[cold]
    fn looks_like(&self, line: usize, name: &FieldName) -> bool {
        let fold = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        self.bytes(self.lines[line].name()).iter().map(fold).eq(name.as_str().as_bytes().iter().map(fold))
    }

    /// Whether a line has that name, in any case.
    pub(crate) fn has_name(&self, line: Line, name: &[u8]) -> bool {
        line.name().length() == name.len() && self.bytes(line.name()).eq_ignore_ascii_case(name)
    }

    /// Writes the kept lines, those of `except` left out. Lines that lie one after another are copied at once.
    pub(crate) fn write(&self, except: KnownSet, out: &mut Vec<u8>) {
        let mut run = Span::EMPTY;
        for line in &self.lines {
            if !line.is_kept() || except.has(line.known) {
                continue;
            }
            if line.is_irregular() {
                out.extend_from_slice(self.bytes(run));
                run = Span::EMPTY;
                self.write_anew(*line, out);
                continue;
            }
            let whole = line.whole();
            if whole.start != run.end {
                out.extend_from_slice(self.bytes(run));
                run.start = whole.start;
            }
            run.end = whole.end;
        }
        out.extend_from_slice(self.bytes(run));
    }

    #[cold]
    fn write_anew(&self, line: Line, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(line.name()));
        out.extend_from_slice(b": ");
        out.extend_from_slice(self.bytes(line.value()));
        out.extend_from_slice(b"\r\n");
    }
}

fn is_editable(name: &FieldName) -> bool {
    !FRAMING.has(name.known()) && !name.as_str().is_empty()
}

/// Names only: values may be secrets.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| String::from_utf8_lossy(name))).finish()
    }
}
