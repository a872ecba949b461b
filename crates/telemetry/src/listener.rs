//! The connections of a listener.

use crate::reason::ReasonCounts;
use crate::series::Metrics;
use crate::{Counter, Gauge, Reason};
use std::sync::Arc;

/// What one core counts of the connections of one listener. Written by that core alone.
#[derive(Debug, Default)]
#[repr(align(64))] // Cores share no cache line.
pub struct ListenerMetrics {
    pub(crate) connections: Counter,
    pub(crate) active: Gauge,
    pub(crate) refusals: ReasonCounts,
    pub(crate) full_handshakes: Counter,
    pub(crate) resumptions: Counter,
}

impl ListenerMetrics {
    /// A connection was accepted; [`ListenerMetrics::closed`] must follow exactly once.
    #[inline]
    pub fn accepted(&self) {
        self.connections.increment();
        self.active.increment();
    }

    /// A connection that was accepted is gone.
    #[inline]
    pub fn closed(&self) {
        self.active.decrement();
    }

    /// TLS was begun with a client; whether by resuming an earlier session.
    pub fn shook_hands(&self, resumed: bool) {
        if resumed { self.resumptions.increment() } else { self.full_handshakes.increment() }
    }

    /// Something that a client sent was refused before it became a request (a head that is none, too many
    /// connections, a timeout).
    pub fn refused(&self, reason: Reason) {
        self.refusals.record(reason);
    }
}

impl Metrics for ListenerMetrics {
    type Labels = Arc<str>;
    type Source = ();

    fn new(_: &Arc<Arc<str>>, (): &(), _: usize) -> Self {
        Self::default()
    }
}
