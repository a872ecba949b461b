//! A client's side of an exchange over HTTP/1.x.

use super::{Reader, Writer};
use crate::body::{Sink, Source};
use crate::exchange::{Closed, Downstream};
use crate::transport::Transport;
use irongate_message::{BodyLength, ConnectionOption, RequestHead, ResponseHead, Version};
use std::rc::Rc;
use std::task::{Context, Poll};

/// How much of a request's body that nobody read is read and thrown away, so that the connection can go on.
const DRAINED: u64 = 256 << 10;
/// How much of heads may wait for a client, in bytes, when another is read: with that one it is little more than
/// the limit on a head. Several small ones go out by one write.
const HEADS_WAITING: usize = 4 << 10;

/// A client's connection during an exchange.
pub(crate) struct Http1Downstream {
    pub(crate) transport: Rc<Transport>,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    version: Version,
    /// The client waits for a 100 before it sends its body, and none was sent.
    awaits_continue: bool,
    /// The connection may carry another request after this one.
    keep_alive: bool,
    /// The body's length, as the head gives it.
    body: BodyLength,
    /// The answer was begun and not ended: nothing else may follow.
    broken: bool,
    /// The client's requests follow each other quickly.
    is_quick: bool,
}

impl Http1Downstream {
    pub(crate) fn new(transport: Rc<Transport>, reader: Reader, writer: Writer) -> Self {
        Self {
            transport,
            reader,
            writer,
            version: Version::Http11,
            awaits_continue: false,
            keep_alive: false,
            body: BodyLength::Empty,
            broken: false,
            is_quick: false,
        }
    }

    /// Whether the client's requests follow each other quickly.
    pub(crate) fn set_quick(&mut self, is_quick: bool) {
        self.is_quick = is_quick;
    }

    /// The request with this head begins; its `length` bytes have been read.
    pub(crate) fn begin(&mut self, head: &RequestHead, length: usize, keep_alive: bool) {
        self.reader.consume_head(length);
        self.body = head.body();
        self.reader.begin(self.body);
        self.writer.begin_message();
        self.version = head.version();
        self.awaits_continue = head.expects_continue() && self.body != BodyLength::Empty;
        self.keep_alive = head.keep_alive() && keep_alive;
        self.broken = false;
    }

    /// Nothing could be made of what came: the answer will be the last.
    pub(crate) fn begin_refused(&mut self) {
        self.body = BodyLength::UntilClose;
        self.reader.begin(BodyLength::UntilClose);
        self.writer.begin_message();
        self.version = Version::Http11;
        self.awaits_continue = false;
        self.keep_alive = false;
        self.broken = false;
    }

    /// Whether the connection can carry another request now.
    pub(crate) fn can_go_on(&self) -> bool {
        self.keep_alive && !self.broken && self.reader.is_done()
    }

    /// Whether closing now loses nothing: the request was read to its end, and nothing more has come.
    pub(crate) fn is_clean(&self) -> bool {
        self.reader.is_done() && self.reader.buffered().is_empty()
    }

    /// Whether the answer was broken off, so that the connection has to end at once.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Reads what is left of the request's body and drops it. Ready(true) when the connection can go on.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, drained: &mut u64) -> Poll<bool> {
        loop {
            match self.reader.poll_fill(cx) {
                Poll::Ready(Ok(true)) => {
                    let length = self.reader.data().len();
                    self.reader.consume(length);
                    *drained += length as u64;
                    if *drained > DRAINED {
                        return Poll::Ready(false);
                    }
                }
                Poll::Ready(Ok(false)) => return Poll::Ready(true),
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the rest of the request's body is worth reading once we have answered.
    pub(crate) fn is_worth_draining(&self) -> bool {
        let short = match self.body {
            BodyLength::Length(length) => length <= DRAINED,
            BodyLength::Chunked => true,
            BodyLength::Empty | BodyLength::UntilClose => false,
        };
        self.keep_alive && !self.broken && !self.awaits_continue && short
    }
}

impl Downstream for Http1Downstream {
    type Source = Reader;
    type Sink = Writer;

    fn source(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn sink(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn is_hurried(&self) -> bool {
        self.is_quick || self.transport.is_fresh()
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        if !self.reader.is_done() || self.reader.is_full() {
            return Poll::Pending;
        }
        // The request has been read: many that wait for slow origins should not hold a buffer each.
        self.reader.release();
        loop {
            match self.reader.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    // What was pipelined before the end is still served.
                    self.keep_alive &= !self.reader.buffered().is_empty();
                    return Poll::Ready(Closed::Half);
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Closed::Gone),
                Poll::Ready(Ok(_)) if self.reader.is_full() => return Poll::Pending,
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn end_after(&mut self) {
        self.keep_alive = false;
    }

    fn end_after_long_body(&mut self) {
        if !self.reader.is_done() && !self.is_worth_draining() {
            self.keep_alive = false;
        }
    }

    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.writer.unsent() <= HEADS_WAITING {
            return Poll::Ready(());
        }
        match self.writer.poll_flush(cx) {
            Poll::Pending if self.writer.unsent() > HEADS_WAITING => Poll::Pending,
            // A client that is gone is noticed by whoever writes to it next.
            _ => Poll::Ready(()),
        }
    }

    fn interim(&mut self, head: &ResponseHead) {
        if head.status() == 100 {
            if !std::mem::take(&mut self.awaits_continue) {
                return;
            }
        } else if self.version < Version::Http11 {
            return;
        }
        head.write_http1(self.version, BodyLength::Empty, ConnectionOption::KeepAlive, self.writer.waiting());
    }

    fn start(&mut self, head: &ResponseHead) {
        let framing = match head.body() {
            BodyLength::Chunked | BodyLength::UntilClose if self.version >= Version::Http11 => {
                BodyLength::Chunked
            }
            BodyLength::Chunked | BodyLength::UntilClose => {
                self.keep_alive = false;
                BodyLength::UntilClose
            }
            known => known,
        };
        // A client that waits for a 100 may send its body or not: unless it has, what comes next could be either.
        let close = !self.keep_alive || (self.awaits_continue && !self.reader.is_done());
        self.keep_alive = !close;
        let option = if close { ConnectionOption::Close } else { ConnectionOption::KeepAlive };
        head.write_http1(self.version, framing, option, self.writer.waiting());
        self.writer.begin(framing);
        if close {
            self.writer.end_connection();
        }
    }

    fn start_tunnel(&mut self, head: &ResponseHead) {
        head.write_http1(self.version, BodyLength::Empty, ConnectionOption::Upgrade, self.writer.waiting());
        self.writer.begin_tunnel();
        self.reader.begin(BodyLength::UntilClose);
        self.keep_alive = false;
    }

    fn break_off(&mut self) {
        self.keep_alive = false;
        self.broken = true;
        // What is framed by a length or in chunks is seen to be cut off, and a plain close loses nothing of what
        // was sent. Where only the end of the stream ends the answer a clean end would look whole; and a client that
        // takes no bytes must not hold the kernel's.
        if self.writer.is_self_delimited() && self.writer.is_flushed() && !self.writer.is_blocked() {
            return;
        }
        self.transport.reset_on_drop();
    }
}

impl Drop for Http1Downstream {
    /// The exchange may have been ended half-way, by a stop or a panic: an answer that is delimited by the end of the
    /// stream must not look whole then.
    fn drop(&mut self) {
        if self.writer.is_cut_off() {
            self.transport.reset_on_drop();
        }
    }
}
