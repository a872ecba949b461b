//! Buffers for bytes on their way, from a pool of bounded size a core.

use crate::share::Share;
use std::cell::RefCell;
use std::rc::Rc;

/// The sizes of buffers, in bytes: for one of many streams of a client whose share is used up; for heads and small
/// bodies; and larger ones while much flows.
const SIZES: [usize; 4] = [2 << 10, 16 << 10, 64 << 10, 256 << 10];
/// The one that is taken unless there is a reason for another.
const USUAL: usize = 1;
/// How many of each size are kept for the next user: half a MiB, 4, 2 and 4 MiB a core.
const KEPT: [usize; 4] = [256, 256, 32, 16];
/// Reads in a row that filled less than an eighth of a large buffer, before it is exchanged for a small one.
const SMALL_READS: u8 = 8;

/// The free buffers of a core.
#[derive(Default)]
pub(crate) struct BufferPool {
    free: RefCell<[Vec<Box<[u8]>>; SIZES.len()]>,
}

/// Bytes read and not yet consumed. Holds memory only from the first [`Buffer::space`] until
/// [`Buffer::release`].
pub(crate) struct Buffer {
    pool: Rc<BufferPool>,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// Reads in a row that filled the buffer.
    full: u8,
    /// Reads in a row that left most of it empty.
    small: u8,
    /// The size that is taken first.
    first: Size,
    /// What it has to share with others.
    share: Option<Rc<Share>>,
}

/// Which of the sizes; the default is the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(u8);

impl Default for Size {
    fn default() -> Self {
        Self(USUAL as u8)
    }
}

impl Size {
    /// The size for a stream on which so many bytes flowed lately.
    pub(crate) fn of_flow(bytes: u64) -> Self {
        match bytes {
            0..0x1_0000 => Self(1),
            0x1_0000..0x8_0000 => Self(2),
            _ => Self(3),
        }
    }
}

impl Buffer {
    pub(crate) fn new(pool: &Rc<BufferPool>) -> Self {
        Self {
            pool: pool.clone(),
            bytes: Box::default(),
            start: 0,
            end: 0,
            full: 0,
            small: 0,
            first: Size::default(),
            share: None,
        }
    }

    /// Where its memory comes from.
    pub(crate) fn pool(&self) -> &Rc<BufferPool> {
        &self.pool
    }

    /// Bounds its size by what it shares with others. Called before it holds anything.
    pub(crate) fn share(&mut self, share: Option<Rc<Share>>) {
        debug_assert!(self.bytes.is_empty());
        self.share = share;
    }

    /// Takes a buffer of this size when bytes come next.
    pub(crate) fn start_with(&mut self, size: Size) {
        self.first = size;
    }

    /// The size that it has grown to, the usual one at least.
    pub(crate) fn size(&self) -> Size {
        if self.bytes.is_empty() {
            return self.first;
        }
        let index = SIZES.iter().position(|&size| size >= self.bytes.len()).unwrap_or_default();
        Size(index.max(USUAL) as u8)
    }

    /// What was read and not consumed.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether no more can be read before something is consumed or the buffer grows.
    pub(crate) fn is_full(&self) -> bool {
        !self.bytes.is_empty() && self.end - self.start == self.bytes.len()
    }

    /// Room for a read; never empty unless the buffer [is full](Buffer::is_full).
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.begin();
        }
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Takes the first buffer.
    fn begin(&mut self) {
        let mut size = usize::from(self.first.0);
        if let Some(share) = &self.share {
            while size > 0 && !share.has_room(0, SIZES[size]) {
                size -= 1;
            }
        }
        if let Some(share) = &self.share {
            share.exchange(0, counted_size(SIZES[size]));
        }
        self.bytes = self.pool.take(size);
    }

    /// Gives the buffer back, if there is one.
    #[inline]
    fn give_back(&mut self) {
        if !self.bytes.is_empty() {
            self.exchange(Box::default());
        }
    }

    /// Gives the buffer back and has this one in its place.
    fn exchange(&mut self, bytes: Box<[u8]>) {
        if let Some(share) = &self.share {
            share.exchange(counted(&self.bytes), counted(&bytes));
        }
        self.pool.give(std::mem::replace(&mut self.bytes, bytes));
    }

    /// A read put `length` bytes into the space.
    pub(crate) fn filled(&mut self, length: usize) {
        self.end += length;
        debug_assert!(self.end <= self.bytes.len());
        self.full = if self.end == self.bytes.len() { self.full.saturating_add(1) } else { 0 };
        self.small = if length < self.bytes.len() / 8 { self.small.saturating_add(1) } else { 0 };
    }

    pub(crate) fn consume(&mut self, length: usize) {
        debug_assert!(length <= self.end - self.start);
        self.start += length;
    }

    /// Takes the next size, keeping the data. False at the largest.
    pub(crate) fn grow(&mut self) -> bool {
        let Some(next) = SIZES.iter().position(|&size| size > self.bytes.len()) else { return false };
        let mut bytes = self.pool.take(next);
        let length = self.end - self.start;
        bytes[..length].copy_from_slice(self.data());
        self.exchange(bytes);
        self.start = 0;
        self.end = length;
        true
    }

    /// Whether growing is not only possible but leaves enough to others.
    fn may_grow(&self) -> bool {
        let next = SIZES.iter().find(|&&size| size > self.bytes.len());
        self.share
            .as_ref()
            .is_none_or(|share| next.is_some_and(|&next| share.has_room(counted(&self.bytes), next)))
    }

    /// Grows while reads keep filling the buffer and it is emptied between them: both sides keep up. Shrinks when
    /// little comes at a time.
    pub(crate) fn adapt(&mut self) {
        if !self.is_empty() || self.bytes.is_empty() {
            return;
        }
        if self.full >= 2 && self.may_grow() && self.grow() {
            self.full = 0;
        } else if self.small >= SMALL_READS && self.bytes.len() > SIZES[USUAL] {
            self.release();
        }
    }

    /// Gives the memory back while nothing waits in it. The next bytes come into one of the same size: the one that
    /// was used last, whichever connection that was, and that is still in the processor's cache.
    pub(crate) fn park(&mut self) {
        if self.is_empty() && !self.bytes.is_empty() {
            self.first = self.size();
            self.give_back();
            self.start = 0;
            self.end = 0;
        }
    }

    /// Gives the memory back if nothing waits in it, and forgets how large it was.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.give_back();
            self.start = 0;
            self.end = 0;
            self.full = 0;
            self.small = 0;
            self.first = Size::default();
        }
    }
}

