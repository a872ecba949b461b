//! How fast bodies are passed on: each piece has its time, and whoever moves the body waits for it.
//!
//! Nothing is kept here. What may not go yet stays with its source, which is not read meanwhile.

use super::{BodyFailure, Sink};
use crate::core::Core;
use irongate_message::Fields;
use irongate_telemetry::FlowMetrics;
use irongate_traffic::{ByteBucket, ByteRate, Time};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The paces of a request's body and of its answer's.
#[derive(Default)]
pub(crate) struct Paces {
    pub(crate) request: Option<Pace>,
    pub(crate) response: Option<Pace>,
}

/// How fast one body is passed on.
pub(crate) struct Pace {
    /// Its own rate.
    own: Option<(ByteRate, ByteBucket)>,
    /// The rate that it shares.
    total: Option<(ByteRate, Arc<ByteBucket>)>,
    /// How much may go from `from` on.
    allowance: usize,
    from: Time,
    /// The piece waits.
    is_held: bool,
    metrics: Arc<FlowMetrics>,
}

impl Paces {
    /// When the nearest of the pieces that wait may go; `None` if none does. Those of the request count while it `is_sent`.
    pub(crate) fn held_until(&self, is_sent: bool) -> Option<Time> {
        let request = self.request.as_ref().filter(|_| is_sent);
        let held = request.into_iter().chain(&self.response).filter(|pace| pace.is_held);
        held.map(|pace| pace.from).min()
    }
}

impl Pace {
    /// By a rate of its own, one that is shared, or both.
    pub(crate) fn new(
        own: Option<ByteRate>,
        total: Option<(ByteRate, Arc<ByteBucket>)>,
        metrics: Arc<FlowMetrics>,
    ) -> Self {
        let own = own.map(|rate| (rate, ByteBucket::default()));
        Self { own, total, allowance: 0, from: Time(0), is_held: false, metrics }
    }

    /// A sink that takes what may go.
    pub(crate) fn sink<'a, K>(&'a mut self, core: &'a Core, sink: &'a mut K) -> Paced<'a, K> {
        Paced { pace: self, core, sink }
    }

    /// How much of so many bytes may go now; 0: none before `from`.
    fn allow(&mut self, wanted: usize, core: &Core) -> usize {
        let now = core.now();
        if self.allowance == 0 {
            let rates = self.own.iter().map(|(rate, _)| rate).chain(self.total.iter().map(|(rate, _)| rate));
            let piece = rates.map(ByteRate::piece).min().unwrap_or(u64::MAX).min(wanted as u64);
            let own = self.own.as_ref().map_or(now, |(rate, bucket)| bucket.take(rate, piece, now));
            let total = self.total.as_ref().map_or(now, |(rate, bucket)| bucket.take(rate, piece, now));
            self.allowance = usize::try_from(piece).unwrap_or(usize::MAX);
            self.from = own.max(total);
            if self.from > now {
                self.metrics.held();
            }
        }
        self.is_held = now < self.from;
        if self.is_held { 0 } else { self.allowance.min(wanted) }
    }
}

/// A sink that takes no more than may go.
pub(crate) struct Paced<'a, K> {
    pace: &'a mut Pace,
    core: &'a Core,
    sink: &'a mut K,
}

impl<K: Sink> Sink for Paced<'_, K> {
    /// `Pending` while a piece is held back, too: [`Paces::held_until`] then tells when to come again.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
        let allowed = self.pace.allow(data.len(), self.core);
        if allowed == 0 {
            // What went before is not to wait with it.
            ready!(self.sink.poll_flush(cx))?;
            return Poll::Pending;
        }
        let taken = ready!(self.sink.poll_write(cx, &data[..allowed]))?;
        self.pace.allowance -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        self.sink.poll_flush(cx)
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>> {
        self.sink.poll_finish(cx, trailers)
    }
}
