//! Body framing, both ways, without touching a byte of the body.

use crate::error::BodyError;
use crate::fields::Fields;
use crate::limits::HeadLimits;

mod chunked;

use chunked::Chunked;

/// How the end of a body is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum BodyLength {
    /// There is none, and nothing says so.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunks; in HTTP/2: until the stream ends.
    Chunked,
    /// Until the peer closes: answers only.
    UntilClose,
}

/// Reads a body's framing: tells which ranges of the caller's buffer are body.
///
/// ```
/// use irongate_message::{BodyDecoder, BodyLength, Piece};
/// let mut decoder = BodyDecoder::new(BodyLength::Chunked);
/// let input = b"3\r\nabc\r\n0\r\n\r\n";
/// assert_eq!(decoder.decode(input), Ok(Piece::Data { skip: 3, length: 3 }));
/// decoder.advance(3);
/// assert_eq!(decoder.decode(&input[6..]), Ok(Piece::End { skip: 7 }));
/// ```
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    limits: HeadLimits,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// `UntilClose`, and the peer closed.
    Closed,
    /// The framing was broken.
    Failed(BodyError),
}

/// What the next bytes are. `skip` bytes are framing: the decoder has taken them, and the caller must.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Behind the framing lie `length` bytes of body, at least one; [`BodyDecoder::advance`] tells how many of
    /// them were taken.
    Data {
        /// Bytes of framing in front.
        skip: usize,
        /// Bytes of body behind them.
        length: usize,
    },
    /// Nothing more can be told without more input.
    More {
        /// Bytes of framing.
        skip: usize,
    },
    /// The body is whole; what follows is not its.
    End {
        /// Bytes of framing.
        skip: usize,
    },
}

impl BodyDecoder {
    /// A decoder at the beginning of a body; trailers are held to the default limits.
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        Self::with_limits(length, HeadLimits::default())
    }

    /// The same, with limits for the trailer section.
    #[must_use]
    pub fn with_limits(length: BodyLength, limits: HeadLimits) -> Self {
        let state = match length {
            BodyLength::Empty => State::Length(0),
            BodyLength::Length(length) => State::Length(length),
            BodyLength::Chunked => State::Chunked(Chunked::default()),
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, limits }
    }

    /// Looks at the unread input. Only [`Piece::Data`] comes again if it is called again without
    /// [`BodyDecoder::advance`], then without what was skipped.
    ///
    /// # Errors
    /// [`BodyError`] if the framing is broken; every later call gives the same.
    pub fn decode(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        match &mut self.state {
            State::Length(0) | State::Closed => Ok(Piece::End { skip: 0 }),
            State::Length(_) | State::UntilClose if input.is_empty() => Ok(Piece::More { skip: 0 }),
            State::Length(left) => Ok(Piece::Data {
                skip: 0,
                length: usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()),
            }),
            State::UntilClose => Ok(Piece::Data { skip: 0, length: input.len() }),
            State::Chunked(chunked) => {
                let decoded = chunked.decode(input, &self.limits);
                if let Err(error) = decoded {
                    self.state = State::Failed(error);
                }
                decoded
            }
            State::Failed(error) => Err(*error),
        }
    }

    /// So many bytes of the last [`Piece::Data`] were taken: at most its length.
    pub fn advance(&mut self, length: usize) {
        let length = length as u64;
        match &mut self.state {
            State::Length(left) => {
                debug_assert!(length <= *left, "more than the piece had");
                *left = left.saturating_sub(length);
            }
            State::Chunked(chunked) => chunked.advance(length),
            State::UntilClose | State::Closed | State::Failed(_) => {}
        }
    }

    /// The peer closed its side, and nothing unread is left.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] unless the body was whole, or this is how it ends; what
    /// [`decode`](BodyDecoder::decode) gave, if it failed. Every later call gives the same.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::UntilClose => self.state = State::Closed,
            State::Failed(error) => return Err(error),
            _ if self.is_done() => {}
            _ => {
                self.state = State::Failed(BodyError::Truncated);
                return Err(BodyError::Truncated);
            }
        }
        Ok(())
    }

    /// Whether the body is whole.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.is_done(),
            State::UntilClose | State::Failed(_) => false,
            State::Closed => true,
        }
    }

    /// The trailers of a body that is whole, once, if there are any left after what frames, routes, authorizes
    /// or describes a message was dropped (RFC 9110 6.5.1). They are never merged into a head.
    pub fn take_trailers(&mut self) -> Option<Fields> {
        match &mut self.state {
            State::Chunked(chunked) => chunked.take_trailers(),
            _ => None,
        }
    }
}

/// Appends the line in front of a chunk of that many bytes, at least one; the caller writes the data and CRLF.
pub fn write_chunk_size(length: usize, out: &mut Vec<u8>) {
    debug_assert!(length > 0, "an empty chunk ends the body");
    let mut digits = [0; size_of::<usize>() * 2];
    let mut start = digits.len();
    let mut rest = length;
    while rest > 0 {
        start -= 1;
        digits[start] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[start..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends what ends a chunked body: the last chunk, the trailers, the empty line.
pub fn write_last_chunk(trailers: Option<&Fields>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        trailers.write(crate::fields::FRAMING, out);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
