//! From the first byte of a request to the head of its answer.

use super::duplex::{Duplex, Motion};
use super::{Downstream, HeadFailure, Upstream};
use crate::backend::Load;
use crate::body::Sink;
use crate::connection::QUICK;
use crate::failure::Failure;
use irongate_message::ResponseHead;
use irongate_traffic::{Bound, Deadlines, EndpointIndex, Time};
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// For how long nobody looks whether a hurried client is still there. Most answers come sooner, and a look costs about
/// 400 instructions, or two system calls where the runtime has to be told of the client's socket first. The time for
/// which a connection's room is kept, so that its timer need not move for it.
const UNWATCHED: Duration = QUICK;

/// When somebody first looks whether a request that could be sent elsewhere waits in vain, and how often then.
const LOOK: Duration = Duration::from_millis(250);

/// Why there is no answer's head.
#[derive(Clone, Copy)]
pub(super) enum NoHead {
    /// The origin's doing: another may do better.
    Upstream(HeadFailure),
    /// The attempt's own time is over; the request's may not be.
    AttemptTimeout,
    /// Nothing comes from the endpoint any more, and the request can be sent elsewhere.
    Silent,
    /// Nothing can be done about it.
    Final(Failure),
}

/// Interim answers on their way to the client.
#[derive(Default)]
struct Interim {
    /// How many were passed on.
    passed: u64,
    /// Another is read when the client has taken more of those.
    waits_for_client: bool,
}

impl<D: Downstream, U: Upstream> Duplex<'_, '_, D, U> {
    /// Sends the request and reads heads, passing interim ones on, until the final one is in `head`. `tried`: the endpoints
    /// on which it was tried, if it may be sent to another while it waits.
    pub(super) async fn await_head(
        &mut self,
        load: &mut Load,
        head: &mut ResponseHead,
        deadlines: &Deadlines,
        begun: Time,
        tried: Option<&[EndpointIndex]>,
    ) -> Result<(), NoHead> {
        let (mut motion, mut looked) = (Motion::new(begun), false);
        let watched_from = if self.downstream.is_hurried() { begun.after(UNWATCHED) } else { begun };
        let mut interim = Interim::default();
        let mut look_at = if tried.is_some() { begun.after(LOOK) } else { Time::NEVER };
        poll_fn(move |cx| {
            if let Err(failure) = self.send(cx, load, begun) {
                return Poll::Ready(Err(NoHead::Final(failure)));
            }
            if let Poll::Ready(result) = self.poll_heads(cx, head, &mut interim) {
                return Poll::Ready(result);
            }
            // The first look comes right after the attempt began: the clock is not read again for it.
            let now = if looked { self.core.now() } else { begun };
            looked = true;
            motion.note(self.upload.pump.moved + interim.passed, now);
            if let Some(held) = self.held_until(&mut motion, now)
                && held < self.nearest_to_head(deadlines, begun, now).0
            {
                return self.hold(cx, now, held);
            }
            if now < watched_from {
                let (until, _) = deadlines.attempt(begun, self.upload.sent);
                ready!(self.timer.poll(cx, now, until.min(watched_from)));
            }
            if !self.presence.look(cx, self.core, self.downstream) {
                return Poll::Ready(Err(NoHead::Final(Failure::ClientGone)));
            }
            let (until, failure) = match interim.waits_for_client {
                true => self.nearest_to_room(deadlines, motion.at),
                false => self.nearest_to_head(deadlines, begun, motion.at),
            };
            while look_at < until {
                ready!(self.timer.poll(cx, now, look_at));
                if load.is_in_vain(look_at, begun, tried.unwrap_or_default()) && self.replay.is_whole() {
                    return Poll::Ready(Err(NoHead::Silent));
                }
                look_at = look_at.after(LOOK);
            }
            self.timer.poll(cx, now, until).map(|()| Err(failure))
        })
        .await
    }

    /// Sends what can be sent of the request.
    #[inline]
    fn send(&mut self, cx: &mut Context<'_>, load: &mut Load, begun: Time) -> Result<(), Failure> {
        match self.poll_upload(cx) {
            Poll::Ready(Ok(())) => {
                // For a request without a body this is the moment that it began.
                let now = if self.upload.pump.moved == 0 { begun } else { self.core.now() };
                self.upload.sent = Some(now);
                load.sent(now);
                Ok(())
            }
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Pending => Ok(()),
        }
    }

    /// Reads heads, and sends interim ones.
    fn poll_heads(
        &mut self,
        cx: &mut Context<'_>,
        head: &mut ResponseHead,
        interim: &mut Interim,
    ) -> Poll<Result<(), NoHead>> {
        loop {
            interim.waits_for_client = self.downstream.poll_head_room(cx).is_pending();
            if interim.waits_for_client {
                break;
            }
            match self.upstream.poll_head(cx, head) {
                Poll::Ready(Ok(())) if matches!(head.status(), 100 | 102..=199) => {
                    self.downstream.interim(head);
                    interim.passed += 1;
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(NoHead::Upstream(failure))),
                Poll::Pending => break,
            }
        }
        match self.downstream.sink().poll_flush(cx) {
            Poll::Ready(Err(_)) => Poll::Ready(Err(NoHead::Final(Failure::ClientGone))),
            _ => Poll::Pending,
        }
    }

    /// The same where the client has to take earlier heads first: the origin has no part in that wait.
    fn nearest_to_room(&self, deadlines: &Deadlines, moved: Time) -> (Time, NoHead) {
        let bounds = [
            (moved.after(self.timeouts.stalled_write), NoHead::Final(Failure::ClientStalled)),
            (deadlines.request, NoHead::Final(Failure::RequestTimeout)),
        ];
        bounds.into_iter().min_by_key(|(time, _)| *time).unwrap_or(bounds[0])
    }

    /// The nearest bound, and what it means when it is reached.
    fn nearest_to_head(&self, deadlines: &Deadlines, begun: Time, moved: Time) -> (Time, NoHead) {
        let (until, bound) = deadlines.attempt(begun, self.upload.sent);
        let failure = match bound {
            Bound::Request => NoHead::Final(Failure::RequestTimeout),
            Bound::BackendRequest | Bound::Response => NoHead::AttemptTimeout,
        };
        let (patience, stalled) = if !self.upload.is_going() {
            (self.stream_idle, Failure::AttemptTimeout)
        } else if self.upload.pump.waits_for_sink() {
            (self.timeouts.stalled_write, Failure::UpstreamStalled)
        } else {
            (self.stream_idle, Failure::BodyStalled)
        };
        let bounds = [
            (until, failure),
            (moved.after(patience), NoHead::Final(stalled)),
            (self.presence.until(moved), NoHead::Final(Failure::ClientGone)),
        ];
        bounds.into_iter().min_by_key(|(time, _)| *time).unwrap_or((until, failure))
    }
}
