//! A network in memory, for a proxy on a single-threaded runtime with a paused clock.
//!
//! [`pair`] gives the two ends of a connection; [`Network`] lets one side listen at addresses and the other
//! connect to them. What a socket may do, a test can bring about: reads and writes of few bytes
//! ([`Stream::set_read_size`], [`Stream::set_write_size`]), a full buffer, half-close (`shutdown`, or
//! [`Stream::finish`]), reset ([`Stream::reset`], which also discards what was not read yet, as a real one does),
//! refused and endless connects.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes one direction holds by default before a writer has to wait.
pub const CAPACITY: usize = 64 << 10;

/// The two ends of a connection that holds at most `capacity` bytes in each direction.
#[must_use]
pub fn pair(capacity: usize) -> (Stream, Stream) {
    let (there, back) = (Direction::new(capacity), Direction::new(capacity));
    let near = Stream { incoming: back.clone(), outgoing: there.clone() };
    (near, Stream { incoming: there, outgoing: back })
}

/// One direction of a connection.
struct Direction {
    bytes: VecDeque<u8>,
    capacity: usize,
    read_size: usize,
    write_size: usize,
    /// The writer will send no more.
    finished: bool,
    /// Either end has reset the connection.
    reset: bool,
    /// The reader is gone: writing fails, as after a socket's close.
    abandoned: bool,
    /// Every byte ever written.
    history: Vec<u8>,
    /// How many reads found something, and how many writes took something.
    reads: usize,
    writes: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn new(capacity: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            bytes: VecDeque::new(),
            capacity,
            read_size: usize::MAX,
            write_size: usize::MAX,
            finished: false,
            reset: false,
            abandoned: false,
            history: Vec::new(),
            reads: 0,
            writes: 0,
            reader: None,
            writer: None,
        }))
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        if self.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let length = self.bytes.len().min(self.read_size).min(buffer.remaining());
        if length == 0 && !self.finished && buffer.remaining() > 0 {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if length > 0 {
            self.reads += 1;
            let taken: Vec<u8> = self.bytes.drain(..length).collect();
            buffer.put_slice(&taken);
            if let Some(writer) = self.writer.take() {
                writer.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if self.reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if self.finished || self.abandoned {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = self.capacity.saturating_sub(self.bytes.len());
        let length = bytes.len().min(self.write_size).min(room);
        if length == 0 && !bytes.is_empty() {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.writes += 1;
        self.bytes.extend(&bytes[..length]);
        self.history.extend_from_slice(&bytes[..length]);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(length))
    }
}

fn lock(direction: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    direction.lock().expect("no holder panics")
}

/// One end of a connection in memory. Dropping it closes it: the other end reads what is left and then the end,
/// and its writes fail.
pub struct Stream {
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
}

impl Stream {
    /// One read of this end gives at most that many bytes from now on; at least 1.
    pub fn set_read_size(&self, bytes: usize) {
        lock(&self.incoming).read_size = bytes.max(1);
    }

    /// One write of this end takes at most that many bytes from now on; at least 1.
    pub fn set_write_size(&self, bytes: usize) {
        lock(&self.outgoing).write_size = bytes.max(1);
    }

    /// One read of the other end gives at most that many bytes from now on; at least 1.
    pub fn set_peer_read_size(&self, bytes: usize) {
        lock(&self.outgoing).read_size = bytes.max(1);
    }

    /// One write of the other end takes at most that many bytes from now on; at least 1.
    pub fn set_peer_write_size(&self, bytes: usize) {
        lock(&self.incoming).write_size = bytes.max(1);
    }

    /// Sends no more; what was written can still be read.
    pub fn finish(&self) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.finished = true;
        outgoing.wake();
    }

    /// Resets the connection: both ends fail from now on, and what was not read yet is lost.
    pub fn reset(&self) {
        for direction in [&self.incoming, &self.outgoing] {
            let mut direction = lock(direction);
            direction.reset = true;
            direction.bytes.clear();
            direction.wake();
        }
    }

    /// Every byte that this end was ever sent, read or not.
    #[must_use]
    pub fn received(&self) -> Vec<u8> {
        lock(&self.incoming).history.clone()
    }

    /// How many bytes wait to be read by this end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.incoming).bytes.len()
    }

    /// How many writes of the other end took bytes: its system calls, on a real socket.
    #[must_use]
    pub fn peer_writes(&self) -> usize {
        lock(&self.incoming).writes
    }

    /// How many reads of the other end gave bytes.
    #[must_use]
    pub fn peer_reads(&self) -> usize {
        lock(&self.outgoing).reads
    }

    /// Whether the other end has half-closed, closed or reset the connection.
    #[must_use]
    pub fn peer_finished(&self) -> bool {
        let incoming = lock(&self.incoming);
        incoming.finished || incoming.reset
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish();
        let mut incoming = lock(&self.incoming);
        incoming.abandoned = true;
        incoming.wake();
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        lock(&self.incoming).read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        lock(&self.outgoing).write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

/// Addresses in memory that can be listened at and connected to. Cheap to clone; clones share everything.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<HashMap<SocketAddr, Place>>>);

enum Place {
    Listening { waiting: VecDeque<Stream>, acceptor: Option<Waker>, capacity: usize },
    Silent,
}

impl Network {
    /// A network without listeners: every connect is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens. Connections hold [`CAPACITY`] bytes in each direction.
    #[must_use]
    pub fn listen(&self, address: SocketAddr) -> Listener {
        self.listen_with(address, CAPACITY)
    }

    /// Listens; connections hold at most `capacity` bytes in each direction.
    #[must_use]
    pub fn listen_with(&self, address: SocketAddr, capacity: usize) -> Listener {
        let place = Place::Listening { waiting: VecDeque::new(), acceptor: None, capacity };
        self.places().insert(address, place);
        Listener { network: self.clone(), address }
    }

    /// Makes connecting to an address never end.
    pub fn silence(&self, address: SocketAddr) {
        self.places().insert(address, Place::Silent);
    }

    /// Connects.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there.
    pub async fn connect(&self, address: SocketAddr) -> Result<Stream> {
        let near = match self.places().get_mut(&address) {
            None => return Err(Error::from(ErrorKind::ConnectionRefused)),
            Some(Place::Silent) => None,
            Some(Place::Listening { waiting, acceptor, capacity }) => {
                let (near, far) = pair(*capacity);
                waiting.push_back(far);
                if let Some(acceptor) = acceptor.take() {
                    acceptor.wake();
                }
                Some(near)
            }
        };
        match near {
            Some(near) => Ok(near),
            None => std::future::pending().await,
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<SocketAddr, Place>> {
        self.0.lock().expect("no holder panics")
    }
}

/// A listener of a [`Network`]. Dropped, it refuses.
pub struct Listener {
    network: Network,
    address: SocketAddr,
}

impl Listener {
    /// The next connection.
    pub async fn accept(&self) -> Stream {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// The next connection, if there is one.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Stream> {
        let mut places = self.network.places();
        let Some(Place::Listening { waiting, acceptor, .. }) = places.get_mut(&self.address) else {
            return Poll::Pending;
        };
        if let Some(stream) = waiting.pop_front() {
            return Poll::Ready(stream);
        }
        *acceptor = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.network.places().remove(&self.address);
    }
}

#[cfg(test)]
mod tests;
