//! A stream of bytes to a peer, polled through a shared reference.
//!
//! Reading and writing take `&self`, so that both directions of an exchange can be moved by one task at once
//! without splitting the stream. One closed enum in place of a type parameter: the message engine is compiled
//! once, and a branch a poll costs about a nanosecond. TLS is one of its variants, over another stream.

#[cfg(feature = "memory")]
mod memory;

#[cfg(feature = "memory")]
pub use memory::{MemoryStream, pair as memory_pair};

use crate::tls::TlsStream;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A connected stream.
pub(crate) struct Transport {
    stream: Stream,
}

enum Stream {
    Tcp(RefCell<TcpStream>),
    Tls(Box<TlsStream>),
    #[cfg(feature = "memory")]
    Memory(MemoryStream),
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self { stream: Stream::Tcp(RefCell::new(stream)) }
    }
}

impl From<TlsStream> for Transport {
    fn from(stream: TlsStream) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)) }
    }
}

#[cfg(feature = "memory")]
impl From<MemoryStream> for Transport {
    fn from(stream: MemoryStream) -> Self {
        Self { stream: Stream::Memory(stream) }
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
            Stream::Tcp(stream) => {
                let (stream, asked) = (&*stream.borrow(), space.len());
                poll_io(cx, stream, Interest::READABLE, asked, || {
                    Ok(rustix::net::recv(stream, &mut *space, RecvFlags::empty())?.1)
                })
            }
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
            Stream::Tcp(stream) => Pin::new(&mut *stream.borrow_mut()).poll_read(cx, into),
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
        mut look: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) => {
                let stream = &*stream.borrow();
                let mut take = || {
                    let seen = rustix::net::recv(stream, &mut *space, RecvFlags::PEEK)?.1;
                    match look(&space[..seen]) {
                        Some(length) => {
                            Ok(rustix::net::recv(stream, &mut space[..length], RecvFlags::empty())?.1)
                        }
                        None if seen == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
                        None => Err(io::ErrorKind::WouldBlock.into()),
                    }
                };
                loop {
                    match stream.try_io(Interest::READABLE, &mut take) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        taken => return Poll::Ready(taken.map(|_| ())),
                    }
                    if is_read_closed(stream) {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    ready!(stream.poll_read_ready(cx))?;
                }
            }
            // What is looked at comes before TLS.
            Stream::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_take(cx, space, look),
        }
    }

    /// Our address of it, where it has one.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.borrow().local_addr().ok(),
            Stream::Tls(_) => None,
            #[cfg(feature = "memory")]
            Stream::Memory(_) => None,
        }
    }

    /// Ready when a read would probably not wait: bytes, the end, or an error have come.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.stream {
            Stream::Tcp(stream) => {
                let stream = stream.borrow();
                if is_readable(&stream) { Poll::Ready(()) } else { stream.poll_read_ready(cx).map(|_| ()) }
            }
            Stream::Tls(stream) => stream.poll_readable(cx),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_readable(cx),
        }
    }

    /// Whether nothing has come from the peer, as far as is known without a system call. An idle origin
    /// connection that is not quiet was closed, or has spoken out of turn.
    pub(crate) fn is_quiet(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => !is_readable(&stream.borrow()),
            Stream::Tls(stream) => stream.is_quiet(),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.poll_readable(&Context::from_waker(Waker::noop())).is_pending(),
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &self.stream {
            Stream::Tcp(stream) => {
                let stream = &*stream.borrow();
                poll_io(cx, stream, Interest::WRITABLE, bytes.len(), || {
                    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
                })
            }
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
            Stream::Tcp(stream) => {
                let stream = &*stream.borrow();
                let asked = parts.iter().map(|part| part.len()).sum();
                poll_io(cx, stream, Interest::WRITABLE, asked, || Ok(rustix::io::writev(stream, parts)?))
            }
            Stream::Tls(stream) => stream.poll_write(cx, parts),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => {
                stream.poll_write(cx, parts.iter().find(|part| !part.is_empty()).map_or(&[], |part| part))
            }
        }
    }

    /// Ends our direction; the peer's may go on.
    pub(crate) fn shutdown(&self) {
        match &self.stream {
            Stream::Tcp(stream) => {
                // Failing means that the peer is gone already.
                let _ = rustix::net::shutdown(&*stream.borrow(), Shutdown::Write);
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
                let _ = socket2::SockRef::from(&*stream.borrow()).set_linger(Some(std::time::Duration::ZERO));
            }
            Stream::Tls(stream) => stream.reset_on_drop(),
            #[cfg(feature = "memory")]
            Stream::Memory(stream) => stream.reset(),
        }
    }
}

/// Does what `operation` does once the stream is ready for it. When it moved less than was `asked` for, the kernel has
/// no more to give or to take: the next one waits for it to say otherwise instead of asking in vain.
///
/// The system call is made directly, and the waker is only left behind where there is something to wait for: both
/// together save about 4 % of the instructions of a request beside `AsyncRead` and `AsyncWrite`.
#[inline]
fn poll_io(
    cx: &mut Context<'_>,
    stream: &TcpStream,
    interest: Interest,
    asked: usize,
    mut operation: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        match stream.try_io(interest, &mut operation) {
            Ok(length) => {
                if (1..asked).contains(&length) {
                    let _ = stream.try_io(interest, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                }
                return Poll::Ready(Ok(length));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Poll::Ready(Err(error)),
        }
        ready!(match interest.is_readable() {
            true => stream.poll_read_ready(cx),
            false => stream.poll_write_ready(cx),
        })?;
    }
}

/// Whether the peer is known to have ended its direction: what has come is all that will.
fn is_read_closed(stream: &TcpStream) -> bool {
    let mut ready = std::pin::pin!(stream.ready(Interest::READABLE));
    let ready = ready.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Whether the stream is known to have something to read.
#[inline]
fn is_readable(stream: &TcpStream) -> bool {
    stream.try_io(Interest::READABLE, || Ok(())).is_ok()
}
