//! A stream of bytes to a peer, polled through a shared reference.
//!
//! Reading and writing take `&self`, so that both directions of an exchange can be moved by one task at once
//! without splitting the stream. One closed enum in place of a type parameter: the message engine is compiled
//! once, and a branch a poll costs about a nanosecond. TLS is one of its variants, over another stream.

#[cfg(feature = "memory")]
mod memory;
mod tcp;

#[cfg(feature = "memory")]
pub use memory::{MemoryStream, pair as memory_pair};

use crate::backend::Permit;
use crate::tls::TlsStream;
use rustix::net::Shutdown;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};
#[cfg(feature = "memory")]
use std::task::{Waker, ready};
use tcp::Tcp;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// A connected stream.
pub(crate) struct Transport {
    stream: Stream,
    /// Its place among a backend's connections, where these are limited.
    permit: Option<Permit>,
}

enum Stream {
    Tcp(Tcp),
    Tls(Box<TlsStream>),
    #[cfg(feature = "memory")]
    Memory(MemoryStream),
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self { stream: Stream::Tcp(stream.into()), permit: None }
    }
}

impl From<std::net::TcpStream> for Transport {
    /// The socket must not block. The runtime is told of it when there is something to wait for.
    fn from(stream: std::net::TcpStream) -> Self {
        Self { stream: Stream::Tcp(stream.into()), permit: None }
    }
}

impl From<TlsStream> for Transport {
    fn from(stream: TlsStream) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), permit: None }
    }
}

#[cfg(feature = "memory")]
impl From<MemoryStream> for Transport {
    fn from(stream: MemoryStream) -> Self {
        Self { stream: Stream::Memory(stream), permit: None }
    }
}

impl Transport {
    /// Opens a TCP connection, with Nagle's algorithm off. The caller bounds the wait.
    ///
    /// # Errors
    /// What the system says: refused, unreachable, out of file descriptors.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream.into())
    }

    /// Gives its place back when it is dropped.
    pub(crate) fn hold(&mut self, permit: Option<Permit>) {
        self.permit = permit;
    }

    /// The TLS of the stream, if there is any.
    pub(crate) fn tls(&self) -> Option<&TlsStream> {
        match &self.stream {
            Stream::Tls(stream) => Some(stream),
            _ => None,
        }
    }

    /// Reads what there is; `Ready(Ok(0))` is the end. After a read that did not fill `space` the next one waits
    /// for the peer without asking the kernel.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_read(cx, space),
            Stream::Tls(stream) => stream.poll_read(cx, space),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_read(cx, space),
        }
    }

    /// Reads into a buffer that knows how much of it was ever written, so that the rest need not be cleared.
    pub(crate) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_read_into(cx, into),
            Stream::Tls(stream) => stream.poll_read_into(cx, into),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => {
                let length = ready!(stream.poll_read(cx, into.initialize_unfilled()))?;
                into.advance(length);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Looks at what has come without taking it, until `look` says how many of these bytes are to be taken; the rest
    /// stays for [`poll_read`](Self::poll_read). An error if the peer ends before that.
    pub(crate) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        space: &mut [u8],
        look: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_take(cx, space, look),
            // What is looked at comes before TLS.
            Stream::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_take(cx, space, look),
        }
    }

    /// Our address of it, where it has one.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_address(),
            Stream::Tls(_) => None,
            #[cfg(feature = "memory")]
            Stream::Memory(_) => None,
        }
    }

    /// Ready when a read would probably not wait: bytes, the end, or an error have come.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_readable(cx),
            Stream::Tls(stream) => stream.poll_readable(cx),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_readable(cx),
        }
    }

    /// Whether nothing has come from the peer, as far as is known without a system call. An idle origin
    /// connection that is not quiet was closed, or has spoken out of turn.
    pub(crate) fn is_quiet(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_quiet(),
            Stream::Tls(stream) => stream.is_quiet(),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_readable(&Context::from_waker(Waker::noop())).is_pending(),
        }
    }

    /// Whether it was just accepted, and nothing had to be waited for yet: waiting would make the runtime know it.
    pub(crate) fn is_fresh(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.is_fresh(),
            _ => false,
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_write(cx, bytes),
            Stream::Tls(stream) => stream.poll_write(cx, &[IoSlice::new(bytes)]),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_write(cx, bytes),
        }
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.stream {
            Stream::Tcp(stream) => stream.poll_write_vectored(cx, parts),
            Stream::Tls(stream) => stream.poll_write(cx, parts),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => {
                stream.poll_write(cx, parts.iter().find(|part| !part.is_empty()).map_or(&[], |part| part))
            }
        }
    }

    /// The bytes that are offered next are the last: that no more will come is said together with them, where the stream has a
    /// word for it.
    pub(crate) fn end_with_next(&self) {
        if let Stream::Tls(stream) = &self.stream {
            stream.end_with_next();
        }
    }

    /// Ends our direction; the peer's may go on.
    pub(crate) fn shutdown(&self) {
        match &self.stream {
            Stream::Tcp(stream) => {
                // Failing means that the peer is gone already.
                let _ = stream.with(|socket| rustix::net::shutdown(socket, Shutdown::Write));
            }
            Stream::Tls(stream) => stream.shutdown(),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.shutdown(),
        }
    }

    /// Makes the coming drop a reset: the peer sees an error, never a clean end.
    pub(crate) fn reset_on_drop(&self) {
        match &self.stream {
            Stream::Tcp(stream) => {
                // Failing means that the connection is gone already.
                let zero = Some(std::time::Duration::ZERO);
                let _ = stream.with(|socket| socket2::SockRef::from(&socket).set_linger(zero));
            }
            Stream::Tls(stream) => stream.reset_on_drop(),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.reset(),
        }
    }
}
