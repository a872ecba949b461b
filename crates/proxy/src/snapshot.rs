//! What runs: a configuration compiled for the data plane.
//!
//! A [`Snapshot`] is built whole beside the running one and published by one pointer. It holds decisions only;
//! what lives (health, load, pools, counters) is in [`live`](crate::live) and in the cores.
//!
//! Parts that did not change are those of the snapshot before: nothing in them says to which snapshot they belong.

mod compile;
mod concurrency;
mod flow;
mod streams;

pub(crate) use compile::compile;
pub(crate) use concurrency::{ConcurrencyLimits, ConcurrencyUse, PriorityPlan};
pub(crate) use flow::{Asked, BufferUse, FlowPlan, LimitWords, Limits, SharedLimits};
pub(crate) use streams::{StreamPlan, StreamRoutes};

use crate::core::Core;
use crate::live::LiveBackend;
use crate::tls::{ServerNames, ServerPlan, TlsUse};
use irongate_config::{InvalidBackend, Listener, ListenerProtocol, Problem, ProxyOptions, RouteTimeouts};
use irongate_message::{FieldName, HeadLimits, RequestHead, ResponseHead};
use irongate_telemetry::{RequestLabels, RequestMetrics};
use irongate_traffic::filter::Filters;
use irongate_traffic::{CompileError, CorsPolicy, HostTable, RouteTable, SessionPlan, WeightedChoice};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A socket address that is or was listened on; never reused, so that a connection can name its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PortId(pub(crate) u32);

/// What runs.
#[derive(Default)]
pub(crate) struct Snapshot {
    /// Counts up from 1 with every one that is published.
    pub(crate) version: u64,
    pub(crate) ports: HashMap<PortId, Arc<PortPlan>, foldhash::fast::RandomState>,
    /// Those that are in use, by [`LiveBackend::slot`].
    pub(crate) backends: Vec<Option<Arc<LiveBackend>>>,
    /// Whether any backend wants to be told who the client is, in PROXY headers.
    pub(crate) tells_clients: bool,
    /// In the order of the configuration, for the next compile.
    listeners: Vec<Arc<ListenerPlan>>,
}

/// One socket address: which listeners share it.
pub(crate) struct PortPlan {
    pub(crate) facts: Arc<PortFacts>,
    hosts: HostTable<usize>,
    /// Never empty; the older first.
    listeners: Vec<Arc<ListenerPlan>>,
    /// The listeners by the names that clients ask for, where TLS is spoken.
    pub(crate) names: Option<ServerNames>,
}

/// What connections and exchanges keep of a port, for as long as they last.
#[derive(PartialEq)]
pub(crate) struct PortFacts {
    pub(crate) address: SocketAddr,
    /// The oldest listener's: they bound what comes before a host is known.
    pub(crate) options: Arc<ProxyOptions>,
    pub(crate) head_limits: HeadLimits,
    /// The port as text, for forwarding fields.
    pub(crate) port_text: String,
    /// The label of the oldest listener, for what concerns a connection.
    pub(crate) label: Arc<str>,
    /// Where else the same is served, for answers to say (`Alt-Svc`).
    pub(crate) alternative: Option<(FieldName, Box<[u8]>)>,
}

impl PortFacts {
    /// Says in an answer where else the same is served, if it is: an origin knows nothing of that.
    pub(crate) fn announce(&self, head: &mut ResponseHead) {
        if let Some((name, value)) = &self.alternative {
            head.fields.set(name, value);
        }
    }
}

/// One listener: its routes, ready to be matched.
pub(crate) struct ListenerPlan {
    /// What it was made from.
    source: Arc<Listener>,
    table: Arc<RouteTable>,
    /// What the table had to leave out.
    left_out: Vec<CompileError>,
    /// All that is wrong with it.
    problems: Vec<Problem>,
    /// By route, then by rule.
    rules: Vec<Vec<Arc<RulePlan>>>,
    /// What is counted when no route fits.
    pub(crate) unmatched: Lane,
    pub(crate) protocol: ListenerProtocol,
    /// How TLS ends here, if it does.
    pub(crate) tls: Option<Arc<ServerPlan>>,
    /// What is passed on as it comes; `None`: nothing is.
    pub(crate) streams: Option<StreamRoutes>,
}

/// Where requests are counted together: each core's handle, taken when its first one comes.
pub(crate) struct Lane {
    labels: RequestLabels,
    cores: Box<[OnceLock<Arc<RequestMetrics>>]>,
}

impl Lane {
    fn new(labels: RequestLabels, cores: usize) -> Self {
        Self { labels, cores: (0..cores).map(|_| OnceLock::new()).collect() }
    }

    /// What a core counts here.
    #[inline]
    pub(crate) fn on(&self, core: &Core) -> &Arc<RequestMetrics> {
        self.cores[core.index].get_or_init(|| core.metrics.requests(&self.labels))
    }
}

