//! Plain bytes both ways, until both directions have ended.

use super::duplex::Motion;
use crate::body::{Pump, PumpFailure};
use crate::core::Core;
use crate::failure::Failure;
use crate::timer::Timer;
use irongate_config::Timeouts;
use irongate_traffic::Time;
use std::task::{Context, Poll};

/// One of the directions.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// From the client to the origin.
    Up,
    /// From the origin to the client.
    Down,
}

/// The two directions of a tunnel.
///
/// Each ends by itself: an end is passed on, and the other direction goes on. What one side does not take it keeps the
/// other from sending.
#[derive(Default)]
pub(crate) struct Tunnel {
    /// From the client to the origin.
    upload: Pump,
    /// From the origin to the client.
    download: Pump,
    /// The origin takes no more; what it sent is still passed on.
    refused: bool,
    motion: Option<Motion>,
}

impl Tunnel {
    /// Moves what can be moved; `step` does so in one direction. Ready when both have ended, or something stands
    /// in the way: what that is, tells the failure.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        (core, timer, timeouts): (&Core, &Timer, &Timeouts),
        mut step: impl FnMut(&mut Context<'_>, Way, &mut Pump) -> Poll<Result<(), PumpFailure>>,
    ) -> Poll<Result<(), Failure>> {
        if !self.upload.is_done() && !self.refused {
            match step(cx, Way::Up, &mut self.upload) {
                Poll::Ready(Err(PumpFailure::Source(failure))) => {
                    return Poll::Ready(Err(Failure::of_request_body(failure)));
                }
                Poll::Ready(Err(PumpFailure::TooLong)) => return Poll::Ready(Err(Failure::BodyTooLarge)),
                Poll::Ready(Err(PumpFailure::Sink(_))) => self.refused = true,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        if !self.download.is_done() {
            match step(cx, Way::Down, &mut self.download) {
                Poll::Ready(Err(PumpFailure::Source(failure))) => {
                    return Poll::Ready(Err(Failure::of_answer_body(failure)));
                }
                Poll::Ready(Err(PumpFailure::TooLong)) => {
                    return Poll::Ready(Err(Failure::AnswerBroken("answer_too_long")));
                }
                Poll::Ready(Err(PumpFailure::Sink(_))) => return Poll::Ready(Err(Failure::ClientGone)),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        if self.download.is_done() && (self.upload.is_done() || self.refused) {
            return Poll::Ready(Ok(()));
        }
        let now = core.now();
        let motion = self.motion.get_or_insert_with(|| Motion::new(now));
        motion.note(self.upload.moved + self.download.moved, now);
        let moved = motion.at;
        let (until, failure) = self.nearest(timeouts, moved);
        timer.poll(cx, now, until).map(|()| Err(failure))
    }

    /// The client's bytes and the origin's, as far as they were passed on.
    pub(crate) fn into_pumps(self) -> (Pump, Pump) {
        (self.upload, self.download)
    }

    /// How much of the origin's was passed on, in bytes.
    pub(crate) fn downloaded(&self) -> u64 {
        self.download.moved
    }

    /// Whether the client has ended its direction.
    pub(crate) fn client_has_ended(&self) -> bool {
        self.upload.is_done()
    }

    /// The nearest bound, and what it means when it is reached.
    fn nearest(&self, timeouts: &Timeouts, moved: Time) -> (Time, Failure) {
        let (patience, failure) = if self.download.waits_for_sink() {
            (timeouts.stalled_write, Failure::ClientStalled)
        } else if !self.refused && self.upload.waits_for_sink() {
            (timeouts.stalled_write, Failure::UpstreamStalled)
        } else {
            (timeouts.tunnel_idle, Failure::TunnelIdle)
        };
        (moved.after(patience), failure)
    }
}
