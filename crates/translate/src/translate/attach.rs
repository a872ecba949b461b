//! Routes to listeners: who attaches to whom.

use super::backends::Backends;
use super::gateways::{Fault, GatewayNode, Gateways, Parent};
use super::index::Index;
use super::rules::{self, Outcome};
use crate::kinds::{CONTROLLER_NAME, GATEWAY_GROUP, Gateway, HttpRoute, Kind, ParentReference};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::status::{Condition, ParentRefStatus, RouteParentStatus, RouteStatus, Statuses};
use crate::yaml::path::At;
use irongate_config::{AttachedRoute, HostPattern, Route, RouteKey, RouteKind, Severity};
use std::sync::Arc;

/// Translates every `HTTPRoute`, the older first, and attaches it where its parents let it.
pub(super) fn http_routes<'r>(
    resources: &'r Resources,
    index: &Index<'r>,
    gateways: &mut Gateways<'r>,
    backends: &mut Backends<'r>,
    statuses: &mut Statuses,
    problems: &mut UnplacedProblems,
) {
    let mut objects: Vec<_> = resources.http_routes.iter().collect();
    objects.sort_by(|a, b| a.age().cmp(&b.age()));
    let mut regexes = super::regex::Regexes::default();
    for (age, object) in (0..).zip(objects) {
        let mut outcome = rules::translate(object, index, backends, &mut regexes, problems);
        let route = Arc::new(Route {
            key: RouteKey { kind: RouteKind::Http, name: object.name.clone() },
            age,
            rules: std::mem::take(&mut outcome.rules),
        });
        let parents = parents(object, &route, &outcome, index, gateways, problems);
        if !parents.is_empty() {
            statuses.http_routes.insert(object.name.clone(), RouteStatus { parents });
        }
    }
}

/// Attaches one route to each of its parents.
fn parents(
    object: &Object<HttpRoute>,
    route: &Arc<Route>,
    outcome: &Outcome,
    index: &Index<'_>,
    gateways: &mut Gateways<'_>,
    problems: &mut UnplacedProblems,
) -> Vec<RouteParentStatus> {
    let spec = &object.body.spec;
    let at = At::Root.field("spec");
    let at = at.field("parentRefs");
    let mut report = |at: &At<'_>, severity, reason, text: (&str, &str)| {
        problems.push(severity, (HttpRoute::KIND, object), at, reason, text);
    };
    if spec.parent_refs.is_empty() {
        let text = ("names no Gateway, so that nothing reaches it", "Name one.");
        report(&at, Severity::Warning, "NoParent", text);
    }
    // They were checked on reading.
    let hostnames: Vec<HostPattern> =
        spec.hostnames.iter().filter_map(|hostname| HostPattern::parse(hostname).ok()).collect();
    let hostnames = (!spec.hostnames.is_empty()).then_some(&hostnames[..]);
    let mut statuses = Vec::with_capacity(spec.parent_refs.len());
    for (place, parent) in spec.parent_refs.iter().enumerate() {
        let at = at.index(place);
        let gateway = match find(parent, object, gateways) {
            Ok(Some(gateway)) => gateway,
            Ok(None) => continue,
            Err((severity, reason, message, advice)) => {
                report(&at, severity, reason, (&message, advice));
                continue;
            }
        };
        let accepted = match &outcome.fault {
            Some(fault) => Err(fault.clone()),
            None => attach(gateway, parent, object, hostnames, route, index),
        };
        if let (Err(fault), None) = (&accepted, &outcome.fault) {
            report(&at, Severity::Error, fault.reason, (&fault.message, ""));
        }
        statuses.push(parent_status(parent, object.generation, accepted, outcome));
    }
    statuses
}

