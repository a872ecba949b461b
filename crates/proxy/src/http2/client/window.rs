//! How much of its answers an origin may send ahead on a stream.
//!
//! What it sends and the client does not take waits here, so one client's streams share a budget. A window once given
//! cannot be taken back, and the `h2` crate grows none a stream at a time: so the first streams of a client have large ones,
//! and the more it has at once, the smaller are those of the next. A window is a connection's: connections to origins are
//! of one size each.

use super::super::STREAM_WINDOW;
use crate::share::{Held, Share};
use std::rc::Rc;

/// A size of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Large,
    Middle,
    Small,
}

impl Window {
    /// How many there are.
    pub(super) const COUNT: usize = 3;

    /// In bytes.
    pub(super) fn size(self) -> u32 {
        match self {
            Self::Large => STREAM_WINDOW,
            Self::Middle => 16 << 10,
            Self::Small => 2 << 10,
        }
    }

    /// It is given while what the client's streams hold together stays within this, in bytes. All others have the smallest, which
    /// does not count.
    fn most(self) -> usize {
        match self {
            Self::Large => Share::LENT / 4,
            Self::Middle => Share::LENT / 2,
            Self::Small => usize::MAX,
        }
    }
}

/// A stream's window, until it is dropped.
pub(crate) struct Taken {
    pub(super) window: Window,
    _held: Option<Held>,
}

impl Taken {
    /// The largest that is left to a client; one that has one request at a time (`None`) has the largest.
    pub(crate) fn new(share: Option<&Rc<Share>>) -> Self {
        let Some(share) = share else { return Self { window: Window::Large, _held: None } };
        let held =
            |window: Window| Some((window, share.take_within(window.most(), window.size() as usize).ok()?));
        match held(Window::Large).or_else(|| held(Window::Middle)) {
            Some((window, held)) => Self { window, _held: Some(held) },
            None => Self { window: Window::Small, _held: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_streams_have_much_and_many_have_little() {
        let share = Rc::<Share>::default();
        let taken: Vec<_> = (0..100).map(|_| Taken::new(Some(&share))).collect();
        let all: u32 = taken.iter().map(|taken| taken.window.size()).sum();
        assert_eq!(all, (128 + 95 * 2) << 10);
        assert_eq!(
            (taken[0].window, taken[1].window, taken[5].window),
            (Window::Large, Window::Middle, Window::Small)
        );
        drop(taken);
        assert_eq!(Taken::new(Some(&share)).window, Window::Large);
        assert_eq!(Taken::new(None).window, Window::Large);
    }
}
