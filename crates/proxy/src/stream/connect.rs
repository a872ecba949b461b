//! A connection to an endpoint of a backend; to another one where that fails.

use crate::backend::{CoreBackend, Held, Load, connect_outcome};
use crate::connection::Client;
use crate::failure::Failure;
use crate::proxy_header;
use crate::snapshot::PortFacts;
use crate::timer::Timer;
use crate::transport::Transport;
use crate::upstream;
use irongate_traffic::{
    AttemptFailure, Begin, Decision, EndpointIndex, Limited, Outcome, PickRequest, Picked, RequestFacts,
    Time, connect_timeout, decide,
};
use smallvec::SmallVec;
use std::pin::pin;
use std::rc::Rc;

/// Connects; nothing was sent yet, so that other endpoints are tried as long as there are any, within the bounds that
/// requests have.
pub(super) async fn connect<'b>(
    client: &Client,
    facts: &PortFacts,
    timer: &Timer,
    backend: &'b Rc<CoreBackend>,
) -> Result<(Rc<Transport>, Load, Held<'b>), Failure> {
    let core = &client.core;
    let mut tried: SmallVec<[EndpointIndex; 4]> = SmallVec::new();
    let mut now = core.now();
    for tries in 1.. {
        let picked = pick(client, backend, &tried, now).ok_or(Failure::NoEndpoint)?;
        let mut load = backend.begin(&picked, now, Begin::Whole);
        if !tried.contains(&picked.index) {
            tried.push(picked.index);
        }
        let Some(address) = backend.address(picked.index) else { return Err(Failure::NoEndpoint) };
        let other_endpoint = backend.has_other(&tried);
        let until = now.after(connect_timeout(backend.options().connect_timeout, other_endpoint));
        let header = proxy_header::header(backend.options().proxy_protocol, client, facts.address);
        let Ok(permit) = backend.permit(Limited::Connections) else {
            load.end(now, Outcome::Cancelled);
            return Err(Failure::Limit(Limited::Connections));
        };
        let mut opening = pin!(upstream::open(core, backend, picked.index, address, &header, permit));
        let opened = timer.within(until, |cx| opening.as_mut().poll(cx)).await;
        now = core.now();
        let failure = match opened.unwrap_or(Err(Failure::ConnectTimeout)) {
            Ok(transport) => {
                load.opened(now);
                return Ok((Rc::new(transport), load, Held::opened(&backend.metrics)));
            }
            Err(failure) => failure,
        };
        backend.metrics.connect_failed();
        load.end(now, connect_outcome(failure));
        let again = decide(AttemptFailure::Connect, &unsent(tries, other_endpoint), None, core.random());
        if again == Decision::GiveUp || !backend.try_retry(now) {
            return Err(failure);
        }
    }
    // The bound on tries ends the loop long before its numbers do.
    Err(Failure::ConnectFailed)
}

/// A connection of which nothing was sent.
fn unsent(tries: u32, other_endpoint: bool) -> RequestFacts {
    RequestFacts {
        idempotent: true,
        replayable: true,
        answer_started: false,
        tries,
        other_endpoint,
        doubted: false,
    }
}

/// An endpoint that was not tried, if there is one.
fn pick(client: &Client, backend: &CoreBackend, tried: &[EndpointIndex], now: Time) -> Option<Picked> {
    let affinity = backend.affinity_of(client.address);
    let random = client.core.random();
    let request = PickRequest { random, tried, replayable: true, affinity: affinity.as_ref() };
    let picked = backend.pick(now, &request)?;
    if picked.panic {
        backend.metrics.panicked();
    }
    Some(picked)
}
