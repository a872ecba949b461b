//! What a backend may have at once. Where nothing is limited, nothing is counted.

use super::CoreBackend;
use crate::snapshot::ConcurrencyUse;
use irongate_traffic::{BackendState, Limited};
use std::cell::Cell;
use std::sync::Arc;

/// One of what is limited; given back when it is dropped.
pub(crate) struct Permit {
    state: Arc<BackendState>,
    what: Limited,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.state.limits().give_back(self.what);
    }
}

/// A request that waits for a connection.
pub(crate) struct WaitingHere<'a>(&'a Cell<u32>);

impl Drop for WaitingHere<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// There is no more to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl CoreBackend {
    /// One of what is limited; `None` if nothing is. A refusal is counted.
    pub(crate) fn permit(&self, what: Limited) -> Result<Option<Permit>, Exhausted> {
        let permit = self.try_permit(what);
        if permit.is_err() {
            self.metrics.limited(what as usize);
        }
        permit
    }

    /// The same for one who may ask again.
    pub(crate) fn try_permit(&self, what: Limited) -> Result<Option<Permit>, Exhausted> {
        if !self.limited.get() {
            return Ok(None);
        }
        let taken = self.live.state.limits().take(what);
        taken.then(|| Some(Permit { state: self.live.state.clone(), what })).ok_or(Exhausted)
    }

    /// The limit of what is under way, if there is one.
    #[inline]
    pub(crate) fn concurrency(&self) -> Option<Arc<ConcurrencyUse>> {
        self.concurrency.borrow().clone()
    }

    /// Says that a request of this core waits for a connection, until what is given is dropped.
    pub(crate) fn wait_for_connection(&self) -> WaitingHere<'_> {
        self.waiting.set(self.waiting.get() + 1);
        WaitingHere(&self.waiting)
    }

    /// Whether requests wait for a connection on another core alone: then none is kept idle here.
    pub(super) fn is_short_of_connections(&self) -> bool {
        self.limited.get() && self.waiting.get() == 0 && self.live.state.limits().used(Limited::Pending).0 > 0
    }

    /// Closes an idle connection, so that another may be opened elsewhere. False: there is none.
    pub(crate) fn close_one_idle(&self) -> bool {
        let mut endpoints = self.endpoints.borrow_mut();
        let closed = endpoints.iter_mut().flatten().any(|endpoint| endpoint.idle.pop().is_some());
        if closed {
            self.metrics.unparked();
            self.metrics.closed();
        }
        closed
    }
}
