//! Looks at the frames that a client sends before the `h2` crate does: the crate answers control frames one by one, for ever,
//! and does not tell that a header block has begun and not ended.
//!
//! Only the nine bytes before each payload are read. What costs us work and the client little is counted against what it
//! lets us send: an honest client acknowledges, opens windows and asks for round trips while answers flow
//! (CVE-2019-9512, 9513, 9515, 9517 and 9518 are what others do).

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
/// What a client's side begins with (RFC 9113 §3.4).
pub(super) const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What is known of one connection's frames.
pub(super) struct Watch {
    header: [u8; HEADER],
    /// How much of the header has come.
    known: usize,
    /// How much of the preface or a payload is still to come.
    skip: usize,
    /// Thousandths of frames that were not forgiven yet.
    level: u64,
    /// When it was last forgiven by time, and how much had been sent when it was last forgiven by that.
    at: Time,
    sent: u64,
    /// A header block has begun and not ended.
    in_head: bool,
    /// A frame has a length that its kind never has.
    wrong_length: bool,
    /// What came in this turn is work beyond its bytes.
    work: usize,
}

impl Watch {
    pub(super) fn new(now: Time) -> Self {
        let header = [0; HEADER];
        Self {
            header,
            known: 0,
            skip: PREFACE,
            level: 0,
            at: now,
            sent: 0,
            in_head: false,
            wrong_length: false,
            work: 0,
        }
    }

    /// A stream was opened by what came.
    pub(super) fn opened(&mut self) {
        self.level = self.level.saturating_sub(REQUEST * 1000);
    }