/// What of a buffer counts: one of the smallest each stream may have.
fn counted(bytes: &[u8]) -> usize {
    counted_size(bytes.len())
}

fn counted_size(length: usize) -> usize {
    if length > SIZES[0] { length } else { 0 }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl BufferPool {
    fn take(&self, size: usize) -> Box<[u8]> {
        self.free.borrow_mut()[size].pop().unwrap_or_else(|| vec![0; SIZES[size]].into_boxed_slice())
    }

    fn give(&self, bytes: Box<[u8]>) {
        if let Some(size) = SIZES.iter().position(|&size| size == bytes.len()) {
            let free = &mut self.free.borrow_mut()[size];
            if free.len() < KEPT[size] {
                free.push(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut Buffer, bytes: &[u8]) -> usize {
        let space = buffer.space();
        let length = space.len().min(bytes.len());
        space[..length].copy_from_slice(&bytes[..length]);
        buffer.filled(length);
        length
    }

    #[test]
    fn data_survives_moving_and_growing() {
        let pool = Rc::new(BufferPool::default());
        let mut buffer = Buffer::new(&pool);
        let bytes: Vec<u8> = (0..SIZES[USUAL]).map(|index| index as u8).collect();
        assert_eq!(read(&mut buffer, &bytes), SIZES[USUAL]);
        assert!(buffer.is_full());
        buffer.consume(100);
        assert_eq!(read(&mut buffer, &bytes[..50]), 50);
        assert!(buffer.grow());
        assert_eq!(&buffer.data()[..SIZES[USUAL] - 100], &bytes[100..]);
        assert_eq!(&buffer.data()[SIZES[USUAL] - 100..], &bytes[..50]);
        let length = buffer.data().len();
        buffer.consume(length);
        buffer.release();
        assert_eq!(buffer.bytes.len(), 0);
        assert_eq!(pool.free.borrow()[2].len(), 1);
    }

    #[test]
    fn grows_only_while_reads_fill_it() {
        let pool = Rc::new(BufferPool::default());
        let mut buffer = Buffer::new(&pool);
        let bytes = vec![1; SIZES[3]];
        for expected in [SIZES[USUAL], SIZES[USUAL], SIZES[2], SIZES[2], SIZES[3], SIZES[3], SIZES[3]] {
            assert_eq!(read(&mut buffer, &bytes), expected);
            buffer.consume(expected);
            buffer.adapt();
        }
        let mut slow = Buffer::new(&pool);
        for _ in 0..10 {
            assert_eq!(read(&mut slow, &bytes[..100]), 100);
            slow.consume(100);
            slow.adapt();
        }
        assert_eq!(slow.bytes.len(), SIZES[USUAL]);
    }

    #[test]
    fn shrinks_when_little_comes() {
        let pool = Rc::new(BufferPool::default());
        let mut buffer = Buffer::new(&pool);
        buffer.start_with(Size::of_flow(1 << 20));
        for _ in 0..SMALL_READS {
            assert_eq!(read(&mut buffer, &[1; 100]), 100);
            assert_eq!(buffer.bytes.len(), SIZES[3]);
            buffer.consume(100);
            buffer.adapt();
        }
        assert_eq!(read(&mut buffer, &[1; 100]), 100);
        assert_eq!(buffer.size(), Size::default());
    }

    #[test]
    fn streams_of_one_client_share() {
        let pool = Rc::new(BufferPool::default());
        let share = Rc::<Share>::default();
        let bytes = vec![1; SIZES[3]];
        let fill = |buffer: &mut Buffer, rounds: usize| {
            for _ in 0..rounds {
                let taken = read(buffer, &bytes);
                buffer.consume(taken);
                buffer.adapt();
            }
            read(buffer, &bytes);
        };
        let mut many: Vec<Buffer> = (0..100)
            .map(|_| {
                let mut buffer = Buffer::new(&pool);
                buffer.share(Some(share.clone()));
                fill(&mut buffer, 10);
                buffer
            })
            .collect();
        assert_eq!(many[0].size(), Size::of_flow(u64::MAX), "the first keeps up alone, and has all");
        assert!(share.held() <= Share::LENT, "{}", share.held());
        // A head has to fit, whatever the others have.
        assert!(many[99].grow());
        many.truncate(1);
        assert_eq!(share.held(), SIZES[3]);
        many.clear();
        assert_eq!(share.held(), 0);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = Rc::new(BufferPool::default());
        let mut many: Vec<_> = (0..KEPT[USUAL] + 10).map(|_| Buffer::new(&pool)).collect();
        many.iter_mut().for_each(|buffer| {
            buffer.space();
        });
        drop(many);
        assert_eq!(pool.free.borrow()[USUAL].len(), KEPT[USUAL]);
    }
}
