//! What runs: a configuration compiled for the data plane.
//!
//! A [`Snapshot`] is built whole beside the running one and published by one pointer. It holds decisions only;
//! what lives (health, load, pools, counters) is in [`live`](crate::live) and in the cores, found by key.

use crate::live::{LiveBackend, Registry};
use crate::tls::{ServerNames, ServerPlan, TlsUse};
use irongate_config::{
    BackendProtocol, BackendTarget, Config, Filter, InvalidBackend, Listener, ListenerProtocol, Problem,
    ProxyOptions, RouteTimeouts, Severity,
};
use irongate_message::{HeadLimits, RequestHead};
use irongate_telemetry::RequestLabels;
use irongate_traffic::filter::Filters;
use irongate_traffic::{CorsPolicy, HostTable, RouteTable, WeightedChoice};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
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
    pub(crate) backends: Vec<BackendPlan>,
    /// By [`Lane`].
    pub(crate) lanes: Vec<RequestLabels>,
}

/// One backend as this snapshot uses it.
pub(crate) struct BackendPlan {
    pub(crate) live: Arc<LiveBackend>,
    pub(crate) protocol: BackendProtocol,
    pub(crate) options: Arc<irongate_config::BackendOptions>,
}

/// One socket address: which listeners share it.
pub(crate) struct PortPlan {
    pub(crate) facts: Arc<PortFacts>,
    hosts: HostTable<usize>,
    listeners: Vec<Arc<ListenerPlan>>,
    /// The listeners by the names that clients ask for, where TLS is spoken.
    pub(crate) names: Option<ServerNames>,
}

/// What connections and exchanges keep of a port, for as long as they last.
pub(crate) struct PortFacts {
    pub(crate) address: SocketAddr,
    /// The oldest listener's: they bound what comes before a host is known.
    pub(crate) options: Arc<ProxyOptions>,
    pub(crate) head_limits: HeadLimits,
    /// The port as text, for forwarding fields.
    pub(crate) port_text: String,
    /// The label of the oldest listener, for what concerns a connection.
    pub(crate) label: Arc<str>,
}

/// One listener: its routes, ready to be matched.
pub(crate) struct ListenerPlan {
    table: RouteTable,
    /// By route, then by rule.
    rules: Vec<Vec<Arc<RulePlan>>>,
    /// What is counted when no route fits.
    pub(crate) unmatched: Lane,
    pub(crate) protocol: ListenerProtocol,
    /// How TLS ends here, if it does.
    pub(crate) tls: Option<Arc<ServerPlan>>,
}

/// Where one request's outcome is counted: an index into a core's metric handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane(pub(crate) u32);

/// One rule of a route.
pub(crate) struct RulePlan {
    pub(crate) filters: Filters,
    choice: WeightedChoice,
    backends: Vec<BackendUse>,
    pub(crate) timeouts: RouteTimeouts,
    pub(crate) retry: Option<irongate_config::RetryPolicy>,
    /// What only few rules have: `None` costs a request one look.
    pub(crate) extras: Option<Box<RuleExtras>>,
    /// For answers that no backend had a part in.
    pub(crate) own: Lane,
}

/// CORS and mirrors of a rule.
pub(crate) struct RuleExtras {
    pub(crate) own: ExtrasPlan,
    /// By backend.
    pub(crate) backends: Vec<ExtrasPlan>,
}

/// CORS and mirrors of one list of filters.
#[derive(Default)]
pub(crate) struct ExtrasPlan {
    pub(crate) cors: Option<Arc<CorsPolicy>>,
    pub(crate) mirrors: Vec<MirrorUse>,
}

/// Which requests are copied, and where to.
pub(crate) struct MirrorUse {
    pub(crate) backend: usize,
    /// So many of [`MirrorUse::denominator`].
    pub(crate) numerator: u32,
    pub(crate) denominator: u32,
}

/// One backend of a rule.
pub(crate) struct BackendUse {
    pub(crate) target: Result<usize, InvalidBackend>,
    pub(crate) filters: Filters,
    pub(crate) lane: Lane,
}

