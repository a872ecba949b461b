//! Bodies of requests that are read whole before an endpoint is chosen: a client that sends slowly keeps none busy, and
//! what failed can be sent again.

use super::duplex::Motion;
use super::{Downstream, Scratch};
use crate::body::{BodyFailure, Sink, Source, Stored};
use crate::connection::Client;
use crate::failure::Failure;
use crate::snapshot::BufferUse;
use crate::timer::Timer;
use irongate_config::Timeouts;
use irongate_message::ResponseHead;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

/// What is read in one turn before others have the core, in bytes.
const TURN: usize = 1 << 20;

/// Reads the body of a request; what was read waits in the request's flow. Where all memory for that is in use, the rest is left
/// to be passed on as it comes.
pub(super) async fn read<D: Downstream>(
    client: &Client,
    timer: &Timer,
    timeouts: &Timeouts,
    downstream: &mut D,
    scratch: &mut Scratch,
    buffer: &BufferUse,
) -> Result<(), Failure> {
    let core = &client.core;
    if scratch.request.expects_continue() {
        // Nobody else says so: origins get the request when the body is here.
        let mut proceed = ResponseHead::new();
        proceed.set_status(100);
        downstream.interim(&proceed);
        scratch.request.remove_expectation();
    }
    let begun = core.now();
    let until = begun.after(buffer.timeout);
    let (mut stored, mut motion) = (Stored::new(core), Motion::new(begun));
    let whole = poll_fn(|cx| {
        if let Poll::Ready(Err(_)) = downstream.sink().poll_flush(cx) {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        if let Poll::Ready(read) = poll_read(cx, downstream.source(), &mut stored, buffer.most) {
            return Poll::Ready(read);
        }
        let now = core.now();
        motion.note(stored.length(), now);
        let nearest = until.min(motion.at.after(timeouts.stream_idle));
        timer.poll(cx, now, nearest).map(|()| Err(Failure::BodyStalled))
    })
    .await?;
    let metrics = buffer.metrics.core(core.index);
    if whole {
        stored.end(downstream.source().take_trailers());
        if !stored.has_trailers() {
            scratch.request.set_body_length(stored.length());
        }
        metrics.buffered();
    } else {
        metrics.unbuffered();
    }
    if let Some(flow) = &mut scratch.flow {
        flow.stored = Some(stored);
    }
    Ok(())
}

/// Reads what has come. `Ready(Ok(true))`: all of the body is there; `Ready(Ok(false))`: there is no memory for more.
fn poll_read(
    cx: &mut Context<'_>,
    source: &mut impl Source,
    stored: &mut Stored,
    most: u64,
) -> Poll<Result<bool, Failure>> {
    let mut allowance = TURN;
    while ready!(source.poll_fill(cx)).map_err(failure)? {
        let data = source.data();
        if stored.length() + data.len() as u64 > most {
            return Poll::Ready(Err(Failure::BodyTooLarge));
        }
        if !stored.take(data) {
            return Poll::Ready(Ok(false));
        }
        let length = data.len();
        source.consume(length);
        // As with the pump: a piece of one byte is work, too.
        allowance = allowance.saturating_sub(length.max(256));
        if allowance == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
    }
    Poll::Ready(Ok(true))
}

fn failure(failure: BodyFailure) -> Failure {
    Failure::of_request_body(failure)
}
