//! Attempts: an endpoint, a connection, an answer; and another when that can help and is right.

mod connect;
mod contender;
mod copies;
mod deliver;
mod grpc;
mod opening;
mod rival;
mod verdict;

use super::admit::Work;
use super::duplex::{Duplex, Presence, Upload};
use super::{Downstream, Outcome, Scratch, Upstream, fail};
use crate::backend::{Load, Permit};
use crate::body::Replay;
use crate::connection::Client;
use crate::failure::Failure;
use crate::share::Share;
use crate::snapshot::{PortFacts, RulePlan};
use crate::timer::Timer;
use contender::Contender;
use grpc::{Grpc, bounds};
use irongate_config::{BackendOptions, BackendProtocol, InvalidBackend, RetryPolicy};
use irongate_message::BodyLength;
use irongate_traffic::{
    Affinity, AttemptFailure, Begin, Deadlines, Decision, EndpointIndex, Limited, Outcome as LoadOutcome,
    PickRequest, RequestFacts, Time, Verdict, decide,
};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;
use verdict::{is_agreed, no_head};

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
    grpc: Option<Grpc>,
    /// How long nothing may move either way.
    stream_idle: Duration,
    /// A connection broke under this request: it gets new ones from now on. What closed one idle connection has
    /// most likely closed more, and too few tries are left to find out one by one.
    only_new: bool,
    /// What the backend says of retries, where the route says nothing.
    own_policy: Option<Arc<BackendOptions>>,
    /// Its place among the requests that are tried again, where these are limited.
    retrying: Option<Permit>,
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
pub(crate) async fn forward<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    work: &Work,
    begun: Time,
) -> Outcome {
    let timeouts = &facts.options.timeouts;
    let idempotent = scratch.request.method().is_idempotent();
    let Ok(_permit) = work.backend.permit(Limited::Requests) else {
        return fail(client, timer, facts, downstream, scratch, Failure::Limit(Limited::Requests)).await;
    };
    let (own_policy, attempt_timeout) = own_policy(work);
    let (grpc, deadlines, stream_idle) = bounds(scratch, &work.rule, attempt_timeout, timeouts, begun);
    let may_repeat = idempotent || work.backend.protocol == BackendProtocol::Http2;
    let replay = replay(client, scratch, if may_repeat { facts.options.limits.replay_bytes } else { 0 });
    let mut attempts = Attempts {
        client,
        timer,
        facts,
        rule: &work.rule,
        work,
        downstream,
        scratch,
        replay,
        deadlines,
        tried: SmallVec::new(),
        tries: 0,
        idempotent,
        grpc,
        stream_idle,
        only_new: false,
        own_policy,
        retrying: None,
        outcome: Outcome::default(),
    };
    attempts.begin_copies();
    let failure = attempts.run(begun).await;
    attempts.send_copies();
    let Some(failure) = failure else { return attempts.outcome };
    let Attempts { downstream, scratch, outcome, .. } = attempts;
    let answered = fail(client, timer, facts, downstream, scratch, failure).await;
    Outcome { attempts: outcome.attempts, request_bytes: outcome.request_bytes, ..answered }
}

/// The copy of the request's body: what was read of it before, and so many bytes of what comes.
fn replay(client: &Client, scratch: &mut Scratch, kept: usize) -> Replay {
    let held = client.share.as_ref().map(Share::take_nothing);
    let stored = scratch.flow.as_mut().and_then(|flow| flow.stored.take());
    match stored {
        Some(stored) => Replay::of(stored, kept, held),
        None => Replay::new(kept, held),
    }
}

/// What the backend says of retries, where the route says nothing, and how long it gives an attempt.
fn own_policy(work: &Work) -> (Option<Arc<BackendOptions>>, Option<Duration>) {
    if work.rule.retry.is_some() {
        return (None, None);
    }
    let options = work.backend.options();
    let Some(retry) = &options.retry else { return (None, None) };
    (Some(options.clone()), retry.attempt_timeout)
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
                    now = self.pause(now, wait).await;
                }
            }
        }
    }

    /// Whether another attempt follows this failure, and after what wait. Takes it from the budget. One that could
    /// only begin when the request's time is over does not: what has come is told instead.
    fn again(&mut self, reason: AttemptFailure, doubted: bool, now: Time) -> Option<Duration> {
        let facts = RequestFacts {
            idempotent: self.idempotent,
            replayable: self.replay.is_whole(),
            answer_started: false,
            tries: self.tries,
            other_endpoint: self.work.backend.has_other(&self.tried),
            doubted,
        };
        match decide(reason, &facts, self.policy(), self.client.core.random()) {
            Decision::Again { wait, .. }
                if now.after(wait) < self.deadlines.request
                    && self.has_retry_permit()
                    && self.work.backend.try_retry(now) =>
            {
                self.replay.rewind();
                self.only_new |=
                    matches!(reason, AttemptFailure::StaleConnection | AttemptFailure::Reset { .. });
                Some(wait)
            }
            _ => None,
        }
    }

    /// What is tried again: as the route says, or else as its backend does.
    fn policy(&self) -> Option<&RetryPolicy> {
        let own = self.own_policy.as_ref().and_then(|options| options.retry.as_ref());
        self.rule.retry.as_ref().or(own)
    }

    /// Whether one more request may be tried again at this moment.
    fn has_retry_permit(&mut self) -> bool {
        if self.retrying.is_some() {
            return true;
        }
        let permit = self.work.backend.permit(Limited::Retries);
        permit.map(|permit| self.retrying = permit).is_ok()
    }

    /// Waits before another attempt; gives the time after that.
    async fn pause(&self, now: Time, wait: Duration) -> Time {
        if wait.is_zero() {
            return now;
        }
        self.timer.sleep_until(now.after(wait)).await;
        self.client.core.now()
    }

    /// One attempt.
    async fn once(&mut self, now: Time) -> End {
        let core = &self.client.core;
        let backend = &self.work.backend;
        let whole = matches!(self.scratch.request.body(), BodyLength::Empty | BodyLength::Length(0));
        let affinity = self.affinity();
        let request = PickRequest {
            random: core.random(),
            tried: &self.tried,
            replayable: self.idempotent && (whole || self.replay.is_stored()),
            affinity: affinity.as_ref(),
        };
        let Some(picked) = backend.pick(now, &request) else { return End::Final(backend.live.unreachable()) };
        if picked.panic {
            backend.metrics.panicked();
        }
        let mut load = backend.begin(&picked, now, if whole { Begin::Whole } else { Begin::Body });
        if !self.tried.contains(&picked.index) {
            self.tried.push(picked.index);
        }
        self.note_endpoint(picked.index);
        self.say_time_left(now);
        match backend.protocol {
            BackendProtocol::Http1 => self.once_http1(&mut load, now).await,
            BackendProtocol::Http2 => self.once_http2(&mut load, now).await,
            BackendProtocol::Tcp | BackendProtocol::Udp => {
                End::Final(Failure::InvalidBackend(InvalidBackend::UnsupportedProtocol))
            }
        }
    }
}

