//! Bodies on their way: where they come from, where they go, and the one loop that moves them.
//!
//! A [`Source`] and a [`Sink`] are polled by the task that owns the exchange. Each protocol version gives one of
//! each; [`Pump`] is written once for all of them. Bytes stay in the source's buffer until the sink took them, so
//! a sink that does not keep up stops the reading: that is all of the back pressure.

mod coder;
mod pace;
mod replay;
mod stored;

pub(crate) use coder::{Coder, Room};
pub(crate) use pace::{Pace, Paces};
pub(crate) use replay::Replay;
pub(crate) use stored::Stored;

use irongate_message::Fields;
use std::task::{Context, Poll, ready};

/// Why a body did not come or could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    /// The peer closed or reset the connection.
    Closed,
    /// The peer reset the stream, with this code (RFC 9113 §7).
    Reset(u32),
    /// The peer ended the body before its end.
    Truncated,
    /// The framing is broken; the reason is a stable token.
    Malformed(&'static str),
}

/// Where a body comes from.
pub(crate) trait Source {
    /// `Ready(Ok(true))`: [`data`](Source::data) is not empty. `Ready(Ok(false))`: the body has ended well.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>>;

    /// What has come and was not consumed.
    fn data(&self) -> &[u8];

    /// [`data`](Source::data) cannot go on for now. What comes behind it may be brought into a form that costs less to hold.
    fn rest(&mut self, _: &mut Context<'_>) {}

    /// The first `length` bytes of [`data`](Source::data) are done with.
    fn consume(&mut self, length: usize);

    /// The trailers, once, after the end.
    fn take_trailers(&mut self) -> Option<Fields>;

    /// Whether the end was reached.
    fn is_done(&self) -> bool;
}

/// Where a body goes.
pub(crate) trait Sink {
    /// Takes some of `data`; what is taken may wait in the sink until a flush. May wait for the peer.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>>;

    /// Sends what waits in the sink.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFailure>>;

    /// Ends the body well and sends everything. Called again after `Pending`, with the same trailers.
    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        trailers: Option<&Fields>,
    ) -> Poll<Result<(), BodyFailure>>;
}

/// Bytes that one pump moves before it lets others have the core.
const TURN: usize = 1 << 20;
/// What a piece counts at least: a chunk of one byte is as much work as copying some hundred bytes.
const PIECE: usize = 256;

/// Which side a pump failed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PumpFailure {
    Source(BodyFailure),
    Sink(BodyFailure),
    /// The body is longer than [`Pump::most`].
    TooLong,
}

/// Moves one body from a source to a sink.
#[derive(Default)]
pub(crate) struct Pump {
    /// Bytes of body moved.
    pub(crate) moved: u64,
    /// Bytes that may be moved; what would come to more fails.
    pub(crate) most: Option<u64>,
    /// Boxed, since few bodies have any and every request has pumps.
    trailers: Option<Box<Fields>>,
    state: PumpState,
    waits_for_sink: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum PumpState {
    #[default]
    Moving,
    Finishing,
    Done,
}

impl Pump {
    /// For a body of so many bytes at most.
    pub(crate) fn within(most: Option<u64>) -> Self {
        Self { most, ..Self::default() }
    }

    /// Whether everything has been moved and sent.
    pub(crate) fn is_done(&self) -> bool {
        self.state == PumpState::Done
    }

    /// What came behind the body, once it was moved.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_deref()
    }

    /// When it waits: whether for the sink to take bytes, and not for the source to give some.
    pub(crate) fn waits_for_sink(&self) -> bool {
        self.waits_for_sink && !self.is_done()
    }

    /// Whether so many bytes more would be too many.
    fn has_no_room(&self, length: usize) -> bool {
        self.most.is_some_and(|most| self.moved + length as u64 > most)
    }

    /// Moves what can be moved. `Pending`: one of the two is waited for, and the task will be woken.
    pub(crate) fn poll<S: Source, K: Sink>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        sink: &mut K,
    ) -> Poll<Result<(), PumpFailure>> {
        // A fast pair must not keep the core for itself: this much a turn, then the others.
        let mut allowance = TURN;
        self.waits_for_sink = true;
        while self.state == PumpState::Moving {
            match source.poll_fill(cx) {
                Poll::Ready(Ok(true)) => {
                    if self.has_no_room(source.data().len()) {
                        return Poll::Ready(Err(PumpFailure::TooLong));
                    }
                    let Poll::Ready(taken) = sink.poll_write(cx, source.data()).map_err(PumpFailure::Sink)?
                    else {
                        source.rest(cx);
                        return Poll::Pending;
                    };
                    source.consume(taken);
                    self.moved += taken as u64;
                    allowance = allowance.saturating_sub(taken.max(PIECE));
                    if allowance == 0 {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Ok(false)) => {
                    self.trailers = source.take_trailers().map(Box::new);
                    self.state = PumpState::Finishing;
                }
                Poll::Ready(Err(failure)) => {
                    // What came before goes on its way, as far as that needs no waiting.
                    let _ = sink.poll_flush(cx);
                    return Poll::Ready(Err(PumpFailure::Source(failure)));
                }
                Poll::Pending => {
                    let flushed = sink.poll_flush(cx);
                    self.waits_for_sink = flushed.is_pending();
                    ready!(flushed).map_err(PumpFailure::Sink)?;
                    return Poll::Pending;
                }
            }
        }
        if self.state == PumpState::Finishing {
            ready!(sink.poll_finish(cx, self.trailers.as_deref())).map_err(PumpFailure::Sink)?;
            self.state = PumpState::Done;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// An endless body that comes a byte at a time, as one of tiny chunks does.
    #[derive(Default)]
    struct Drip {
        asked: usize,
    }

    impl Source for Drip {
        fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
            self.asked += 1;
            Poll::Ready(Ok(true))
        }

        fn data(&self) -> &[u8] {
            b"a"
        }

        fn consume(&mut self, _: usize) {}

        fn take_trailers(&mut self) -> Option<Fields> {
            None
        }

        fn is_done(&self) -> bool {
            false
        }
    }

    struct Drain;

    impl Sink for Drain {
        fn poll_write(&mut self, _: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, BodyFailure>> {
            Poll::Ready(Ok(data.len()))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
            Poll::Ready(Ok(()))
        }

        fn poll_finish(&mut self, _: &mut Context<'_>, _: Option<&Fields>) -> Poll<Result<(), BodyFailure>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn tiny_pieces_do_not_keep_the_core() {
        let (mut pump, mut source) = (Pump::default(), Drip::default());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pump.poll(&mut cx, &mut source, &mut Drain).is_pending());
        assert_eq!(source.asked, TURN / PIECE);
    }
}
