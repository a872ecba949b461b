//! Compression of an answer's body on its way.
//!
//! Between the pump and the client's sink. What the origin sent is at hand for the client when the origin pauses:
//! the pump flushes then, and so does the coder. It takes so much in one turn of the core and no more, and hands
//! over what came of it before it takes more, so that a client that does not keep up stops the reading as ever.

mod encoder;

use super::{BodyFailure, Sink};
use crate::connection::Client;
use encoder::Encoder;
use irongate_config::ContentCoding;
use irongate_message::Fields;
use irongate_telemetry::CompressionMetrics;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What is taken in one turn before others have the core, in bytes: about a millisecond's work at the usual levels.
const TURN: usize = 64 << 10;
/// What is taken at once.
const PIECE: usize = 16 << 10;
/// What a piece counts at least.
const LEAST: usize = 256;

/// What the coders of one core may take together, and those of one connection, in bytes. Answers for which there is no
/// room go as they are.
const MOST_OF_CORE: usize = 64 << 20;
const MOST_OF_CONNECTION: usize = 16 << 20;

/// Compresses one body.
pub(crate) struct Coder<'c> {
    encoder: Encoder,
    /// How much of the encoder's output the client's sink has taken.
    gone: usize,
    /// What may be taken in this turn yet.
    allowance: usize,
    /// Something was taken since the last flush.
    is_dirty: bool,
    taken: u64,
    given: u64,
    metrics: Arc<CompressionMetrics>,
    _room: Room<'c>,
}

impl<'c> Coder<'c> {
    /// How much memory one takes at most, in bytes; `length`: that of the body, if it is known.
    pub(crate) fn memory(coding: ContentCoding, level: u8, length: Option<u64>) -> usize {
        Encoder::memory(coding, level, length)
    }

    /// For a body of that length, if it is known.
    pub(crate) fn new(
        coding: ContentCoding,
        level: u8,
        length: Option<u64>,
        room: Room<'c>,
        metrics: Arc<CompressionMetrics>,
    ) -> Self {
        Self {
            encoder: Encoder::new(coding, level, length),
            gone: 0,
            allowance: TURN,
            is_dirty: false,
            taken: 0,
            given: 0,
            metrics,
            _room: room,
        }
    }

    /// How many bytes were handed over.
    pub(crate) fn given(&self) -> u64 {
        self.given
    }

    /// The body is over, well or not; gives how many bytes were handed over.
    pub(crate) fn record(&self) -> u64 {
        self.metrics.compressed(self.taken, self.given);
        self.given
    }

    /// The client's sink behind this coder.
    pub(crate) fn sink<'a, K>(&'a mut self, sink: &'a mut K) -> Coded<'a, 'c, K> {
        Coded { coder: self, sink }
    }
}

/// A sink that takes the body as it is.
pub(crate) struct Coded<'a, 'c, K> {
    coder: &'a mut Coder<'c>,
    sink: &'a mut K,
}

impl<K: Sink> Coded<'_, '_, K> {
    /// Hands over what the encoder gave.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        let Coder { encoder, gone, given, .. } = &mut *self.coder;
        let output = encoder.output();
        while *gone < output.len() {
            let taken = ready!(self.sink.poll_write(cx, &output[*gone..]))?;
            *gone += taken;
            *given += taken as u64;
        }
        output.clear();
        *gone = 0;
        Poll::Ready(Ok(()))
    }
}

/// An encoder writes into memory, and its parameters are ours: it has no way to fail that is known.
fn failed<E>(_: E) -> BodyFailure {
    BodyFailure::Malformed("compression_failed")
}

impl<K: Sink> Sink for Coded<'_, '_, K> {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        ready!(self.poll_output(cx))?;
        let coder = &mut *self.coder;
        if coder.allowance == 0 {
            coder.allowance = TURN;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = &data[..data.len().min(PIECE)];
        coder.encoder.write(piece).map_err(failed)?;
        coder.allowance = coder.allowance.saturating_sub(piece.len().max(LEAST));
        coder.is_dirty = true;
        coder.taken += piece.len() as u64;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        if std::mem::take(&mut self.coder.is_dirty) {
            self.coder.encoder.flush().map_err(failed)?;
        }
        ready!(self.poll_output(cx))?;
        self.sink.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        self.coder.encoder.finish().map_err(failed)?;
        self.coder.is_dirty = false;
        ready!(self.poll_output(cx))?;
        self.sink.poll_finish(cx, trailers)
    }
}

/// A part of the memory that there is for coders.
pub(crate) struct Room<'c> {
    client: &'c Client,
    bytes: usize,
}

impl<'c> Room<'c> {
    /// Takes so many bytes, if they are there.
    pub(crate) fn take(client: &'c Client, bytes: usize) -> Option<Self> {
        let (of_core, of_connection) = (&client.core.coded, &client.coded);
        if of_core.get() + bytes > MOST_OF_CORE || of_connection.get() + bytes > MOST_OF_CONNECTION {
            return None;
        }
        of_core.set(of_core.get() + bytes);
        of_connection.set(of_connection.get() + bytes);
        Some(Self { client, bytes })
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        for cell in [&self.client.core.coded, &self.client.coded] {
            cell.set(cell.get().saturating_sub(self.bytes));
        }
    }
}
