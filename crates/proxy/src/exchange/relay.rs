//! From the head of an answer to its end, and tunnels.

use super::duplex::{Duplex, Motion};
use super::{Downstream, Tunnel, Upstream, Way};
use crate::body::{Pump, PumpFailure};
use crate::failure::Failure;
use irongate_traffic::Time;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

impl<D: Downstream, U: Upstream> Duplex<'_, '_, D, U> {
    /// Moves the answer's body to the client, and what is left of the request's body to the origin.
    ///
    /// Ends when the answer has ended: a request's body that is still coming then is not wanted any more. The whole request
    /// has to be over `by` a time. Also gives when: `begun`, a reading of the clock just now, if nothing had to be
    /// waited for, as with most small answers.
    pub(super) async fn relay(
        &mut self,
        download: &mut Pump,
        by: Time,
        begun: Time,
    ) -> (Result<(), Failure>, Time) {
        let mut motion = None;
        poll_fn(move |cx| {
            let result = ready!(self.poll_relay(cx, download, by, &mut motion));
            let has_waited = motion.is_some();
            Poll::Ready((result, if has_waited { self.core.now() } else { begun }))
        })
        .await
    }

    /// `motion`: since it had to be waited for something.
    fn poll_relay(
        &mut self,
        cx: &mut Context<'_>,
        download: &mut Pump,
        by: Time,
        motion: &mut Option<Motion>,
    ) -> Poll<Result<(), Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_upload(cx) {
            return Poll::Ready(Err(failure));
        }
        match self.poll_download(cx, download) {
            Poll::Ready(result) => return Poll::Ready(result),
            Poll::Pending => {
                // While its body is read, the body tells whether the client is there.
                let silent = !self.upload.is_going();
                if silent && !self.presence.look(cx, self.core, self.downstream) {
                    return Poll::Ready(Err(Failure::ClientGone));
                }
            }
        }
        let now = self.core.now();
        let motion = motion.get_or_insert_with(|| Motion::new(now));
        // What a coder took may be on its way to the client for long.
        let given = self.coder.as_ref().map_or(0, |coder| coder.given());
        motion.note(self.upload.pump.moved + download.moved + given, now);
        let held = self.held_until(motion, now);
        let (until, failure) = self.nearest_to_end(download, by, motion.at);
        if let Some(held) = held.filter(|held| *held < until) {
            return self.hold(cx, now, held);
        }
        self.timer.poll(cx, now, until).map(|()| Err(failure))
    }

    /// Moves plain bytes both ways, until both directions have ended. Gives what was moved of the origin's by `download`, and
    /// when it ended.
    pub(super) async fn tunnel(&mut self, download: &mut Pump) -> (Result<(), Failure>, Time) {
        let mut tunnel = Tunnel::default();
        let bounds = (self.core, self.timer, self.timeouts);
        let result = poll_fn(|cx| {
            tunnel.poll(cx, bounds, |cx, way, pump| match way {
                Way::Up => {
                    pump.poll(cx, &mut self.replay.source(self.downstream.source()), self.upstream.sink())
                }
                Way::Down => pump.poll(cx, self.upstream.source(), self.downstream.sink()),
            })
        })
        .await;
        (self.upload.pump, *download) = tunnel.into_pumps();
        (result, self.core.now())
    }

    fn poll_download(&mut self, cx: &mut Context<'_>, download: &mut Pump) -> Poll<Result<(), Failure>> {
        let (source, sink) = (self.upstream.source(), self.downstream.sink());
        let pace = self.paces.as_mut().and_then(|paces| paces.response.as_mut());
        let moved = match (&mut self.coder, pace) {
            (None, None) => download.poll(cx, source, sink),
            (Some(coder), None) => download.poll(cx, source, &mut coder.sink(sink)),
            (None, Some(pace)) => download.poll(cx, source, &mut pace.sink(self.core, sink)),
            (Some(coder), Some(pace)) => {
                download.poll(cx, source, &mut coder.sink(&mut pace.sink(self.core, sink)))
            }
        };
        moved.map_err(|failure| match failure {
            PumpFailure::Source(failure) => Failure::of_answer_body(failure),
            PumpFailure::Sink(_) => Failure::ClientGone,
            PumpFailure::TooLong => Failure::BodyTooLarge,
        })
    }

    /// The nearest bound, and what it means when it is reached.
    fn nearest_to_end(&self, download: &Pump, by: Time, moved: Time) -> (Time, Failure) {
        let (patience, stalled) = if download.waits_for_sink() {
            (self.timeouts.stalled_write, Failure::ClientStalled)
        } else {
            (self.stream_idle, Failure::UpstreamStalled)
        };
        let bounds = [
            (moved.after(patience), stalled),
            (by, Failure::RequestTimeout),
            (self.presence.until(moved), Failure::ClientGone),
        ];
        bounds.into_iter().min_by_key(|(time, _)| *time).unwrap_or((by, stalled))
    }
}
