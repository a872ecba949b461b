//! A client's first words, read before it is decided who answers them.

use crate::buffer::{Buffer, BufferPool};
use crate::transport::Transport;
use rustls::server::{Accepted, Acceptor};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What a client may send before its first message is whole, in bytes. Those with post-quantum keys have about 2 KiB.
const MOST: usize = 16 << 10;

/// A whole `ClientHello`, and every byte that has come.
pub(super) struct Hello {
    pub(super) accepted: Accepted,
    /// What was read, from the first byte on.
    pub(super) read: Buffer,
    /// How much of it rustls has seen.
    pub(super) seen: usize,
}

/// Why there is none.
pub(super) enum NoHello {
    /// The connection ended; whether anything had come.
    Closed { begun: bool },
    /// What came is none; with what is said about it.
    Invalid(rustls::Error, Vec<u8>),
}

/// Reads a `ClientHello`.
pub(super) struct HelloReader {
    acceptor: Acceptor,
    read: Buffer,
    seen: usize,
}

impl HelloReader {
    pub(super) fn new(pool: &Rc<BufferPool>) -> Self {
        Self { acceptor: Acceptor::default(), read: Buffer::new(pool), seen: 0 }
    }

    /// Ready when it is whole. Not called again after that.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &Transport,
    ) -> Poll<Result<Hello, NoHello>> {
        loop {
            while self.seen < self.read.data().len() {
                match self.acceptor.read_tls(&mut &self.read.data()[self.seen..]) {
                    Ok(taken) => self.seen += taken,
                    // A message is longer than any may be.
                    Err(_) => return Poll::Ready(Err(too_large())),
                }
                match self.acceptor.accept() {
                    Ok(None) => {}
                    Ok(Some(accepted)) => {
                        let empty = Buffer::new(self.read.pool());
                        let read = std::mem::replace(&mut self.read, empty);
                        return Poll::Ready(Ok(Hello { accepted, read, seen: self.seen }));
                    }
                    Err((error, mut alert)) => {
                        let mut words = Vec::new();
                        let _ = alert.write_all(&mut words);
                        return Poll::Ready(Err(NoHello::Invalid(error, words)));
                    }
                }
            }
            if self.seen >= MOST {
                return Poll::Ready(Err(too_large()));
            }
            // A client that says nothing holds no buffer.
            if self.read.is_empty() && transport.poll_readable(cx).is_pending() {
                return Poll::Pending;
            }
            match ready!(transport.poll_read(cx, self.read.space())) {
                Ok(length) if length > 0 => self.read.filled(length),
                _ => return Poll::Ready(Err(NoHello::Closed { begun: self.seen > 0 })),
            }
        }
    }
}

fn too_large() -> NoHello {
    let error = rustls::Error::InvalidMessage(rustls::InvalidMessage::HandshakePayloadTooLarge);
    NoHello::Invalid(error, Vec::new())
}
