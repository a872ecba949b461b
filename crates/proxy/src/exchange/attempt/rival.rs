//! Another attempt beside one that waits for long, where a policy asks for it (hedging; Dean, Barroso: The Tail at Scale, 2013).
//!
//! It goes to another endpoint, once a request and within the retry budget, if the request can do no harm by being sent twice. The
//! first good head of an answer counts. The other attempt is cancelled: that says nothing of its endpoint's health, and of its
//! latency that it would have taken longer.

use super::contender::{Begun, Contender};
use super::opening::Opening;
use super::verdict::no_head;
use super::{Attempts, End};
use crate::backend::{Load, Permit};
use crate::body::{BodyFailure, Pump, Source};
use crate::connection::Client;
use crate::exchange::admit::Work;
use crate::exchange::await_head::NoHead;
use crate::exchange::duplex::{Duplex, Presence, Upload};
use crate::exchange::{Downstream, HeadFailure, Upstream};
use crate::failure::Failure;
use crate::snapshot::PortFacts;
use irongate_message::{BodyLength, Fields, RequestHead, ResponseHead};
use irongate_traffic::{
    Affinity, Begin, Deadlines, EndpointIndex, Limited, Outcome as LoadOutcome, PickRequest, Time,
};
use smallvec::SmallVec;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// The other attempt has the answer.
struct Won<'a, U> {
    begun: Begun<'a, U>,
    head: ResponseHead,
    load: Load,
    upload: Upload,
    permit: Option<Permit>,
}

/// How the wait for a head ended.
struct Raced<'a, U> {
    /// There is one: that of the first attempt (`None`), or that of the other. Or else why the first has none.
    headed: Result<Option<Box<Won<'a, U>>>, NoHead>,
    /// How the first attempt ended, if it did: with this status, or without a head.
    first: Option<Result<u16, NoHead>>,
    /// Where the other attempt went, if it has begun.
    went: Option<EndpointIndex>,
}

/// Whether a status is worth waiting for a better one.
fn is_bad(status: u16) -> bool {
    status >= 500
}

/// What another attempt is made of.
struct Wager<'r, 'a> {
    client: &'a Client,
    facts: &'a PortFacts,
    work: &'a Work,
    request: &'r RequestHead,
    /// Where the first attempt is.
    tried: SmallVec<[EndpointIndex; 4]>,
    affinity: Option<Affinity>,
    deadlines: Deadlines,
    /// How long nothing may come.
    patience: Duration,
    /// When it begins.
    at: Time,
}

