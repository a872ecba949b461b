//! From the head of an answer to its end, and tunnels: the duplex loop.

use super::await_head::{Motion, Upload};
use super::{Downstream, Presence, Upstream};
use crate::body::{BodyFailure, Pump, PumpFailure, Replay};
use crate::core::Core;
use crate::failure::Failure;
use crate::timer::Timer;
use irongate_config::Timeouts;
use irongate_traffic::Time;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// What bounds a relay.
pub(super) struct RelayBounds<'a> {
    pub(super) timeouts: &'a Timeouts,
    /// The request's own end; a tunnel has none.
    pub(super) request: Time,
    /// Both directions carry plain bytes until both have ended.
    pub(super) tunnel: bool,
}

/// Moves the answer's body to the client, and what is left of the request's body to the origin.
///
/// Ends when the answer has ended: a request's body that is still coming then is not wanted any more. A tunnel
/// ends when both directions have.
#[expect(clippy::too_many_arguments, reason = "the parts of an exchange, borrowed apart from each other")]
pub(super) async fn relay<D: Downstream, U: Upstream>(
    core: &Core,
    timer: &Timer,
    downstream: &mut D,
    upstream: &mut U,
    upload: &mut Upload,
    replay: &mut Replay,
    download: &mut Pump,
    bounds: &RelayBounds<'_>,
) -> Result<(), Failure> {
    let mut motion = None;
    let mut presence = Presence::default();
    poll_fn(|cx| {
        if upload.is_going() {
            match upload.pump.poll(cx, &mut replay.source(downstream.source()), upstream.sink()) {
                Poll::Ready(Err(PumpFailure::Source(failure))) => {
                    return Poll::Ready(Err(Failure::of_request_body(failure)));
                }
                Poll::Ready(Err(PumpFailure::Sink(_))) => upload.refused = true,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match poll_download(cx, downstream, upstream, download) {
            Poll::Ready(Ok(())) if bounds.tunnel && upload.is_going() => {}
            Poll::Ready(result) => return Poll::Ready(result),
            Poll::Pending => {
                if !bounds.tunnel && !upload.is_going() && !presence.look(cx, core, downstream) {
                    return Poll::Ready(Err(Failure::ClientGone));
                }
            }
        }
        let now = core.now();
        let motion = motion.get_or_insert_with(|| Motion::new(now));
        motion.note(upload.pump.moved + download.moved, now);
        let (mut until, mut failure) = nearest(bounds, upload, download, motion.at);
        let left = presence.until(motion.at);
        if left < until {
            (until, failure) = (left, Failure::ClientGone);
        }
        timer.poll(cx, now, until).map(|()| Err(failure))
    })
    .await
}

fn poll_download<D: Downstream, U: Upstream>(
    cx: &mut Context<'_>,
    downstream: &mut D,
    upstream: &mut U,
    download: &mut Pump,
) -> Poll<Result<(), Failure>> {
    download.poll(cx, upstream.source(), downstream.sink()).map_err(|failure| match failure {
        PumpFailure::Source(BodyFailure::Closed | BodyFailure::Truncated) => {
            Failure::AnswerBroken("answer_truncated")
        }
        PumpFailure::Source(BodyFailure::Malformed(reason)) => Failure::AnswerBroken(reason),
        PumpFailure::Sink(_) => Failure::ClientGone,
    })
}

fn nearest(bounds: &RelayBounds<'_>, upload: &Upload, download: &Pump, moved: Time) -> (Time, Failure) {
    let timeouts = bounds.timeouts;
    let (patience, stalled) = if download.waits_for_sink() {
        (timeouts.stalled_write, Failure::ClientStalled)
    } else if bounds.tunnel && upload.pump.waits_for_sink() {
        (timeouts.stalled_write, Failure::UpstreamStalled)
    } else if bounds.tunnel {
        (timeouts.tunnel_idle, Failure::UpstreamStalled)
    } else {
        (timeouts.stream_idle, Failure::UpstreamStalled)
    };
    let idle = moved.after(patience);
    if bounds.request < idle { (bounds.request, Failure::RequestTimeout) } else { (idle, stalled) }
}
