//! Routes to listeners: who attaches to whom.

mod parents;

use super::backend_tls::Users;
use super::backends::Backends;
use super::former::{Former, FormerRoutes};
use super::gateways::{Fault, Gateways, Group, Parent};
use super::hosts::Hosts;
use super::index::Index;
use super::listeners::{ListenerNode, Owner};
use super::regex::Regexes;
use super::rules::{self, Outcome};
use super::streams;
use crate::kinds::{
    CONTROLLER_NAME, GATEWAY_GROUP, Gateway, GrpcRoute, HttpRoute, Kind, ParentReference, RouteObject,
    StreamRouteObject, TcpRoute, TlsRoute, UdpRoute,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::status::{Condition, ParentRefStatus, RouteParentStatus, RouteStatus, Statuses};
use crate::yaml::path::At;
use irongate_config::{
    AttachedRoute, AttachedStreamRoute, HostPattern, ObjectName, Route, RouteKey, Severity, StreamRoute,
};
use parents::{find, missing, parent_kind, there_are, wanted};
use std::borrow::Cow;
use std::sync::Arc;

/// A route of any kind.
#[derive(Clone, Copy)]
enum AnyRoute<'r> {
    Http(&'r Object<HttpRoute>),
    Grpc(&'r Object<GrpcRoute>),
    Tls(&'r Object<TlsRoute>),
    Tcp(&'r Object<TcpRoute>),
    Udp(&'r Object<UdpRoute>),
}

/// The routes of every kind, the older first.
fn by_age(resources: &Resources) -> Vec<AnyRoute<'_>> {
    let mut all = Vec::new();
    all.extend(resources.http_routes.iter().map(|object| (object.age(), AnyRoute::Http(object))));
    all.extend(resources.grpc_routes.iter().map(|object| (object.age(), AnyRoute::Grpc(object))));
    all.extend(resources.tls_routes.iter().map(|object| (object.age(), AnyRoute::Tls(object))));
    all.extend(resources.tcp_routes.iter().map(|object| (object.age(), AnyRoute::Tcp(object))));
    all.extend(resources.udp_routes.iter().map(|object| (object.age(), AnyRoute::Udp(object))));
    all.sort_by_key(|(age, _)| *age);
    all.into_iter().map(|(_, route)| route).collect()
}

/// Translates every route, the older first, and attaches it where its parents let it. Gives the Gateways through which
/// requests come to backends that a `BackendTLSPolicy` is for, and what the next time may use.
pub(super) fn routes<'r>(
    resources: &'r Resources,
    former: &'r Former,
    index: &Index<'r>,
    gateways: &mut Gateways<'r>,
    backends: &mut Backends<'r>,
    statuses: &mut Statuses,
    problems: &mut UnplacedProblems,
) -> (Users<'r>, Former) {
    let count = resources.http_routes.len() + resources.grpc_routes.len();
    let routes = Routes {
        former: &former.routes,
        kept: FormerRoutes::with_capacity(count),
        regexes: Regexes::new(&former.regexes),
    };
    let mixes_kinds = !resources.http_routes.is_empty() && !resources.grpc_routes.is_empty();
    let mut attaching = Attaching { index, gateways, problems, mixes_kinds, users: Users::new(), routes };
    for (age, route) in (0..).zip(by_age(resources)) {
        match route {
            AnyRoute::Http(object) => {
                statuses.http_routes.extend(attaching.requests(object, age, backends, rules::of_http));
            }
            AnyRoute::Grpc(object) => {
                statuses.grpc_routes.extend(attaching.requests(object, age, backends, rules::of_grpc));
            }
            AnyRoute::Tls(object) => statuses.tls_routes.extend(attaching.stream(object, age, backends)),
            AnyRoute::Tcp(object) => statuses.tcp_routes.extend(attaching.stream(object, age, backends)),
            AnyRoute::Udp(object) => statuses.udp_routes.extend(attaching.stream(object, age, backends)),
        }
    }
    let Attaching { users, routes: Routes { kept, regexes, .. }, .. } = attaching;
    (users, Former { routes: kept, regexes: regexes.into_sizes() })
}

/// A route that is ready to be attached.
enum Translated {
    Requests(Arc<Route>),
    Streams(Arc<StreamRoute>),
}

impl Translated {
    /// Adds it to a listener. Another parentRef of the same route may have meant that listener, too.
    fn add(&self, listener: &mut ListenerNode<'_>, hostnames: Vec<HostPattern>) {
        match self {
            Self::Requests(route) => {
                let list = &mut listener.routes;
                if !list.last().is_some_and(|last| Arc::ptr_eq(&last.route, route)) {
                    list.push(AttachedRoute { hostnames, route: route.clone() });
                }
            }
            Self::Streams(route) => {
                let list = &mut listener.stream_routes;
                if !list.last().is_some_and(|last| Arc::ptr_eq(&last.route, route)) {
                    list.push(AttachedStreamRoute { hostnames, route: route.clone() });
                }
            }
        }
    }
}

/// What attaching needs.
struct Attaching<'t, 'r> {
    index: &'t Index<'r>,
    gateways: &'t mut Gateways<'r>,
    problems: &'t mut UnplacedProblems,
    /// Whether there are both `HTTPRoute`s and `GRPCRoute`s: those of one kind keep those of the other from their hosts.
    mixes_kinds: bool,
    users: Users<'r>,
    routes: Routes<'r>,
}

/// Routes of requests, as they were the last time and as they are now.
struct Routes<'r> {
    former: &'r FormerRoutes,
    kept: FormerRoutes,
    regexes: Regexes<'r>,
}

/// Works out the rules of a route of one kind.
type OfKind<'r, K> =
    fn(&'r Object<K>, &Index<'r>, &mut Backends<'r>, &mut Regexes<'r>, &mut UnplacedProblems) -> Outcome<'r>;

impl<'r> Attaching<'_, 'r> {
    fn requests<K: RouteObject>(
        &mut self,
        object: &'r Object<K>,
        age: u32,
        backends: &mut Backends<'r>,
        of_kind: OfKind<'r, K>,
    ) -> Option<(ObjectName, RouteStatus)> {
        let Self { index, problems, routes: Routes { former, kept, regexes }, .. } = self;
        if let Some(route) = former.find(object, index, backends, problems) {
            let route =
                if route.age == age { route.clone() } else { Arc::new(Route { age, ..Route::clone(route) }) };
            kept.keep(object, &route);
            return self.status(object, &Translated::Requests(route), &Outcome::default());
        }
        let before = (problems.count(), regexes.asked());
        let mut outcome = of_kind(object, index, backends, regexes, problems);
        let is_plain = before == (problems.count(), regexes.asked()) && outcome.is_plain();
        let key = RouteKey { kind: K::ROUTE_KIND, name: object.name.clone() };
        let route = Arc::new(Route { key, age, rules: std::mem::take(&mut outcome.rules) });
        if is_plain {
            kept.keep(object, &route);
        }
        self.status(object, &Translated::Requests(route), &outcome)
    }

    fn stream<K: StreamRouteObject>(
        &mut self,
        object: &'r Object<K>,
        age: u32,
        backends: &mut Backends<'r>,
    ) -> Option<(ObjectName, RouteStatus)> {
        let (route, outcome) = streams::translate(object, age, self.index, backends, self.problems);
        self.status(object, &Translated::Streams(Arc::new(route)), &outcome)
    }

    /// Attaches one route to each of its parents; its status, if any of them is ours.
    fn status<K: RouteObject>(
        &mut self,
        object: &Object<K>,
        route: &Translated,
        outcome: &Outcome<'r>,
    ) -> Option<(ObjectName, RouteStatus)> {
        let parents = self.parents(object, route, outcome);
        (!parents.is_empty()).then(|| (object.name.clone(), RouteStatus { parents }))
    }

    fn parents<K: RouteObject>(
        &mut self,
        object: &Object<K>,
        route: &Translated,
        outcome: &Outcome<'r>,
    ) -> Vec<RouteParentStatus> {
        let Self { index, gateways, problems, mixes_kinds, users, .. } = self;
        let parent_refs = object.body.parent_refs();
        let at = At::Root.field("spec");
        let at = at.field("parentRefs");
        let about = (K::KIND, object);
        if parent_refs.is_empty() {
            let text = ("names no Gateway, so that nothing reaches it", "Name one.");
            problems.push(Severity::Warning, about, &at, "NoParent", text);
        }
        let hosts = Hosts::of(&object.body);
        let mut statuses = Vec::with_capacity(parent_refs.len());
        for (place, parent) in parent_refs.iter().enumerate() {
            let at = at.index(place);
            let own = object.name.namespace();
            let group = match find(parent, own, gateways) {
                Parent::Ours(group) => group,
                Parent::Foreign => continue,
                Parent::Missing => {
                    let (severity, reason, text) = missing(parent, own, gateways, problems);
                    problems.push(severity, about, &at, reason, text);
                    continue;
                }
            };
            let gateway = group.listeners.first().map(|listener| listener.key.gateway.clone());
            let accepted = match &outcome.fault {
                Some(fault) => Err(fault.clone()),
                None => {
                    let kind = Kinds { name: K::KIND, mixes: *mixes_kinds };
                    attach(group, parent, (kind, own), &hosts, route, index).map_err(|(fault, advice)| {
                        let text = (fault.message.clone(), advice);
                        problems.push(Severity::Error, about, &at, fault.reason, text);
                        fault
                    })
                }
            };
            if let (Ok(()), Some(gateway)) = (&accepted, gateway) {
                for place in &outcome.secured {
                    users.entry(*place).or_default().insert(gateway.clone());
                }
            }
            statuses.push(parent_status(parent, object.generation, accepted, outcome));
        }
        statuses
    }
}

/// The kind of a route.
#[derive(Clone, Copy)]
struct Kinds {
    name: &'static str,
    /// As [`Attaching::mixes_kinds`].
    mixes: bool,
}

impl Kinds {
    /// Whether an older route of the other kind of requests has some of these hosts on a listener; if not, they
    /// are noted.
    fn is_kept_out(self, listener: &mut ListenerNode<'_>, hostnames: &[HostPattern]) -> bool {
        let place = match self.name {
            _ if !self.mixes => return false,
            HttpRoute::KIND => 0,
            GrpcRoute::KIND => 1,
            _ => return false,
        };
        if hostnames.iter().any(|hostname| listener.hosts[1 - place].overlaps(hostname)) {
            return true;
        }
        hostnames.iter().for_each(|hostname| listener.hosts[place].add(hostname));
        false
    }
}

/// Attaches a route to the listeners that a parentRef means.
///
/// # Errors
/// Why none of them takes it, and what to do.
fn attach(
    group: Group<'_, '_>,
    parent: &ParentReference,
    (route_kind, namespace): (Kinds, &str),
    hosts: &Hosts,
    route: &Translated,
    index: &Index<'_>,
) -> Result<(), (Fault, Cow<'static, str>)> {
    let Group { owner, fault, listeners } = group;
    let (kind, name) = (owner.kind(), owner.name());
    if let Some(fault) = fault {
        let fault =
            Fault::new("NoMatchingParent", format!("{kind} {name} is not accepted: {}", fault.message));
        return Err((fault, format!("Mend the {kind}.").into()));
    }
    let mut tried = Tried::default();
    let is_meant = |listener: &&mut ListenerNode<'_>| {
        parent.section_name.as_ref().is_none_or(|name| *name == listener.spec.name)
            && parent.port.is_none_or(|port| port == listener.spec.port)
    };
    for listener in listeners.iter_mut().filter(is_meant) {
        if let Some(message) = listener.denial(route_kind.name, namespace, index) {
            tried.denial.get_or_insert(message);
            continue;
        }
        tried.is_allowed = true;
        let shared = hosts.shared(&listener.hostname);
        if shared.is_empty() {
            continue;
        }
        if route_kind.is_kept_out(listener, &shared) {
            tried.is_kept_out = true;
            continue;
        }
        tried.is_attached = true;
        route.add(listener, shared);
    }
    if tried.is_attached { Ok(()) } else { Err(tried.refusal(owner, listeners, parent, route_kind)) }
}

