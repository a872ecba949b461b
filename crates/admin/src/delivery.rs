//! Long answers on their way: in pieces, each let go when the peer has taken it.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, io};
use tokio::sync::OwnedSemaphorePermit;

/// The text is written into pieces of this size, and each is let go when the peer has taken it. In one string it
/// would take twice its length and more for as long as it grows.
const PIECE: usize = 64 << 10;

/// A text in pieces of about [`PIECE`] bytes, none of them empty.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    pieces: VecDeque<String>,
    length: usize,
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        self.length += text.len();
        match self.pieces.back_mut() {
            Some(piece) if piece.len() + text.len() <= piece.capacity() => piece.push_str(text),
            _ => {
                let mut piece = String::with_capacity(PIECE.max(text.len()));
                piece.push_str(text);
                self.pieces.push_back(piece);
            }
        }
        Ok(())
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // JSON is written in whole characters: texts are escaped as texts.
        let text =
            str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        fmt::Write::write_str(self, text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A text on its way: keeps its turn until the peer has taken nearly all of it.
pub(crate) struct Delivery {
    rest: Pieces,
    _turn: OwnedSemaphorePermit,
}

impl Delivery {
    pub(crate) fn new(text: Pieces, turn: OwnedSemaphorePermit) -> Self {
        Self { rest: text, _turn: turn }
    }
}

impl http_body::Body for Delivery {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.rest.pieces.pop_front();
        self.rest.length -= piece.as_ref().map_or(0, String::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.length as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn a_text_is_kept_in_pieces() {
        let (mut pieces, mut whole) = (Pieces::default(), String::new());
        for number in 0..40_000 {
            for text in [&*number.to_string(), "", "\n"] {
                pieces.write_str(text).expect("pieces take everything");
                whole.push_str(text);
            }
        }
        let long = "x".repeat(3 * PIECE);
        pieces.write_str(&long).expect("pieces take everything");
        whole.push_str(&long);
        let lengths: Vec<usize> = pieces.pieces.iter().map(String::len).collect();
        assert!(lengths[..3].iter().all(|&length| length > PIECE - 10 && length <= PIECE), "{lengths:?}");
        assert_eq!((lengths.len(), pieces.length), (5, whole.len()));
        assert_eq!(String::from_iter(pieces.pieces), whole);
    }
}
