//! What policies ask of a request before any backend is: limits, the length of its body, faults on purpose.

mod ask;

use super::duplex::Presence;
use super::slot::Slot;
use super::{Admitted, Downstream, Outcome, Scratch, buffering};
use crate::body::{Coder, Paces, Room, Stored};
use crate::connection::Client;
use crate::core::Core;
use crate::failure::Failure;
use crate::snapshot::{Asked, BufferUse, ConcurrencyUse, FlowPlan, LimitWords, PortFacts, RulePlan};
use crate::timer::Timer;
use irongate_config::Priority;
use irongate_message::{BodyLength, FieldName, Known, RequestHead, ResponseHead};
use irongate_traffic::{AskedCoding, LimitVerdict, Time};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What is to be done for a request besides; only few have any.
#[derive(Default)]
pub(crate) struct Flow {
    /// How long it waits first.
    delay: Option<Duration>,
    /// The limit that refused it, and how many seconds it should wait.
    limited: Option<(Arc<LimitWords>, u64)>,
    /// How important it is.
    priority: Priority,
    /// Its place among those under way.
    slot: Option<Slot>,
    /// The same for those to its backend.
    backend_slot: Option<Slot>,
    /// The longest body that is passed on.
    pub(super) max_request_body: Option<u64>,
    /// The body is read whole before it is sent.
    pub(super) buffer: Option<BufferUse>,
    /// What was read of it.
    pub(super) stored: Option<Stored>,
    /// How fast the bodies are passed on.
    pub(super) paces: Option<Box<Paces>>,
    /// The coding that the client asked for, before filters changed the request.
    coding: AskedCoding,
    /// Which stores are asked first.
    asked: Vec<Asked>,
    /// What they want in the answer.
    fields: Vec<(FieldName, Box<[u8]>)>,
}

impl Flow {
    /// Brings the head of an origin's answer into the form that its client asked for; gives what compresses the body, if
    /// that is wanted.
    pub(super) fn encode<'c>(
        &self,
        plan: &RulePlan,
        client: &'c Client,
        request: &RequestHead,
        head: &mut ResponseHead,
    ) -> Option<Box<Coder<'c>>> {
        let compression = plan.flow.as_ref()?.compression.as_ref()?;
        let mut taken = None;
        let (coding, level) =
            compression.plan.answer(self.coding, request, head, |coding, level, length| {
                taken = Room::take(client, Coder::memory(coding, level, length)).map(|room| (room, length));
                if let (None, Some(metrics)) = (&taken, compression.metrics(coding, client.core.index)) {
                    metrics.left();
                }
                taken.is_some()
            })?;
        let (room, length) = taken?;
        let metrics = compression.metrics(coding, client.core.index)?.clone();
        Some(Box::new(Coder::new(coding, level, length, room, metrics)))
    }

    /// Whether the request cannot go its way yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.delay.is_some()
            || self.buffer.is_some()
            || !self.asked.is_empty()
            || self.slots().any(Slot::waits)
    }

    /// The request is over.
    pub(super) fn end(&self, outcome: &Outcome, core: &Core) {
        self.slots().for_each(|slot| slot.learn(outcome, core.random()));
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slot.iter().chain(&self.backend_slot)
    }

    /// Asks for the request's place among those under way to its backend.
    pub(super) fn ask_backend(
        flow: &mut Option<Box<Self>>,
        limit: &Arc<ConcurrencyUse>,
        core: &Core,
    ) -> Result<(), Failure> {
        let flow = flow.get_or_insert_default();
        flow.backend_slot = Some(Slot::ask(limit, flow.priority, flow.is_waiting(), core)?);
        Ok(())
    }

    /// Completes the answer to a request, whoever gives it.
    pub(super) fn answer(&self, head: &mut ResponseHead) {
        for (name, value) in &self.fields {
            head.fields.set(name, value);
        }
        if let Some((words, seconds)) = &self.limited {
            words.tell(*seconds, &mut head.fields);
        }
    }

    /// Notes that a limit refuses the request, and what its client is told.
    fn refuse(flow: &mut Option<Box<Self>>, words: &Arc<LimitWords>, wait: Duration) -> Failure {
        // Whole seconds, and never so few that the next try would be refused again.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        flow.get_or_insert_default().limited = Some((words.clone(), seconds.max(1)));
        Failure::RateLimited
    }
}

/// Asks what a rule's policies ask; a failure is the answer.
pub(super) fn admit(
    plan: &FlowPlan,
    client: &Client,
    facts: &PortFacts,
    request: &RequestHead,
    flow: &mut Option<Box<Flow>>,
) -> Result<(), Failure> {
    if let Some(most) = plan.max_request_body {
        match request.body() {
            BodyLength::Length(length) if length > most => return Err(Failure::BodyTooLarge),
            BodyLength::Empty | BodyLength::Length(_) => {}
            _ => flow.get_or_insert_default().max_request_body = Some(most),
        }
    }
    if let Some(buffer) = &plan.buffer {
        match request.body() {
            BodyLength::Empty | BodyLength::Length(0) => {}
            BodyLength::Length(length) if length > buffer.most => return Err(Failure::BodyTooLarge),
            // A stream of gRPC may wait for answers, and an upgrade for the other protocol.
            _ if request.grpc().is_some() || request.upgrade().is_some() => {}
            _ => flow.get_or_insert_default().buffer = Some(buffer.clone()),
        }
    }
    if let Some(compression) = &plan.compression {
        flow.get_or_insert_default().coding = compression.plan.asked(request);
    }
    if !plan.limits.is_empty() || !plan.shared.is_empty() {
        let now = client.core.now();
        let address = client_address(client, facts, request);
        for limit in &plan.limits {
            let LimitVerdict::Refused(wait) = limit.limiter.take(request, address, now) else { continue };
            limit.metrics.core(client.core.index).limited(limit.is_dry_run);
            if !limit.is_dry_run {
                return Err(Flow::refuse(flow, &limit.words, wait));
            }
        }
        for limits in &plan.shared {
            ask::admit(limits, client, address, request, flow)?;
        }
    }
    pace(plan, client, request, flow);
    fault(plan, client, request, flow)
}

