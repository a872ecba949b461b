//! From bytes to heads, line by line, however the bytes come.
//!
//! Each byte is looked at once for the line's end and for what no line may hold, names once more, and all is
//! copied once when the head is whole. Between calls the parser remembers where it stopped, so a head that comes
//! byte by byte costs the same work as one that comes at once. What is refused is decided by the bytes alone, never
//! by how they were split.

use crate::bytes::find_control;
use crate::error::HeadError;
use crate::fields::{Fields, Line};
use crate::limits::HeadLimits;
use crate::method::Method;
use crate::name::Known;
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// Reads one head after another; [`HeadParser::reset`] between them.
#[derive(Default, Debug)]
pub struct HeadParser {
    /// Where the head begins: behind an empty line that was ignored.
    start: usize,
    /// Where the line begins that is being read.
    line: usize,
    /// How far the line's end was searched for.
    searched: usize,
    examined: u64,
    stage: Stage,
}

#[derive(Default, Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was read.
    #[default]
    Start,
    /// The next line is the first: of the request or of the status.
    FirstLine,
    /// The next line is a field, or the empty line.
    Fields,
}

/// How far the parser came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// More bytes are needed.
    Partial,
    /// The head is whole and took this many bytes of the input, an empty line in front included.
    Head {
        /// Bytes of the input that were used.
        length: usize,
    },
    /// The input begins with the connection preface of HTTP/2 (RFC 9113 3.4), 24 bytes; none was used.
    Http2Preface,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a request line may have beyond its target: a method, a version and spaces.
const BESIDE_TARGET: usize = 64;

/// A head's kind: how its first line is read.
trait Head {
    /// White space before a colon is left out instead of refused.
    const LENIENT: bool;
    /// The first line holds a target, whose length is bounded.
    const HAS_TARGET: bool;
    fn fields(&mut self) -> &mut Fields;
    /// Checks the first line, which has no control characters but tabs and will lie at the start of the arena, and
    /// remembers its parts.
    fn first_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), HeadError>;
}