impl<'a> Wager<'_, 'a> {
    /// Waits for the first good head, of the attempt that is under way or of another.
    async fn race<D: Downstream, U: Contender>(
        self,
        duplex: &mut Duplex<'_, '_, D, U>,
        load: &mut Load,
        head: &mut ResponseHead,
        begun: Time,
        tried: Option<&[EndpointIndex]>,
    ) -> Raced<'a, U> {
        let deadlines = self.deadlines;
        let went = Cell::new(None);
        let mut second = pin!(self.run(&went));
        let mut first = Box::pin(duplex.await_head(load, head, &deadlines, begun, tried));
        // The other has ended without a good answer, and must not be polled any more.
        let mut lost = false;
        let came = poll_fn(|cx| {
            if let Poll::Ready(headed) = first.as_mut().poll(cx) {
                return Poll::Ready(Ok(headed));
            }
            if !lost && let Poll::Ready(ended) = second.as_mut().poll(cx) {
                lost = ended.is_none();
                if let Some(won) = ended {
                    return Poll::Ready(Err(won));
                }
            }
            Poll::Pending
        });
        let headed = match came.await {
            Ok(headed) => headed,
            Err(won) => return Raced { headed: Ok(Some(won)), first: None, went: went.get() },
        };
        drop(first);
        let first = Some(headed.map(|()| head.status()));
        let is_bad = match headed {
            Ok(()) => is_bad(head.status()),
            Err(NoHead::Final(_)) => false,
            Err(NoHead::Upstream(_) | NoHead::AttemptTimeout | NoHead::Silent) => true,
        };
        if !is_bad || lost || went.get().is_none() {
            return Raced { headed: headed.map(|()| None), first, went: went.get() };
        }
        // The other may do better. It has a deadline of its own.
        let better = poll_fn(|cx| poll_while_there(cx, duplex, second.as_mut())).await;
        let headed = match better {
            Ok(None) => headed.map(|()| None),
            Ok(won) => Ok(won),
            Err(gone) => Err(gone),
        };
        Raced { headed, first, went: went.get() }
    }

    /// The other attempt: waits for its time, sends the request, and waits for the head of the answer. `went`: where, once it
    /// has begun.
    async fn run<U: Contender>(mut self, went: &Cell<Option<EndpointIndex>>) -> Option<Box<Won<'a, U>>> {
        let core = &*self.client.core;
        let timer = core.timers.timer();
        timer.sleep_until(self.at).await;
        let now = core.now();
        let (mut load, permit) = self.pick(now)?;
        went.set(Some(load.index));
        let opening = Opening {
            client: self.client,
            timer: &timer,
            facts: self.facts,
            work: self.work,
            tried: &self.tried,
            until: self.deadlines.request,
            only_new: false,
        };
        let mut begun = match U::begin_on(opening, &load, now, self.request).await {
            Ok(begun) => begun,
            Err((_, outcome)) => {
                load.end(core.now(), outcome);
                return None;
            }
        };
        let (mut head, mut upload) = (ResponseHead::default(), Upload::default());
        let until = self.deadlines.attempt(now, Some(now)).0.min(now.after(self.patience));
        let upstream = &mut begun.upstream;
        let came = timer.within(until, |cx| poll_head(cx, upstream, &mut upload.pump, &mut head)).await;
        let now = core.now();
        let outcome = match came {
            Ok(Ok(())) if is_bad(head.status()) => {
                load.answered(now, head.status());
                LoadOutcome::Complete
            }
            // Nobody asked for it.
            Ok(Ok(())) if head.status() == 101 => LoadOutcome::Failed,
            Ok(Ok(())) => {
                self.work.backend.metrics.hedge_won();
                return Some(Box::new(Won { begun, head, load, upload, permit }));
            }
            Ok(Err(failure)) => {
                no_head(NoHead::Upstream(failure), begun.upstream.has_sent(), begun.is_pooled).1
            }
            Err(_) => LoadOutcome::TimedOut,
        };
        load.end(now, outcome);
        None
    }

    /// Another endpoint, if there is one, and the budget allows it.
    fn pick(&mut self, now: Time) -> Option<(Load, Option<Permit>)> {
        let backend = &self.work.backend;
        if !backend.has_other(&self.tried) {
            return None;
        }
        let permit = backend.permit(Limited::Retries).ok()?;
        if !backend.try_retry(now) {
            return None;
        }
        let request = PickRequest {
            random: self.client.core.random(),
            tried: &self.tried,
            replayable: true,
            affinity: self.affinity.as_ref(),
        };
        let picked = backend.pick(now, &request).filter(|picked| !self.tried.contains(&picked.index))?;
        self.tried.push(picked.index);
        backend.metrics.hedged();
        Some((backend.begin(&picked, now, Begin::Whole), permit))
    }
}

/// Looks for the end of the other attempt, while the client is there.
fn poll_while_there<D: Downstream, U: Upstream, F: Future>(
    cx: &mut Context<'_>,
    duplex: &mut Duplex<'_, '_, D, U>,
    second: Pin<&mut F>,
) -> Poll<Result<F::Output, NoHead>> {
    if !duplex.presence.look(cx, duplex.core, duplex.downstream) {
        return Poll::Ready(Err(NoHead::Final(Failure::ClientGone)));
    }
    second.poll(cx).map(Ok)
}

/// Sends what is left of the head, and reads heads until the final one. Interim ones are for nobody: only one attempt's may reach
/// the client.
fn poll_head<U: Upstream>(
    cx: &mut Context<'_>,
    upstream: &mut U,
    sent: &mut Pump,
    head: &mut ResponseHead,
) -> Poll<Result<(), HeadFailure>> {
    if !sent.is_done() {
        // A connection that takes nothing any more may still give an answer, or else says how it ended.
        let _ = sent.poll(cx, &mut NoBody, upstream.sink());
    }
    loop {
        match upstream.poll_head(cx, head) {
            Poll::Ready(Ok(())) if matches!(head.status(), 100 | 102..=199) => {}
            ended => return ended,
        }
    }
}

/// The body of a request that has none.
struct NoBody;

impl Source for NoBody {
    fn poll_fill(&mut self, _: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        Poll::Ready(Ok(false))
    }

    fn data(&self) -> &[u8] {
        &[]
    }

    fn consume(&mut self, _: usize) {}

    fn take_trailers(&mut self) -> Option<Fields> {
        None
    }

    fn is_done(&self) -> bool {
        true
    }
}

