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
            self.bytes = vec![0; SMALL];
        } else if self.is_full {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= std::mem::take(&mut self.start);
            self.grow();
        }
        let mut space = ReadBuf::new(&mut self.bytes[self.end..]);
        ready!(transport.poll_read_into(cx, &mut space))?;
        let length = space.filled().len();
        self.end += length;
        self.is_full = self.end == self.bytes.len();
        Poll::Ready(Ok(length))
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
