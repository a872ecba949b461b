//! A configuration to a snapshot, out of the parts of the one before where they did not change.

use super::{
    BackendUse, ExtrasPlan, Lane, ListenerPlan, MirrorUse, PortFacts, PortId, PortPlan, RuleExtras, RulePlan,
    Snapshot,
};
use crate::live::{LiveBackend, Registry};
use crate::place::{Place, PlaceKind, speaks_http3};
use crate::tls::ServerNames;
use irongate_config::{
    AttachedRoute, BackendKey, BackendTarget, Config, Filter, InvalidBackend, Listener, ListenerKey, Problem,
    RouteRule, SessionPersistence, Severity,
};
use irongate_message::{FieldName, HeadLimits};
use irongate_telemetry::RequestLabels;
use irongate_traffic::filter::Filters;
use irongate_traffic::{CorsPolicy, HostTable, RouteTable, SessionPlan, WeightedChoice};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Compiles a configuration. `former` is what runs now: a listener that is the same by pointer keeps its plan, and of
/// one that changed the rules that are the same. `port_id` gives each address its id.
///
/// What cannot be compiled is a problem, and the rest is there.
pub(crate) fn compile(
    config: &Config,
    registry: &Registry,
    former: &Snapshot,
    version: u64,
    mut port_id: impl FnMut(Place) -> PortId,
) -> (Snapshot, Vec<Problem>) {
    let mut compiler = Compiler::new(config, registry, former);
    let mut problems = compiler.backend_problems();
    let mut by_address: BTreeMap<Place, Vec<Arc<ListenerPlan>>> = BTreeMap::new();
    let mut listeners = Vec::with_capacity(config.listeners.len());
    for listener in &config.listeners {
        let plan = compiler.listener(listener);
        problems.extend(plan.problems.iter().cloned());
        for place in Place::of(listener) {
            by_address.entry(place).or_default().push(plan.clone());
        }
        listeners.push(plan);
    }
    registry.servers.retain(&config.listeners);
    let mut ports = HashMap::default();
    for (place, listeners) in by_address {
        let id = port_id(place);
        ports.insert(id, port(place, listeners, former.ports.get(&id)));
    }
    let tells_clients = config.backends.values().any(|backend| backend.options.proxy_protocol.is_some());
    (Snapshot { version, ports, backends: compiler.backends, tells_clients, listeners }, problems)
}

/// One address; `listeners` is never empty.
fn port(place: Place, listeners: Vec<Arc<ListenerPlan>>, former: Option<&Arc<PortPlan>>) -> Arc<PortPlan> {
    let is_same = |former: &&Arc<PortPlan>| {
        former.listeners.len() == listeners.len()
            && former.listeners.iter().zip(&listeners).all(|(one, other)| Arc::ptr_eq(one, other))
    };
    if let Some(former) = former.filter(is_same) {
        return former.clone();
    }
    let first = &listeners[0].source;
    let limits = &first.options.limits;
    let head_limits =
        HeadLimits { bytes: limits.head_bytes, fields: limits.head_fields, target: limits.target_bytes };
    let address = place.address;
    // As with the other options, the oldest listener's. Over HTTP/3 itself clients know.
    let announces = place.kind == PlaceKind::Stream && speaks_http3(first);
    let facts = PortFacts {
        address,
        alternative: announces.then(|| alternative(address.port())),
        options: first.options.clone(),
        head_limits,
        port_text: address.port().to_string(),
        label: first.key.to_string().into(),
    };
    let facts = match former {
        Some(former) if *former.facts == facts => former.facts.clone(),
        _ => Arc::new(facts),
    };
    let hosts = listeners.iter().enumerate().map(|(index, plan)| (plan.source.hostname.clone(), index));
    let hosts = HostTable::new(hosts.collect::<Vec<_>>());
    let spoken: Vec<_> = listeners.iter().map(|plan| (plan.protocol, plan.source.hostname.clone())).collect();
    let names = ServerNames::new(&spoken);
    Arc::new(PortPlan { facts, hosts, listeners, names })
}

/// What tells clients of HTTP/3 at the same port (RFC 7838 §3), for an hour.
fn alternative(port: u16) -> (FieldName, Box<[u8]>) {
    let name = FieldName::new("alt-svc").expect("a token");
    (name, format!("h3=\":{port}\"; ma=3600").into_bytes().into())
}

/// The rules of a listener that are compiled, by the address of what they were made from.
type Rules<'f> = HashMap<*const RouteRule, &'f Arc<RulePlan>, foldhash::fast::RandomState>;

pub(super) struct Compiler<'f> {
    pub(super) registry: &'f Registry,
    by_key: HashMap<&'f BackendKey, Arc<LiveBackend>, foldhash::fast::RandomState>,
    backends: Vec<Option<Arc<LiveBackend>>>,
    former: HashMap<&'f ListenerKey, &'f Arc<ListenerPlan>>,
    /// What a lane is called that has no route or no backend.
    none: Arc<str>,
}

impl<'f> Compiler<'f> {
    fn new(config: &'f Config, registry: &'f Registry, former: &'f Snapshot) -> Self {
        let mut by_key = HashMap::default();
        let mut backends = Vec::new();
        for backend in config.backends.values() {
            let live = registry.backend(backend);
            if backends.len() <= live.slot {
                backends.resize(live.slot + 1, None);
            }
            backends[live.slot] = Some(live.clone());
            by_key.insert(&backend.key, live);
        }
        let former = former.listeners.iter().map(|plan| (&plan.source.key, plan)).collect();
        Self { registry, by_key, backends, former, none: "".into() }
    }

    /// The live backend with this key.
    pub(super) fn live(&self, key: &BackendKey) -> Option<Arc<LiveBackend>> {
        self.by_key.get(key).cloned()
    }