/// Sessions and keys.
impl<D: Downstream> Attempts<'_, D> {
    /// What ties the request to an endpoint.
    #[inline]
    fn affinity(&self) -> Option<Affinity> {
        let backend = &self.work.backend;
        let extras = self.scratch.extras.as_ref();
        let session = extras.and_then(|extras| extras.session_endpoint(backend.live.tag));
        let key = backend.hash_key(Some(&self.scratch.request), self.client.address);
        (session.is_some() || key.is_some()).then_some(Affinity { session, key })
    }

    /// Remembers where the request goes, for its session.
    fn note_endpoint(&mut self, index: EndpointIndex) {
        if let Some(extras) = &mut self.scratch.extras {
            let backend = &self.work.backend;
            extras.goes_to(backend.live.tag, backend.endpoint(index).map(|endpoint| endpoint.id()));
        }
    }
}

/// Over a connection.
impl<D: Downstream> Attempts<'_, D> {
    /// The exchange over a connection. Also says whether all of the request was sent.
    async fn through<U: Contender>(
        &mut self,
        upstream: &mut U,
        load: &mut Load,
        begun: Time,
        pooled: bool,
    ) -> (End, bool) {
        if let Some(after) = self.hedge_after() {
            // Boxed, since few requests come to this.
            let at = begun.after(after);
            return Box::pin(self.through_beside_rival(upstream, load, begun, pooled, at)).await;
        }
        let core = &*self.client.core;
        let most = self.scratch.flow.as_ref().and_then(|flow| flow.max_request_body);
        let (mut upload, mut presence) = (Upload::within(most), Presence::default());
        let mut duplex = Duplex {
            core,
            timer: self.timer,
            timeouts: &self.facts.options.timeouts,
            stream_idle: self.stream_idle,
            downstream: &mut *self.downstream,
            upstream: &mut *upstream,
            replay: &mut self.replay,
            coder: None,
            upload: &mut upload,
            presence: &mut presence,
            paces: self.scratch.flow.as_mut().and_then(|flow| flow.paces.as_deref_mut()),
        };
        let tried = self.idempotent.then_some(&self.tried[..]);
        let headed = duplex.await_head(load, &mut self.scratch.response, &self.deadlines, begun, tried).await;
        self.send_copies();
        let now = core.now();
        self.outcome.request_bytes = upload.pump.moved;
        if let Err(failure) = headed {
            let (end, outcome) = no_head(failure, upstream.has_sent(), pooled);
            load.end(now, outcome);
            return (end, false);
        }
        if let Some((end, wait)) = self.instead(upload.pump.is_done(), load, now) {
            self.pause(now, wait).await;
            return (end, false);
        }
        self.deliver(upstream, &mut upload, &mut presence, load, now).await
    }

    /// How the attempt ends, and after what wait, if the answer whose head has come is not for the client. What is left of it
    /// nobody will read: its connection is not used again.
    #[inline]
    fn instead(&mut self, is_sent: bool, load: &mut Load, now: Time) -> Option<(End, Duration)> {
        if let Some((failure, outcome)) = self.not_agreed(is_sent) {
            load.end(now, outcome);
            return Some((End::Final(failure), Duration::ZERO));
        }
        let status = self.scratch.response.status();
        let (Verdict { elsewhere, .. }, failure) = self.judge(load, now, status);
        let is_worth_asking = elsewhere || self.policy().is_some();
        let wait = if is_worth_asking { self.again(failure, elsewhere, now) } else { None }?;
        load.end(now, LoadOutcome::Complete);
        Some((End::Retry, wait))
    }

    /// Whether an answer says that the protocol changes, or does not, where that cannot be; and what it means for the endpoint.
    fn not_agreed(&self, is_sent: bool) -> Option<(Failure, LoadOutcome)> {
        let Scratch { request, response, .. } = &*self.scratch;
        let status = response.status();
        if status == 101 && !(is_sent && is_agreed(request.upgrade(), response.upgrade())) {
            return Some((Failure::BadAnswer("unexpected_101"), LoadOutcome::Failed));
        }
        // The client would take it for consent.
        let is_consent = request.is_extended_connect() && (200..300).contains(&status);
        is_consent.then_some((Failure::BadAnswer("no_upgrade"), LoadOutcome::Complete))
    }
}
