//! Listeners: whether each is valid in itself, and what may attach to it.

use super::gateways::Fault;
use super::hosts::HostSet;
use super::index::Index;
use super::served;
use crate::kinds::{
    GATEWAY_GROUP, Gateway, Kind, LabelSelector, Listener, ListenerSet, NamespacesFrom, Protocol,
    RouteGroupKind,
};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{
    AttachedRoute, AttachedStreamRoute, HostPattern, ListenerKey, ListenerTls, ObjectName, Severity,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a listener is written in.
#[derive(Clone, Copy)]
pub(super) enum Owner<'r> {
    Gateway(&'r Object<Gateway>),
    ListenerSet(&'r Object<ListenerSet>),
}

impl<'r> Owner<'r> {
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Gateway(_) => Gateway::KIND,
            Self::ListenerSet(_) => ListenerSet::KIND,
        }
    }

    pub(super) fn name(self) -> &'r ObjectName {
        match self {
            Self::Gateway(object) => &object.name,
            Self::ListenerSet(object) => &object.name,
        }
    }

    pub(super) fn listeners(self) -> &'r [Listener] {
        match self {
            Self::Gateway(object) => &object.body.spec.listeners,
            Self::ListenerSet(object) => &object.body.spec.listeners,
        }
    }

    /// Adds a problem of a field.
    pub(super) fn report(
        self,
        problems: &mut UnplacedProblems,
        severity: Severity,
        at: &At<'_>,
        reason: &'static str,
        text: (impl Into<String>, impl Into<String>),
    ) {
        match self {
            Self::Gateway(object) => problems.push(severity, (Gateway::KIND, object), at, reason, text),
            Self::ListenerSet(object) => {
                problems.push(severity, (ListenerSet::KIND, object), at, reason, text)
            }
        }
    }

    /// Adds a problem of a field of one of its listeners.
    pub(super) fn report_listener(
        self,
        problems: &mut UnplacedProblems,
        place: usize,
        field: &str,
        fault: &Fault,
        advice: &str,
    ) {
        let text = (fault.message.clone(), advice);
        self.report_field(problems, Severity::Error, (place, field), fault.reason, text);
    }

    /// The same where more is to be said: how bad it is, and the field with its listener's place.
    pub(super) fn report_field(
        self,
        problems: &mut UnplacedProblems,
        severity: Severity,
        (place, field): (usize, &str),
        reason: &'static str,
        text: (impl Into<String>, impl Into<String>),
    ) {
        let at = At::Root.field("spec");
        let at = at.field("listeners");
        self.report(problems, severity, &at.index(place).field(field), reason, text);
    }
}

/// One listener of a Gateway of ours, or of a set of one.
pub(super) struct ListenerNode<'r> {
    pub(super) owner: Owner<'r>,
    /// Its place in the list of its owner.
    pub(super) place: usize,
    pub(super) spec: &'r Listener,
    /// `None`: one that nobody knows.
    pub(super) protocol: Option<Protocol>,
    pub(super) key: ListenerKey,
    pub(super) hostname: HostPattern,
    pub(super) addresses: Vec<SocketAddr>,
    /// Why it is not accepted.
    pub(super) fault: Option<Fault>,
    /// Whether the fault is that it collides with another.
    pub(super) is_conflicted: bool,
    /// The first reference of it that does not resolve.
    pub(super) unresolved: Option<Fault>,
    /// Whether a certificate that it needs is missing.
    pub(super) lacks_certificates: bool,
    /// How TLS ends here.
    pub(super) tls: Option<Arc<ListenerTls>>,
    /// Whether another TLS listener of its port has a hostname that shares hosts with its own.
    pub(super) overlaps: bool,
    /// Whether a listener of UDP has its port, so that it cannot serve HTTP/3.
    pub(super) lacks_http3: bool,
    /// The kinds of routes that may attach.
    pub(super) kinds: Vec<&'static str>,
    /// The routes of requests that are attached, the older first.
    pub(super) routes: Vec<AttachedRoute>,
    /// Those of connections and datagrams.
    pub(super) stream_routes: Vec<AttachedStreamRoute>,
    /// The hosts of its `HTTPRoute`s and of its `GRPCRoute`s, where there are both.
    pub(super) hosts: [HostSet; 2],
}

