//! Limits that a store counts for all replicas: asking it, and what is done where it does not answer.

use super::super::Downstream;
use super::super::duplex::Presence;
use super::Flow;
use crate::connection::Client;
use crate::failure::Failure;
use crate::limit_store::{Answer, LiveStore, NoAnswer};
use crate::snapshot::{Asked, SharedLimits};
use crate::timer::Timer;
use irongate_config::StoreFailure;
use irongate_message::RequestHead;
use irongate_telemetry::{Instead, Unanswered};
use irongate_traffic::{LimitVerdict, Time};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;

/// Notes what is to be asked; decides at once where nobody is there to be asked.
pub(super) fn admit(
    limits: &Arc<SharedLimits>,
    client: &Client,
    address: IpAddr,
    request: &RequestHead,
    flow: &mut Option<Box<Flow>>,
) -> Result<(), Failure> {
    let keys = limits.keys(request, address);
    match limits.store.link() {
        Some(link) => {
            let questions = limits.questions(request, address);
            let asked = Asked { limits: limits.clone(), link, questions, keys };
            flow.get_or_insert_default().asked.push(asked);
            Ok(())
        }
        None => {
            limits.store.metrics.core(client.core.index).unanswered(Unanswered::Away);
            without(limits, &keys, client, flow)
        }
    }
}

/// Asks; a failure is the answer to the client. `until`: the request's own time is over then.
pub(super) async fn ask<D: Downstream>(
    asked: Asked,
    client: &Client,
    timer: &Timer,
    downstream: &mut D,
    presence: &mut Presence,
    flow: &mut Option<Box<Flow>>,
    until: Time,
) -> Result<(), Failure> {
    let core = &client.core;
    let Asked { limits, link, questions, keys } = asked;
    let store = &limits.store;
    let metrics = store.metrics.core(core.index);
    let begun = core.now();
    let patience = begun.after(store.config.timeout);
    let mut asking = Box::pin(link.ask(&questions));
    let result = poll_fn(|cx| {
        if let Poll::Ready(answer) = asking.as_mut().poll(cx) {
            return Poll::Ready(Some(answer.map_err(Some)));
        }
        if !presence.look(cx, core, downstream) {
            return Poll::Ready(None);
        }
        let (gone, end) = (presence.until(begun), patience.min(until));
        timer.poll(cx, core.now(), end.min(gone)).map(|()| (end <= gone).then_some(Err(None)))
    })
    .await;
    let now = core.now();
    let answer = match result {
        None => return Err(Failure::ClientGone),
        // Where the request had less time than the store has, that is not the store's fault.
        Some(Err(None)) if until < patience => return Err(Failure::RequestTimeout),
        Some(answer) => answer,
    };
    let why = match answer {
        Ok(answer) => {
            LiveStore::answered(&link);
            metrics.answered(now.micros_since(begun));
            return apply(&limits, answer, client, flow);
        }
        Err(Some(NoAnswer::Busy)) => Unanswered::Busy,
        Err(Some(NoAnswer::Failed)) => Unanswered::Error,
        Err(None) => Unanswered::Timeout,
    };
    if why != Unanswered::Busy {
        store.unanswered(&link);
    }
    metrics.unanswered(why);
    without(&limits, &keys, client, flow)
}

/// Does what the store says.
fn apply(
    limits: &SharedLimits,
    answer: Answer,
    client: &Client,
    flow: &mut Option<Box<Flow>>,
) -> Result<(), Failure> {
    if !answer.fields.is_empty() {
        flow.get_or_insert_default().fields.extend(answer.fields);
    }
    for (limit, verdict) in limits.limits.iter().zip(answer.verdicts) {
        if let LimitVerdict::Refused(wait) = verdict {
            limit.metrics.core(client.core.index).limited(limit.is_dry_run);
            if !limit.is_dry_run {
                return Err(Flow::refuse(flow, &limit.words, wait));
            }
        }
    }
    Ok(())
}

/// Does what is to be done without the store.
fn without(
    limits: &SharedLimits,
    keys: &[u64],
    client: &Client,
    flow: &mut Option<Box<Flow>>,
) -> Result<(), Failure> {
    let core = &client.core;
    let metrics = limits.store.metrics.core(core.index);
    for (limit, key) in limits.limits.iter().zip(keys) {
        match (&limit.local, limit.on_failure) {
            (Some(local), _) => {
                metrics.instead(Instead::Local);
                if let LimitVerdict::Refused(wait) = local.take_key(*key, core.now()) {
                    limit.metrics.core(core.index).limited(limit.is_dry_run);
                    if !limit.is_dry_run {
                        return Err(Flow::refuse(flow, &limit.words, wait));
                    }
                }
            }
            (None, StoreFailure::Deny) if !limit.is_dry_run => {
                metrics.instead(Instead::Deny);
                return Err(Failure::LimitUnanswered);
            }
            (None, _) => metrics.instead(Instead::Allow),
        }
    }
    Ok(())
}
