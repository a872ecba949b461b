//! One request, from its head to the end of its answer: route → admit → shape → attempt → reply → record.
//!
//! Written once for every protocol version: a [`Downstream`] is the client's side of an exchange, an [`Upstream`]
//! the origin's, and both are polled by the one task that owns the exchange.

mod admit;
mod attempt;
mod await_head;
mod buffering;
mod duplex;
mod extras;
mod flow;
mod grpc_web;
mod relay;
mod slot;
mod tunnel;
pub(crate) mod websocket;

pub(crate) use admit::Work;
pub(crate) use attempt::forward;
use extras::Extras;
use flow::Flow;
pub(crate) use tunnel::{Tunnel, Way};

use crate::body::{Sink, Source};
use crate::connection::Client;
use crate::core::Core;
use crate::failure::Failure;
use crate::reply::{self, Reply};
use crate::snapshot::{Lane, PortFacts};
use crate::timer::Timer;
use admit::Admitted;
use irongate_message::{GrpcCode, GrpcKind, RequestHead, ResponseHead};
use irongate_telemetry::{RequestMetrics, RequestRecord};
use irongate_traffic::Time;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The heads of an exchange; kept by the core between exchanges, so that their memory is used again.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) request: RequestHead,
    pub(crate) response: ResponseHead,
    /// Of the request that is served, if its rule asks for any.
    pub(crate) extras: Option<Box<Extras>>,
    /// How the client speaks gRPC, if it does. Looked at over HTTP/2, and over HTTP/1.1 before such backends.
    pub(crate) grpc: Option<GrpcKind>,
    /// What policies ask besides for the request that is served.
    pub(crate) flow: Option<Box<Flow>>,
}

impl Scratch {
    /// Says in an answer which pages of other origins may read it, if the rule asks for that.
    fn mark_readers(&mut self) {
        if let Some(extras) = &self.extras {
            extras.answer(&mut self.response);
        }
    }

    /// Completes an answer of our own.
    fn complete(&mut self) {
        self.mark_readers();
        if let Some(flow) = &self.flow {
            flow.answer(&mut self.response);
        }
    }
}

/// The client's side of an exchange.
pub(crate) trait Downstream {
    /// The request's body.
    type Source: Source;
    /// The answer's body.
    type Sink: Sink;

    fn source(&mut self) -> &mut Self::Source;
    fn sink(&mut self) -> &mut Self::Sink;

    /// Whether looking for the client's leaving is worth its price only when an answer takes long.
    fn is_hurried(&self) -> bool {
        false
    }

    /// Ready when the client has closed its side while we were at work for it. Not called again after that.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<Closed>;

    /// The answer that starts next is the last one of its connection, where the protocol version can say so.
    fn end_after(&mut self) {}

    /// The same if more is left of the request's body than is worth reading and dropping.
    fn end_after_long_body(&mut self) {}

    /// Ready when the client has taken enough of the heads that were queued for another one. What waits of heads is
    /// bounded by this, since they are not subject to the flow control of bodies.
    fn poll_head_room(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Brings the final head into the form that the client takes, before it is queued.
    fn adapt(&mut self, _: &mut ResponseHead) {}

    /// Queues the head of an interim answer, if the client can take it.
    fn interim(&mut self, head: &ResponseHead);

    /// Queues the final head. What the sink then takes is its body.
    fn start(&mut self, head: &ResponseHead);

    /// Queues the head of an answer that turns the exchange into a tunnel.
    fn start_tunnel(&mut self, head: &ResponseHead);

    /// The answer has begun and cannot be ended well: the client must see that.
    fn break_off(&mut self);
}

/// How a client closed its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It sends no more; whether it still reads nobody can tell.
    Half,
    /// It is gone.
    Gone,
}

/// The origin's side of an exchange.
pub(crate) trait Upstream {
    /// The answer's body.
    type Source: Source;
    /// The request's body.
    type Sink: Sink;

