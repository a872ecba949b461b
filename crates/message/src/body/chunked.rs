//! The chunked coding (RFC 9112 7.1), read byte by byte where it frames and in ranges where it is body.

use super::Piece;
use crate::error::{BodyError, HeadError};
use crate::fields::Fields;
use crate::limits::HeadLimits;
use crate::parser::read_trailers;
use memchr::memchr;

/// Bytes of extensions that one chunk may have. Nobody uses them honestly; skipping them is work for nothing.
const EXTENSION_BYTES: u16 = 256;

/// Where in the coding the next byte lies.
#[derive(Debug, Default)]
pub(super) enum Chunked {
    /// At the beginning of a chunk's line.
    #[default]
    Start,
    /// In the digits of a size.
    Size {
        size: u64,
        digits: u8,
    },
    /// In the extensions behind it.
    Extension {
        size: u64,
        bytes: u16,
    },
    /// At the line feed of a chunk's line.
    LineFeed {
        size: u64,
    },
    /// In data, at least one byte before its end.
    Data {
        left: u64,
    },
    /// At the CRLF behind the data.
    DataReturn,
    DataLineFeed,
    /// In the trailer section, nothing of it read.
    TrailerStart,
    /// At the line feed of an empty trailer section.
    TrailerEnd,
    /// In a trailer section that is not empty.
    Trailers(Box<TrailerSection>),
    Done(Option<Box<Fields>>),
}

/// What was read of a trailer section.
#[derive(Debug, Default)]
pub(super) struct TrailerSection {
    bytes: Vec<u8>,
    /// Where the last line begins.
    line: usize,
}

impl Chunked {
    pub(super) fn decode(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Piece, BodyError> {
        let mut skip = 0;
        loop {
            match self {
                Self::Data { left } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len() - skip);
                    return Ok(if length == 0 { Piece::More { skip } } else { Piece::Data { skip, length } });
                }
                Self::Done(_) => return Ok(Piece::End { skip }),
                Self::Trailers(section) => {
                    let (used, end) = section.read(&input[skip..], limits)?;
                    skip += used;
                    if !end {
                        return Ok(Piece::More { skip });
                    }
                    *self = Self::Done(section.finish(limits)?);
                }
                _ => {
                    let Some(&byte) = input.get(skip) else { return Ok(Piece::More { skip }) };
                    if let Some(next) = self.step(byte)? {
                        *self = next;
                        skip += 1;
                    } else {
                        // The byte is the first of a trailer line, which is read there.
                        *self = Self::Trailers(Box::default());
                    }
                }
            }
        }
    }

    pub(super) fn advance(&mut self, length: u64) {
        if let Self::Data { left } = self {
            debug_assert!(length <= *left, "more than the piece had");
            *left = left.saturating_sub(length);
            if *left == 0 {
                *self = Self::DataReturn;
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    pub(super) fn take_trailers(&mut self) -> Option<Fields> {
        match self {
            Self::Done(trailers) => trailers.take().map(|trailers| *trailers),
            _ => None,
        }
    }

    /// The state behind one byte of framing; `None` if the byte begins a trailer line.
    fn step(&self, byte: u8) -> Result<Option<Self>, BodyError> {
        Ok(Some(match (self, byte) {
            (Self::Start, _) => Self::Size { size: digit(byte)?, digits: 1 },
            (&Self::Size { size, .. }, b'\r') => Self::LineFeed { size },
            (&Self::Size { size, .. }, b';') => Self::Extension { size, bytes: 1 },
            (&Self::Size { size, digits: digits @ ..16 }, _) => {
                Self::Size { size: size << 4 | digit(byte)?, digits: digits + 1 }
            }
            (Self::Size { .. }, _) => return Err(BodyError::ChunkSize),
            (&Self::Extension { size, .. }, b'\r') => Self::LineFeed { size },
            (Self::Extension { .. }, 0..=8 | 10..=31 | 127) => return Err(BodyError::ChunkExtension),
            (&Self::Extension { size, bytes: bytes @ ..EXTENSION_BYTES }, _) => {
                Self::Extension { size, bytes: bytes + 1 }
            }
            (Self::Extension { .. }, _) => return Err(BodyError::ChunkExtension),
            (Self::LineFeed { size: 0 }, b'\n') => Self::TrailerStart,
            (&Self::LineFeed { size }, b'\n') => Self::Data { left: size },
            (Self::DataReturn, b'\r') => Self::DataLineFeed,
            (Self::DataLineFeed, b'\n') => Self::Start,
            (Self::TrailerStart, b'\r') => Self::TrailerEnd,
            (Self::TrailerStart, _) => return Ok(None),
            (Self::TrailerEnd, b'\n') => Self::Done(None),
            _ => return Err(BodyError::ChunkEnd),
        }))
    }
}

fn digit(byte: u8) -> Result<u64, BodyError> {
    (byte as char).to_digit(16).map(u64::from).ok_or(BodyError::ChunkSize)
}

impl TrailerSection {
    /// Takes lines up to the empty one; tells how many bytes were taken and whether the section is whole.
    fn read(&mut self, input: &[u8], limits: &HeadLimits) -> Result<(usize, bool), BodyError> {
        let mut used = 0;
        while let Some(at) = memchr(b'\n', &input[used..]) {
            self.take(&input[used..=used + at], limits)?;
            used += at + 1;
            let line = &self.bytes[self.line..];
            if !line.ends_with(b"\r\n") {
                return Err(BodyError::Trailers(HeadError::BareLineFeed));
            }
            let is_empty = line.len() == 2;
            self.line = self.bytes.len();
            if is_empty {
                return Ok((used, true));
            }
        }
        self.take(&input[used..], limits)?;
        Ok((input.len(), false))
    }

    fn take(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<(), BodyError> {
        if self.bytes.len() + bytes.len() > limits.bytes {
            return Err(BodyError::Trailers(HeadError::TooLarge));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// The trailers that are passed on.
    fn finish(&self, limits: &HeadLimits) -> Result<Option<Box<Fields>>, BodyError> {
        let trailers = read_trailers(&self.bytes, limits).map_err(BodyError::Trailers)?;
        Ok(trailers.without_forbidden().map(Box::new))
    }
}
