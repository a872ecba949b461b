//! Gateways and their listeners: whether each is valid, and what may attach to it.

use super::classes::{Class, Classes};
use super::conflicts;
use super::index::Index;
use super::parameters;
use crate::kinds::{
    GATEWAY_GROUP, Gateway, HttpRoute, Kind, LabelSelector, Listener, NamespacesFrom, RouteGroupKind, Text,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{AttachedRoute, HostPattern, ListenerKey, ProxyOptions, Severity};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Why a Gateway or a listener is not what was wanted: the API's reason, and a sentence.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A Gateway of ours.
pub(super) struct GatewayNode<'r> {
    pub(super) object: &'r Object<Gateway>,
    /// Why none of it is served.
    pub(super) fault: Option<Fault>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) options: Arc<ProxyOptions>,
    pub(super) listeners: Vec<ListenerNode<'r>>,
}

impl<'r> GatewayNode<'r> {
    /// The options of the class, and over them those of the Gateway.
    fn set_options(&mut self, class: Class<'r>, index: &Index<'r>, problems: &mut UnplacedProblems) {
        let spec = &self.object.body.spec;
        let at = At::Root.field("spec");
        let mut options = ProxyOptions::default();
        match class {
            Class::Ours(Some(parameters)) => parameters::apply(parameters, &mut options),
            Class::Ours(None) | Class::Foreign => {}
            Class::Invalid => {
                let message = format!("GatewayClass `{}` is not accepted", spec.gateway_class_name);
                let at = at.field("gatewayClassName");
                self.fail(&at, "InvalidParameters", (message, "Mend the class."), problems);
            }
        }
        let reference = spec.infrastructure.as_ref().and_then(|part| part.parameters_ref.as_ref());
        let namespace = Some(self.object.name.namespace());
        match reference.map(|reference| parameters::find(reference, namespace, index)) {
            None => {}
            Some(Ok(parameters)) => parameters::apply(parameters, &mut options),
            Some(Err(message)) => {
                let at = at.field("infrastructure");
                self.fail(&at.field("parametersRef"), "InvalidParameters", (message, ""), problems);
            }
        }
        self.options = Arc::new(options);
    }

    /// None of it is served; the first reason counts.
    fn fail(
        &mut self,
        at: &At<'_>,
        reason: &'static str,
        (message, advice): (String, &str),
        problems: &mut UnplacedProblems,
    ) {
        problems.push(Severity::Error, (Gateway::KIND, self.object), at, reason, (message.clone(), advice));
        if self.fault.is_none() {
            self.fault = Some(Fault::new(reason, message));
        }
    }
}

/// One listener of a Gateway of ours.
pub(super) struct ListenerNode<'r> {
    pub(super) spec: &'r Listener,
    pub(super) key: ListenerKey,
    pub(super) hostname: HostPattern,
    pub(super) addresses: Vec<SocketAddr>,
    /// Why it is not served.
    pub(super) fault: Option<Fault>,
    /// Whether the fault is that it collides with another.
    pub(super) is_conflicted: bool,
    /// The kinds that may attach.
    pub(super) kinds: Vec<&'static str>,
    /// Whether kinds are allowed that do not go with its protocol.
    pub(super) has_invalid_kinds: bool,
    /// The routes that are attached, the older first.
    pub(super) routes: Vec<AttachedRoute>,
}

impl ListenerNode<'_> {
    /// Which kinds of routes may attach: those that are allowed and go with the protocol.
    fn set_kinds(
        &mut self,
        at: &At<'_>,
        mut report: impl FnMut(Severity, &At<'_>, &'static str, (&str, &str)),
    ) {
        let allowed: &[RouteGroupKind] =
            self.spec.allowed_routes.as_ref().map_or(&[], |allowed| &allowed.kinds);
        let is_http_route = |kind: &RouteGroupKind| {
            (kind.group.as_deref().unwrap_or(GATEWAY_GROUP), &*kind.kind) == (GATEWAY_GROUP, HttpRoute::KIND)
        };
        if allowed.is_empty() || allowed.iter().any(is_http_route) {
            self.kinds.push(HttpRoute::KIND);
        }
        let at = at.field("kinds");
        for (place, kind) in allowed.iter().enumerate().filter(|(_, kind)| !is_http_route(kind)) {
            self.has_invalid_kinds = true;
            let message = format!("routes of the kind `{}` cannot attach to a listener of HTTP", kind.kind);
            report(Severity::Error, &at.index(place), "InvalidRouteKinds", (&message, "Write HTTPRoute."));
        }
    }

    /// Why a route of a kind in a namespace may not attach; `None` if it may.
    pub(super) fn denial(&self, kind: &str, namespace: &str, index: &Index<'_>) -> Option<String> {
        let name = &self.spec.name;
        if let Some(fault) = &self.fault {
            Some(format!("listener `{name}` is not served: {}", fault.message))
        } else if !self.kinds.contains(&kind) {
            Some(format!("listener `{name}` takes no {kind}"))
        } else if !self.allows_namespace(namespace, index) {
            Some(format!("listener `{name}` takes no routes of the namespace `{namespace}`"))
        } else {
            None
        }
    }

    fn allows_namespace(&self, namespace: &str, index: &Index<'_>) -> bool {
        let namespaces = self.spec.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
        match namespaces.map(|namespaces| namespaces.from).unwrap_or_default() {
            NamespacesFrom::All => true,
            NamespacesFrom::None => false,
            NamespacesFrom::Same => namespace == self.key.gateway.namespace(),
            NamespacesFrom::Selector => {
                let selector: Option<&LabelSelector> = namespaces.and_then(|from| from.selector.as_ref());
                selector
                    .is_some_and(|selector| selector.matches(|label| index.namespace_label(namespace, label)))
            }
        }
    }
}

