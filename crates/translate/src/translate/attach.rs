//! Routes to listeners: who attaches to whom.

use super::backends::Backends;
use super::gateways::{Fault, Gateways, Group, Parent};
use super::index::Index;
use super::rules::{self, Outcome};
use crate::kinds::{CONTROLLER_NAME, GATEWAY_GROUP, Gateway, HttpRoute, Kind, ListenerSet, ParentReference};
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
        let group = match find(parent, object, gateways) {
            Ok(Some(group)) => group,
            Ok(None) => continue,
            Err((severity, reason, message, advice)) => {
                report(&at, severity, reason, (&message, advice));
                continue;
            }
        };
        let accepted = match &outcome.fault {
            Some(fault) => Err(fault.clone()),
            None => attach(group, parent, object, hostnames, route, index),
        };
        if let (Err(fault), None) = (&accepted, &outcome.fault) {
            report(&at, Severity::Error, fault.reason, (&fault.message, ""));
        }
        statuses.push(parent_status(parent, object.generation, accepted, outcome));
    }
    statuses
}

/// The listeners that a parentRef names; `None` if they are another controller's.
///
/// # Errors
/// A problem, where there is no such parent.
fn find<'g, 'r>(
    parent: &ParentReference,
    object: &Object<HttpRoute>,
    gateways: &'g mut Gateways<'r>,
) -> Result<Option<Group<'g, 'r>>, (Severity, &'static str, String, &'static str)> {
    let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
    let namespace = parent.namespace.as_deref().unwrap_or(object.name.namespace());
    let kind = parent_kind(parent);
    let found = match kind {
        Some(Gateway::KIND) => gateways.gateway_group(namespace, &parent.name),
        Some(_) => gateways.set_group(namespace, &parent.name),
        None => {
            let kind = parent.kind.as_deref().unwrap_or_default();
            let message = format!("parents of the kind `{kind}` of the group `{group}` are not served");
            return Err((Severity::Warning, "InvalidKind", message, "Name a Gateway or a ListenerSet."));
        }
    };
    match found {
        Parent::Ours(group) => Ok(Some(group)),
        Parent::Foreign => Ok(None),
        Parent::Missing => {
            let kind = kind.unwrap_or_default();
            let message = format!("there is no {kind} {namespace}/{}", parent.name);
            let advice = match (kind, &parent.namespace) {
                (Gateway::KIND, None) if namespace != "default" => {
                    "A Gateway in another namespace is named with its namespace."
                }
                (ListenerSet::KIND, None) if namespace != "default" => {
                    "A ListenerSet in another namespace is named with its namespace."
                }
                _ => "",
            };
            Err((Severity::Error, "NoMatchingParent", message, advice))
        }
    }
}

/// `Gateway` or `ListenerSet`, if a parentRef names one of them.
fn parent_kind(parent: &ParentReference) -> Option<&'static str> {
    let is_ours = parent.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP;
    let kind = parent.kind.as_deref().unwrap_or(Gateway::KIND);
    [Gateway::KIND, ListenerSet::KIND].into_iter().find(|known| is_ours && *known == kind)
}

/// Attaches a route to the listeners that a parentRef means.
fn attach(
    group: Group<'_, '_>,
    parent: &ParentReference,
    object: &Object<HttpRoute>,
    hostnames: Option<&[HostPattern]>,
    route: &Arc<Route>,
    index: &Index<'_>,
) -> Result<(), Fault> {
    let (kind, name) = (group.owner.kind(), group.owner.name());
    if let Some(fault) = group.fault {
        let message = format!("{kind} {name} is not accepted: {}", fault.message);
        return Err(Fault::new("NoMatchingParent", message));
    }
    let (mut denial, mut is_allowed, mut is_attached) = (None, false, false);
    for listener in group.listeners {
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
    if is_attached {
        Ok(())
    } else if is_allowed {
        let message = format!("no listener of {kind} {name} has a hostname that the route shares");
        Err(Fault::new("NoMatchingListenerHostname", message))
    } else if let Some(message) = denial {
        Err(Fault::new("NotAllowedByListeners", format!("{kind} {name}: {message}")))
    } else {
        Err(Fault::new("NoMatchingParent", format!("{kind} {name} has no listener of that name and port")))
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
