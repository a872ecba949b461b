//! An origin's side of an exchange over HTTP/1.1.

use super::{Reader, Writer};
use crate::body::BodyFailure;
use crate::buffer::Size;
use crate::core::Core;
use crate::exchange::{HeadFailure, Upstream};
use crate::failure::Failure;
use crate::share::Share;
use crate::tls;
use crate::transport::Transport;
use irongate_message::{BodyLength, HeadLimits, HeadParser, Method, Parsed, RequestHead, ResponseHead};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Interim answers before the final one; more than any origin has reason to send.
const INTERIM: u32 = 64;

/// An origin's connection during an exchange.
pub(crate) struct Http1Upstream {
    transport: Rc<Transport>,
    reader: Reader,
    writer: Writer,
    parser: HeadParser,
    limits: HeadLimits,
    method: Method,
    interim: u32,
    /// The origin lets the connection be used again after this answer.
    keep_alive: bool,
    /// Any byte of an answer has come.
    answered: bool,
}

impl Http1Upstream {
    /// Takes a connection for one request, and writes its head. `size`: how large the buffer for its answer begins;
    /// `share`: what that has to share with others.
    pub(crate) fn begin(
        core: &Core,
        transport: Rc<Transport>,
        head: &RequestHead,
        limits: HeadLimits,
        size: Size,
        share: Option<Rc<Share>>,
    ) -> Self {
        let mut writer = Writer::new(transport.clone(), core.take_memory());
        let framing = head.body();
        head.write_http1(framing, writer.waiting());
        writer.begin(framing);
        let mut reader = Reader::new(transport.clone(), &core.buffers);
        reader.start_with(size, share);
        Self {
            reader,
            writer,
            transport,
            parser: HeadParser::new(),
            limits,
            method: head.method(),
            interim: 0,
            keep_alive: false,
            answered: false,
        }
    }

    /// The size that the answer's buffer has grown to.
    pub(crate) fn buffer_size(&self) -> Size {
        self.reader.buffer_size()
    }

    /// What TLS has to do with it that the connection ended.
    pub(crate) fn tls_failure(&self) -> Option<Failure> {
        let error = self.transport.tls()?.failure()?;
        Some(Failure::Tls(tls::backend_reason(Some(&error))))
    }

    /// Ends the exchange. Gives the connection back if it can carry another request.
    pub(crate) fn end(&mut self, core: &Core, request_is_whole: bool) -> Option<Rc<Transport>> {
        let reusable = self.keep_alive
            && request_is_whole
            && self.writer.is_flushed()
            && crate::body::Source::is_done(&self.reader)
            && self.reader.buffered().is_empty();
        core.give_memory(self.writer.take_memory());
        reusable.then(|| self.transport.clone())
    }
}

impl Upstream for Http1Upstream {
    type Source = Reader;
    type Sink = Writer;

    fn source(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn sink(&mut self) -> &mut Writer {
        &mut self.writer
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), HeadFailure>> {
        loop {
            if !self.reader.buffered().is_empty() {
                let parsed = self.parser.response(self.reader.buffered(), &self.limits, self.method, head);
                match parsed.map_err(|error| HeadFailure::Malformed(error.reason()))? {
                    Parsed::Head { length } => {
                        self.reader.consume_head(length);
                        self.parser.reset();
                        if matches!(head.status(), 100 | 102..=199) {
                            self.interim += 1;
                            if self.interim > INTERIM {
                                return Poll::Ready(Err(HeadFailure::Malformed("too_many_interim_answers")));
                            }
                        } else {
                            self.keep_alive = head.keep_alive();
                            self.reader.begin(head.body());
                        }
                        return Poll::Ready(Ok(()));
                    }
                    Parsed::Partial => {}
                    Parsed::Http2Preface => return Poll::Ready(Err(HeadFailure::Malformed("status_line"))),
                }
            }
            match ready!(self.reader.poll_read(cx)) {
                Ok(0) | Err(BodyFailure::Closed | BodyFailure::Reset(_) | BodyFailure::Truncated)
                    if self.answered =>
                {
                    return Poll::Ready(Err(HeadFailure::Malformed("truncated_head")));
                }
                Ok(0) | Err(BodyFailure::Closed | BodyFailure::Reset(_) | BodyFailure::Truncated) => {
                    return Poll::Ready(Err(HeadFailure::Closed));
                }
                Err(BodyFailure::Malformed(reason)) => {
                    return Poll::Ready(Err(HeadFailure::Malformed(reason)));
                }
                Ok(_) => self.answered = true,
            }
        }
    }

    fn has_sent(&self) -> bool {
        self.writer.has_sent()
    }

    fn begin_tunnel(&mut self) {
        self.reader.begin(BodyLength::UntilClose);
        self.writer.begin_tunnel();
        self.keep_alive = false;
    }
}
