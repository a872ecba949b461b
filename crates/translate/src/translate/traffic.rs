//! `TrafficPolicy`s: what is asked of the requests of a rule.
//!
//! Field by field, the first policy that says a field counts: one for a rule before one for its route, that before one
//! for the listener, and that before one for the Gateway; then the older before the younger, then by name. A rule's own
//! timeouts and retries come before all of them.

mod fields;
mod targets;

use super::limit_stores::LimitStores;
use super::precedence::{self, Field, FieldPolicy, PolicyField};
use crate::kinds::{
    CONTROLLER_NAME, GATEWAY_GROUP, Gateway, GrpcRoute, HttpRoute, Kind, TrafficPolicy, TrafficPolicySpec,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::status::{Condition, ParentRefStatus, PolicyAncestorStatus, PolicyStatus, Statuses};
use crate::yaml::path::At;
use irongate_config::{
    Config, LimitStore, Listener, ListenerKey, ObjectName, RetryPolicy, Route, RouteKey, RouteKind,
    RouteRule, RouteTimeouts, Severity, TrafficOptions,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use targets::Targets;

/// A rule as it is served on one listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePlace {
    /// Where requests come in.
    pub listener: ListenerKey,
    /// Whose rule it is.
    pub route: RouteKey,
    /// Its index in the route as it was written.
    pub rule: usize,
}

/// What a policy can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum TargetKind {
    Gateway,
    Http,
    Grpc,
}

impl TargetKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => Gateway::KIND,
            Self::Http => HttpRoute::KIND,
            Self::Grpc => GrpcRoute::KIND,
        }
    }
}

/// What a policy is for: kind, namespace, name, and the name of a listener or a rule.
type Target<'r> = (TargetKind, &'r str, &'r str, Option<&'r str>);

/// The policies by what they are for, each list with the older first.
pub(super) struct TrafficPolicies<'r> {
    by_target: BTreeMap<Target<'r>, Order<'r>>,
    /// Those of which every field is said by an older one for the same target, wherever they are for.
    conflicted: BTreeSet<&'r ObjectName>,
    /// Who counts limits for all replicas.
    stores: LimitStores<'r>,
}

/// What policies come to, for one rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    timeouts: RouteTimeouts,
    retry: Option<RetryPolicy>,
    options: TrafficOptions,
    /// The options, once a rule has them: rules with the same policies share them.
    shared: OnceLock<Arc<TrafficOptions>>,
}

impl Wanted {
    /// Sets a field of the retries, which are wanted if it is said.
    fn set_retry(&mut self, set: impl FnOnce(&mut RetryPolicy) -> bool) -> bool {
        // As a rule that names codes alone: once.
        let once = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let mut retry = self.retry.clone().unwrap_or(once);
        let is_said = set(&mut retry);
        if is_said {
            self.retry = Some(retry);
        }
        is_said
    }
}

impl FieldPolicy for TrafficPolicy {
    type Spec = TrafficPolicySpec;
    type Options = Wanted;
    const FIELDS: &'static [Field<TrafficPolicySpec, Wanted>] = fields::FIELDS;

    fn spec(&self) -> &TrafficPolicySpec {
        &self.spec
    }
}

impl<'r> TrafficPolicies<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        stores: LimitStores<'r>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut policies = Self { by_target: BTreeMap::new(), conflicted: BTreeSet::new(), stores };
        let mut objects: Vec<_> = resources.traffic_policies.iter().collect();
        if objects.is_empty() {
            return policies;
        }
        objects.sort_by(|a, b| a.age().cmp(&b.age()));
        let targets = Targets::new(resources);
        let at = At::Root.field("spec");
        let at = at.field("targetRefs");
        for object in objects {
            policies.stores.check(object, problems);
            for (place, reference) in object.body.spec.target_refs.iter().enumerate() {
                match targets.find(reference, object.name.namespace()) {
                    Ok(target) => policies.by_target.entry(target).or_default().push((target, object)),
                    Err((reason, text)) => {
                        let about = (TrafficPolicy::KIND, object);
                        problems.push(Severity::Error, about, &at.index(place), reason, text);
                    }
                }
            }
        }
        let mut counting = BTreeSet::new();
        for (target, list) in &policies.by_target {
            let list: Vec<_> = list.iter().map(|(_, policy)| *policy).collect();
            precedence::tell_losers(&described(target), &list, problems);
            for (place, policy) in list.iter().enumerate() {
                if precedence::says_nothing_new(place, &list) {
                    policies.conflicted.insert(&policy.name);
                } else {
                    counting.insert(&policy.name);
                }
            }
        }
        policies.conflicted.retain(|name| !counting.contains(name));
        policies
    }

    /// Gives rules what policies ask for, and policies their statuses. Who says what, by rule.
    pub(super) fn give(
        &self,
        config: &mut Config,
        statuses: &mut Statuses,
    ) -> BTreeMap<RulePlace, Arc<Vec<PolicyField>>> {
        let mut giving = Giving { policies: self, rules: BTreeMap::new(), routes: HashMap::new() };
        if self.by_target.is_empty() {
            return giving.rules;
        }
        let mut ancestors: BTreeMap<&ObjectName, (Option<i64>, BTreeSet<ObjectName>)> = BTreeMap::new();
        for listener in &mut config.listeners {
            for policy in giving.listener(listener) {
                let entry = ancestors.entry(&policy.name).or_insert((policy.generation, BTreeSet::new()));
                entry.1.insert(listener.key.gateway.clone());
            }
        }
        for (name, (generation, gateways)) in ancestors {
            // The API has room for so many.
            let gateways = gateways.into_iter().take(16);
            let conflicted = self.conflicted.contains(name);
            let ancestors = gateways.map(|gateway| ancestor(&gateway, conflicted, generation)).collect();
            statuses.traffic_policies.insert(name.clone(), PolicyStatus { ancestors });
        }
        giving.rules
    }

    /// The stores that limits name, by name.
    pub(super) fn stores(&self) -> Vec<Arc<LimitStore>> {
        self.stores.used()
    }

    fn of(&self, target: Target<'_>) -> Order<'r> {
        self.by_target.get(&target).cloned().unwrap_or_default()
    }
}