impl PortPlan {
    /// What is counted when no listener is for a host.
    pub(crate) fn unmatched(&self) -> Lane {
        self.listeners.first().map_or(Lane(0), |listener| listener.unmatched)
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
            (_, Some(tls)) => Some(TlsUse::Stream(listener.clone(), tls.clone())),
            (_, None) => Some(TlsUse::Passthrough(listener.clone())),
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
            own: Lane(0),
        }
    }

    /// The backend for one request, by weight; `None` if there is none to choose from.
    pub(crate) fn backend(&self, random: u64) -> Option<(usize, &BackendUse)> {
        let index = self.choice.pick(random)?;
        Some((index, self.backends.get(index)?))
    }

    /// The filters that only one backend's requests pass.
    pub(crate) fn backend_filters(&self, drawn: usize) -> Option<&Filters> {
        self.backends.get(drawn).map(|backend| &backend.filters)
    }
}

/// Compiles a configuration. `ports` gives each address its id.
///
/// What cannot be compiled is a problem, and the rest is there.
pub(crate) fn compile(
    config: &Config,
    registry: &Registry,
    version: u64,
    mut port_id: impl FnMut(SocketAddr) -> PortId,
) -> (Snapshot, Vec<Problem>) {
    let mut compiler = Compiler::default();
    for backend in config.backends.values() {
        compiler.backend_index.insert(backend.key.clone(), compiler.backends.len());
        compiler.backends.push(BackendPlan {
            live: registry.backend(backend),
            protocol: backend.key.protocol,
            options: backend.options.clone(),
        });
    }
    let mut by_address: BTreeMap<SocketAddr, Vec<(usize, &Listener)>> = BTreeMap::new();
    let mut plans: Vec<Arc<ListenerPlan>> = Vec::new();
    let (spoken, others): (Vec<_>, Vec<_>) = config.listeners.iter().partition(|one| is_spoken(one));
    compiler.problems.extend(others.into_iter().map(|listener| unspoken(listener)));
    for listener in spoken {
        for address in &listener.addresses {
            by_address.entry(*address).or_default().push((plans.len(), listener));
        }
        let tls = registry.servers.plan(listener, &mut compiler.problems);
        plans.push(Arc::new(compiler.listener(listener, tls)));
    }
    registry.servers.retain(&config.listeners);
    let mut ports = HashMap::default();
    for (address, listeners) in by_address {
        if let Some(plan) = port_plan(address, &listeners, &plans) {
            ports.insert(port_id(address), Arc::new(plan));
        }
    }
    let Compiler { backends, lanes, problems, .. } = compiler;
    (Snapshot { version, ports, backends, lanes }, problems)
}

/// An address with the listeners that share it; `plans` has them by their numbers.
fn port_plan(
    address: SocketAddr,
    listeners: &[(usize, &Listener)],
    plans: &[Arc<ListenerPlan>],
) -> Option<PortPlan> {
    let (_, first) = listeners.first()?;
    let options = first.options.clone();
    let label: Arc<str> = first.key.to_string().into();
    let mut port_listeners = Vec::new();
    let mut hosts = Vec::new();
    let spoken = listeners.iter().map(|(_, listener)| (listener.protocol, listener.hostname.clone()));
    let names = ServerNames::new(&spoken.collect::<Vec<_>>());
    for &(index, listener) in listeners {
        hosts.push((listener.hostname.clone(), port_listeners.len()));
        port_listeners.push(plans[index].clone());
    }
    let head_limits = HeadLimits {
        bytes: options.limits.head_bytes,
        fields: options.limits.head_fields,
        target: options.limits.target_bytes,
    };
    let port_text = address.port().to_string();
    let facts = Arc::new(PortFacts { address, options, head_limits, port_text, label });
    Some(PortPlan { facts, hosts: HostTable::new(hosts), listeners: port_listeners, names })
}

/// Whether a listener's protocol is spoken: nothing listens for another.
pub(crate) fn is_spoken(listener: &Listener) -> bool {
    matches!(listener.protocol, ListenerProtocol::Http | ListenerProtocol::Https)
}

#[derive(Default)]
struct Compiler {
    backend_index: HashMap<irongate_config::BackendKey, usize>,
    backends: Vec<BackendPlan>,
    lanes: Vec<RequestLabels>,
    problems: Vec<Problem>,
}

impl Compiler {
    fn lane(&mut self, listener: &Arc<str>, route: &Arc<str>, backend: &Arc<str>) -> Lane {
        let lane = Lane(u32::try_from(self.lanes.len()).unwrap_or(u32::MAX));
        self.lanes.push(RequestLabels {
            listener: listener.clone(),
            route: route.clone(),
            backend: backend.clone(),
        });
        lane
    }

