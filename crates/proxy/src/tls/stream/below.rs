//! The stream below as rustls sees it.

use crate::transport::Transport;
use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll};

/// The stream below, as rustls reads from it.
pub(super) struct Receiving<'a, 'b, 'c> {
    pub(super) below: &'a Transport,
    pub(super) cx: &'b mut Context<'c>,
    /// The room that it had for the last read.
    pub(super) asked: usize,
}

impl Read for Receiving<'_, '_, '_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.asked = space.len();
        match self.below.poll_read(self.cx, space) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// A stream on which nothing comes.
pub(super) struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// The stream below, as rustls writes to it.
pub(super) struct Sending<'a, 'b, 'c> {
    pub(super) below: &'a Transport,
    pub(super) cx: &'b mut Context<'c>,
}

impl Write for Sending<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = match parts {
            [one] => self.below.poll_write(self.cx, one),
            parts => self.below.poll_write_vectored(self.cx, parts),
        };
        match written {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
