//! What waits to be sent to a client: frames, one behind the other, written where they wait.

use crate::core::Core;
use crate::transport::Transport;
use irongate_message::http2::frame::{DEFAULT_FRAME, HEADER};
use std::io;
use std::task::{Context, Poll, ready};

/// Bodies are added while less than this waits, in bytes.
const MOST: usize = 128 << 10;
/// From here on room is made for all that may come to wait at once: growing by doubling would hold up to twice that.
const SMALL: usize = 32 << 10;
/// So much that was sent is not kept before what was not.
const SENT: usize = 64 << 10;
/// Where a frame's flags are in its header (RFC 9113 4.1).
const FLAGS: usize = 4;

/// The bytes of a connection that were not sent yet.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// How many of `bytes` were sent.
    sent: usize,
    /// How many were sent before the first of `bytes`.
    before: u64,
}

/// Where a frame begins, counted from the first byte of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place(u64);

impl Outgoing {
    /// How many bytes wait.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// How many bytes of bodies may be added.
    pub(super) fn room(&self) -> usize {
        MOST.saturating_sub(self.left())
    }

    /// How many bytes were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.before + self.sent as u64
    }

    /// Where the next frame will begin.
    pub(super) fn place(&self) -> Place {
        Place(self.before + self.bytes.len() as u64)
    }

    /// Where to append frames, of about `length` bytes.
    #[inline]
    pub(super) fn frames(&mut self, core: &Core, length: usize) -> &mut Vec<u8> {
        if self.bytes.len() + length > self.bytes.capacity() {
            self.grow(core, length);
        }
        &mut self.bytes
    }

    #[cold]
    fn grow(&mut self, core: &Core, length: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes = core.take_memory();
        }
        if self.sent >= SENT {
            self.bytes.drain(..self.sent);
            self.before += std::mem::take(&mut self.sent) as u64;
        }
        let used = self.bytes.len();
        let wanted = used + length;
        if wanted > self.bytes.capacity() && wanted > SMALL {
            self.bytes.reserve_exact((MOST + SMALL).max(wanted) - used);
        }
    }

    /// Takes back what was appended from this place on.
    pub(super) fn take_back(&mut self, place: Place) {
        let index = place.0.saturating_sub(self.before);
        self.bytes.truncate(usize::try_from(index).unwrap_or(usize::MAX));
    }

    /// Sets a flag of the frame that begins there. False: some of it was sent already.
    pub(super) fn set_flag(&mut self, place: Place, flag: u8) -> bool {
        if place.0 < self.sent() {
            return false;
        }
        let index = usize::try_from(place.0 - self.before).unwrap_or(usize::MAX);
        let flags = index.checked_add(FLAGS).and_then(|index| self.bytes.get_mut(index));
        flags.map(|flags| *flags |= flag).is_some()
    }

    /// Sends what waits. `Pending`: the client does not take it at present.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, transport: &Transport) -> Poll<io::Result<()>> {
        while self.left() > 0 {
            let length = ready!(transport.poll_write(cx, &self.bytes[self.sent..]))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += length;
        }
        self.before += self.sent as u64;
        self.sent = 0;
        self.bytes.clear();
        Poll::Ready(Ok(()))
    }

    /// Whether it holds memory that could be given back.
    pub(super) fn holds_memory(&self) -> bool {
        self.bytes.capacity() > 0
    }

    /// Gives its memory back, if nothing waits.
    pub(super) fn release(&mut self, core: &Core) {
        if self.left() == 0 {
            self.before += std::mem::take(&mut self.sent) as u64;
            core.give_memory(std::mem::take(&mut self.bytes));
        }
    }

    /// Forgets everything: nothing more will be sent.
    pub(super) fn clear(&mut self) {
        *self = Self { before: self.sent(), ..Self::default() };
    }
}

const _: () = assert!(SMALL > DEFAULT_FRAME + HEADER, "a frame more than the bound has room");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Shared;
    use crate::transport::memory_pair;
    use irongate_telemetry::Registry;

    const FLAG: u8 = 1;

    /// A frame of so many bytes, all of them zero: where it begins.
    fn add(out: &mut Outgoing, core: &Core, length: usize) -> Place {
        let place = out.place();
        out.frames(core, length).extend(std::iter::repeat_n(0, length));
        place
    }

    /// Runs a test with what is to be sent, to a client that takes so many bytes.
    fn check(takes: usize, test: impl FnOnce(&mut Outgoing, &Core, &mut dyn FnMut(&mut Outgoing) -> bool)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime without IO needs nothing from the system");
        runtime.block_on(async {
            let (probes, _received) = tokio::sync::mpsc::unbounded_channel();
            let (discard, _discarded) = std::sync::mpsc::channel();
            let core = Core::new(0, Shared::new(Registry::new(1), probes, 1, discard));
            let (_client, ours) = memory_pair(takes);
            let transport: Transport = ours.into();
            let mut send = |out: &mut Outgoing| {
                let mut cx = Context::from_waker(std::task::Waker::noop());
                out.poll_send(&mut cx, &transport).is_ready()
            };
            test(&mut Outgoing::default(), &core, &mut send);
        });
    }

    #[test]
    fn a_flag_is_set_unless_its_frame_is_on_its_way() {
        check(20, |out, core, send| {
            let [first, second, third] = [14; 3].map(|length| add(out, core, length));
            assert!(!send(out), "the client takes 20 bytes");
            let set = [first, second, third].map(|place| out.set_flag(place, FLAG));
            assert_eq!(set, [false, false, true], "sent, begun, and waiting");
            let flagged: Vec<_> = (0..out.bytes.len()).filter(|index| out.bytes[*index] == FLAG).collect();
            assert_eq!(flagged, [28 + FLAGS]);
            let beyond = out.place();
            assert!(!out.set_flag(beyond, FLAG), "there is no such frame yet");
        });
    }

    #[test]
    fn places_hold_when_what_was_sent_is_dropped() {
        check(SENT, |out, core, send| {
            add(out, core, SENT);
            let waiting = add(out, core, 100);
            assert!(!send(out));
            let room = out.bytes.capacity();
            add(out, core, room);
            assert_eq!((out.sent(), out.left()), (SENT as u64, 100 + room), "what was sent is not kept");
            assert!(out.set_flag(waiting, FLAG));
            assert_eq!(out.bytes[FLAGS], FLAG, "it is the first now");
        });
    }

    #[test]
    fn places_hold_when_all_was_sent() {
        check(1000, |out, core, send| {
            let first = add(out, core, 14);
            assert!(send(out));
            out.release(core);
            let second = add(out, core, 14);
            assert_eq!([first, second].map(|place| out.set_flag(place, FLAG)), [false, true]);
            out.take_back(second);
            assert_eq!((out.left(), out.sent(), out.place()), (0, 14, second));
            add(out, core, 14);
            out.clear();
            assert_eq!((out.left(), out.sent(), out.holds_memory()), (0, 14, false));
        });
    }
}