    /// The work that came since this was last asked, beyond its bytes, as bytes of a body that would be as much.
    pub(super) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head
    }

    /// Whether a frame has a length that its kind never has (RFC 9113 §4.2). The crate would call it by another name.
    pub(super) fn has_wrong_length(&self) -> bool {
        self.wrong_length
    }

    /// Whether the client has gone too far.
    pub(super) fn is_flooded(&self) -> bool {
        self.level > BURST * 1000
    }

    /// A turn is over: `sent` bytes were sent so far.
    pub(super) fn forgive(&mut self, now: Time, sent: u64) {
        // Milliseconds by frames a second are thousandths of a frame.
        let elapsed = u64::try_from(now.saturating_since(self.at).as_millis()).unwrap_or(u64::MAX);
        let flowed = (sent - self.sent).saturating_mul(1000) / BYTES;
        self.level = self.level.saturating_sub(elapsed.saturating_mul(A_SECOND)).saturating_sub(flowed);
        if elapsed > 0 {
            self.at = now;
        }
        self.sent = sent;
    }

    /// These bytes have come.
    pub(super) fn see(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.known).min(bytes.len());
            if taken == 0 {
                return;
            }
            self.header[self.known..self.known + taken].copy_from_slice(&bytes[..taken]);
            self.known += taken;
            bytes = &bytes[taken..];
            if self.known == HEADER {
                self.known = 0;
                self.note();
            }
        }
    }

    fn note(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.wrong_length |= match kind {
            PRIORITY => self.skip != 5,
            RST_STREAM | WINDOW_UPDATE => self.skip != 4,
            SETTINGS => !self.skip.is_multiple_of(6) || flags & ACK != 0 && self.skip > 0,
            PING => self.skip != 8,
            _ => false,
        };
        self.work += FRAME;
        let cost = match kind {
            HEADERS | CONTINUATION => {
                self.in_head = flags & END_HEADERS == 0;
                self.work += self.skip * (FIELD - 1);
                1
            }
            // Resets are counted by what they end.
            RST_STREAM | GOAWAY => 0,
            DATA if self.skip > 0 || flags & END_STREAM != 0 => 0,
            DATA | SETTINGS => DEAR,
            _ => 1,
        };
        self.level += cost * 1000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let size = (length as u32).to_be_bytes();
        let mut frame = vec![size[1], size[2], size[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + length, 6);
        frame
    }

    /// How many of these frames are taken at once.
    fn taken(frame: &[u8]) -> usize {
        let mut watch = Watch::new(Time::ZERO);
        watch.see(&[0; PREFACE]);
        (1..100_000)
            .find(|_| {
                watch.see(frame);
                watch.is_flooded()
            })
            .unwrap_or(usize::MAX)
    }

    #[test]
    fn floods_end() {
        assert_eq!(taken(&frame(PING, 0, 8)), 1001);
        assert_eq!(taken(&frame(0xfa, 0, 70_000)), 1001);
        assert_eq!(taken(&frame(WINDOW_UPDATE, 0, 4)), 1001);
        assert_eq!(taken(&frame(SETTINGS, 0, 0)), 251);
        assert_eq!(taken(&frame(DATA, 0, 0)), 251);
        assert_eq!(taken(&frame(DATA, 0, 1)), usize::MAX);
        // Unless streams are opened by them.
        assert_eq!(taken(&frame(HEADERS, END_HEADERS, 30)), 1001);
    }

    #[test]
    fn streams_that_are_opened_forgive() {
        let mut watch = Watch::new(Time::ZERO);
        watch.see(&[0; PREFACE]);
        for _ in 0..100_000 {
            watch.see(&frame(HEADERS, END_HEADERS, 30));
            watch.see(&frame(WINDOW_UPDATE, 0, 4).repeat(3));
            watch.opened();
        }
        assert!(!watch.is_flooded());
    }

    #[test]
    fn frames_and_fields_are_more_work_than_bodies() {
        for (kind, length, work) in [(DATA, 16_384, 256), (PING, 8, 256), (HEADERS, 16_384, 256 + 3 * 16_384)]
        {
            let mut watch = Watch::new(Time::ZERO);
            watch.see(&[0; PREFACE]);
            watch.see(&frame(kind, END_HEADERS, length));
            assert_eq!((watch.take_work(), watch.take_work()), (work, 0), "{kind}");
        }
    }

    #[test]
    fn lengths_that_cannot_be() {
        for (kind, flags, length, wrong) in [
            (PING, 0, 8, false),
            (PING, 0, 7, true),
            (SETTINGS, 0, 12, false),
            (SETTINGS, 0, 13, true),
            (SETTINGS, ACK, 6, true),
            (RST_STREAM, 0, 3, true),
            (PRIORITY, 0, 4, true),
            (WINDOW_UPDATE, 0, 5, true),
            (0xfa, 0, 5, false),
        ] {
            let mut watch = Watch::new(Time::ZERO);
            watch.see(&[0; PREFACE]);
            watch.see(&frame(kind, flags, length));
            assert_eq!(watch.has_wrong_length(), wrong, "{kind} {length}");
        }
    }

    #[test]
    fn what_flows_forgives() {
        let mut watch = Watch::new(Time::ZERO);
        watch.see(&[0; PREFACE]);
        for turn in 1..100_000 {
            // A window update for the stream and one for the connection after each small answer.
            watch.see(&frame(WINDOW_UPDATE, 0, 4).repeat(2));
            watch.forgive(Time::ZERO, turn * 200);
        }
        assert!(!watch.is_flooded());
        let mut watch = Watch::new(Time::ZERO);
        watch.see(&[0; PREFACE]);
        for turn in 1..10_000 {
            watch.see(&frame(PING, 0, 8));
            // The answers to them.
            watch.forgive(Time::ZERO, turn * 17);
        }
        assert!(watch.is_flooded());
        watch.forgive(Time::ZERO.after(Duration::from_secs(100)), 170_000);
        assert!(!watch.is_flooded(), "time forgives too");
    }

    #[test]
    fn frames_are_seen_however_they_come() {
        let mut bytes = vec![0; PREFACE];
        for part in [frame(HEADERS, 0, 300), frame(CONTINUATION, 0, 0), frame(PING, 0, 8)] {
            bytes.extend_from_slice(&part);
        }
        for size in [1, 2, 7, 9, 10, 100, 1000] {
            let mut watch = Watch::new(Time::ZERO);
            bytes.chunks(size).for_each(|chunk| watch.see(chunk));
            assert_eq!((watch.level, watch.is_in_head()), (3000, true), "{size}");
            watch.see(&frame(CONTINUATION, END_HEADERS, 5));
            assert!(!watch.is_in_head());
        }
    }
}
