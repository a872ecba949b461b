//! Which rule a request falls to, and what becomes of it there: a plain plan, made without waiting.

use super::{Extras, Flow, Scratch, flow};
use crate::backend::CoreBackend;
use crate::connection::Client;
use crate::failure::Failure;
use crate::reply::{self, Reply};
use crate::snapshot::{BackendUse, Lane, ListenerPlan, PortPlan, RulePlan};
use irongate_config::{BackendProtocol, Scheme};
use irongate_message::Forwarding;
use irongate_traffic::filter::FilterContext;
use irongate_traffic::{Deadlines, Time};
use std::rc::Rc;
use std::sync::Arc;

/// What is to be done with a request.
pub(crate) enum Admitted {
    /// A backend shall answer it.
    Forward(Work),
    /// We answer it; the head is in the scratch.
    Reply(Reply),
    /// We refuse it.
    Refuse(Failure),
}

/// A request that is ready to be sent: its head has been shaped.
pub(crate) struct Work {
    pub(crate) rule: Arc<RulePlan>,
    /// Which of the rule's backends was drawn.
    pub(crate) drawn: usize,
    pub(crate) backend: Rc<CoreBackend>,
}

impl Admitted {
    /// When the time of the request is over, as far as its rule or its client says so.
    pub(super) fn until(&self, scratch: &Scratch, begun: Time) -> Time {
        let Self::Forward(work) = self else { return Time::NEVER };
        let deadlines = Deadlines::new(begun, &work.rule.timeouts, None);
        let asked = scratch.grpc.and_then(|_| scratch.request.grpc_timeout());
        asked.map_or(deadlines, |timeout| deadlines.within(begun, timeout)).request
    }
}

/// Route, admit and shape.
pub(crate) fn admit<'p>(client: &Client, plan: &'p PortPlan, scratch: &mut Scratch) -> (&'p Lane, Admitted) {
    let Scratch { request, response, .. } = scratch;
    let Some(listener) = plan.listener(request.host()) else {
        return (plan.unmatched(), Admitted::Refuse(Failure::NoRoute));
    };
    if let Some(tls) = &client.tls
        && !tls.allows(plan, request.host(), listener)
    {
        return (&listener.unmatched, Admitted::Refuse(Failure::Misdirected));
    }
    if request.is_connect() {
        return (&listener.unmatched, Admitted::Refuse(Failure::Connect));
    }
    if request.is_asterisk() {
        return (&listener.unmatched, Admitted::Reply(reply::options(request, response)));
    }
    match shape(client, plan, listener, scratch) {
        Ok(done) => done,
        Err((lane, failure)) => (lane, Admitted::Refuse(failure)),
    }
}

fn shape<'p>(
    client: &Client,
    plan: &PortPlan,
    listener: &'p ListenerPlan,
    scratch: &mut Scratch,
) -> Result<(&'p Lane, Admitted), (&'p Lane, Failure)> {
    let Scratch { request, response, extras, grpc, flow } = scratch;
    let (rule, matched_prefix) = listener.rule(request).ok_or((&listener.unmatched, Failure::NoRoute))?;
    if let Some(asked) = &rule.flow {
        flow::admit(asked, client, &plan.facts, request, flow).map_err(|failure| (&rule.own, failure))?;
    }
    request.forward(&forwarding(client, plan)).map_err(|error| (&rule.own, Failure::Head(error)))?;
    if let Some(plans) = &rule.extras {
        let extras = extras.insert(Extras::new(request, &plan.facts));
        if let Some(reply) = extras.take_cors(&plans.own, request, response) {
            return Ok((&rule.own, Admitted::Reply(reply)));
        }
        extras.find_session(&plans.own, request);
    }
    let context = context(client, plan);
    if let Some(redirection) = rule.filters.request(request, matched_prefix, &context) {
        return Ok((&rule.own, Admitted::Reply(reply::redirect(&redirection, request, response))));
    }
    let (drawn, chosen) = draw(client, rule, extras.as_deref())?;
    let BackendUse { target, filters, lane } = chosen;
    let live = target.as_ref().map_err(|reason| (lane, Failure::InvalidBackend(*reason)))?;
    let for_backend = rule.extras.as_ref().and_then(|plans| Some((plans, plans.backends.get(drawn)?)));
    if let (Some((plans, own)), Some(extras)) = (for_backend, extras.as_mut()) {
        extras.find_session(own, request);
        if let Some(reply) = extras.take_cors(own, request, response) {
            return Ok((lane, Admitted::Reply(reply)));
        }
        extras.take_copies(&plans.own, client, request);
    }
    if let Some(redirection) = filters.request(request, rule.filters.prefix_left(matched_prefix), &context) {
        return Ok((lane, Admitted::Reply(reply::redirect(&redirection, request, response))));
    }
    if let (Some((_, own)), Some(extras)) = (for_backend, extras.as_mut()) {
        extras.take_copies(own, client, request);
    }
    let backend = client.core.backend(live);
    if let Some(limit) = backend.concurrency() {
        Flow::ask_backend(flow, &limit, &client.core).map_err(|failure| (lane, failure))?;
    }
    if backend.protocol == BackendProtocol::Http2 && !request.version().has_streams() {
        *grpc = request.grpc().filter(|kind| kind.is_web());
    }
    Ok((lane, Admitted::Forward(Work { rule: rule.clone(), drawn, backend })))
}

/// What origins are told of the client.
fn forwarding<'c>(client: &'c Client, plan: &'c PortPlan) -> Forwarding<'c> {
    Forwarding {
        client: client.text.as_bytes(),
        trusted: client.is_trusted(&plan.facts),
        scheme: if client.tls.is_some() { b"https" } else { b"http" },
        port: plan.facts.port_text.as_bytes(),
        via: client.core.shared.via.as_bytes(),
        connection: client.number,
    }
}

/// The backend of the request's session, else one by weight.
fn draw<'p>(
    client: &Client,
    rule: &'p RulePlan,
    extras: Option<&Extras>,
) -> Result<(usize, &'p BackendUse), (&'p Lane, Failure)> {
    let of_session = extras.and_then(|extras| rule.backend_of_session(extras.session_backend()?));
    let drawn = of_session.or_else(|| rule.backend(client.core.random()));
    drawn.ok_or((&rule.own, Failure::NoBackend))
}

fn context(client: &Client, plan: &PortPlan) -> FilterContext {
    let scheme = if client.tls.is_some() { Scheme::Https } else { Scheme::Http };
    FilterContext { scheme, listener_port: plan.facts.address.port() }
}
