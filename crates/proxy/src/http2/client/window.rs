//! How much of its answers an origin may send ahead on a stream.
//!
//! What it sends and the client does not take waits here, so one client's streams share a bound. A window once given
//! cannot be taken back, and the `h2` crate grows none a stream at a time: so the first streams of a client have large ones,
//! and the more it has at once, the smaller are those of the next. A window is a connection's: connections to origins are
//! of one size each.

use super::super::STREAM_WINDOW;
use std::cell::Cell;
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
            Self::Small => 4 << 10,
        }
    }

    /// How many streams of one client have it at once, but for the last, which all others have. Together a hundred streams
    /// may hold 712 KiB.
    fn most(self) -> u32 {
        match self {
            Self::Large => 2,
            Self::Middle => 16,
            Self::Small => u32::MAX,
        }
    }
}

/// What the streams of one client have taken.
#[derive(Default)]
pub(crate) struct Windows {
    taken: [Cell<u32>; Window::COUNT],
}

impl Windows {
    /// The largest that is left.
    pub(crate) fn take(self: &Rc<Self>) -> Taken {
        let sizes = [Window::Large, Window::Middle];
        let window = sizes.into_iter().find(|&window| self.count(window).get() < window.most());
        let window = window.unwrap_or(Window::Small);
        let count = self.count(window);
        count.set(count.get() + 1);
        Taken { window, from: Some(self.clone()) }
    }

    fn count(&self, window: Window) -> &Cell<u32> {
        &self.taken[window as usize]
    }
}

/// A stream's window, until it is dropped.
pub(crate) struct Taken {
    pub(super) window: Window,
    from: Option<Rc<Windows>>,
}

impl Taken {
    /// For a client that has one request at a time.
    pub(crate) fn alone() -> Self {
        Self { window: Window::Large, from: None }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(from) = &self.from {
            let count = from.count(self.window);
            count.set(count.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_streams_have_much_and_many_have_little() {
        let windows = Rc::<Windows>::default();
        let taken: Vec<_> = (0..100).map(|_| windows.take()).collect();
        let all: u32 = taken.iter().map(|taken| taken.window.size()).sum();
        assert_eq!(all, 712 << 10);
        assert_eq!(
            (taken[0].window, taken[2].window, taken[18].window),
            (Window::Large, Window::Middle, Window::Small)
        );
        drop(taken);
        assert_eq!(windows.take().window, Window::Large);
        assert_eq!(Taken::alone().window, Window::Large);
    }
}
