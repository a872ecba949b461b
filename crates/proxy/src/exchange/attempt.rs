//! Attempts: an endpoint, a connection, an answer; and another when that can help and is right.

use super::admit::Work;
use super::await_head::{Bounds, NoHead, Upload, await_head};
use super::relay::{RelayBounds, relay};
use super::{Downstream, HeadFailure, Outcome, Scratch, Upstream, fail};
use crate::backend::Load;
use crate::body::{Pump, Replay};
use crate::buffer::Size;
use crate::connection::Client;
use crate::failure::Failure;
use crate::http1::upstream::Http1Upstream;
use crate::http2::client::{Http2Upstream, Sender, Taken};
use crate::snapshot::{PortFacts, RulePlan};
use crate::timer::Timer;
use crate::transport::Transport;
use irongate_config::{BackendProtocol, RetryPolicy};
use irongate_message::{BodyLength, HeadError};
use irongate_traffic::{
    AttemptFailure, Begin, Deadlines, Decision, EndpointIndex, Outcome as LoadOutcome, PickRequest,
    RequestFacts, Time, Verdict, connect_timeout, decide,
};
use smallvec::SmallVec;
use std::pin::pin;
use std::rc::Rc;

/// Everything an attempt needs, for as long as the request lasts.
struct Attempts<'a, D> {
    client: &'a Client,
    timer: &'a Timer,
    facts: &'a PortFacts,
    rule: &'a RulePlan,
    work: &'a Work,
    downstream: &'a mut D,
    scratch: &'a mut Scratch,
    replay: Replay,
    deadlines: Deadlines,
    tried: SmallVec<[EndpointIndex; 4]>,
    tries: u32,
    idempotent: bool,
    /// A connection broke under this request: it gets new ones from now on. What closed one idle connection has
    /// most likely closed more, and too few tries are left to find out one by one.
    only_new: bool,
    outcome: Outcome,
}

/// How an attempt ended.
enum End {
    /// The request is over.
    Over,
    /// It failed: another may follow, or else this is what the client is told.
    Failed(AttemptFailure, Failure),
    /// It failed, and another follows: that is decided already.
    Retry,
    /// It failed, and no other may follow.
    Final(Failure),
}

/// Sends a request to its backend and the answer to the client.
pub(super) async fn forward<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    work: Work,
    begun: Time,
) -> Outcome {
    let timeouts = &facts.options.timeouts;
    let request = &scratch.request;
    let idempotent = request.method().is_idempotent();
    // An upgrade may be a long poll: only silence ends it (safety.md's bound on streams).
    let response = if request.upgrade().is_some() { timeouts.stream_idle } else { timeouts.response };
    let deadlines = Deadlines::new(begun, &work.rule.timeouts, Some(response));
    let may_repeat = idempotent || work.backend.protocol == BackendProtocol::Http2;
    let kept = if may_repeat { facts.options.limits.replay_bytes } else { 0 };
    let mut attempts = Attempts {
        client,
        timer,
        facts,
        rule: &work.rule,
        work: &work,
        downstream,
        scratch,
        replay: Replay::new(kept),
        deadlines,
        tried: SmallVec::new(),
        tries: 0,
        idempotent,
        only_new: false,
        outcome: Outcome::default(),
    };
    let failure = attempts.run(begun).await;
    let Attempts { downstream, scratch, outcome, .. } = attempts;
    match failure {
        None => outcome,
        Some(failure) => {
            let answered = fail(client, timer, facts, downstream, scratch, failure).await;
            Outcome { attempts: outcome.attempts, request_bytes: outcome.request_bytes, ..answered }
        }
    }
}