/// The Gateways of ours, the older first, and each by its name.
pub(super) struct Gateways<'r> {
    pub(super) nodes: Vec<GatewayNode<'r>>,
    by_name: HashMap<(&'r str, &'r str), Option<usize>>,
}

/// What a parentRef found.
pub(super) enum Parent {
    /// A Gateway of ours.
    Ours(usize),
    /// One of another controller.
    Foreign,
    /// None.
    Missing,
}

impl<'r> Gateways<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        classes: &Classes<'r>,
        index: &Index<'r>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut objects: Vec<_> = resources.gateways.iter().collect();
        objects.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut by_name = HashMap::new();
        let mut nodes = Vec::new();
        for object in objects {
            let place = gateway(object, classes, index, problems).map(|node| {
                nodes.push(node);
                nodes.len() - 1
            });
            by_name.insert((object.name.namespace(), object.name.name()), place);
        }
        conflicts::settle(&mut nodes, problems);
        Self { nodes, by_name }
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Parent {
        match self.by_name.get(&(namespace, name)) {
            Some(Some(place)) => Parent::Ours(*place),
            Some(None) => Parent::Foreign,
            None => Parent::Missing,
        }
    }
}

/// One Gateway, if it is ours.
fn gateway<'r>(
    object: &'r Object<Gateway>,
    classes: &Classes<'r>,
    index: &Index<'r>,
    problems: &mut UnplacedProblems,
) -> Option<GatewayNode<'r>> {
    let spec = &object.body.spec;
    let at = At::Root.field("spec");
    let class = match classes.find(&spec.gateway_class_name) {
        Some(Class::Foreign) => return None,
        Some(class) => class,
        None => {
            let message = format!("there is no GatewayClass `{}`", spec.gateway_class_name);
            let text = (message, "Write irongate.");
            let at = at.field("gatewayClassName");
            problems.push(Severity::Error, (Gateway::KIND, object), &at, "UnknownClass", text);
            return None;
        }
    };
    let mut node = GatewayNode {
        object,
        fault: None,
        addresses: Vec::new(),
        options: Arc::default(),
        listeners: Vec::with_capacity(spec.listeners.len()),
    };
    node.set_options(class, index, problems);
    match addresses(object) {
        Ok(addresses) => node.addresses = addresses,
        Err((place, kind)) => {
            let at = at.field("addresses");
            let text = (format!("addresses of the type `{kind}` are not served"), "Write type: IPAddress.");
            node.fail(&at.index(place).field("type"), "UnsupportedAddress", text, problems);
        }
    }
    let at = at.field("listeners");
    for (place, listener) in spec.listeners.iter().enumerate() {
        let listener = listener_node(object, listener, &node.addresses, &at.index(place), problems);
        node.listeners.push(listener);
    }
    Some(node)
}

/// The addresses to listen on: those that are written, else every one of the machine. That is `[::]` alone:
/// its socket takes IPv4, too, and one on `0.0.0.0` beside it would collide.
fn addresses(object: &Object<Gateway>) -> Result<Vec<IpAddr>, (usize, Text)> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (place, address) in object.body.spec.addresses.iter().enumerate() {
        if let Some(kind) = address.kind.as_ref().filter(|_| !address.is_ip()) {
            return Err((place, kind.clone()));
        }
        if let Some(ip) = address.value.as_deref().and_then(|value| value.parse().ok())
            && !addresses.contains(&ip)
        {
            addresses.push(ip);
        }
    }
    let everywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if addresses.is_empty() {
        addresses.push(everywhere);
    } else if addresses.contains(&everywhere) {
        addresses.retain(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    Ok(addresses)
}

fn listener_node<'r>(
    object: &Object<Gateway>,
    spec: &'r Listener,
    addresses: &[IpAddr],
    at: &At<'_>,
    problems: &mut UnplacedProblems,
) -> ListenerNode<'r> {
    let hostname = match spec.hostname.as_deref() {
        None | Some("") => HostPattern::Any,
        // It was checked on reading; what cannot be read must never become every host.
        Some(text) => HostPattern::parse(text).unwrap_or_else(|_| HostPattern::Exact("".into())),
    };
    let mut node = ListenerNode {
        spec,
        key: ListenerKey { gateway: object.name.clone(), section: spec.name.clone() },
        hostname,
        addresses: addresses.iter().map(|ip| SocketAddr::new(*ip, spec.port)).collect(),
        fault: None,
        is_conflicted: false,
        kinds: Vec::new(),
        has_invalid_kinds: false,
        routes: Vec::new(),
    };
    let mut report = |severity, at: &At<'_>, reason, text: (&str, &str)| {
        problems.push(severity, (Gateway::KIND, object), at, reason, text);
    };
    if &*spec.protocol != "HTTP" {
        let message = format!("the protocol `{}` is not served", spec.protocol);
        let advice = "Only HTTP is, for now; the other listeners of the Gateway are not affected.";
        report(Severity::Error, &at.field("protocol"), "UnsupportedProtocol", (&message, advice));
        node.fault = Some(Fault::new("UnsupportedProtocol", message));
        return node;
    }
    if spec.tls.is_some() {
        let text = ("means nothing for the protocol HTTP", "");
        report(Severity::Warning, &at.field("tls"), "Ignored", text);
    }
    node.set_kinds(&at.field("allowedRoutes"), report);
    node
}