/// One rule of a route.
pub(crate) struct RulePlan {
    pub(crate) filters: Filters,
    choice: WeightedChoice,
    backends: Vec<BackendUse>,
    pub(crate) timeouts: RouteTimeouts,
    pub(crate) retry: Option<irongate_config::RetryPolicy>,
    /// What only few rules have: `None` costs a request one look.
    pub(crate) extras: Option<Box<RuleExtras>>,
    /// What policies ask of its requests: `None` costs a request one look.
    pub(crate) flow: Option<Box<FlowPlan>>,
    /// For answers that no backend had a part in.
    pub(crate) own: Lane,
}

/// CORS, mirrors and sessions of a rule.
pub(crate) struct RuleExtras {
    pub(crate) own: ExtrasPlan,
    /// By backend.
    pub(crate) backends: Vec<ExtrasPlan>,
}

/// CORS, mirrors and sessions of a rule or of one of its backends.
#[derive(Default)]
pub(crate) struct ExtrasPlan {
    pub(crate) cors: Option<Arc<CorsPolicy>>,
    pub(crate) mirrors: Vec<MirrorUse>,
    pub(crate) session: Option<Arc<SessionPlan>>,
}

/// Which requests are copied, and where to.
pub(crate) struct MirrorUse {
    pub(crate) backend: Arc<LiveBackend>,
    /// So many of [`MirrorUse::denominator`].
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

/// One backend of a rule.
pub(crate) struct BackendUse {
    pub(crate) target: Result<Arc<LiveBackend>, InvalidBackend>,
    pub(crate) filters: Filters,
    pub(crate) lane: Lane,
}

impl PortPlan {
    /// What is counted when no listener is for a host.
    pub(crate) fn unmatched(&self) -> &Lane {
        &self.listeners[0].unmatched
    }

    /// Where everything goes, if the port carries plain bytes or datagrams.
    pub(crate) fn plain(&self) -> Option<&Arc<StreamPlan>> {
        self.listeners.first()?.streams.as_ref()?.plain()
    }

    /// The listener for a host, in lower case and without a port: the one with the most specific hostname.
    pub(crate) fn listener(&self, host: &[u8]) -> Option<&ListenerPlan> {
        self.hosts.find(host).map(|&index| &*self.listeners[index])
    }

    /// The listener for the name that a client asks for.
    pub(crate) fn tls_listener(&self, name: Option<&str>) -> Option<&Arc<ListenerPlan>> {
        self.listeners.get(self.names.as_ref()?.listener(name)?)
    }

    /// What becomes of a connection whose client asks for a name. `None`: nobody wants it.
    pub(crate) fn tls_use(&self, name: Option<&str>) -> Option<TlsUse> {
        let listener = self.tls_listener(name)?;
        match (listener.protocol, &listener.tls) {
            (ListenerProtocol::Https, tls) => Some(TlsUse::Http(tls.clone()?)),
            (_, tls) => {
                let plan = listener.streams.as_ref()?.find(name.unwrap_or_default().as_bytes())?.clone();
                Some(match tls {
                    Some(tls) => TlsUse::Stream(plan, tls.clone()),
                    None => TlsUse::Passthrough(plan),
                })
            }
        }
    }
}

impl ListenerPlan {
    /// The rule that a request fits, and how many bytes of its path a prefix match fitted.
    pub(crate) fn rule(&self, head: &RequestHead) -> Option<(&Arc<RulePlan>, usize)> {
        let found = self.table.find(head)?;
        let rule = self.rules.get(found.route as usize)?.get(found.rule as usize)?;
        Some((rule, found.matched_prefix))
    }
}

impl RulePlan {
    /// What copies of requests are sent by: as they are, once, and for so long at most.
    pub(crate) fn for_copies(time: Duration) -> Self {
        Self {
            filters: Filters::default(),
            choice: WeightedChoice::new(&[]),
            backends: Vec::new(),
            timeouts: RouteTimeouts { request: Some(time), backend_request: None },
            retry: None,
            extras: None,
            flow: None,
            own: Lane { labels: RequestLabels::default(), cores: Box::default() },
        }
    }

    /// The backend for one request, by weight; `None` if there is none to choose from.
    pub(crate) fn backend(&self, random: u64) -> Option<(usize, &BackendUse)> {
        let index = self.choice.pick(random)?;
        Some((index, self.backends.get(index)?))
    }

    /// The backend of a session, by its [`tag`](LiveBackend::tag); whatever its weight is now (GEP-1619, traffic splitting).
    pub(crate) fn backend_of_session(&self, tag: u32) -> Option<(usize, &BackendUse)> {
        let is_its = |(_, backend): &(usize, &BackendUse)| {
            backend.target.as_ref().is_ok_and(|live| live.tag as u32 == tag)
        };
        self.backends.iter().enumerate().find(is_its)
    }

    /// Where the requests to one backend are counted.
    pub(crate) fn lane(&self, drawn: usize) -> Option<&Lane> {
        self.backends.get(drawn).map(|backend| &backend.lane)
    }

    /// The filters that only one backend's requests pass.
    pub(crate) fn backend_filters(&self, drawn: usize) -> Option<&Filters> {
        self.backends.get(drawn).map(|backend| &backend.filters)
    }
}
