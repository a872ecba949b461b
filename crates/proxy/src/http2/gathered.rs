//! What came of a body while what came before it could not go on.
//!
//! The crate keeps each DATA frame in an entry of some 280 bytes, and as a part of a block of 8 KiB or more that was read at once: what else was in
//! that stays too, though it has gone on. And it ends the connection when small frames come to too many: also that of an honest
//! client whose short messages an origin does not take. Here what is small is copied and put together.

use bytes::Bytes;
use std::collections::VecDeque;

/// A longer piece is not copied, where few streams hold such.
const SMALL: usize = 4 << 10;
/// What is put together grows by so much at a time: it is not to double.
const STEP: usize = 1 << 10;

/// The pieces, in order. Flow control bounds them.
pub(super) struct Gathered {
    pieces: VecDeque<Bytes>,
    /// The last of them, put together.
    small: Vec<u8>,
    /// Pieces up to this length are copied.
    copied: usize,
}

impl Gathered {
    /// `all`: long pieces are copied too, since many streams hold such.
    pub(super) fn new(all: bool) -> Self {
        Self { pieces: VecDeque::new(), small: Vec::new(), copied: if all { usize::MAX } else { SMALL } }
    }

    /// Whether a piece is copied.
    pub(super) fn copies(&self, piece: &[u8]) -> bool {
        piece.len() <= self.copied
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        if !self.copies(&piece) {
            if !self.small.is_empty() {
                self.pieces.push_back(Bytes::copy_from_slice(&self.small));
                self.small.clear();
            }
            self.pieces.push_back(piece);
            return;
        }
        if self.small.capacity() - self.small.len() < piece.len() {
            self.small.reserve_exact(piece.len().max(STEP));
        }
        self.small.extend_from_slice(&piece);
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let first = self.pieces.pop_front();
        first.or_else(|| (!self.small.is_empty()).then(|| std::mem::take(&mut self.small).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_put_together_and_the_order_stays() {
        let mut gathered = Gathered::new(false);
        let mut expected = Vec::new();
        for length in [1, 5, 1023, 5000, 1, 1, 16_384, 3000, 7, 8] {
            let piece: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            expected.extend_from_slice(&piece);
            gathered.push(piece.into());
        }
        let pieces: Vec<Bytes> = std::iter::from_fn(|| gathered.pop()).collect();
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [1029, 5000, 2, 16_384, 3015]);
        assert_eq!(pieces.concat(), expected);
        assert!(gathered.pop().is_none());
    }
}