/// A policy, and what it is for.
type Targeted<'r> = (Target<'r>, &'r Object<TrafficPolicy>);

/// Policies in the order of precedence.
type Order<'r> = Vec<Targeted<'r>>;

/// The Gateway and the listener that policies are for, as far as there are such.
type Outer<'r> = (Option<Target<'r>>, Option<Target<'r>>);

/// Rules while they are given what policies ask for.
struct Giving<'p, 'r> {
    policies: &'p TrafficPolicies<'r>,
    rules: BTreeMap<RulePlace, Arc<Vec<PolicyField>>>,
    /// What became of routes, by pointer and by where policies for the listener or its Gateway are from: one may be attached
    /// to several listeners.
    routes: HashMap<(*const Route, Outer<'r>), Arc<Route>>,
}

impl<'r> Giving<'_, 'r> {
    /// One listener; gives the policies that are for its requests.
    fn listener(&mut self, listener: &mut Arc<Listener>) -> Vec<&'r Object<TrafficPolicy>> {
        let key = &listener.key;
        let (namespace, name) = (key.gateway.namespace(), key.gateway.name());
        let of = |section| self.policies.of((TargetKind::Gateway, namespace, name, section));
        let own = Some(&*key.section).filter(|_| key.set.is_none());
        let mut outer = own.map(|section| of(Some(section))).unwrap_or_default();
        outer.extend(of(None));
        let mut used = Vec::new();
        if !listener.routes.is_empty() {
            used.extend(outer.iter().map(|(_, policy)| *policy));
        }
        let mut own: Option<Listener> = None;
        for (place, attached) in listener.routes.iter().enumerate() {
            let route = &attached.route;
            let orders = self.orders(route, &outer);
            if orders.iter().all(Vec::is_empty) {
                continue;
            }
            used.extend(orders.iter().flatten().map(|(_, policy)| *policy));
            let route = self.route(&listener.key, route, &outer, &orders);
            own.get_or_insert_with(|| (**listener).clone()).routes[place].route = route;
        }
        if let Some(own) = own {
            *listener = Arc::new(own);
        }
        used
    }

    /// For each rule of a route, the policies that are for it.
    fn orders(&self, route: &Route, outer: &[Targeted<'r>]) -> Vec<Order<'r>> {
        let kind = if route.key.kind == RouteKind::Grpc { TargetKind::Grpc } else { TargetKind::Http };
        let name = &route.key.name;
        let of = |section| self.policies.of((kind, name.namespace(), name.name(), section));
        let whole = of(None);
        let order = |rule: &Arc<RouteRule>| {
            let named = rule
                .name
                .as_deref()
                .map(|section| self.policies.of((kind, name.namespace(), name.name(), Some(section))));
            [named.unwrap_or_default().as_slice(), &whole, outer].concat()
        };
        route.rules.iter().map(order).collect()
    }

    fn route(
        &mut self,
        listener: &ListenerKey,
        route: &Arc<Route>,
        outer: &[Targeted<'r>],
        orders: &[Order<'r>],
    ) -> Arc<Route> {
        let mut rules = Vec::with_capacity(route.rules.len());
        let mut last: Option<(&Order<'r>, Wanted, Arc<Vec<PolicyField>>)> = None;
        for (rule, order) in route.rules.iter().zip(orders) {
            if order.is_empty() {
                rules.push(rule.clone());
                continue;
            }
            if last.as_ref().filter(|(one, ..)| is_same(one, order)).is_none() {
                let (wanted, fields) = choose(order, &self.policies.stores);
                last = Some((order, wanted, Arc::new(fields)));
            }
            let Some((_, wanted, fields)) = &last else { continue };
            let place = RulePlace { listener: listener.clone(), route: route.key.clone(), rule: rule.place };
            self.rules.insert(place, counting(fields, rule));
            rules.push(Arc::new(wanted.fill(rule)));
        }
        let first = |has_section: bool| {
            let is_meant = |(target, _): &&Targeted<'r>| target.3.is_some() == has_section;
            outer.iter().find(is_meant).map(|(target, _)| *target)
        };
        let new = || Arc::new(Route { key: route.key.clone(), age: route.age, rules });
        let outer = (first(false), first(true));
        self.routes.entry((Arc::as_ptr(route), outer)).or_insert_with(new).clone()
    }
}

/// What the policies of a rule come to. What they count together they count for their target.
fn choose(order: &Order<'_>, stores: &LimitStores<'_>) -> (Wanted, Vec<PolicyField>) {
    let policies: Vec<_> = order.iter().map(|(_, policy)| *policy).collect();
    let (mut wanted, fields) = precedence::choose(&policies);
    let said = |name: &str| {
        let field = fields.iter().find(|field| field.field == name)?;
        order.iter().find(|(_, policy)| policy.name == field.policy)
    };
    let scope = |name: &str| -> Arc<str> {
        said(name)
            .map(|(target, policy)| format!("{} for {}", policy.name, described(target)))
            .unwrap_or_default()
            .into()
    };
    if !wanted.options.rate_limits.is_empty() {
        let scope = scope("rateLimits");
        wanted.options.rate_limits.iter_mut().for_each(|limit| limit.scope = scope.clone());
        if let Some((_, policy)) = said("rateLimits") {
            stores.give(policy, &mut wanted.options.rate_limits);
        }
    }
    if let Some(concurrency) = &mut wanted.options.concurrency {
        concurrency.scope = scope("concurrency");
    }
    if !wanted.options.faults.is_empty() {
        let scope = scope("faults");
        wanted.options.faults.iter_mut().for_each(|fault| fault.scope = scope.clone());
    }
    if let Some(buffer) = &mut wanted.options.request_buffer {
        buffer.scope = scope("requestBuffer");
    }
    if let Some(bandwidth) = &mut wanted.options.request_bandwidth {
        bandwidth.scope = scope("bandwidth.request");
    }
    if let Some(bandwidth) = &mut wanted.options.response_bandwidth {
        bandwidth.scope = scope("bandwidth.response");
    }
    if let Some(compression) = &mut wanted.options.compression {
        compression.scope = scope("compression");
    }
    (wanted, fields)
}

/// `HTTPRoute default/shop`, or a part of it.
fn described((kind, namespace, name, section): &Target<'_>) -> String {
    let part = if *kind == TargetKind::Gateway { "listener" } else { "rule" };
    let section = section.map(|section| format!(", {part} {section}")).unwrap_or_default();
    format!("{} {namespace}/{name}{section}", kind.as_str())
}

fn is_same(one: &Order<'_>, other: &Order<'_>) -> bool {
    let is_same = |((to, one), (also_to, other)): (&Targeted<'_>, &Targeted<'_>)| {
        std::ptr::eq(*one, *other) && to == also_to
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}

/// The fields that the rule does not say itself.
fn counting(fields: &Arc<Vec<PolicyField>>, rule: &RouteRule) -> Arc<Vec<PolicyField>> {
    let is_said = |field: &PolicyField| match field.field {
        "timeouts.request" => rule.timeouts.request.is_some(),
        "timeouts.backendRequest" => rule.timeouts.backend_request.is_some(),
        name => name.starts_with("retry.") && rule.retry.is_some(),
    };
    if fields.iter().any(is_said) {
        return Arc::new(fields.iter().filter(|field| !is_said(field)).cloned().collect());
    }
    fields.clone()
}

impl Wanted {
    /// The rule, with what it does not say itself.
    fn fill(&self, rule: &RouteRule) -> RouteRule {
        let timeouts = RouteTimeouts {
            request: rule.timeouts.request.or(self.timeouts.request),
            backend_request: rule.timeouts.backend_request.or(self.timeouts.backend_request),
        };
        let retry = rule.retry.clone().or_else(|| self.retry.clone());
        // Where nothing else is asked for, a request shall not have to look.
        let is_empty = self.options == TrafficOptions::default();
        let traffic = (!is_empty).then(|| self.shared.get_or_init(|| Arc::new(self.options.clone())).clone());
        RouteRule { timeouts, retry, traffic, ..rule.clone() }
    }
}

fn ancestor(gateway: &ObjectName, conflicted: bool, generation: Option<i64>) -> PolicyAncestorStatus {
    let accepted = if conflicted {
        let message = "Older policies for the same targets say all that this one says.".to_owned();
        Condition::not_accepted("Conflicted", message, generation)
    } else {
        Condition::accepted(generation)
    };
    PolicyAncestorStatus {
        ancestor_ref: ParentRefStatus {
            group: GATEWAY_GROUP,
            kind: Gateway::KIND,
            namespace: Some(gateway.namespace().into()),
            name: gateway.name().into(),
            section_name: None,
            port: None,
        },
        controller_name: CONTROLLER_NAME,
        conditions: vec![accepted],
    }
}