    fn source(&mut self) -> &mut Self::Source;
    fn sink(&mut self) -> &mut Self::Sink;

    /// The next head: interim ones, then the final one.
    fn poll_head(&mut self, cx: &mut Context<'_>, head: &mut ResponseHead) -> Poll<Result<(), HeadFailure>>;

    /// Whether any byte of the request was handed to the kernel.
    fn has_sent(&self) -> bool;

    /// From now on plain bytes both ways.
    fn begin_tunnel(&mut self);
}

/// Why no answer's head came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFailure {
    /// The connection ended before any byte of an answer.
    Closed,
    /// The origin reset the stream, with this code.
    Reset(u32),
    /// The origin says that it did not act on the request (RFC 9113 §8.7).
    Refused,
    /// What came is no valid head.
    Malformed(&'static str),
}

/// How an exchange ended, for its record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// What the client was sent; 0: nothing.
    pub(crate) status: u16,
    /// The same in gRPC, if the client speaks it.
    pub(crate) grpc: Option<GrpcCode>,
    pub(crate) failure: Option<Failure>,
    pub(crate) attempts: u32,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// When the head of a backend's answer had come; zero: none has.
    pub(crate) answered: Time,
    /// When it ended.
    pub(crate) ended: Time,
}

/// Serves the request whose head is in `scratch`; gives when it ended. `facts` are renewed with the Snapshot.
pub(crate) async fn serve<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &mut Arc<PortFacts>,
    downstream: &mut D,
    scratch: &mut Scratch,
) -> Time {
    let core = &client.core;
    let begun = core.now();
    scratch.grpc = if scratch.request.version().has_streams() { scratch.request.grpc() } else { None };
    let view = core.view();
    let Some(plan) = view.port(client.port) else {
        // The listener was closed since the connection was opened: it is told so, once.
        drop(view);
        downstream.end_after();
        return fail(client, timer, facts, downstream, scratch, Failure::NoRoute).await.ended;
    };
    if !Arc::ptr_eq(facts, &plan.facts) {
        *facts = plan.facts.clone();
    }
    if client.tls.as_ref().is_some_and(|tls| !tls.is_current(plan, view.snapshot.version)) {
        downstream.end_after();
    }
    let (lane, admitted) = admit::admit(client, plan, scratch);
    let mut kept = None;
    let in_flight = InFlight::new(metrics(&admitted, lane, core, &mut kept));
    // From here on only parts of the snapshot are held: the exchange may last.
    drop(view);
    // When an endpoint is given the request: what it had to wait for before is none of the endpoint's doing.
    let (mut forwarded, mut refused) = (begun, None);
    if scratch.flow.as_ref().is_some_and(|flow| flow.is_waiting()) {
        let waited = flow::wait(client, timer, facts, downstream, scratch, &admitted, begun);
        refused = Box::pin(waited).await.err().map(Admitted::Refuse);
        forwarded = core.now();
    }
    let outcome = match refused.as_ref().unwrap_or(&admitted) {
        Admitted::Forward(work) if grpc_web::is_for(work, scratch) => {
            // Boxed: it is rare, and of the same size as all else of the exchange.
            Box::pin(grpc_web::forward(client, timer, facts, downstream, scratch, work, forwarded)).await
        }
        Admitted::Forward(work) => forward(client, timer, facts, downstream, scratch, work, forwarded).await,
        Admitted::Reply(reply) => {
            scratch.complete();
            send(client, timer, facts, downstream, &mut scratch.response, reply).await
        }
        Admitted::Refuse(failure) => fail(client, timer, facts, downstream, scratch, *failure).await,
    };
    scratch.extras = None;
    if let Some(flow) = scratch.flow.take() {
        flow.end(&outcome, core);
    }
    in_flight.record(&outcome, begun);
    outcome.ended
}