impl<'r> ListenerNode<'r> {
    pub(super) fn new(
        owner: Owner<'r>,
        gateway: &ObjectName,
        place: usize,
        addresses: &[IpAddr],
        problems: &mut UnplacedProblems,
    ) -> Self {
        let spec = &owner.listeners()[place];
        let hostname = match spec.hostname.as_deref() {
            None | Some("") => HostPattern::Any,
            // It was checked on reading; what cannot be read must never become every host.
            Some(text) => HostPattern::parse(text).unwrap_or_else(|_| HostPattern::Exact("".into())),
        };
        let set = match owner {
            Owner::Gateway(_) => None,
            Owner::ListenerSet(object) => Some(object.name.clone()),
        };
        let mut node = Self {
            owner,
            place,
            spec,
            protocol: spec.known_protocol(),
            key: ListenerKey { gateway: gateway.clone(), set, section: spec.name.clone() },
            hostname,
            addresses: addresses.iter().map(|ip| SocketAddr::new(*ip, spec.port)).collect(),
            fault: None,
            is_conflicted: false,
            unresolved: None,
            lacks_certificates: false,
            tls: None,
            overlaps: false,
            lacks_http3: false,
            kinds: Vec::new(),
            routes: Vec::new(),
            stream_routes: Vec::new(),
            hosts: Default::default(),
        };
        let Some(protocol) = node.protocol else {
            let message = format!("the protocol `{}` is not known", spec.protocol);
            let fault = Fault::new("UnsupportedProtocol", message);
            let advice = "Write HTTP, HTTPS, TLS, TCP or UDP; the other listeners are not affected.";
            owner.report_listener(problems, place, "protocol", &fault, advice);
            node.fault = Some(fault);
            return node;
        };
        node.set_kinds(protocol, problems);
        node
    }

    /// Whether it can be served: nothing is wrong that keeps requests from it.
    pub(super) fn is_valid(&self) -> bool {
        self.fault.is_none() && !self.lacks_certificates
    }

    /// Notes a reference that does not resolve; the first counts.
    pub(super) fn set_unresolved(&mut self, fault: Fault) {
        self.unresolved.get_or_insert(fault);
    }

    /// Which kinds of routes may attach: those that are allowed and go with the protocol.
    fn set_kinds(&mut self, protocol: Protocol, problems: &mut UnplacedProblems) {
        let allowed: &[RouteGroupKind] =
            self.spec.allowed_routes.as_ref().map_or(&[], |allowed| &allowed.kinds);
        let mode = self.spec.tls.as_ref().map(|tls| tls.mode).unwrap_or_default();
        let fitting = served::route_kinds(protocol, mode);
        if allowed.is_empty() {
            self.kinds.extend(fitting);
        }
        let at = At::Root.field("spec");
        let at = at.field("listeners");
        let at = at.index(self.place);
        let at = at.field("allowedRoutes");
        let at = at.field("kinds");
        for (place, allowed) in allowed.iter().enumerate() {
            let kind = &*allowed.kind;
            let is_ours = allowed.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP;
            if let Some(known) = fitting.iter().copied().find(|known| is_ours && *known == kind) {
                if !self.kinds.contains(&known) {
                    self.kinds.push(known);
                }
                continue;
            }
            let message = if !is_ours || !served::ROUTE_KINDS.contains(&kind) {
                format!("there are no routes of the kind `{kind}`")
            } else {
                format!("routes of the kind `{kind}` cannot attach to a listener of {}", protocol.as_str())
            };
            let text = (message, format!("Write {}.", fitting.join(" or ")));
            self.owner.report(problems, Severity::Error, &at.index(place), "InvalidRouteKinds", text);
            let message = "Routes of some of the kinds cannot attach here.";
            self.set_unresolved(Fault::new("InvalidRouteKinds", message));
        }
    }

    /// Why a route of a kind in a namespace may not attach; `None` if it may.
    pub(super) fn denial(&self, kind: &str, namespace: &str, index: &Index<'_>) -> Option<String> {
        let name = &self.spec.name;
        if let Some(fault) = &self.fault {
            Some(format!("listener `{name}` is not served: {}", fault.message))
        } else if !self.kinds.contains(&kind) {
            Some(format!("listener `{name}` takes no {kind}"))
        } else if !self.allows_routes_of(namespace, index) {
            Some(format!("listener `{name}` takes no routes of the namespace `{namespace}`"))
        } else {
            None
        }
    }

    fn allows_routes_of(&self, namespace: &str, index: &Index<'_>) -> bool {
        let namespaces = self.spec.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
        let from = namespaces.map(|namespaces| namespaces.from).unwrap_or_default();
        let selector = namespaces.and_then(|namespaces| namespaces.selector.as_ref());
        allows_namespace(from, selector, self.owner.name().namespace(), namespace, index)
    }
}

/// Whether objects of a namespace may attach to one in `own`.
pub(super) fn allows_namespace(
    from: NamespacesFrom,
    selector: Option<&LabelSelector>,
    own: &str,
    namespace: &str,
    index: &Index<'_>,
) -> bool {
    match from {
        NamespacesFrom::All => true,
        NamespacesFrom::None => false,
        NamespacesFrom::Same => namespace == own,
        NamespacesFrom::Selector => {
            selector.is_some_and(|selector| selector.matches(|label| index.namespace_label(namespace, label)))
        }
    }
}