/// The Gateway that a parentRef names; `None` if it is another controller's.
///
/// # Errors
/// A problem, where there is none.
fn find<'g, 'r>(
    parent: &ParentReference,
    object: &Object<HttpRoute>,
    gateways: &'g mut Gateways<'r>,
) -> Result<Option<&'g mut GatewayNode<'r>>, (Severity, &'static str, String, &'static str)> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let kind = parent.kind.as_deref().unwrap_or(Gateway::KIND);
    if (group, kind) != (GATEWAY_GROUP, Gateway::KIND) {
        let message = format!("parents of the kind `{kind}` are not served");
        return Err((Severity::Warning, "InvalidKind", message, ""));
    }
    let namespace = parent.namespace.as_deref().unwrap_or(object.name.namespace());
    match gateways.find(namespace, &parent.name) {
        Parent::Ours(gateway) => Ok(gateways.nodes.get_mut(gateway)),
        Parent::Foreign => Ok(None),
        Parent::Missing => {
            let message = format!("there is no Gateway {namespace}/{}", parent.name);
            let advice = if parent.namespace.is_none() && namespace != "default" {
                "A Gateway in another namespace is named with its namespace."
            } else {
                ""
            };
            Err((Severity::Error, "NoMatchingParent", message, advice))
        }
    }
}

/// Attaches a route to the listeners that a parentRef means.
fn attach(
    gateway: &mut GatewayNode<'_>,
    parent: &ParentReference,
    object: &Object<HttpRoute>,
    hostnames: Option<&[HostPattern]>,
    route: &Arc<Route>,
    index: &Index<'_>,
) -> Result<(), Fault> {
    if let Some(fault) = &gateway.fault {
        let message = format!("Gateway {} is not accepted: {}", gateway.object.name, fault.message);
        return Err(Fault::new("NoMatchingParent", message));
    }
    let (mut denial, mut is_allowed, mut is_attached) = (None, false, false);
    for listener in &mut gateway.listeners {
        let is_meant = parent.section_name.as_ref().is_none_or(|name| *name == listener.spec.name)
            && parent.port.is_none_or(|port| port == listener.spec.port);
        if !is_meant {
            continue;
        }
        if let Some(message) = listener.denial(HttpRoute::KIND, object.name.namespace(), index) {
            denial.get_or_insert(message);
            continue;
        }
        is_allowed = true;
        let shared = shared_hostnames(&listener.hostname, hostnames);
        if shared.is_empty() {
            continue;
        }
        is_attached = true;
        // Another parentRef of the same route may have meant this listener, too.
        if !listener.routes.last().is_some_and(|last| Arc::ptr_eq(&last.route, route)) {
            listener.routes.push(AttachedRoute { hostnames: shared, route: route.clone() });
        }
    }
    let name = &gateway.object.name;
    if is_attached {
        Ok(())
    } else if is_allowed {
        let message = format!("no listener of Gateway {name} has a hostname that the route shares");
        Err(Fault::new("NoMatchingListenerHostname", message))
    } else if let Some(message) = denial {
        Err(Fault::new("NotAllowedByListeners", format!("Gateway {name}: {message}")))
    } else {
        Err(Fault::new("NoMatchingParent", format!("Gateway {name} has no listener of that name and port")))
    }
}

/// The hosts that a listener and a route share; a route without hostnames takes the listener's.
fn shared_hostnames(listener: &HostPattern, hostnames: Option<&[HostPattern]>) -> Vec<HostPattern> {
    let Some(hostnames) = hostnames else { return vec![listener.clone()] };
    let mut shared: Vec<HostPattern> = Vec::new();
    for hostname in hostnames.iter().filter_map(|hostname| hostname.intersect(listener)) {
        if !shared.contains(&hostname) {
            shared.push(hostname);
        }
    }
    shared
}

fn parent_status(
    parent: &ParentReference,
    generation: Option<i64>,
    accepted: Result<(), Fault>,
    outcome: &Outcome,
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
            kind: Gateway::KIND,
            namespace: parent.namespace.clone(),
            name: parent.name.clone(),
            section_name: parent.section_name.clone(),
            port: parent.port,
        },
        controller_name: CONTROLLER_NAME,
        conditions,
    }
}
