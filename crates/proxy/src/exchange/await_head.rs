//! From the first byte of a request to the head of its answer.

use super::{Downstream, HeadFailure, Presence, Upstream};
use crate::backend::Load;
use crate::body::{Pump, PumpFailure, Replay, Sink};
use crate::core::Core;
use crate::failure::Failure;
use crate::timer::Timer;
use irongate_config::Timeouts;
use irongate_message::ResponseHead;
use irongate_traffic::{Bound, Deadlines, Time};
use std::future::poll_fn;
use std::task::Poll;

/// Why there is no answer's head.
#[derive(Clone, Copy)]
pub(super) enum NoHead {
    /// The origin's doing: another may do better.
    Upstream(HeadFailure),
    /// The attempt's own time is over; the request's may not be.
    AttemptTimeout,
    /// Nothing can be done about it.
    Final(Failure),
}

/// The request's body on its way to the origin.
pub(super) struct Upload {
    pub(super) pump: Pump,
    /// The origin takes no more of it; it may have answered all the same.
    pub(super) refused: bool,
    /// When all of it had been sent.
    pub(super) sent: Option<Time>,
}

/// When something last moved.
#[derive(Clone, Copy)]
pub(super) struct Motion {
    moved: u64,
    pub(super) at: Time,
}

impl Motion {
    pub(super) fn new(now: Time) -> Self {
        Self { moved: 0, at: now }
    }

    /// Takes note of how much has moved in all.
    pub(super) fn note(&mut self, moved: u64, now: Time) {
        if moved != self.moved {
            *self = Self { moved, at: now };
        }
    }
}

/// What an attempt is bounded by.
pub(super) struct Bounds<'a> {
    pub(super) deadlines: &'a Deadlines,
    pub(super) timeouts: &'a Timeouts,
    pub(super) begun: Time,
}

impl Upload {
    pub(super) fn new() -> Self {
        Self { pump: Pump::default(), refused: false, sent: None }
    }

    /// Whether more of the body is to be sent.
    pub(super) fn is_going(&self) -> bool {
        !self.refused && !self.pump.is_done()
    }
}

/// Sends the request and reads heads, passing interim ones on, until the final one is in `head`.
#[expect(clippy::too_many_arguments, reason = "the parts of an exchange, borrowed apart from each other")]
pub(super) async fn await_head<D: Downstream, U: Upstream>(
    core: &Core,
    timer: &Timer,
    downstream: &mut D,
    upstream: &mut U,
    upload: &mut Upload,
    replay: &mut Replay,
    load: &mut Load,
    head: &mut ResponseHead,
    bounds: &Bounds<'_>,
) -> Result<(), NoHead> {
    let mut motion = Motion::new(bounds.begun);
    let mut looked = false;
    let mut presence = Presence::default();
    poll_fn(|cx| {
        if upload.is_going() {
            match upload.pump.poll(cx, &mut replay.source(downstream.source()), upstream.sink()) {
                Poll::Ready(Ok(())) => {
                    // For a request without a body this is the moment that it began.
                    let now = if upload.pump.moved == 0 { bounds.begun } else { core.now() };
                    upload.sent = Some(now);
                    load.sent(now);
                }
                Poll::Ready(Err(PumpFailure::Source(failure))) => {
                    return Poll::Ready(Err(NoHead::Final(Failure::of_request_body(failure))));
                }
                Poll::Ready(Err(PumpFailure::Sink(_))) => upload.refused = true,
                Poll::Pending => {}
            }
        }
        loop {
            match upstream.poll_head(cx, head) {
                Poll::Ready(Ok(())) if matches!(head.status(), 100 | 102..=199) => downstream.interim(head),
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(NoHead::Upstream(failure))),
                Poll::Pending => break,
            }
        }
        let client_failed = matches!(downstream.sink().poll_flush(cx), Poll::Ready(Err(_)));
        if client_failed || !presence.look(cx, core, downstream) {
            return Poll::Ready(Err(NoHead::Final(Failure::ClientGone)));
        }
        // The first look comes right after the attempt began: the clock is not read again for it.
        let now = if looked { core.now() } else { bounds.begun };
        looked = true;
        motion.note(upload.pump.moved, now);
        let (mut until, mut failure) = nearest(bounds, upload, motion.at);
        let left = presence.until(motion.at);
        if left < until {
            (until, failure) = (left, NoHead::Final(Failure::ClientGone));
        }
        timer.poll(cx, now, until).map(|()| Err(failure))
    })
    .await
}

/// The nearest bound, and what it means when it is reached.
fn nearest(bounds: &Bounds<'_>, upload: &Upload, moved: Time) -> (Time, NoHead) {
    let (until, bound) = bounds.deadlines.attempt(bounds.begun, upload.sent);
    let failure = match bound {
        Bound::Request => NoHead::Final(Failure::RequestTimeout),
        Bound::BackendRequest | Bound::Response => NoHead::AttemptTimeout,
    };
    let (patience, stalled) = if !upload.is_going() {
        (bounds.timeouts.stream_idle, Failure::AttemptTimeout)
    } else if upload.pump.waits_for_sink() {
        (bounds.timeouts.stalled_write, Failure::UpstreamStalled)
    } else {
        (bounds.timeouts.stream_idle, Failure::BodyStalled)
    };
    let idle = moved.after(patience);
    if idle < until { (idle, NoHead::Final(stalled)) } else { (until, failure) }
}