    /// What is wrong with TLS to the backends.
    fn backend_problems(&self) -> Vec<Problem> {
        let plans = self.by_key.values().filter_map(|live| live.settings().tls.clone());
        plans.flat_map(|plan| plan.problems.clone()).collect()
    }

    fn lane(&self, listener: &Arc<str>, route: &Arc<str>, backend: &Arc<str>) -> Lane {
        let (listener, route, backend) = (listener.clone(), route.clone(), backend.clone());
        Lane::new(RequestLabels { listener, route, backend }, self.registry.metrics.cores())
    }

    fn listener(&mut self, listener: &Arc<Listener>) -> Arc<ListenerPlan> {
        let former = self.former.get(&listener.key).copied();
        if let Some(former) = former.filter(|former| Arc::ptr_eq(&former.source, listener)) {
            return former.clone();
        }
        let mut known = Rules::default();
        for (attached, rules) in
            former.iter().flat_map(|former| former.source.routes.iter().zip(&former.rules))
        {
            known.extend(attached.route.rules.iter().map(Arc::as_ptr).zip(rules));
        }
        let (table, left_out) = match former {
            Some(former) if are_matched_alike(&former.source.routes, &listener.routes) => {
                (former.table.clone(), former.left_out.clone())
            }
            _ => {
                let (table, left_out) = RouteTable::compile(&listener.routes);
                (Arc::new(table), left_out)
            }
        };
        let label: Arc<str> = listener.key.to_string().into();
        let rules = listener.routes.iter().map(|attached| {
            let rules = &attached.route.rules;
            let mut name = None;
            let mut plan = |rule: &Arc<RouteRule>| match known.get(&Arc::as_ptr(rule)) {
                Some(plan) => Arc::clone(plan),
                None => {
                    let name = name.get_or_insert_with(|| attached.route.key.name.to_string().into());
                    self.rule(rule, &label, name)
                }
            };
            rules.iter().map(&mut plan).collect()
        });
        let rules = rules.collect();
        let unmatched = self.lane(&label, &self.none, &self.none);
        let mut problems: Vec<_> = left_out.iter().map(uncompiled).collect();
        let tls = self.registry.servers.plan(listener, &mut problems);
        let streams = self.streams(listener);
        let (source, protocol) = (listener.clone(), listener.protocol);
        Arc::new(ListenerPlan { source, table, left_out, problems, rules, unmatched, protocol, tls, streams })
    }

    fn rule(&self, rule: &RouteRule, listener: &Arc<str>, route: &Arc<str>) -> Arc<RulePlan> {
        let weights: Vec<u32> = rule.backends.iter().map(|backend| backend.weight).collect();
        let backends = rule.backends.iter().map(|backend| {
            let target = match &backend.target {
                BackendTarget::Backend(key) => {
                    self.by_key.get(key).cloned().ok_or(InvalidBackend::BackendNotFound)
                }
                BackendTarget::Invalid(reason) => Err(*reason),
            };
            let label = target.as_ref().map_or(&self.none, |live| &live.label);
            let lane = self.lane(listener, route, label);
            BackendUse { filters: Filters::compile(&backend.filters), lane, target }
        });
        Arc::new(RulePlan {
            filters: Filters::compile(&rule.filters),
            choice: WeightedChoice::new(&weights),
            backends: backends.collect(),
            timeouts: rule.timeouts,
            retry: rule.retry.clone(),
            extras: self.rule_extras(rule),
            flow: rule.traffic.as_ref().map(|options| self.registry.limits.plan(options, self.registry)),
            own: self.lane(listener, route, &self.none),
        })
    }

    fn rule_extras(&self, rule: &RouteRule) -> Option<Box<RuleExtras>> {
        let own = self.extras(&rule.filters, rule.session.as_ref());
        let backends = rule.backends.iter();
        let backends: Vec<_> =
            backends.map(|backend| self.extras(&backend.filters, backend.session.as_ref())).collect();
        let has_any = !own.is_empty() || backends.iter().any(|extras| !extras.is_empty());
        has_any.then(|| Box::new(RuleExtras { own, backends }))
    }

    fn extras(&self, filters: &[Filter], session: Option<&Arc<SessionPersistence>>) -> ExtrasPlan {
        let session = session.map(|session| Arc::new(SessionPlan::new(session)));
        let mut plan = ExtrasPlan { session, ..ExtrasPlan::default() };
        for filter in filters {
            match filter {
                Filter::Cors(cors) => plan.cors = Some(Arc::new(CorsPolicy::compile(cors))),
                Filter::Mirror(mirror) => {
                    plan.mirrors.extend(self.by_key.get(&mirror.backend).map(|backend| MirrorUse {
                        backend: backend.clone(),
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

/// Whether two lists of routes give the same table: hosts, order, ages and matches are the same, whatever else their
/// rules say.
fn are_matched_alike(former: &[AttachedRoute], routes: &[AttachedRoute]) -> bool {
    let is_same_route = |(one, other): (&AttachedRoute, &AttachedRoute)| {
        one.hostnames == other.hostnames
            && (Arc::ptr_eq(&one.route, &other.route)
                || one.route.age == other.route.age
                    && one.route.key == other.route.key
                    && one.route.rules.len() == other.route.rules.len()
                    && one
                        .route
                        .rules
                        .iter()
                        .zip(&other.route.rules)
                        .all(|(one, other)| Arc::ptr_eq(one, other) || one.matches == other.matches))
    };
    former.len() == routes.len() && former.iter().zip(routes).all(is_same_route)
}

impl ExtrasPlan {
    fn is_empty(&self) -> bool {
        self.cors.is_none() && self.mirrors.is_empty() && self.session.is_none()
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

#[cfg(test)]
mod tests;
