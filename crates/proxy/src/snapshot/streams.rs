//! Routes of connections and datagrams, compiled: a choice by weight among backends.

use super::compile::Compiler;
use crate::failure::Failure;
use crate::live::LiveBackend;
use irongate_config::{
    BackendRef, BackendTarget, HostPattern, InvalidBackend, Listener, ListenerProtocol, StreamRoute,
};
use irongate_telemetry::{RequestLabels, Series, StreamMetrics};
use irongate_traffic::{HostTable, WeightedChoice};
use std::sync::Arc;

/// Where the connections of a listener go that are passed on as bytes, or its datagrams.
pub(crate) struct StreamRoutes {
    /// By the host that the client asks for; TCP and UDP know none.
    by_host: HostTable<Arc<StreamPlan>>,
    /// Where no route is for the host.
    unmatched: Arc<StreamPlan>,
    is_plain: bool,
}

/// Where the connections or the sessions of one route go.
pub(crate) struct StreamPlan {
    choice: WeightedChoice,
    backends: Vec<StreamUse>,
    /// What is counted where no backend is drawn.
    own: Arc<Series<StreamMetrics>>,
    /// Why none is.
    none: Failure,
}

/// One backend of a route.
struct StreamUse {
    target: Result<Arc<LiveBackend>, InvalidBackend>,
    metrics: Arc<Series<StreamMetrics>>,
}

impl StreamRoutes {
    /// The plan for the host that a client asks for, in lower case; empty if it asks for none.
    pub(crate) fn find(&self, host: &[u8]) -> Option<&Arc<StreamPlan>> {
        self.by_host.find(host)
    }

    /// The plan of everything that comes, where nothing of it is read: TCP and UDP.
    pub(crate) fn plain(&self) -> Option<&Arc<StreamPlan>> {
        self.is_plain.then(|| self.by_host.find(b"").unwrap_or(&self.unmatched))
    }
}

impl StreamPlan {
    /// A backend by weight, or why there is none; and where it is counted.
    pub(crate) fn draw(
        &self,
        random: u64,
    ) -> (&Arc<Series<StreamMetrics>>, Result<&Arc<LiveBackend>, Failure>) {
        match self.choice.pick(random).and_then(|index| self.backends.get(index)) {
            None => (&self.own, Err(self.none)),
            Some(StreamUse { target, metrics }) => {
                (metrics, target.as_ref().map_err(|reason| Failure::InvalidBackend(*reason)))
            }
        }
    }

    /// Whether it still leads to a backend.
    pub(crate) fn leads_to(&self, wanted: &Arc<LiveBackend>) -> bool {
        let mut targets = self.backends.iter().filter_map(|backend| backend.target.as_ref().ok());
        targets.any(|live| Arc::ptr_eq(live, wanted))
    }
}

impl Compiler<'_> {
    /// What becomes of a listener's connections or datagrams, if they are passed on as they come.
    pub(super) fn streams(&self, listener: &Listener) -> Option<StreamRoutes> {
        let is_plain = match listener.protocol {
            ListenerProtocol::Tcp | ListenerProtocol::Udp => true,
            ListenerProtocol::Tls => false,
            ListenerProtocol::Http | ListenerProtocol::Https => return None,
        };
        let label: Arc<str> = listener.key.to_string().into();
        let mut hosts: Vec<(HostPattern, Arc<StreamPlan>)> = Vec::new();
        for attached in &listener.stream_routes {
            let plan = self.stream_route(&label, Some(&attached.route));
            hosts.extend(attached.hostnames.iter().map(|host| (host.clone(), plan.clone())));
        }
        let unmatched = self.stream_route(&label, None);
        Some(StreamRoutes { by_host: HostTable::new(hosts), unmatched, is_plain })
    }

    /// A route of a listener, which is told by its label; `None` leads nowhere.
    fn stream_route(&self, listener: &Arc<str>, route: Option<&StreamRoute>) -> Arc<StreamPlan> {
        let named: Arc<str> = route.map_or(String::new(), |route| route.key.name.to_string()).into();
        let metrics = |backend: Arc<str>| {
            let labels = RequestLabels { listener: listener.clone(), route: named.clone(), backend };
            self.registry.metrics.streams(&labels)
        };
        let refs: &[BackendRef] = route.map_or(&[], |route| &route.backends);
        let weights: Vec<u32> = refs.iter().map(|backend| backend.weight).collect();
        let one = |reference: &BackendRef| {
            let target = match &reference.target {
                BackendTarget::Backend(key) => self.live(key).ok_or(InvalidBackend::BackendNotFound),
                BackendTarget::Invalid(reason) => Err(*reason),
            };
            let label = target.as_ref().map_or_else(|_| "".into(), |live| live.label.clone());
            StreamUse { target, metrics: metrics(label) }
        };
        Arc::new(StreamPlan {
            choice: WeightedChoice::new(&weights),
            backends: refs.iter().map(one).collect(),
            own: metrics("".into()),
            none: if route.is_some() { Failure::NoBackend } else { Failure::NoRoute },
        })
    }
}
