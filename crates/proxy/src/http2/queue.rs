//! What was handed to the `h2` crate and is not written yet, bounded a stream and a connection.
//!
//! The crate bounds it a stream, by a number that is fixed when the connection begins: large, and a hundred streams
//! whose client reads nothing hold too much; small, and one fast stream takes many turns. So the pieces that we hand
//! over count themselves, and a stream may have much on its way while the others have little.

use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What one stream may have on its way, as long as the connection has room for it.
pub(super) const MOST_OF_STREAM: usize = 128 << 10;
/// And whatever the others have: so that none starves.
const LEAST_OF_STREAM: usize = 1 << 10;
/// What all streams together may have on their way, but for those that have no more than the least.
const MOST_OF_CONNECTION: usize = 128 << 10;

/// What all streams of a connection have on their way, in bytes.
pub(super) type Total = Rc<Cell<usize>>;

/// The account of one stream.
pub(super) struct Queue {
    own: Cell<usize>,
    total: Total,
    waiting: RefCell<Option<Waker>>,
}

impl Queue {
    pub(super) fn new(total: Total) -> Rc<Self> {
        Rc::new(Self { own: Cell::new(0), total, waiting: RefCell::default() })
    }

    /// How many bytes more may be handed over; at least one. `Pending`: some of the stream's own has to go first.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<usize> {
        let left = MOST_OF_CONNECTION.saturating_sub(self.total.get()).min(MOST_OF_STREAM);
        let room = left.max(LEAST_OF_STREAM).saturating_sub(self.own.get());
        if room > 0 {
            return Poll::Ready(room);
        }
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn add(&self, length: usize) {
        self.own.set(self.own.get() + length);
        self.total.set(self.total.get() + length);
    }

    fn remove(&self, length: usize) {
        self.own.set(self.own.get() - length);
        self.total.set(self.total.get() - length);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

/// A piece of a body on its way; counts until the crate drops it, which it does when it has written it.
pub(crate) struct Piece {
    data: Bytes,
    counted: usize,
    queue: Rc<Queue>,
}

impl Piece {
    pub(super) fn new(data: Bytes, queue: &Rc<Queue>) -> Self {
        let counted = data.len();
        queue.add(counted);
        Self { data, counted, queue: queue.clone() }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.data
    }

    fn advance(&mut self, length: usize) {
        self.data.advance(length);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.queue.remove(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(queue: &Rc<Queue>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Poll::Ready(room) = queue.poll_room(&Context::from_waker(Waker::noop())) {
            pieces.push(Piece::new(vec![0; room.min(10_000)].into(), queue));
        }
        pieces
    }

    #[test]
    fn a_stream_alone_has_much_and_a_hundred_have_little() {
        let total = Total::default();
        let alone = fill(&Queue::new(total.clone()));
        // As much as it leaves to others.
        assert!((MOST_OF_CONNECTION / 2..=MOST_OF_STREAM).contains(&total.get()), "{total:?}");
        drop(alone);
        assert_eq!(total.get(), 0);
        let queues: Vec<_> = (0..100).map(|_| Queue::new(total.clone())).collect();
        let _pieces: Vec<_> = queues.iter().map(fill).collect();
        assert!(queues.iter().all(|queue| queue.own.get() >= LEAST_OF_STREAM));
        assert!(total.get() <= MOST_OF_CONNECTION + 100 * LEAST_OF_STREAM, "{total:?}");
    }
}
