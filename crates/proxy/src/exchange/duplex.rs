//! The two sides of an exchange, and what moves between them: the one duplex loop, for every pair of protocol
//! versions. [`await_head`](Duplex::await_head) runs it until the answer's head is there,
//! [`relay`](Duplex::relay) until the answer has ended.

use super::{Closed, Downstream, Upstream};
use crate::body::{Coder, Paces, Pump, PumpFailure, Replay};
use crate::core::Core;
use crate::failure::Failure;
use crate::timer::Timer;
use irongate_config::Timeouts;
use irongate_traffic::Time;
use std::task::{Context, Poll};
use std::time::Duration;

/// Both sides, borrowed for an attempt.
pub(super) struct Duplex<'a, 'c, D, U> {
    pub(super) core: &'a Core,
    pub(super) timer: &'a Timer,
    pub(super) timeouts: &'a Timeouts,
    /// How long nothing may move either way.
    pub(super) stream_idle: Duration,
    pub(super) downstream: &'a mut D,
    pub(super) upstream: &'a mut U,
    pub(super) replay: &'a mut Replay,
    /// What compresses the answer's body, if it is compressed.
    pub(super) coder: Option<&'a mut Coder<'c>>,
    /// How fast the bodies are passed on, where that is bounded.
    pub(super) paces: Option<&'a mut Paces>,
    pub(super) upload: &'a mut Upload,
    pub(super) presence: &'a mut Presence,
}

impl<D: Downstream, U: Upstream> Duplex<'_, '_, D, U> {
    /// When what is held back may go, if that is before anything else happens. It counts as motion: nobody stands still
    /// who is not allowed to go on.
    pub(super) fn held_until(&self, motion: &mut Motion, now: Time) -> Option<Time> {
        let held = self.paces.as_ref()?.held_until(self.upload.is_going())?;
        motion.at = now;
        Some(held)
    }

    /// Waits until what is held back may go: the task is then woken, and moves it.
    pub(super) fn hold<T>(&self, cx: &Context<'_>, now: Time, until: Time) -> Poll<T> {
        if self.timer.poll(cx, now, until).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Moves the request's body. Ready with `Ok` when all of it has just been sent; an error is the client's.
    #[inline]
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // Most requests have been sent whole when their answers are waited for and read.
        if self.upload.is_going() { self.move_upload(cx) } else { Poll::Pending }
    }

    fn move_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let mut source = self.replay.source(self.downstream.source());
        let sink = self.upstream.sink();
        let moved = match self.paces.as_mut().and_then(|paces| paces.request.as_mut()) {
            None => self.upload.pump.poll(cx, &mut source, sink),
            Some(pace) => self.upload.pump.poll(cx, &mut source, &mut pace.sink(self.core, sink)),
        };
        match moved {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpFailure::Source(failure))) => {
                Poll::Ready(Err(Failure::of_request_body(failure)))
            }
            Poll::Ready(Err(PumpFailure::TooLong)) => Poll::Ready(Err(Failure::BodyTooLarge)),
            Poll::Ready(Err(PumpFailure::Sink(_))) => {
                self.upload.refused = true;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The request's body on its way to the origin.
#[derive(Default)]
pub(super) struct Upload {
    pub(super) pump: Pump,
    /// The origin takes no more of it; it may have answered all the same.
    refused: bool,
    /// When all of it had been sent.
    pub(super) sent: Option<Time>,
}

impl Upload {
    /// One of so many bytes at most.
    pub(super) fn within(most: Option<u64>) -> Self {
        Self { pump: Pump::within(most), ..Self::default() }
    }

    /// Whether the origin takes no more of it.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Whether more of the body is to be sent.
    pub(super) fn is_going(&self) -> bool {
        !self.refused && !self.pump.is_done()
    }
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

/// What becomes of a request whose client may have left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Presence {
    #[default]
    There,
    /// It sends no more since then.
    HalfClosed(Time),
}

/// How long a client that sends no more is still worked for while nothing moves. Some half-close after their request and
/// read on; most of those who close are gone, and their requests should not load an origin.
const HALF_CLOSED: Duration = Duration::from_secs(2);

impl Presence {
    /// Looks whether the client is there. False: it is gone.
    pub(super) fn look<D: Downstream>(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        downstream: &mut D,
    ) -> bool {
        if matches!(self, Self::HalfClosed(_)) {
            return true;
        }
        match downstream.poll_closed(cx) {
            Poll::Ready(Closed::Gone) => false,
            Poll::Ready(Closed::Half) => {
                *self = Self::HalfClosed(core.now());
                true
            }
            Poll::Pending => true,
        }
    }

    /// By when something has to move, if the client may have left.
    pub(super) fn until(self, moved: Time) -> Time {
        match self {
            Self::There => Time::NEVER,
            Self::HalfClosed(at) => at.max(moved).after(HALF_CLOSED),
        }
    }
}