/// Where a request is counted. What is forwarded holds its rule, and these with it; else they are kept.
#[inline]
fn metrics<'a>(
    admitted: &'a Admitted,
    lane: &Lane,
    core: &Core,
    kept: &'a mut Option<Arc<RequestMetrics>>,
) -> &'a RequestMetrics {
    match admitted {
        Admitted::Forward(Work { rule, drawn, .. }) if let Some(lane) = rule.lane(*drawn) => lane.on(core),
        _ => kept.insert(lane.on(core).clone()),
    }
}

/// Answers a request of which not even the head could be taken.
pub(crate) async fn refuse<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    failure: Failure,
) {
    let trusted = client.is_trusted(facts);
    let reply = reply::failure(failure, None, None, trusted, &mut scratch.response);
    send(client, timer, facts, downstream, &mut scratch.response, &reply).await;
}

/// Answers with a failure, if it can still be told.
async fn fail<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    failure: Failure,
) -> Outcome {
    if failure.status() == 0 {
        downstream.break_off();
        let grpc = scratch.grpc.map(|_| failure.grpc_code());
        return Outcome { failure: Some(failure), grpc, ended: client.core.now(), ..Outcome::default() };
    }
    if matches!(failure, Failure::BadBody(_) | Failure::BodyStalled) {
        // Where the next request would begin is not known, or it will not be reached.
        downstream.end_after();
    }
    let trusted = client.is_trusted(facts);
    // Over HTTP/1.1 nobody has looked yet, unless the backend was known.
    let grpc = scratch.grpc.or_else(|| scratch.request.grpc().filter(|kind| kind.is_web()));
    let reply = reply::failure(failure, Some(&scratch.request), grpc, trusted, &mut scratch.response);
    scratch.complete();
    let outcome = send(client, timer, facts, downstream, &mut scratch.response, &reply).await;
    let grpc = grpc.map(|_| failure.grpc_code());
    Outcome { failure: outcome.failure.or(Some(failure)), grpc, ..outcome }
}

/// Sends an answer of our own.
async fn send<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    head: &mut ResponseHead,
    reply: &Reply,
) -> Outcome {
    if client.core.draining.get() {
        downstream.end_after();
    }
    // Our own answers do not wait for the body: whoever sends a long one is told that the connection ends.
    downstream.end_after_long_body();
    head.complete_date(&client.core.date.get());
    facts.announce(head);
    downstream.start(head);
    let mut outcome = Outcome { status: head.status(), ..Outcome::default() };
    let deadline = client.core.now().after(facts.options.timeouts.stalled_write);
    let mut left = &reply.body[..];
    let sink = downstream.sink();
    let result = timer
        .within(deadline, |cx| {
            while !left.is_empty() {
                match sink.poll_write(cx, left) {
                    Poll::Ready(Ok(taken)) => left = &left[taken..],
                    Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            sink.poll_finish(cx, None)
        })
        .await;
    match result {
        Ok(Ok(())) => outcome.response_bytes = reply.body.len() as u64,
        Ok(Err(_)) => {
            outcome.failure = Some(Failure::ClientGone);
            downstream.break_off();
        }
        Err(_) => {
            outcome.failure = Some(Failure::ClientStalled);
            downstream.break_off();
        }
    }
    outcome.ended = client.core.now();
    outcome
}

/// A request under way; counted until it is recorded or dropped.
struct InFlight<'a> {
    metrics: &'a RequestMetrics,
}

impl<'a> InFlight<'a> {
    fn new(metrics: &'a RequestMetrics) -> Self {
        metrics.begin();
        Self { metrics }
    }

    fn record(self, outcome: &Outcome, begun: Time) {
        RequestRecord {
            metrics: self.metrics,
            status: outcome.status,
            grpc: outcome.grpc.map(GrpcCode::number),
            reason: outcome.failure.map(Failure::reason),
            duration_micros: outcome.ended.micros_since(begun),
            attempts: outcome.attempts,
            request_bytes: outcome.request_bytes,
            response_bytes: outcome.response_bytes,
        }
        .record();
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.end();
    }
}
