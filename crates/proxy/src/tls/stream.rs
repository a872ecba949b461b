//! A stream of bytes over TLS: rustls between us and a stream below.
//!
//! It keeps the contract of the stream below: what a write took has gone to the kernel. rustls encrypts what it is given
//! at once, so what it was given and the kernel did not take yet stays with it, and the caller, who offers the same bytes
//! again, is told then that they were taken ([`Session::credit`]).
//!
//! Few bytes are read from the socket straight into rustls's buffer of 4 KiB, which is all the memory that an idle
//! connection keeps. Where they fill it more is coming, and as much as there is is read at once into a buffer of ours.

mod below;

use super::ClientPlan;
use crate::buffer::{Buffer, BufferPool};
use crate::transport::Transport;
use below::{Nothing, Receiving, Sending};
use rustls::{Connection, ProtocolVersion};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::ReadBuf;

/// An answer of up to so many bytes is one record.
const SMALL: usize = 4 << 10;
/// At the beginning of a longer one records are small too, so that the client can decrypt what has come before all of
/// it has: a new connection takes about ten segments in the first round trip.
const FIRST: usize = 16 << 10;
/// What the largest record holds (RFC 8446 §5.1).
const LARGE: usize = 16 << 10;
/// What is encrypted before the kernel has taken it.
const MOST: usize = 64 << 10;
/// What rustls reads at once by itself.
const OWN_READ: usize = 4 << 10;

/// A stream over TLS.
pub(crate) struct TlsStream {
    below: Transport,
    /// By what it was begun, with an instance of a backend.
    plan: Option<Arc<ClientPlan>>,
    /// The connection will be reset: nothing more is said.
    silent: Cell<bool>,
    session: RefCell<Session>,
}

struct Session {
    connection: Connection,
    /// Read from the stream below, and not seen by rustls.
    incoming: Buffer,
    /// Much comes at a time.
    much: bool,
    /// Bytes that were encrypted, and that the caller has not been told were taken.
    credit: usize,
    /// Bytes written since something was last read.
    written: usize,
    /// Something came that was no TLS, or could not be accepted.
    broken: Option<rustls::Error>,
    /// What is offered next is the last.
    ending: bool,
    /// We have said that we send no more.
    ended: bool,
}

impl TlsStream {
    /// `incoming` was read from the stream below already.
    pub(crate) fn new(
        below: Transport,
        mut connection: Connection,
        pool: &Rc<BufferPool>,
        incoming: Option<Buffer>,
    ) -> Self {
        // What it holds is bounded here.
        connection.set_buffer_limit(None);
        let incoming = incoming.unwrap_or_else(|| Buffer::new(pool));
        let session = Session {
            connection,
            incoming,
            much: false,
            credit: 0,
            written: 0,
            broken: None,
            ending: false,
            ended: false,
        };
        Self { below, plan: None, silent: Cell::new(false), session: RefCell::new(session) }
    }

    /// The same where the peer is an instance of a backend.
    pub(crate) fn with_plan(mut self, plan: Arc<ClientPlan>) -> Self {
        self.plan = Some(plan);
        self
    }

    /// By what it was begun, with an instance of a backend.
    pub(crate) fn plan(&self) -> Option<&Arc<ClientPlan>> {
        self.plan.as_ref()
    }

    /// Goes on with the handshake. What rustls says last is not sent before there is something to send with it, but where the
    /// peer waits for it: with TLS 1.2 a server has the last word of a full handshake (RFC 5246 §7.3).
    ///
    /// # Errors
    /// What is wrong with what the peer sent; `None`: the connection ended.
    pub(crate) fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<Result<(), Option<rustls::Error>>> {
        let session = &mut *self.session.borrow_mut();
        while session.connection.is_handshaking() {
            if session.incoming.is_empty() {
                let sent = session.poll_send(cx, &self.below);
                if let Poll::Ready(Err(_)) = sent {
                    return Poll::Ready(Err(None));
                }
            }
            match ready!(session.poll_more(cx, &self.below)) {
                Ok(true) => {}
                Ok(false) | Err(_) => return Poll::Ready(Err(session.broken.clone())),
            }
        }
        if let Connection::Server(connection) = &session.connection
            && connection.protocol_version() == Some(ProtocolVersion::TLSv1_2)
            && ready!(session.poll_send(cx, &self.below)).is_err()
        {
            return Poll::Ready(Err(None));
        }
        Poll::Ready(Ok(()))
    }

    /// Sends our part of the handshake; ready when the peer has said something to it, or is gone.
    pub(crate) fn poll_answer(&self, cx: &mut Context<'_>) -> Poll<()> {
        let session = &mut *self.session.borrow_mut();
        if !session.incoming.is_empty() || matches!(session.poll_send(cx, &self.below), Poll::Ready(Err(_))) {
            return Poll::Ready(());
        }
        self.below.poll_readable(cx)
    }

