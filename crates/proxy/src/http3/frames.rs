//! The frames of a stream (RFC 9114 §7.1), taken apart as their bytes come. Nothing of a frame is kept here but its head.

use bytes::{Buf, Bytes};

const DATA: u64 = 0x0;
const HEADERS: u64 = 0x1;

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A head of this length begins, or trailers.
    Head(u64),
    /// Bytes of it.
    HeadPiece(Bytes),
    /// Bytes of a body; never empty.
    Data(Bytes),
}

/// What breaks the rules, or our bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// A frame that has no place on a stream of a request (RFC 9114 §7.2), or not there.
    Unexpected,
    /// A head longer than any that is taken.
    HeadTooLong,
    /// The stream ends within a frame (RFC 9114 §7.1).
    Cut,
}

/// Where a stream is in its frames.
pub(super) struct Frames {
    next: NextFrame,
    /// What the frame that has begun holds, and how much of it is still to come.
    inside: Inside,
    left: u64,
    /// The longest head that is taken, in bytes on the wire.
    longest_head: u64,
    /// Frames that carried nothing, since they were last asked for.
    idle: u32,
}

#[derive(Clone, Copy)]
enum Inside {
    Head,
    Data,
    Ignored,
}

impl Frames {
    pub(super) fn new(longest_head: u64) -> Self {
        Self { next: NextFrame::default(), inside: Inside::Ignored, left: 0, longest_head, idle: 0 }
    }

    /// The next part of `bytes`, which came after all that was given before. `None`: all are taken.
    pub(super) fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Part>, Violation> {
        while !bytes.is_empty() {
            if self.left == 0 {
                if let Some(length) = self.read_head(bytes)? {
                    return Ok(Some(Part::Head(length)));
                }
                continue;
            }
            let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= length as u64;
            let piece = bytes.split_to(length);
            match self.inside {
                Inside::Head => return Ok(Some(Part::HeadPiece(piece))),
                Inside::Data => return Ok(Some(Part::Data(piece))),
                Inside::Ignored => {}
            }
        }
        Ok(None)
    }

    /// Whether the stream may end here.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.next.is_empty()
    }

    /// How many frames came that carried nothing, since this was last asked.
    pub(super) fn take_idle(&mut self) -> u32 {
        std::mem::take(&mut self.idle)
    }

    /// Reads the head of a frame; gives the length of what is a message's head.
    fn read_head(&mut self, bytes: &mut Bytes) -> Result<Option<u64>, Violation> {
        let Some((kind, length)) = self.next.read(bytes) else { return Ok(None) };
        self.begin(kind, length)
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<Option<u64>, Violation> {
        self.left = length;
        match kind {
            HEADERS if length > self.longest_head => Err(Violation::HeadTooLong),
            HEADERS => {
                self.inside = Inside::Head;
                Ok(Some(length))
            }
            DATA => {
                self.inside = Inside::Data;
                self.idle += u32::from(length == 0);
                Ok(None)
            }
            // Those of other streams, and those of HTTP/2 that have no meaning here (RFC 9114 §7.2, §11.2.1).
            0x2..=0x9 | 0xd => Err(Violation::Unexpected),
            _ => {
                self.inside = Inside::Ignored;
                self.idle += 1;
                Ok(None)
            }
        }
    }
}

/// The head of the next frame, as far as it has come: its kind and its length, two integers of up to 8 bytes each.
#[derive(Default)]
struct NextFrame {
    bytes: [u8; 16],
    have: usize,
}

impl NextFrame {
    fn is_empty(&self) -> bool {
        self.have == 0
    }

    /// Takes bytes until the head is whole; gives the kind and the length then.
    fn read(&mut self, bytes: &mut Bytes) -> Option<(u64, u64)> {
        while bytes.has_remaining() {
            self.bytes[self.have] = bytes.get_u8();
            self.have += 1;
            let Some((kind, rest)) = integer(&self.bytes[..self.have]) else { continue };
            let Some((length, _)) = integer(rest) else { continue };
            self.have = 0;
            return Some((kind, length));
        }
        None
    }
}

/// The longest frame that is taken on a control stream, in bytes: `h3` keeps one until it is whole.
const LONGEST_OF_CONTROL: u64 = 4 << 10;
/// The kind of the stream that control frames come on (RFC 9114 §6.2.1).
const CONTROL_STREAM: u8 = 0x0;

/// Looks at a client's control stream as it comes. Streams of other kinds `h3` does not read.
#[derive(Default)]
pub(super) struct ControlFrames {
    /// The first byte has come, and says whether this is the control stream.
    is_control: Option<bool>,
    next: NextFrame,
    left: u64,
}

