//! What a client sends, cut into frames.

use crate::transport::Transport;
use irongate_message::http2::frame::{DEFAULT_FRAME, ErrorCode, FrameHeader, HEADER, PREFACE};
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// How large the buffer is at first, and where more comes than fits: the largest frame, and as much behind it.
const SMALL: usize = 8 << 10;
const LARGE: usize = 32 << 10;

const _: () = assert!(LARGE > DEFAULT_FRAME + HEADER, "every frame fits");

/// The bytes that have come and were not looked at. There is memory only while some come.
pub(super) struct Input {
    /// All of it was written to before.
    bytes: Vec<u8>,
    /// Where in `bytes` begins what was not looked at, and where it ends.
    start: usize,
    end: usize,
    /// The last read left no room behind it.
    is_full: bool,
    /// How much of the preface has come.
    preface: usize,
}

impl Input {
    /// `start` is what has come already, with the preface.
    pub(super) fn new(start: Vec<u8>) -> Self {
        Self { end: start.len(), bytes: start, start: 0, is_full: true, preface: 0 }
    }

    /// Whether the preface has come.
    pub(super) fn has_begun(&self) -> bool {
        self.preface == PREFACE.len()
    }

    /// The next whole frame; `None`: more has to come.
    ///
    /// # Errors
    /// What comes is no preface, or a frame is longer than we take (RFC 9113 3.4, 4.2).
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(FrameHeader, &[u8])>, ErrorCode> {
        if !self.has_begun() && !self.take_preface()? {
            return Ok(None);
        }
        let Some((header, rest)) = self.bytes[self.start..self.end].split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let header = FrameHeader::parse(header);
        let length = header.length as usize;
        if length > DEFAULT_FRAME {
            return Err(ErrorCode::FRAME_SIZE_ERROR);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        self.start += HEADER + length;
        Ok(Some((header, payload)))
    }

    #[cold]
    fn take_preface(&mut self) -> Result<bool, ErrorCode> {
        let wanted = &PREFACE[self.preface..];
        let length = wanted.len().min(self.end - self.start);
        if self.bytes[self.start..self.start + length] != wanted[..length] {
            return Err(ErrorCode::PROTOCOL_ERROR);
        }
        self.start += length;
        self.preface += length;
        Ok(self.has_begun())
    }

    /// Reads what there is; gives how many bytes. 0: the client has ended.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<io::Result<usize>> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.bytes.is_empty() {
            ready!(transport.poll_readable(cx));
        }
        let mut space = ReadBuf::new(self.space());
        ready!(transport.poll_read_into(cx, &mut space))?;
        let length = space.filled().len();
        self.add(length);
        Poll::Ready(Ok(length))
    }

    /// Where to read to: never empty once all whole frames were taken.
    #[inline]
    fn space(&mut self) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = vec![0; SMALL];
        } else if self.is_full {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= std::mem::take(&mut self.start);
            self.grow();
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were read to there.
    #[inline]
    fn add(&mut self, length: usize) {
        self.end += length;
        self.is_full = self.end == self.bytes.len();
    }

    /// More comes at once than fits.
    fn grow(&mut self) {
        if self.bytes.len() < LARGE {
            self.bytes.reserve_exact(LARGE - self.bytes.len());
            self.bytes.resize(LARGE, 0);
        }
    }

    /// Whether it holds memory that could be given back.
    pub(super) fn holds_memory(&self) -> bool {
        !self.bytes.is_empty() && self.start == self.end
    }

    /// Gives its memory back, if nothing is in it.
    pub(super) fn release(&mut self) {
        if self.start == self.end {
            self.bytes = Vec::new();
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use irongate_message::http2::frame::Kind;

    fn frame(length: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        FrameHeader { length, kind: Kind::DATA, flags: 0, stream: 1 }.write(&mut bytes);
        bytes.resize(HEADER + length as usize, length as u8);
        bytes
    }

    /// Reads `bytes`, at most `most` at once; gives the lengths of the frames.
    fn read(input: &mut Input, mut bytes: &[u8], most: usize) -> Result<Vec<u32>, ErrorCode> {
        let mut lengths = Vec::new();
        loop {
            while let Some((header, payload)) = input.next()? {
                assert!(payload.iter().all(|byte| *byte == header.length as u8), "what was sent");
                lengths.push(header.length);
            }
            if bytes.is_empty() {
                return Ok(lengths);
            }
            let space = input.space();
            assert!(!space.is_empty(), "there is always room for the rest of a frame");
            let length = space.len().min(bytes.len()).min(most);
            let (now, later) = bytes.split_at(length);
            space[..length].copy_from_slice(now);
            bytes = later;
            input.add(length);
        }
    }

    #[test]
    fn frames_are_the_same_however_they_come() {
        let lengths = [0, 1, 8, 300, 16_384, 0, 8_192, 16_384, 16_384, 5];
        let bytes = [PREFACE.to_vec(), lengths.map(frame).concat()].concat();
        for most in [1, 2, 7, 9, 23, 24, 25, 1_000, 8_191, 8_192, 8_193, 16_393, usize::MAX] {
            for start in [0, 1, 24, 40, 9_000, 40_000, bytes.len()] {
                let mut input = Input::new(bytes[..start].to_vec());
                let read = read(&mut input, &bytes[start..], most);
                assert_eq!(read.as_deref(), Ok(&lengths[..]), "{most} at once, {start} before");
                assert!(input.bytes.len() <= LARGE.max(start));
            }
        }
    }

    #[test]
    fn room_grows_where_more_comes_than_fits() {
        let mut input = Input::new(PREFACE.to_vec());
        assert_eq!(read(&mut input, &frame(100), usize::MAX), Ok(vec![100]));
        input.release();
        for (length, most, room) in [(100, usize::MAX, SMALL), (16_384, 100, LARGE), (16_384, 9_000, LARGE)] {
            assert_eq!(read(&mut input, &frame(length), most), Ok(vec![length]));
            assert_eq!(input.bytes.len(), room, "{length} in pieces of {most}");
        }
        assert!(input.holds_memory());
        input.release();
        assert_eq!((input.bytes.capacity(), input.holds_memory()), (0, false));
    }

    #[test]
    fn what_has_not_come_whole_is_kept() {
        let mut input = Input::new(PREFACE.to_vec());
        let bytes = frame(9);
        assert_eq!(read(&mut input, &bytes[..12], usize::MAX), Ok(vec![]));
        input.release();
        assert!(!input.holds_memory(), "none that could be given back");
        assert_eq!(read(&mut input, &bytes[12..], usize::MAX), Ok(vec![9]));
    }

    #[test]
    fn other_protocols_and_long_frames_are_refused() {
        let long = [PREFACE, &frame(16_385)[..HEADER]].concat();
        for (bytes, code) in [
            (&b"GET / HTTP/1.1\r\n"[..], ErrorCode::PROTOCOL_ERROR),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r ", ErrorCode::PROTOCOL_ERROR),
            (&long, ErrorCode::FRAME_SIZE_ERROR),
        ] {
            for most in [1, usize::MAX] {
                assert_eq!(read(&mut Input::new(Vec::new()), bytes, most), Err(code), "{bytes:?}");
            }
        }
    }
}