/// How far a route came with the listeners that a parentRef means.
#[derive(Default)]
struct Tried {
    /// What the first of them said that does not let it in.
    denial: Option<String>,
    is_allowed: bool,
    is_kept_out: bool,
    is_attached: bool,
}

impl Tried {
    /// Why none of them took it, and what to do.
    fn refusal(
        self,
        owner: Owner<'_>,
        listeners: &[ListenerNode<'_>],
        parent: &ParentReference,
        route_kind: Kinds,
    ) -> (Fault, Cow<'static, str>) {
        let (kind, name) = (owner.kind(), owner.name());
        let (reason, message, advice) = if self.is_kept_out {
            let other = if route_kind.name == HttpRoute::KIND { GrpcRoute::KIND } else { HttpRoute::KIND };
            let message =
                format!("{kind} {name}: an older {other} is attached for some of the same hostnames");
            ("Conflicted", message, "Give one of the two other hostnames.".into())
        } else if self.is_allowed {
            let message = format!("no listener of {kind} {name} has a hostname that the route shares");
            let advice = "Give the route a hostname that a listener has, or a listener one of the route's.";
            ("NoMatchingListenerHostname", message, advice.into())
        } else if let Some(message) = self.denial {
            let advice = "Let it in by the listener's allowedRoutes, or name another listener.";
            ("NotAllowedByListeners", format!("{kind} {name}: {message}"), advice.into())
        } else {
            let message = format!("{kind} {name} has no listener{}", wanted(parent));
            ("NoMatchingParent", message, there_are(listeners).into())
        };
        (Fault::new(reason, message), advice)
    }
}

fn parent_status(
    parent: &ParentReference,
    generation: Option<i64>,
    accepted: Result<(), Fault>,
    outcome: &Outcome<'_>,
) -> RouteParentStatus {
    let mut conditions = vec![
        match accepted {
            Ok(()) => Condition::accepted(generation),
            Err(fault) => Condition::not_accepted(fault.reason, fault.message, generation),
        },
        match &outcome.unresolved {
            None => Condition::new("ResolvedRefs", true, "ResolvedRefs", "", generation),
            Some(fault) => {
                Condition::new("ResolvedRefs", false, fault.reason, fault.message.clone(), generation)
            }
        },
    ];
    if let Some(message) = &outcome.partially_invalid {
        let message = message.clone();
        conditions.push(Condition::new("PartiallyInvalid", true, "UnsupportedValue", message, generation));
    }
    RouteParentStatus {
        parent_ref: ParentRefStatus {
            group: GATEWAY_GROUP,
            kind: parent_kind(parent).unwrap_or(Gateway::KIND),
            namespace: parent.namespace.clone(),
            name: parent.name.clone(),
            section_name: parent.section_name.clone(),
            port: parent.port,
        },
        controller_name: CONTROLLER_NAME,
        conditions,
    }
}