    /// Looks at what was agreed on.
    pub(crate) fn with_connection<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.session.borrow().connection)
    }

    /// What the peer said that was wrong, or what it found wrong with us.
    pub(crate) fn failure(&self) -> Option<rustls::Error> {
        self.session.borrow().broken.clone()
    }

    /// Sends what rustls has to say by itself.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.borrow_mut().poll_send(cx, &self.below)
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        let session = &mut *self.session.borrow_mut();
        loop {
            match session.connection.reader().read(space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    session.written = 0;
                    return Poll::Ready(result);
                }
            }
            ready!(session.poll_more(cx, &self.below))?;
        }
    }

    pub(crate) fn poll_read_into(
        &self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let session = &mut *self.session.borrow_mut();
        loop {
            let mut reader = session.connection.reader();
            match reader.fill_buf() {
                Ok(plain) => {
                    let length = plain.len().min(into.remaining());
                    into.put_slice(&plain[..length]);
                    reader.consume(length);
                    session.written = 0;
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(session.poll_more(cx, &self.below))?;
        }
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let session = &mut *self.session.borrow_mut();
        if session.has_plain() || !session.incoming.is_empty() || session.broken.is_some() {
            return Poll::Ready(());
        }
        ready!(self.below.poll_readable(cx));
        Poll::Ready(())
    }

    /// Takes what has come of the protocol itself, such as tickets, and says whether there was nothing else.
    pub(crate) fn is_quiet(&self) -> bool {
        let session = &mut *self.session.borrow_mut();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if session.has_plain() || session.broken.is_some() {
                return false;
            }
            if session.incoming.is_empty() && self.below.is_quiet() {
                return true;
            }
            match session.poll_more(&mut cx, &self.below) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false) | Err(_)) => return false,
                Poll::Pending => return true,
            }
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let session = &mut *self.session.borrow_mut();
        if session.credit == 0 {
            session.encrypt(parts)?;
        }
        ready!(session.poll_send(cx, &self.below))?;
        let offered = parts.iter().map(|part| part.len()).sum();
        let taken = session.credit.min(offered);
        session.credit -= taken;
        Poll::Ready(Ok(taken))
    }

    /// With all of what is offered next it is said that we send no more.
    pub(crate) fn end_with_next(&self) {
        self.session.borrow_mut().ending = true;
    }

    /// Says that we send no more, and ends our direction of the stream below.
    pub(crate) fn shutdown(&self) {
        self.session.borrow_mut().end(&self.below);
        self.below.shutdown();
    }

    pub(crate) fn reset_on_drop(&self) {
        self.silent.set(true);
        self.below.reset_on_drop();
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        // Without this word the peer could not tell an end from a cut (RFC 8446 §6.1).
        if !self.silent.get() && !std::thread::panicking() {
            self.session.get_mut().end(&self.below);
        }
    }
}

impl Session {
    /// Whether something could be read without anything from the stream below.
    fn has_plain(&mut self) -> bool {
        // An end counts.
        !matches!(self.connection.reader().fill_buf(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Takes more from the peer. `Ready(Ok(false))`: there will be no more.
    fn poll_more(&mut self, cx: &mut Context<'_>, below: &Transport) -> Poll<io::Result<bool>> {
        if let Some(error) = &self.broken {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())));
        }
        if self.incoming.is_empty() && self.much {
            ready!(self.poll_receive(cx, below))?;
        }
        let taken = if self.incoming.is_empty() {
            let mut socket = Receiving { below, cx, asked: 0 };
            match self.connection.read_tls(&mut socket) {
                Ok(length) => {
                    self.much = length >= OWN_READ && length == socket.asked;
                    length
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        } else {
            let taken = self.connection.read_tls(&mut self.incoming.data())?;
            self.incoming.consume(taken);
            self.incoming.adapt();
            taken
        };
        if let Err(error) = self.connection.process_new_packets() {
            self.broken = Some(error.clone());
            // The alert, as far as that needs no waiting.
            let _ = self.poll_send(cx, below);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(taken > 0))
    }

    /// Reads as much as there is into our own buffer.
    fn poll_receive(&mut self, cx: &mut Context<'_>, below: &Transport) -> Poll<io::Result<()>> {
        if below.poll_readable(cx).is_pending() {
            self.rest();
            return Poll::Pending;
        }
        let length = ready!(below.poll_read(cx, self.incoming.space()))?;
        self.incoming.filled(length);
        // The end is left to rustls to see: it reads it again.
        self.much = length > OWN_READ;
        Poll::Ready(Ok(()))
    }

    /// Gives memory back until more comes.
    fn rest(&mut self) {
        self.much = false;
        self.incoming.release();
        // Its buffer, which may have held a large record, is made small again where it asks for more.
        let _ = self.connection.read_tls(&mut Nothing);
    }

    /// Encrypts of what is offered as much as may wait.
    fn encrypt(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        if self.ended || self.broken.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let offered: usize = parts.iter().map(|part| part.len()).sum();
        let wanted = offered.min(MOST);
        while self.credit < wanted {
            let record = if offered <= SMALL || self.written < FIRST { SMALL } else { LARGE };
            let piece = cut(parts, self.credit, record.min(wanted - self.credit));
            let taken = self.connection.writer().write_vectored(&piece)?;
            if taken == 0 {
                break;
            }
            self.credit += taken;
            self.written += taken;
        }
        if self.ending && self.credit == offered {
            self.ended = true;
            self.connection.send_close_notify();
        }
        Ok(())
    }

    /// Sends what waits.
    fn poll_send(&mut self, cx: &mut Context<'_>, below: &Transport) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Sending { below, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says that we send no more, as far as that needs no waiting.
    fn end(&mut self, below: &Transport) {
        if self.ended || self.broken.is_some() || self.connection.is_handshaking() {
            return;
        }
        self.ended = true;
        self.connection.send_close_notify();
        let _ = self.poll_send(&mut Context::from_waker(Waker::noop()), below);
    }
}

/// So many bytes of the parts from an offset on.
fn cut<'a>(parts: &'a [IoSlice<'_>], mut offset: usize, mut length: usize) -> SmallVec<[IoSlice<'a>; 2]> {
    let mut pieces = SmallVec::new();
    for part in parts {
        if offset >= part.len() {
            offset -= part.len();
            continue;
        }
        let end = part.len().min(offset + length);
        pieces.push(IoSlice::new(&part[offset..end]));
        length -= end - offset;
        offset = 0;
        if length == 0 {
            break;
        }
    }
    pieces
}