impl<D: Downstream> Attempts<'_, D> {
    /// After how long another attempt may be made beside this one, if it may.
    #[inline]
    pub(super) fn hedge_after(&self) -> Option<Duration> {
        let after = self.rule.flow.as_ref()?.hedge_after?;
        let request = &self.scratch.request;
        let is_empty = matches!(request.body(), BodyLength::Empty | BodyLength::Length(0));
        let is_harmless = request.method().is_safe() && is_empty && request.upgrade().is_none();
        let has_session = || self.affinity().is_some_and(|affinity| affinity.session.is_some());
        (self.tries == 1 && is_harmless && !has_session()).then_some(after)
    }

    /// The exchange over a connection, or over that of another attempt, which begins at that time if no head has come.
    pub(super) async fn through_beside_rival<U: Contender>(
        &mut self,
        upstream: &mut U,
        load: &mut Load,
        begun: Time,
        pooled: bool,
        at: Time,
    ) -> (End, bool) {
        let (mut upload, mut presence) = (Upload::default(), Presence::default());
        let affinity = self.affinity();
        let mut duplex = Duplex {
            core: &self.client.core,
            timer: self.timer,
            timeouts: &self.facts.options.timeouts,
            stream_idle: self.stream_idle,
            downstream: &mut *self.downstream,
            upstream: &mut *upstream,
            replay: &mut self.replay,
            coder: None,
            upload: &mut upload,
            presence: &mut presence,
            paces: None,
        };
        let wager = Wager {
            client: self.client,
            facts: self.facts,
            work: self.work,
            request: &self.scratch.request,
            tried: self.tried.clone(),
            affinity,
            deadlines: self.deadlines,
            patience: self.stream_idle,
            at,
        };
        let tried = self.idempotent.then_some(&self.tried[..]);
        let raced = wager.race(&mut duplex, load, &mut self.scratch.response, begun, tried).await;
        self.send_copies();
        self.raced(raced, upstream, load, (&mut upload, &mut presence), pooled).await
    }

    /// What follows from how both attempts went.
    async fn raced<U: Contender>(
        &mut self,
        raced: Raced<'_, U>,
        upstream: &mut U,
        load: &mut Load,
        (upload, presence): (&mut Upload, &mut Presence),
        pooled: bool,
    ) -> (End, bool) {
        let now = self.client.core.now();
        if let Some(index) = raced.went {
            self.tries += 1;
            self.outcome.attempts = self.tries;
            self.tried.push(index);
        }
        match raced.headed {
            Err(failure) => {
                let (end, outcome) = no_head(failure, upstream.has_sent(), pooled);
                load.end(now, outcome);
                (end, false)
            }
            Ok(None) => self.answered(upstream, upload, presence, load, now).await,
            Ok(Some(won)) => {
                let outcome = match raced.first {
                    None => LoadOutcome::Cancelled,
                    Some(Ok(status)) => {
                        load.answered(now, status);
                        LoadOutcome::Complete
                    }
                    Some(Err(failure)) => no_head(failure, upstream.has_sent(), pooled).1,
                };
                load.end(now, outcome);
                (self.through_rival(*won, presence, now).await, false)
            }
        }
    }

    /// What follows the head of an answer: it goes to the client, or is tried again.
    async fn answered<U: Contender>(
        &mut self,
        upstream: &mut U,
        upload: &mut Upload,
        presence: &mut Presence,
        load: &mut Load,
        now: Time,
    ) -> (End, bool) {
        if let Some((end, wait)) = self.instead(upload.pump.is_done(), load, now) {
            self.pause(now, wait).await;
            return (end, false);
        }
        self.deliver(upstream, upload, presence, load, now).await
    }

    /// The answer of the other attempt is the one that counts.
    async fn through_rival<U: Contender>(
        &mut self,
        won: Won<'_, U>,
        presence: &mut Presence,
        now: Time,
    ) -> End {
        let Won { mut begun, head, mut load, mut upload, permit } = won;
        let index = load.index;
        self.scratch.response = head;
        self.retrying = permit;
        self.note_endpoint(index);
        let (end, whole) = self.answered(&mut begun.upstream, &mut upload, presence, &mut load, now).await;
        let is_whole = whole && matches!(end, End::Over);
        if let (Some(transport), Some(held)) =
            (begun.upstream.give_back(&self.client.core, is_whole), begun.held)
        {
            held.give_back();
            let backend = &self.work.backend;
            backend.give_idle(index, transport, self.outcome.ended, backend.owner(self.client));
        }
        end
    }
}