impl<D: Downstream> Attempts<'_, D> {
    /// Tries until the request is over; gives the failure that the client has to be told.
    async fn run(&mut self, begun: Time) -> Option<Failure> {
        let mut now = begun;
        loop {
            self.tries += 1;
            self.outcome.attempts = self.tries;
            match self.once(now).await {
                End::Over => return None,
                End::Retry => now = self.client.core.now(),
                End::Final(failure) => return Some(failure),
                End::Failed(reason, failure) => {
                    now = self.client.core.now();
                    let Some(wait) = self.again(reason, false, now) else { return Some(failure) };
                    if !self.pause(now, wait).await {
                        return Some(Failure::RequestTimeout);
                    }
                    if !wait.is_zero() {
                        now = self.client.core.now();
                    }
                }
            }
        }
    }

    /// Whether another attempt follows this failure, and after what wait. Takes it from the budget.
    fn again(&mut self, reason: AttemptFailure, doubted: bool, now: Time) -> Option<std::time::Duration> {
        let facts = RequestFacts {
            idempotent: self.idempotent,
            replayable: self.replay.is_whole(),
            answer_started: false,
            tries: self.tries,
            other_endpoint: self.work.backend.has_other(&self.tried),
            doubted,
        };
        let policy: Option<&RetryPolicy> = self.rule.retry.as_ref();
        match decide(reason, &facts, policy, self.client.core.random()) {
            Decision::Again { wait, .. } if self.work.backend.try_retry(now) => {
                self.replay.rewind();
                self.only_new |=
                    matches!(reason, AttemptFailure::StaleConnection | AttemptFailure::Reset { .. });
                Some(wait)
            }
            _ => None,
        }
    }

    /// Waits before another attempt; false if the request's own time is over by then.
    async fn pause(&self, now: Time, wait: std::time::Duration) -> bool {
        if wait.is_zero() {
            return true;
        }
        let until = now.after(wait);
        if until >= self.deadlines.request {
            return false;
        }
        self.timer.sleep_until(until).await;
        true
    }

    /// One attempt.
    async fn once(&mut self, now: Time) -> End {
        let core = &self.client.core;
        let backend = &self.work.backend;
        let whole = matches!(self.scratch.request.body(), BodyLength::Empty | BodyLength::Length(0));
        let request =
            PickRequest { random: core.random(), tried: &self.tried, replayable: self.idempotent && whole };
        let Some(picked) = backend.pick(now, &request) else { return End::Final(Failure::NoEndpoint) };
        if picked.panic {
            backend.metrics.panicked();
        }
        let load = backend.begin(&picked, now, if whole { Begin::Whole } else { Begin::Body });
        if !self.tried.contains(&picked.index) {
            self.tried.push(picked.index);
        }
        match backend.protocol {
            BackendProtocol::Http1 => self.once_http1(load, now).await,
            BackendProtocol::Http2 => self.once_http2(load, now).await,
        }
    }

    async fn once_http1(&mut self, load: Load, now: Time) -> End {
        let core = &self.client.core;
        let backend = &self.work.backend;
        let index = load.index;
        let careful = !(self.idempotent && self.replay.is_whole());
        let pooled = if self.only_new { None } else { backend.take_idle(index, now, careful) };
        let is_pooled = pooled.is_some();
        let transport = match pooled {
            Some(transport) => transport,
            None => match self.connect(&load, now).await {
                Ok(transport) => transport,
                Err(end) => {
                    load.end(core.now(), end.1);
                    return end.0;
                }
            },
        };
        let mut upstream = Http1Upstream::begin(
            core,
            transport,
            &self.scratch.request,
            self.facts.head_limits,
            self.client.flow.get(),
        );
        let (end, whole) = self.through(&mut upstream, load, now, is_pooled).await;
        // A client that kept up with much is served from a large buffer at once the next time.
        let flowed = Size::of_flow(self.outcome.response_bytes);
        self.client.flow.set(if whole { flowed.min(upstream.buffer_size()) } else { Size::default() });
        match upstream.end(core, whole && matches!(end, End::Over)) {
            Some(transport) => backend.give_idle(index, transport, self.outcome.ended),
            None => backend.metrics.closed(),
        }
        end
    }

    async fn once_http2(&mut self, load: Load, now: Time) -> End {
        let core = &self.client.core;
        let sender = match self.room(&load, now).await {
            Ok(sender) => sender,
            Err((end, outcome)) => {
                load.end(core.now(), outcome);
                return end;
            }
        };
        match Http2Upstream::begin(sender, &self.scratch.request, self.facts.head_limits) {
            Ok(mut upstream) => self.through(&mut upstream, load, now, false).await.0,
            Err(HeadFailure::Malformed(_)) => {
                load.end(core.now(), LoadOutcome::Cancelled);
                End::Final(Failure::Head(HeadError::Target))
            }
            Err(HeadFailure::Closed | HeadFailure::Refused) => {
                load.end(core.now(), LoadOutcome::Cancelled);
                End::Failed(AttemptFailure::Refused, Failure::UpstreamClosed)
            }
        }
    }

    /// Room on an HTTP/2 connection to the endpoint. Requests that come while one is being opened wait for it,
    /// as long as they would wait for one of their own.
    async fn room(&self, load: &Load, now: Time) -> Result<Sender, (End, LoadOutcome)> {
        let backend = &self.work.backend;
        let gone = (End::Final(Failure::NoEndpoint), LoadOutcome::Cancelled);
        let Some(connections) = backend.http2(load.index) else { return Err(gone) };
        loop {
            match connections.take() {
                Taken::Sender(sender) => return Ok(sender),
                Taken::Open(opener) => match self.connect(load, now).await {
                    Ok(transport) => {
                        let Some(address) = backend.address(load.index) else { return Err(gone) };
                        let limits = &self.facts.options.limits;
                        let metrics = &backend.metrics;
                        if !connections.open(&self.client.core, address, metrics, limits, transport).await {
                            let end =
                                End::Failed(AttemptFailure::Reset { sent: false }, Failure::UpstreamClosed);
                            return Err((end, LoadOutcome::Failed));
                        }
                    }
                    Err(failed) => {
                        if let End::Failed(_, failure) = failed.0 {
                            opener.failed(failure);
                        }
                        return Err(failed);
                    }
                },
                Taken::Wait(opening) => {
                    let failure =
                        match self.timer.within(self.connect_until(now), |cx| opening.poll(cx)).await {
                            Ok(Ok(())) => continue,
                            Ok(Err(failure)) => failure,
                            Err(_) if self.client.core.now() >= self.deadlines.request => {
                                return Err((End::Final(Failure::RequestTimeout), LoadOutcome::Cancelled));
                            }
                            Err(_) => Failure::ConnectTimeout,
                        };
                    // The endpoint is held to it once, by the one who opens.
                    return Err((End::Failed(AttemptFailure::Connect, failure), LoadOutcome::Cancelled));
                }
                Taken::Full => {
                    let end = End::Failed(AttemptFailure::Refused, Failure::UpstreamFull);
                    return Err((end, LoadOutcome::Cancelled));
                }
            }
        }
    }

    /// Until when a connection may take to open.
    fn connect_until(&self, now: Time) -> Time {
        let backend = &self.work.backend;
        let configured = backend.options().connect_timeout;
        now.after(connect_timeout(configured, backend.has_other(&self.tried))).min(self.deadlines.request)
    }

    /// A new connection to the endpoint.
    async fn connect(&self, load: &Load, now: Time) -> Result<Rc<Transport>, (End, LoadOutcome)> {
        let backend = &self.work.backend;
        let Some(address) = backend.address(load.index) else {
            return Err((End::Final(Failure::NoEndpoint), LoadOutcome::Cancelled));
        };
        let until = self.connect_until(now);
        let mut connecting = pin!(Transport::connect(address));
        let failed = |failure| {
            backend.metrics.connect_failed();
            Err((End::Failed(AttemptFailure::Connect, failure), LoadOutcome::ConnectFailed))
        };
        match self.timer.within(until, |cx| connecting.as_mut().poll(cx)).await {
            Ok(Ok(transport)) => {
                backend.metrics.opened();
                load.connected(self.client.core.now());
                Ok(Rc::new(transport))
            }
            Ok(Err(_)) => failed(Failure::ConnectFailed),
            Err(_) if until == self.deadlines.request => {
                Err((End::Final(Failure::RequestTimeout), LoadOutcome::Cancelled))
            }
            Err(_) => failed(Failure::ConnectTimeout),
        }
    }

    /// The exchange over a connection. Also says whether all of the request was sent.
    async fn through<U: Upstream>(
        &mut self,
        upstream: &mut U,
        mut load: Load,
        begun: Time,
        pooled: bool,
    ) -> (End, bool) {
        let core = self.client.core.clone();
        let mut upload = Upload::new();
        let bounds = Bounds { deadlines: &self.deadlines, timeouts: &self.facts.options.timeouts, begun };
        let headed = await_head(
            &core,
            self.timer,
            self.downstream,
            upstream,
            &mut upload,
            &mut self.replay,
            &mut load,
            &mut self.scratch.response,
            &bounds,
        )
        .await;
        let now = core.now();
        self.outcome.request_bytes = upload.pump.moved;
        if let Err(failure) = headed {
            let (end, outcome) = no_head(failure, upstream.has_sent(), pooled);
            load.end(now, outcome);
            return (end, false);
        }
        let status = self.scratch.response.status();
        if status == 101 && !is_agreed(self.scratch.request.upgrade(), self.scratch.response.upgrade()) {
            load.end(now, LoadOutcome::Failed);
            return (End::Final(Failure::BadAnswer("unexpected_101")), false);
        }
        let Verdict { elsewhere, .. } = load.answered(now, status);
        let is_worth_asking = elsewhere || self.rule.retry.is_some();
        if is_worth_asking && let Some(wait) = self.again(AttemptFailure::Status(status), elsewhere, now) {
            load.end(now, LoadOutcome::Complete);
            // What is left of this answer nobody will read: the connection is not used again.
            if !self.pause(now, wait).await {
                return (End::Final(Failure::RequestTimeout), false);
            }
            return (End::Retry, false);
        }
        self.deliver(upstream, upload, load).await
    }

    /// Sends the answer on.
    async fn deliver<U: Upstream>(
        &mut self,
        upstream: &mut U,
        mut upload: Upload,
        load: Load,
    ) -> (End, bool) {
        let core = self.client.core.clone();
        let response = &mut self.scratch.response;
        let status = response.status();
        if let Some(filters) = self.rule.backend_filters(self.work.drawn) {
            filters.response(response);
        }
        self.rule.filters.response(response);
        let tunnel = status == 101;
        if tunnel {
            self.downstream.start_tunnel(response);
            upstream.begin_tunnel();
            // The request itself is whole; from here on its connection carries the tunnel's bytes.
            upload = Upload::new();
        } else {
            // The drain may have begun since the request came.
            if core.draining.get() {
                self.downstream.end_after();
            }
            self.downstream.start(response);
        }
        self.outcome.status = status;
        let mut download = Pump::default();
        let request = if tunnel { Time::NEVER } else { self.deadlines.request };
        let bounds = RelayBounds { timeouts: &self.facts.options.timeouts, request, tunnel };
        let relayed = relay(
            &core,
            self.timer,
            self.downstream,
            upstream,
            &mut upload,
            &mut self.replay,
            &mut download,
            &bounds,
        )
        .await;
        let now = core.now();
        self.outcome.request_bytes = upload.pump.moved;
        self.outcome.response_bytes = download.moved;
        self.outcome.ended = now;
        match relayed {
            Ok(()) => load.end(now, LoadOutcome::Complete),
            Err(failure) => {
                self.outcome.failure = Some(failure);
                self.downstream.break_off();
                load.end(now, blame(failure));
                return (End::Over, false);
            }
        }
        (End::Over, !tunnel && upload.pump.is_done())
    }
}

