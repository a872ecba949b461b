//! Heads of answers that were handed to the `h2` crate and may not be written yet.
//!
//! Windows do not bound them, and the crate takes any number. It does not tell when it has written one either, so
//! they count until all that a connection had to write is written, or until so much has been written since that they
//! must have been: the streams have their turns one after another.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// What may wait of the heads of all streams, in bytes, when another head is read from an origin.
const MOST: usize = 256 << 10;
/// A final head up to this size does not count: there is one a stream.
const SMALL: usize = 2 << 10;
/// More than one turn of all streams takes: what they may have on their way together.
const ROUND: u64 = 1 << 20;

/// The heads of one connection.
#[derive(Default)]
pub(super) struct HeadQueue {
    bytes: Cell<usize>,
    /// How many of these were there when the mark was set.
    marked: Cell<usize>,
    /// They have been written when the connection has written so many bytes in all.
    mark: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl HeadQueue {
    /// Ready when there is room for another.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        if self.bytes.get() <= MOST {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// An interim head was handed over.
    pub(super) fn add_interim(&self, length: usize) {
        self.bytes.set(self.bytes.get() + length);
    }

    /// A stream's final head was handed over.
    pub(super) fn add_final(&self, length: usize) {
        if length > SMALL {
            self.bytes.set(self.bytes.get() + length);
        }
    }

    /// The connection has had its turn: it has written so many bytes in all, and as many more are `left` to write;
    /// if none are, the crate has none either.
    pub(super) fn end_turn(&self, written: u64, left: usize) {
        if self.bytes.get() == 0 {
            return;
        }
        if left == 0 {
            self.bytes.set(0);
            self.marked.set(0);
        } else if self.marked.get() > 0 && written < self.mark.get() {
            return;
        } else {
            self.bytes.set(self.bytes.get() - self.marked.get());
            self.marked.set(self.bytes.get());
            self.mark.set(written + left as u64 + ROUND);
        }
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_room(heads: &HeadQueue) -> bool {
        heads.poll_room(&Context::from_waker(Waker::noop())).is_ready()
    }

    /// Adds heads of 64 KiB while there is room; tells how many.
    fn fill(heads: &HeadQueue) -> usize {
        let mut count = 0;
        while has_room(heads) {
            heads.add_interim(64 << 10);
            count += 1;
        }
        count
    }

    #[test]
    fn one_head_goes_beyond_the_bound() {
        let heads = HeadQueue::default();
        assert_eq!(fill(&heads), 5);
        heads.end_turn(0, 100);
        assert!(!has_room(&heads), "nothing was written");
        heads.end_turn(400_000, 0);
        assert_eq!(fill(&heads), 5, "all was written");
    }

    #[test]
    fn a_connection_that_is_never_idle_makes_room_too() {
        let heads = HeadQueue::default();
        let mut written = 0;
        let mut passed = 0;
        for _ in 0..100 {
            passed += fill(&heads);
            // The client keeps up with a part of what there is.
            written += 100_000;
            heads.end_turn(written, 100_000);
        }
        assert!((25..=60).contains(&passed), "{passed} heads for {written} bytes");
    }

    #[test]
    fn small_final_heads_do_not_count() {
        let heads = HeadQueue::default();
        (0..10_000).for_each(|_| heads.add_final(300));
        assert!(has_room(&heads));
        (0..6).for_each(|_| heads.add_final(60 << 10));
        assert!(!has_room(&heads));
    }
}