    fn listener(&mut self, listener: &Listener, tls: Option<Arc<ServerPlan>>) -> ListenerPlan {
        let label: Arc<str> = listener.key.to_string().into();
        let none: Arc<str> = "".into();
        let unmatched = self.lane(&label, &none, &none);
        let (table, errors) = RouteTable::compile(&listener.routes);
        self.problems.extend(errors.iter().map(uncompiled));
        let mut rules = Vec::with_capacity(listener.routes.len());
        for attached in &listener.routes {
            let route: Arc<str> = attached.route.key.name.to_string().into();
            rules.push(
                attached.route.rules.iter().map(|rule| self.rule(rule, &label, &route, &none)).collect(),
            );
        }
        ListenerPlan { table, rules, unmatched, protocol: listener.protocol, tls }
    }

    fn rule(
        &mut self,
        rule: &irongate_config::RouteRule,
        listener: &Arc<str>,
        route: &Arc<str>,
        none: &Arc<str>,
    ) -> Arc<RulePlan> {
        let own = self.lane(listener, route, none);
        let weights: Vec<u32> = rule.backends.iter().map(|backend| backend.weight).collect();
        let mut backends = Vec::with_capacity(rule.backends.len());
        for backend in &rule.backends {
            let target = match &backend.target {
                BackendTarget::Backend(key) => {
                    self.backend_index.get(key).copied().ok_or(InvalidBackend::BackendNotFound)
                }
                BackendTarget::Invalid(reason) => Err(*reason),
            };
            let lane = match target {
                Ok(index) => {
                    let label = self.backends[index].live.label.clone();
                    self.lane(listener, route, &label)
                }
                Err(_) => own,
            };
            backends.push(BackendUse { target, filters: Filters::compile(&backend.filters), lane });
        }
        Arc::new(RulePlan {
            filters: Filters::compile(&rule.filters),
            choice: WeightedChoice::new(&weights),
            backends,
            timeouts: rule.timeouts,
            retry: rule.retry.clone(),
            extras: self.rule_extras(rule),
            own,
        })
    }

    fn rule_extras(&self, rule: &irongate_config::RouteRule) -> Option<Box<RuleExtras>> {
        let own = self.extras(&rule.filters);
        let backends: Vec<_> = rule.backends.iter().map(|backend| self.extras(&backend.filters)).collect();
        let has_any = !own.is_empty() || backends.iter().any(|extras| !extras.is_empty());
        has_any.then(|| Box::new(RuleExtras { own, backends }))
    }

    fn extras(&self, filters: &[Filter]) -> ExtrasPlan {
        let mut plan = ExtrasPlan::default();
        for filter in filters {
            match filter {
                Filter::Cors(cors) => plan.cors = Some(Arc::new(CorsPolicy::compile(cors))),
                Filter::Mirror(mirror) => {
                    plan.mirrors.extend(self.backend_index.get(&mirror.backend).map(|&backend| MirrorUse {
                        backend,
                        numerator: mirror.numerator,
                        denominator: mirror.denominator,
                    }))
                }
                Filter::RequestHeaders(_)
                | Filter::ResponseHeaders(_)
                | Filter::Redirect(_)
                | Filter::Rewrite(_) => {}
            }
        }
        plan
    }
}

impl ExtrasPlan {
    fn is_empty(&self) -> bool {
        self.cors.is_none() && self.mirrors.is_empty()
    }
}

fn unspoken(listener: &Listener) -> Problem {
    Problem {
        severity: Severity::Error,
        position: None,
        resource: format!("Gateway {}", listener.key.gateway),
        field: format!("listener {}", listener.key.section),
        reason: "UnsupportedProtocol",
        message: format!("{:?} is not spoken: nothing listens there.", listener.protocol),
        advice: "The other listeners are not affected.".to_owned(),
    }
}

/// A match that cannot be compiled (a regular expression that is too large); its rule is served without it.
fn uncompiled(error: &irongate_traffic::CompileError) -> Problem {
    Problem {
        severity: Severity::Error,
        position: None,
        resource: error.route.to_string(),
        field: format!("spec.rules[{}].matches[{}]", error.rule, error.request_match),
        reason: "UnsupportedValue",
        message: error.to_string(),
        advice: "The match is not served; make its expressions simpler.".to_owned(),
    }
}