/// Gives the bodies their paces, where there are any.
fn pace(plan: &FlowPlan, client: &Client, request: &RequestHead, flow: &mut Option<Box<Flow>>) {
    let has_body = !matches!(request.body(), BodyLength::Empty | BodyLength::Length(0));
    let request = plan.request_bandwidth.as_ref().filter(|_| has_body);
    let response = plan.response_bandwidth.as_ref();
    if request.is_some() || response.is_some() {
        let index = client.core.index;
        let paces = Paces {
            request: request.map(|one| one.pace(index)),
            response: response.map(|one| one.pace(index)),
        };
        flow.get_or_insert_default().paces = Some(Box::new(paces));
    }
}

/// Makes the first fault that is drawn, if any is.
fn fault(
    plan: &FlowPlan,
    client: &Client,
    request: &RequestHead,
    flow: &mut Option<Box<Flow>>,
) -> Result<(), Failure> {
    for fault in &plan.faults {
        if !fault.is_drawn(&request.fields, client.core.random()) {
            continue;
        }
        let metrics = fault.metrics.core(client.core.index);
        if let Some(delay) = fault.delay(client.core.random()) {
            flow.get_or_insert_default().delay = Some(delay);
            metrics.delayed();
        }
        if let Some(abort) = fault.abort {
            metrics.aborted();
            return Err(Failure::Injected(abort));
        }
        break;
    }
    let priority = plan.priorities.of(&request.fields);
    if priority != Priority::default() {
        flow.get_or_insert_default().priority = priority;
    }
    if let Some(limit) = &plan.concurrency {
        let flow = flow.get_or_insert_default();
        flow.slot = Some(Slot::ask(limit, priority, flow.is_waiting(), &client.core)?);
    }
    Ok(())
}

/// Who the client is: behind trusted proxies, the last that none of them is.
fn client_address(client: &Client, facts: &PortFacts, request: &RequestHead) -> IpAddr {
    if !client.is_trusted(facts) || request.fields.get(Known::XForwardedFor).is_none() {
        return client.address;
    }
    let Ok(name) = FieldName::new("x-forwarded-for") else { return client.address };
    let mut address = client.address;
    let lines: smallvec::SmallVec<[&[u8]; 4]> = request.fields.values(&name).collect();
    for part in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
        let text = std::str::from_utf8(part.trim_ascii()).ok();
        let Some(one) = text.and_then(|text| text.parse::<IpAddr>().ok()) else { break };
        address = one.to_canonical();
        if !facts.options.trusts(address) {
            break;
        }
    }
    address
}

/// Waits for what has to be there, or to pass, before a request that came at `begun` is served: the stores that count it; the
/// rest of its body, and then its place among those under way, only if a backend is to get it.
///
/// # Errors
/// Why it is refused after all.
pub(super) async fn wait<D: Downstream>(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    downstream: &mut D,
    scratch: &mut Scratch,
    admitted: &Admitted,
    begun: Time,
) -> Result<(), Failure> {
    let until = admitted.until(scratch, begun);
    ask_all(client, timer, downstream, scratch, until).await?;
    let delay = scratch.flow.as_mut().and_then(|flow| flow.delay.take());
    if let Some(delay) = delay
        && !is_there_after(delay, client, timer, downstream).await
    {
        return Err(Failure::ClientGone);
    }
    if !matches!(admitted, Admitted::Forward(_)) {
        return Ok(());
    }
    if let Some(buffer) = scratch.flow.as_mut().and_then(|flow| flow.buffer.take()) {
        let timeouts = &facts.options.timeouts;
        buffering::read(client, timer, timeouts, downstream, scratch, &buffer).await?;
    }
    let Some(flow) = &mut scratch.flow else { return Ok(()) };
    for slot in [&mut flow.slot, &mut flow.backend_slot].into_iter().flatten() {
        slot.wait(client, timer, downstream).await?;
    }
    Ok(())
}

/// Asks the stores that count the request. `until`: its own time is over then.
async fn ask_all<D: Downstream>(
    client: &Client,
    timer: &Timer,
    downstream: &mut D,
    scratch: &mut Scratch,
    until: Time,
) -> Result<(), Failure> {
    let Some(flow) = &mut scratch.flow else { return Ok(()) };
    let mut presence = Presence::default();
    for asked in std::mem::take(&mut flow.asked) {
        ask::ask(asked, client, timer, downstream, &mut presence, &mut scratch.flow, until).await?;
    }
    Ok(())
}

/// Waits; false if the client left meanwhile.
async fn is_there_after<D: Downstream>(
    delay: Duration,
    client: &Client,
    timer: &Timer,
    downstream: &mut D,
) -> bool {
    let begun = client.core.now();
    let end = begun.after(delay);
    let mut presence = Presence::default();
    let there = std::future::poll_fn(|cx| {
        if !presence.look(cx, &client.core, downstream) {
            return Poll::Ready(false);
        }
        let gone = presence.until(begun);
        timer.poll(cx, client.core.now(), end.min(gone)).map(|()| end <= gone)
    });
    there.await
}
