//! What of a client's frames is work for us and costs the client little: it is counted against what the client lets us
//! send. An honest one acknowledges, opens windows and asks for round trips while answers flow (CVE-2019-9512, 9513,
//! 9515, 9517 and 9518 are what others do).

use irongate_message::http2::frame::{FrameHeader, Kind, flags};
use irongate_traffic::Time;

/// Control frames that may come at once.
const BURST: u64 = 1000;
/// And then so many a second, in the long run.
const A_SECOND: u64 = 100;
/// Bytes sent that forgive one. More than answers to control frames have, so that these do not forgive each other.
const BYTES: u64 = 64;
/// What one that makes us look at every stream counts, or one that carries nothing at all.
const DEAR: u64 = 4;
/// What a stream that was opened forgives: clients open windows for some. One that is refused, since there are as many as there
/// may be, forgives nothing.
const REQUEST: u64 = 4;
/// The work that a frame is, in bytes of a body that would be as much.
const FRAME: usize = 256;
/// And a byte of a field block: it may stand for a field of some KiB.
const FIELD: usize = 4;

/// What is known of one connection's frames.
pub(super) struct Watch {
    /// Thousandths of frames that were not forgiven yet.
    level: u64,
    /// When it was last forgiven by time, and how much had been sent when it was last forgiven by that.
    at: Time,
    sent: u64,
}

impl Watch {
    pub(super) fn new(now: Time) -> Self {
        Self { level: 0, at: now, sent: 0 }
    }

    /// A stream was opened by what came.
    pub(super) fn opened(&mut self) {
        self.level = self.level.saturating_sub(REQUEST * 1000);
    }

    /// A frame came that is counted beyond what its kind is.
    pub(super) fn count(&mut self) {
        self.level += 1000;
    }

    /// One came that carries nothing, though its length did not tell.
    pub(super) fn count_empty(&mut self) {
        self.level += DEAR * 1000;
    }

    /// A head has come that was `size` bytes long when it was decoded, where `most` are taken. What is a little too long is most
    /// likely a mistake, and gets an answer; a few bytes that stand for many times the bound are an attack.
    pub(super) fn count_head(&mut self, size: usize, most: usize) {
        if size > most {
            self.level += (size / most.max(1)) as u64 * 1000;
        }
    }

    /// Whether the client has gone too far.
    #[inline]
    pub(super) fn is_flooded(&self) -> bool {
        self.level > BURST * 1000
    }

    /// A turn is over: `sent` bytes were sent so far.
    pub(super) fn forgive(&mut self, now: Time, sent: u64) {
        if self.level == 0 {
            (self.at, self.sent) = (now, sent);
            return;
        }
        // Milliseconds by frames a second are thousandths of a frame.
        let elapsed = u64::try_from(now.saturating_since(self.at).as_millis()).unwrap_or(u64::MAX);
        let flowed = (sent - self.sent).saturating_mul(1000) / BYTES;
        self.level = self.level.saturating_sub(elapsed.saturating_mul(A_SECOND)).saturating_sub(flowed);
        if elapsed > 0 {
            self.at = now;
        }
        self.sent = sent;
    }

    /// A frame has come; gives the work that it is, as bytes of a body that would be as much.
    #[inline]
    pub(super) fn note(&mut self, frame: FrameHeader) -> usize {
        let length = frame.length as usize;
        let cost = match frame.kind {
            Kind::HEADERS | Kind::CONTINUATION => {
                self.level += 1000;
                return FRAME + FIELD * length;
            }
            // Resets are counted by what they end.
            Kind::RST_STREAM | Kind::GOAWAY => 0,
            Kind::DATA if length > 0 || frame.has(flags::END_STREAM) => 0,
            Kind::DATA | Kind::SETTINGS => DEAR,
            _ => 1,
        };
        self.level += cost * 1000;
        FRAME + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(kind: Kind, flags: u8, length: u32) -> FrameHeader {
        FrameHeader { length, kind, flags, stream: 1 }
    }

    /// How many of these frames are taken at once.
    fn taken(frame: FrameHeader) -> usize {
        let mut watch = Watch::new(Time::ZERO);
        let flooded = (1..100_000).find(|_| {
            watch.note(frame);
            watch.is_flooded()
        });
        flooded.unwrap_or(usize::MAX)
    }

    #[test]
    fn floods_end() {
        assert_eq!(taken(frame(Kind::PING, 0, 8)), 1001);
        assert_eq!(taken(frame(Kind(0xfa), 0, 16_000)), 1001);
        assert_eq!(taken(frame(Kind::WINDOW_UPDATE, 0, 4)), 1001);
        assert_eq!(taken(frame(Kind::SETTINGS, 0, 0)), 251);
        assert_eq!(taken(frame(Kind::DATA, 0, 0)), 251);
        assert_eq!(taken(frame(Kind::DATA, 0, 1)), usize::MAX);
        // Unless streams are opened by them.
        assert_eq!(taken(frame(Kind::HEADERS, flags::END_HEADERS, 30)), 1001);
    }

    #[test]
    fn streams_that_are_opened_forgive() {
        let mut watch = Watch::new(Time::ZERO);
        for _ in 0..100_000 {
            watch.note(frame(Kind::HEADERS, flags::END_HEADERS, 30));
            (0..3).for_each(|_| _ = watch.note(frame(Kind::WINDOW_UPDATE, 0, 4)));
            watch.opened();
        }
        assert!(!watch.is_flooded());
    }

    #[test]
    fn frames_and_fields_are_more_work_than_bodies() {
        for (kind, length, work) in [
            (Kind::DATA, 16_384, 256 + 16_384),
            (Kind::PING, 8, 264),
            (Kind::HEADERS, 16_384, 256 + 4 * 16_384),
        ] {
            assert_eq!(Watch::new(Time::ZERO).note(frame(kind, 0, length)), work, "{kind:?}");
        }
    }

    #[test]
    fn heads_count_as_often_as_they_are_too_long() {
        for (size, heads) in [(64 << 10, u64::MAX), (65 << 10, 1001), (6_400 << 10, 11), (64_000 << 10, 2)] {
            let mut watch = Watch::new(Time::ZERO);
            let flooded = (1..10_000).find(|_| {
                watch.count_head(size, 64 << 10);
                watch.is_flooded()
            });
            assert_eq!(flooded.unwrap_or(u64::MAX), heads, "{size}");
        }
    }

    #[test]
    fn what_flows_forgives() {
        let mut watch = Watch::new(Time::ZERO);
        for turn in 1..100_000 {
            // A window update for the stream and one for the connection after each small answer.
            (0..2).for_each(|_| _ = watch.note(frame(Kind::WINDOW_UPDATE, 0, 4)));
            watch.forgive(Time::ZERO, turn * 200);
        }
        assert!(!watch.is_flooded());
        let mut watch = Watch::new(Time::ZERO);
        for turn in 1..10_000 {
            watch.note(frame(Kind::PING, 0, 8));
            // The answers to them.
            watch.forgive(Time::ZERO, turn * 17);
        }
        assert!(watch.is_flooded());
        watch.forgive(Time::ZERO.after(Duration::from_secs(100)), 170_000);
        assert!(!watch.is_flooded(), "time forgives too");
    }
}
