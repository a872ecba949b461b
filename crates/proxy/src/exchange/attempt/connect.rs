//! Attempts over each version of HTTP.

use super::opening::Opening;
use super::{Attempts, End};
use crate::backend::{Held, Load};
use crate::buffer::Size;
use crate::exchange::{Downstream, HeadFailure, websocket};
use crate::failure::Failure;
use crate::http1::upstream::Http1Upstream;
use crate::http2::client::Http2Upstream;
use irongate_message::HeadError;
use irongate_traffic::{AttemptFailure, Outcome as LoadOutcome, Time};

impl<'a, D: Downstream> Attempts<'a, D> {
    /// An attempt over HTTP/1.1.
    pub(super) async fn once_http1(&mut self, load: &mut Load, now: Time) -> End {
        let core = &self.client.core;
        let backend = &self.work.backend;
        let index = load.index;
        let owner = backend.owner(self.client);
        let careful = !(self.idempotent && self.replay.is_whole());
        let (transport, held, is_pooled) = match self.opening().idle(load, now, careful) {
            Some(transport) => (transport, Held::new(&backend.metrics), true),
            None => match self.opening().open_or_wait(load, now, careful).await {
                Ok(opened) => opened,
                Err((end, outcome)) => {
                    load.end(core.now(), outcome);
                    return end;
                }
            },
        };
        if self.scratch.request.authority().is_empty()
            && let Some(address) = backend.address(index)
        {
            // HTTP/1.0 without Host: many origins refuse an empty one (RFC 9112 §3.2), so it is named by its address.
            self.scratch.request.set_authority(address.to_string().as_bytes());
        }
        if self.scratch.request.is_extended_connect() && self.scratch.request.websocket_key().is_none() {
            self.scratch.request.set_websocket_key(&websocket::key([core.random(), core.random()]));
        }
        let mut upstream = Http1Upstream::begin(
            core,
            transport,
            &self.scratch.request,
            self.facts.head_limits,
            self.client.flow.get(),
            self.client.share.clone(),
        );
        let (mut end, whole) = self.through(&mut upstream, load, now, is_pooled).await;
        if let End::Failed(_, failure @ Failure::UpstreamClosed) = &mut end
            && let Some(named) = upstream.tls_failure()
        {
            // Of TLS 1.3 an instance says only now that it does not take our certificate.
            *failure = named;
        }
        // A client that kept up with much is served from a large buffer at once the next time.
        let flowed = Size::of_flow(self.outcome.response_bytes);
        self.client.flow.set(if whole { flowed.min(upstream.buffer_size()) } else { Size::default() });
        if let Some(transport) = upstream.end(core, whole && matches!(end, End::Over)) {
            held.give_back();
            backend.give_idle(index, transport, self.outcome.ended, owner);
        }
        end
    }

    /// An attempt over HTTP/2.
    pub(super) async fn once_http2(&mut self, load: &mut Load, now: Time) -> End {
        let core = &self.client.core;
        let sender = match self.opening().room(load, now).await {
            Ok(sender) => sender,
            Err((end, outcome)) => {
                load.end(core.now(), outcome);
                return end;
            }
        };
        if self.scratch.request.is_websocket() {
            // A connection that was just opened does not know yet. Where nothing is said, it is not offered.
            let _ = self.timer.within(self.opening().connect_until(now), |cx| sender.poll_settled(cx)).await;
        }
        match Http2Upstream::begin(sender, &self.scratch.request, self.facts.head_limits) {
            Ok(mut upstream) => self.through(&mut upstream, load, now, false).await.0,
            Err(HeadFailure::Malformed(_)) => {
                load.end(core.now(), LoadOutcome::Cancelled);
                End::Final(Failure::Head(HeadError::Target))
            }
            Err(HeadFailure::Closed | HeadFailure::Reset(_) | HeadFailure::Refused) => {
                load.end(core.now(), LoadOutcome::Cancelled);
                End::Failed(AttemptFailure::Refused, Failure::UpstreamClosed)
            }
        }
    }

    /// What is needed to get a connection.
    pub(super) fn opening(&self) -> Opening<'a, '_> {
        Opening {
            client: self.client,
            timer: self.timer,
            facts: self.facts,
            work: self.work,
            tried: &self.tried,
            until: self.deadlines.request,
            only_new: self.only_new,
        }
    }
}
