//! What all streams of one client's connection hold together, in bytes.
//!
//! A connection over HTTP/2 or HTTP/3 has a hundred streams at once. What one stream alone may hold (a large buffer for its answer, a
//! long head, a body that may have to be sent again, a window of an origin) would come to many MiB if a hostile client
//! made each of them hold it. So all draw on one budget, and each has something small in the place of what there is no
//! room for: the smallest buffer, the smallest window, no copy for a second attempt. A long head has nothing of the kind, and its
//! stream is refused.

use std::cell::Cell;
use std::rc::Rc;

/// The budget of one connection; what is small does not count.
#[derive(Default)]
pub(crate) struct Share {
    held: Cell<usize>,
}

impl Share {
    /// In bytes. What could be small instead leaves the rest to heads.
    pub(crate) const LENT: usize = 256 << 10;
    /// With heads.
    const MOST: usize = 512 << 10;

    /// Whether `old` bytes may become `new`, of what could be small instead.
    pub(crate) fn has_room(&self, old: usize, new: usize) -> bool {
        self.held.get() + new <= Self::LENT + old
    }

    /// `old` bytes have become `new`.
    pub(crate) fn exchange(&self, old: usize, new: usize) {
        self.held.set(self.held.get() + new - old);
    }

    /// Nothing yet.
    pub(crate) fn take_nothing(self: &Rc<Self>) -> Held {
        Held { share: self.clone(), bytes: 0 }
    }

    /// Takes room for a message's head, of which a short one does not count.
    pub(crate) fn take_head(self: &Rc<Self>, bytes: usize) -> Result<Option<Held>, NoRoom> {
        if bytes <= SHORT_HEAD { Ok(None) } else { self.take_within(Self::MOST, bytes).map(Some) }
    }

    /// Takes so many bytes if no more than `most` are held then.
    pub(crate) fn take_within(self: &Rc<Self>, most: usize, bytes: usize) -> Result<Held, NoRoom> {
        if self.held.get() + bytes > most {
            return Err(NoRoom);
        }
        self.exchange(0, bytes);
        Ok(Held { share: self.clone(), bytes })
    }

    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held.get()
    }
}

/// The length of a head up to which it does not count. Most heads are no longer.
const SHORT_HEAD: usize = 2 << 10;

/// The budget is used up.
#[derive(Debug)]
pub(crate) struct NoRoom;

/// A part of the budget; given back when it is dropped.
pub(crate) struct Held {
    share: Rc<Share>,
    bytes: usize,
}

impl Held {
    /// Takes so many more, for what could be small instead. False: there is no room for them.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let has_room = self.share.has_room(0, bytes);
        if has_room {
            self.share.exchange(0, bytes);
            self.bytes += bytes;
        }
        has_room
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.exchange(self.bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_heads_have_room_of_their_own() {
        let share = Rc::<Share>::default();
        let lent = share.take_within(Share::LENT, Share::LENT).expect("room");
        assert!(!share.take_nothing().grow(1));
        let heads: Vec<_> = (0..100).map_while(|_| share.take_head(10_000).ok()).collect();
        assert_eq!(heads.len(), (Share::MOST - Share::LENT) / 10_000);
        assert!(share.take_head(2000).is_ok_and(|held| held.is_none()), "short heads do not count");
        drop((lent, heads));
        assert_eq!(share.held(), 0);
    }
}