impl HeadParser {
    /// A parser at the beginning of a head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Back to the beginning, for the next head. Needed after every head and every error.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// How many bytes were looked at since the last reset, by the search for line ends and by the checks of
    /// whole lines together: never more than twice the input.
    #[must_use]
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// Reads on. `input` is everything from the head's first byte on: what the calls before were given, and
    /// whatever came since; `head` must be the same in all these calls, and means something only after
    /// [`Parsed::Head`].
    ///
    /// # Errors
    /// [`HeadError`] as soon as the bytes cannot become a good head any more; `head` is then empty.
    pub fn request(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Parsed, HeadError> {
        if self.stage == Stage::Start {
            match input {
                [] => return Ok(Parsed::Partial),
                [b'P', ..] if input.starts_with(&PREFACE[..input.len().min(PREFACE.len())]) => {
                    return Ok(match input.len() < PREFACE.len() {
                        true => Parsed::Partial,
                        false => Parsed::Http2Preface,
                    });
                }
                _ => {}
            }
            if !self.skip_empty_line(input) {
                return Ok(Parsed::Partial);
            }
            self.stage = Stage::FirstLine;
            head.clear();
        }
        let parsed = self.lines(input, limits, head).and_then(|end| match end {
            None => Ok(Parsed::Partial),
            Some(length) => {
                head.fields.take(&input[self.start..length]);
                head.interpret().map(|()| Parsed::Head { length })
            }
        });
        if parsed.is_err() {
            head.clear();
        }
        parsed
    }

    /// Reads on, as [`HeadParser::request`] does, the head of an answer to a request of that method.
    ///
    /// # Errors
    /// [`HeadError`] as soon as the bytes cannot become a good head any more; `head` is then empty.
    pub fn response(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        request_method: Method,
        head: &mut ResponseHead,
    ) -> Result<Parsed, HeadError> {
        if self.stage == Stage::Start {
            self.stage = Stage::FirstLine;
            head.clear();
        }
        let parsed = self.lines(input, limits, head).and_then(|end| match end {
            None => Ok(Parsed::Partial),
            Some(length) => {
                head.fields.take(&input[self.start..length]);
                head.interpret(request_method).map(|()| Parsed::Head { length })
            }
        });
        if parsed.is_err() {
            head.clear();
        }
        parsed
    }

    /// Steps over one empty line (RFC 9112 2.2). `false`: too few bytes to tell.
    fn skip_empty_line(&mut self, input: &[u8]) -> bool {
        match input {
            b"\r" => return false,
            [b'\r', b'\n', ..] => {
                self.start = 2;
                self.line = 2;
                self.searched = 2;
            }
            _ => {}
        }
        true
    }

    /// Reads all whole lines that there are; at the empty line, tells where it ends.
    fn lines<H: Head>(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
        head: &mut H,
    ) -> Result<Option<usize>, HeadError> {
        let searched = self.searched;
        // Offsets are 32 bits wide.
        let longest = self.start + limits.bytes.min(1 << 28);
        let outcome = self.lines_within(input, longest, limits, head);
        self.examined += (self.searched - searched) as u64;
        outcome
    }

    fn lines_within<H: Head>(
        &mut self,
        input: &[u8],
        longest: usize,
        limits: &HeadLimits,
        head: &mut H,
    ) -> Result<Option<usize>, HeadError> {
        if self.stage != Stage::Fields {
            let (bound, error) = match H::HAS_TARGET {
                true => request_line_bound(self.start, longest, limits),
                false => (longest, HeadError::TooLarge),
            };
            let visible = &input[..input.len().min(bound)];
            let Some((start, end)) = self.next_line(visible) else {
                let is_full = input.len() >= bound;
                return self.explain(visible, is_full.then_some(error), H::HAS_TARGET);
            };
            head.first_line(&visible[start..end], limits)?;
            self.stage = Stage::Fields;
        }
        let visible = &input[..input.len().min(longest)];
        let origin = self.start;
        let fields = head.fields();
        loop {
            let Some((start, end)) = self.next_line(visible) else {
                let is_full = input.len() >= longest;
                return self.explain(visible, is_full.then_some(HeadError::TooLarge), H::HAS_TARGET);
            };
            if start == end {
                return Ok(Some(end + 2));
            }
            if fields.lines.len() >= limits.fields {
                return Err(HeadError::TooManyFields);
            }
            let (text, offset) = (&visible[start..end], start - origin);
            match Known::of_line(&visible[start..]) {
                // The colon lies in the line, since the name has no line end in it.
                Some((known, colon)) => fields.lines.push(Line::known(text, offset, colon, known)),
                None => fields.lines.push(Line::parse(text, offset, H::LENIENT)?),
            }
        }
    }

    /// The next line that is whole and well ended, without its CRLF.
    #[inline(always)]
    fn next_line(&mut self, visible: &[u8]) -> Option<(usize, usize)> {
        let end = find_control(visible, self.searched);
        let start = self.line;
        if let Some([b'\r', b'\n', ..]) = visible.get(end..) {
            self.examined += (end - start) as u64;
            self.line = end + 2;
            self.searched = end + 2;
            return Some((start, end));
        }
        // From here the search goes on, should this be but the end of the input.
        self.searched = end;
        None
    }

    /// Why there is no next line: it has not come yet, it comes too late (`full`), or a control character is in it.
    #[cold]
    fn explain(
        &mut self,
        visible: &[u8],
        full: Option<HeadError>,
        is_request: bool,
    ) -> Result<Option<usize>, HeadError> {
        match visible.get(self.searched..) {
            None | Some([] | [b'\r']) => {
                // A carriage return is looked at again when the next byte is there.
                self.examined += (visible.len() - self.searched) as u64;
                full.map_or(Ok(None), Err)
            }
            Some([b'\n', ..]) => Err(HeadError::BareLineFeed),
            Some(_) => Err(self.explain_control(&visible[self.line..self.searched], is_request)),
        }
    }

    /// What is wrong with a line that breaks off at a control character.
    fn explain_control(&self, line: &[u8], is_request: bool) -> HeadError {
        match self.stage {
            Stage::Fields if line.contains(&b':') => HeadError::FieldValue,
            Stage::Fields => HeadError::FieldName,
            _ if is_request => HeadError::RequestLine,
            _ => HeadError::StatusLine,
        }
    }
}

/// How far the request line may reach, and what it means if it reaches further.
fn request_line_bound(start: usize, longest: usize, limits: &HeadLimits) -> (usize, HeadError) {
    let bound = start.saturating_add(limits.target).saturating_add(BESIDE_TARGET);
    if bound < longest { (bound, HeadError::TargetTooLong) } else { (longest, HeadError::TooLarge) }
}

impl Head for RequestHead {
    const LENIENT: bool = false;
    const HAS_TARGET: bool = true;

    fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }

    fn first_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        self.read_request_line(line, limits)
    }
}

impl Head for ResponseHead {
    const LENIENT: bool = true;
    const HAS_TARGET: bool = false;

    fn fields(&mut self) -> &mut Fields {
        &mut self.fields
    }

    fn first_line(&mut self, line: &[u8], _: &HeadLimits) -> Result<(), HeadError> {
        self.read_status_line(line)
    }
}

/// Reads a trailer section, whole and with its empty line at the end, by the rules of heads.
pub(crate) fn read_trailers(section: &[u8], limits: &HeadLimits) -> Result<Fields, HeadError> {
    let mut trailers = Trailers(Fields::new());
    let mut parser = HeadParser { stage: Stage::Fields, ..HeadParser::default() };
    match parser.lines(section, limits, &mut trailers)? {
        Some(_) => {
            trailers.0.take(section);
            Ok(trailers.0)
        }
        None => Err(HeadError::TooLarge),
    }
}

struct Trailers(Fields);

impl Head for Trailers {
    const LENIENT: bool = false;
    const HAS_TARGET: bool = false;

    fn fields(&mut self) -> &mut Fields {
        &mut self.0
    }

    fn first_line(&mut self, _: &[u8], _: &HeadLimits) -> Result<(), HeadError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