/// Whether an origin switches to what the client asked for: each protocol of its `Upgrade` has to be among the
/// client's (RFC 9110 §7.8).
fn is_agreed(asked: Option<&[u8]>, answered: Option<&[u8]>) -> bool {
    let (Some(asked), Some(answered)) = (asked, answered) else { return false };
    let is_asked = |protocol: &[u8]| {
        let mut all = asked.split(|&byte| byte == b',');
        all.any(|one| one.trim_ascii().eq_ignore_ascii_case(protocol.trim_ascii()))
    };
    answered.split(|&byte| byte == b',').all(is_asked)
}

/// Whose fault a failure in the middle of an answer is.
fn blame(failure: Failure) -> LoadOutcome {
    match failure {
        Failure::AnswerBroken(_) | Failure::UpstreamStalled => LoadOutcome::Failed,
        Failure::RequestTimeout => LoadOutcome::TimedOut,
        _ => LoadOutcome::Cancelled,
    }
}

/// What it means that no head came.
fn no_head(failure: NoHead, sent: bool, pooled: bool) -> (End, LoadOutcome) {
    match failure {
        NoHead::Upstream(HeadFailure::Closed) if pooled => {
            // The origin closed an idle connection just when we used it: no fault of its health.
            let reason = if sent { AttemptFailure::StaleConnection } else { AttemptFailure::Reset { sent } };
            (End::Failed(reason, Failure::UpstreamClosed), LoadOutcome::Cancelled)
        }
        NoHead::Upstream(HeadFailure::Closed) => {
            (End::Failed(AttemptFailure::Reset { sent }, Failure::UpstreamClosed), LoadOutcome::Failed)
        }
        NoHead::Upstream(HeadFailure::Refused) => {
            (End::Failed(AttemptFailure::Refused, Failure::UpstreamClosed), LoadOutcome::Cancelled)
        }
        NoHead::Upstream(HeadFailure::Malformed(reason)) => {
            (End::Failed(AttemptFailure::BadAnswer, Failure::BadAnswer(reason)), LoadOutcome::Failed)
        }
        NoHead::AttemptTimeout => {
            (End::Failed(AttemptFailure::Timeout, Failure::AttemptTimeout), LoadOutcome::TimedOut)
        }
        NoHead::Final(
            failure @ (Failure::RequestTimeout | Failure::AttemptTimeout | Failure::UpstreamStalled),
        ) => (End::Final(failure), LoadOutcome::TimedOut),
        NoHead::Final(failure) => (End::Final(failure), LoadOutcome::Cancelled),
    }
}
