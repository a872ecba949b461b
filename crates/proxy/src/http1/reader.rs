//! The reading half: a buffer and the framing of the body that is being read.

use crate::body::{BodyFailure, Source};
use crate::buffer::{Buffer, BufferPool, Size};
use crate::share::Share;
use crate::transport::Transport;
use irongate_message::{BodyDecoder, BodyError, BodyLength, Fields, Piece};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// Reads one message after another from a stream.
pub(crate) struct Reader {
    transport: Rc<Transport>,
    buffer: Buffer,
    decoder: BodyDecoder,
    /// Bytes of body at the buffer's start that the decoder has shown.
    available: usize,
}

impl Reader {
    pub(crate) fn new(transport: Rc<Transport>, pool: &Rc<BufferPool>) -> Self {
        let decoder = BodyDecoder::new(BodyLength::Empty);
        Self { transport, buffer: Buffer::new(pool), decoder, available: 0 }
    }

    /// Goes on with what was read of a stream already.
    pub(crate) fn resume(transport: Rc<Transport>, buffer: Buffer) -> Self {
        Self { transport, buffer, decoder: BodyDecoder::new(BodyLength::Empty), available: 0 }
    }

    /// Reads into a buffer of this size when bytes come next, as far as its share allows.
    pub(crate) fn start_with(&mut self, size: Size, share: Option<Rc<Share>>) {
        self.buffer.start_with(size);
        self.buffer.share(share);
    }

    /// The size that the buffer has grown to.
    pub(crate) fn buffer_size(&self) -> Size {
        self.buffer.size()
    }

    /// What was read beyond the last message.
    pub(crate) fn buffered(&self) -> &[u8] {
        self.buffer.data()
    }

    /// Drops what a head took.
    pub(crate) fn consume_head(&mut self, length: usize) {
        self.buffer.consume(length);
    }

    /// A body of this length follows.
    pub(crate) fn begin(&mut self, length: BodyLength) {
        self.decoder = BodyDecoder::new(length);
        self.available = 0;
    }

    /// Gives the buffer back if nothing waits in it.
    pub(crate) fn release(&mut self) {
        self.buffer.release();
    }

    /// Reads more into the buffer; `Ready(Ok(0))` is the end. The buffer grows while a message does not fit, and
    /// stays [full](Reader::is_full) at the largest size. While nothing has come it holds no memory.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, BodyFailure>> {
        if self.buffer.is_empty() && self.transport.poll_readable(cx).is_pending() {
            self.buffer.park();
            return Poll::Pending;
        }
        if self.buffer.is_full() && !self.buffer.grow() {
            return Poll::Ready(Err(BodyFailure::Malformed("too_large")));
        }
        match ready!(self.transport.poll_read(cx, self.buffer.space())) {
            Ok(length) => {
                self.buffer.filled(length);
                Poll::Ready(Ok(length))
            }
            Err(_) => Poll::Ready(Err(BodyFailure::Closed)),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.buffer.is_full()
    }
}

fn failure(error: BodyError) -> BodyFailure {
    match error {
        BodyError::Truncated => BodyFailure::Truncated,
        other => BodyFailure::Malformed(other.reason()),
    }
}

impl Source for Reader {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        loop {
            if self.available > 0 {
                return Poll::Ready(Ok(true));
            }
            if self.decoder.is_done() {
                return Poll::Ready(Ok(false));
            }
            match self.decoder.decode(self.buffer.data()).map_err(failure)? {
                Piece::Data { skip, length } => {
                    self.buffer.consume(skip);
                    self.available = length;
                }
                Piece::End { skip } => {
                    self.buffer.consume(skip);
                    return Poll::Ready(Ok(false));
                }
                Piece::More { skip } => {
                    self.buffer.consume(skip);
                    self.buffer.adapt();
                    if ready!(self.poll_read(cx))? == 0 {
                        self.decoder.end_of_input().map_err(failure)?;
                        return Poll::Ready(Ok(false));
                    }
                }
            }
        }
    }

    fn data(&self) -> &[u8] {
        &self.buffer.data()[..self.available]
    }

    fn consume(&mut self, length: usize) {
        self.buffer.consume(length);
        self.decoder.advance(length);
        self.available -= length;
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        self.decoder.take_trailers()
    }

    fn is_done(&self) -> bool {
        self.available == 0 && self.decoder.is_done()
    }
}
