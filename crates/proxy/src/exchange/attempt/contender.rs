//! Beginning another attempt over each version of HTTP.

use super::End;
use super::opening::{NotOpened, Opening};
use crate::backend::{Held, Load};
use crate::buffer::Size;
use crate::core::Core;
use crate::exchange::{HeadFailure, Upstream};
use crate::failure::Failure;
use crate::http1::upstream::Http1Upstream;
use crate::http2::client::Http2Upstream;
use crate::transport::Transport;
use irongate_message::{HeadError, RequestHead};
use irongate_traffic::{AttemptFailure, Outcome as LoadOutcome, Time};
use std::rc::Rc;

/// An origin's side that another attempt can be made on.
pub(super) trait Contender: Upstream + Sized {
    /// Gets a connection, and writes the request's head.
    async fn begin_on<'a>(
        opening: Opening<'a, '_>,
        load: &Load,
        now: Time,
        request: &RequestHead,
    ) -> Result<Begun<'a, Self>, NotOpened>;

    /// Gives back the connection, if it is this request's alone and can carry another. `is_whole`: this one was sent whole, and its
    /// answer has ended well.
    fn give_back(&mut self, core: &Core, is_whole: bool) -> Option<Rc<Transport>>;
}

/// An attempt that has a connection.
pub(super) struct Begun<'a, U> {
    pub(super) upstream: U,
    /// What counts the connection, where it is not shared.
    pub(super) held: Option<Held<'a>>,
    pub(super) is_pooled: bool,
}

impl Contender for Http1Upstream {
    async fn begin_on<'a>(
        opening: Opening<'a, '_>,
        load: &Load,
        now: Time,
        request: &RequestHead,
    ) -> Result<Begun<'a, Self>, NotOpened> {
        let Opening { client, facts, work, .. } = opening;
        let (transport, held, is_pooled) = match opening.idle(load, now, false) {
            Some(transport) => (transport, Held::new(&work.backend.metrics), true),
            None => opening.open_or_wait(load, now, false).await?,
        };
        let share = client.share.clone();
        let upstream =
            Self::begin(&client.core, transport, request, facts.head_limits, Size::default(), share);
        Ok(Begun { upstream, held: Some(held), is_pooled })
    }

    fn give_back(&mut self, core: &Core, is_whole: bool) -> Option<Rc<Transport>> {
        Self::end(self, core, is_whole)
    }
}

impl Contender for Http2Upstream {
    async fn begin_on<'a>(
        opening: Opening<'a, '_>,
        load: &Load,
        now: Time,
        request: &RequestHead,
    ) -> Result<Begun<'a, Self>, NotOpened> {
        let sender = opening.room(load, now).await?;
        match Self::begin(sender, request, opening.facts.head_limits) {
            Ok(upstream) => Ok(Begun { upstream, held: None, is_pooled: false }),
            Err(HeadFailure::Malformed(_)) => {
                Err((End::Final(Failure::Head(HeadError::Target)), LoadOutcome::Cancelled))
            }
            Err(HeadFailure::Closed | HeadFailure::Reset(_) | HeadFailure::Refused) => {
                let end = End::Failed(AttemptFailure::Refused, Failure::UpstreamClosed);
                Err((end, LoadOutcome::Cancelled))
            }
        }
    }

    fn give_back(&mut self, _: &Core, _: bool) -> Option<Rc<Transport>> {
        // Its connection is shared, and was never taken.
        None
    }
}