impl ControlFrames {
    /// Takes note of the next bytes; gives how many frames began.
    ///
    /// # Errors
    /// A frame is longer than any that is taken.
    pub(super) fn look(&mut self, bytes: &Bytes) -> Result<u32, Violation> {
        let mut bytes = bytes.clone();
        let mut count = 0;
        if self.is_control.is_none() && bytes.has_remaining() {
            self.is_control = Some(bytes.get_u8() == CONTROL_STREAM);
        }
        while self.is_control == Some(true) && bytes.has_remaining() {
            if self.left > 0 {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                bytes.advance(length);
                self.left -= length as u64;
            } else if let Some((_, length)) = self.next.read(&mut bytes) {
                if length > LONGEST_OF_CONTROL {
                    return Err(Violation::HeadTooLong);
                }
                self.left = length;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// The integer that begins `bytes`, and what follows it (RFC 9000 §16). `None`: it is not whole.
fn integer(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (&first, _) = bytes.split_first()?;
    let (own, rest) = bytes.split_at_checked(1 << (first >> 6))?;
    let value = own.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    Some((value & (u64::MAX >> 2 >> (64 - 8 * own.len())), rest))
}

/// The head of a frame of data of this length.
pub(super) fn write_data_head(length: usize, into: &mut impl bytes::BufMut) {
    into.put_u8(DATA as u8);
    write_integer(length as u64, into);
}

/// The head of a frame that holds a message's head of this length.
pub(super) fn write_headers_head(length: u64, into: &mut impl bytes::BufMut) {
    into.put_u8(HEADERS as u8);
    write_integer(length, into);
}

fn write_integer(value: u64, into: &mut impl bytes::BufMut) {
    match value {
        0..=0x3f => into.put_u8(value as u8),
        0x40..=0x3fff => into.put_u16(value as u16 | 0x4000),
        0x4000..=0x3fff_ffff => into.put_u32(value as u32 | 0x8000_0000),
        // Larger ones than can be written are not made: lengths are of what is in memory.
        _ => into.put_u64(value | 0xc000_0000_0000_0000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of `bytes`, given in pieces of `size`; pieces of one frame are joined.
    fn parts(bytes: &[u8], size: usize) -> Result<(Vec<Part>, Frames), Violation> {
        let mut frames = Frames::new(100);
        let mut parts: Vec<Part> = Vec::new();
        for piece in bytes.chunks(size) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(part) = frames.next(&mut piece)? {
                match (parts.last_mut(), part) {
                    (Some(Part::Data(last)), Part::Data(more)) => *last = [&last[..], &more].concat().into(),
                    (Some(Part::HeadPiece(last)), Part::HeadPiece(more)) => {
                        *last = [&last[..], &more].concat().into();
                    }
                    (_, part) => parts.push(part),
                }
            }
        }
        Ok((parts, frames))
    }

    fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind];
        write_integer(body.len() as u64, &mut frame);
        frame.extend_from_slice(body);
        frame
    }

    #[test]
    fn frames_are_found_wherever_the_bytes_are_cut() {
        let bytes =
            [frame(1, b"head"), frame(0x21, b"grease"), frame(0, &[b'a'; 300]), frame(0, b"")].concat();
        for size in 1..bytes.len() {
            let (parts, mut frames) = parts(&bytes, size).expect("no rule is broken");
            let expected = [
                Part::Head(4),
                Part::HeadPiece(Bytes::from_static(b"head")),
                Part::Data(vec![b'a'; 300].into()),
            ];
            assert_eq!(parts, expected, "in pieces of {size}");
            assert!(frames.is_between());
            assert_eq!((frames.take_idle(), frames.take_idle()), (2, 0));
        }
    }

    #[test]
    fn what_has_no_place_is_refused() {
        for kind in [2, 3, 4, 5, 6, 7, 8, 9, 0xd] {
            assert_eq!(parts(&frame(kind, b""), 9).err(), Some(Violation::Unexpected), "{kind}");
        }
        assert_eq!(parts(&frame(1, &[0; 101]), 9).err(), Some(Violation::HeadTooLong));
        // A head that only says that it is long is refused before it has come.
        assert_eq!(
            parts(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 9).err(),
            Some(Violation::HeadTooLong)
        );
    }

    #[test]
    fn a_stream_that_ends_within_a_frame_shows() {
        for bytes in [&frame(0, b"abc")[..4], &[0], &[0x40]] {
            let (_, frames) = parts(bytes, 1).expect("no rule is broken yet");
            assert!(!frames.is_between(), "{bytes:?}");
        }
    }

    #[test]
    fn control_frames_are_counted_and_long_ones_refused() {
        let bytes = [&[0][..], &frame(4, &[1, 2]), &frame(0x21, &[0; 100]), &frame(0x21, b"")].concat();
        for size in 1..bytes.len() {
            let mut frames = ControlFrames::default();
            let counts = bytes.chunks(size).map(|piece| frames.look(&Bytes::copy_from_slice(piece)));
            assert_eq!(counts.sum::<Result<u32, _>>(), Ok(3), "in pieces of {size}");
        }
        let long = Bytes::from_static(&[0, 4, 0x80, 0xff, 0xff, 0xff]);
        assert_eq!(ControlFrames::default().look(&long), Err(Violation::HeadTooLong));
        let of_another_kind = Bytes::from_static(&[2, 4, 0x80, 0xff, 0xff, 0xff]);
        assert_eq!(ControlFrames::default().look(&of_another_kind), Ok(0));
    }

    #[test]
    fn integers_are_read_as_written() {
        for value in [0, 63, 64, 16383, 16384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1] {
            let mut bytes = Vec::new();
            write_integer(value, &mut bytes);
            assert_eq!(integer(&bytes), Some((value, &[][..])));
            assert_eq!(integer(&bytes[..bytes.len() - 1]), None);
        }
    }
}
