//! `TLSRoute`, `TCPRoute` and `UDPRoute`: which connection or datagram goes where.

use super::backend_reference::{check_backend, check_weight, default_weight, group_kind};
use super::route_parts::{RouteObject, check_hostnames, check_parents};
use super::{GATEWAY_GROUP, IgnoredAny, Kind, ParentReference, Text};
use crate::checks::{Checks, section_name};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{ObjectName, RouteKind};
use schemars::JsonSchema;
use serde::Deserialize;

/// A `TLSRoute`: connections by the host that the client asks for (SNI).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TlsRoute {
    /// What is wanted.
    pub spec: TlsRouteSpec,
}

/// What is wanted of a `TLSRoute`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// The hosts that it is for; at least one.
    pub hostnames: Vec<Text>,
    /// Its one rule.
    pub rules: Vec<StreamRouteRule>,
    /// Attachment without a parentRef; not offered.
    pub use_default_gateways: Option<IgnoredAny>,
}

/// A `TCPRoute`: all connections of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TcpRoute {
    /// What is wanted.
    pub spec: StreamRouteSpec,
}

/// A `UDPRoute`: all datagrams of a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct UdpRoute {
    /// What is wanted.
    pub spec: StreamRouteSpec,
}

/// What is wanted of a `TCPRoute` or a `UDPRoute`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// Its one rule.
    pub rules: Vec<StreamRouteRule>,
    /// Attachment without a parentRef; not offered.
    pub use_default_gateways: Option<IgnoredAny>,
}

/// The rule of a route of connections or datagrams.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamRouteRule {
    /// Its name.
    pub name: Option<Text>,
    /// Where connections and datagrams go; at least one.
    pub backend_refs: Vec<StreamBackendRef>,
}

/// One backend of a route of connections or datagrams.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct StreamBackendRef {
    /// The group of what is named; the core one where none is written.
    pub group: Option<Text>,
    /// Its kind; `Service` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the route's where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its port; required for a Service.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Its share is this over the sum.
    #[serde(default = "default_weight")]
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
}

impl StreamBackendRef {
    /// Group and kind, with what stands for them where they are not written.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        group_kind(self.group.as_ref(), self.kind.as_ref())
    }
}

/// A kind of route with one rule and no matches.
pub(crate) trait StreamRouteObject: RouteObject {
    /// The rules: one, as checked on reading.
    fn rules(&self) -> &[StreamRouteRule];
}

impl Kind for TlsRoute {
    const KIND: &'static str = "TLSRoute";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1alpha3", "v1alpha2"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.tls_routes
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        let hostnames = at.field("hostnames");
        if spec.hostnames.is_empty() {
            let advice = "Name the hosts that clients ask for; a TCPRoute takes all connections.";
            checks.invalid(&hostnames, "is empty", advice);
        }
        check_hostnames(&spec.hostnames, 1024, &hostnames, checks);
        check_spec(&spec.parent_refs, &spec.rules, spec.use_default_gateways.is_some(), &at, checks);
    }
}

impl RouteObject for TlsRoute {
    const ROUTE_KIND: RouteKind = RouteKind::Tls;

    fn parent_refs(&self) -> &[ParentReference] {
        &self.spec.parent_refs
    }

    fn hostnames(&self) -> &[Text] {
        &self.spec.hostnames
    }
}

impl StreamRouteObject for TlsRoute {
    fn rules(&self) -> &[StreamRouteRule] {
        &self.spec.rules
    }
}

/// The same for the two kinds that have no hostnames.
macro_rules! without_hostnames {
    ($type:ident, $kind:literal, $route_kind:ident, $list:ident) => {
        impl Kind for $type {
            const KIND: &'static str = $kind;
            const GROUP: &'static str = GATEWAY_GROUP;
            const VERSIONS: &'static [&'static str] = &["v1", "v1alpha2"];
            type Name = ObjectName;

            fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
                &mut resources.$list
            }

            fn check(&self, at: &At<'_>, checks: &mut Checks) {
                let StreamRouteSpec { parent_refs, rules, use_default_gateways } = &self.spec;
                check_spec(parent_refs, rules, use_default_gateways.is_some(), &at.field("spec"), checks);
            }
        }

        impl RouteObject for $type {
            const ROUTE_KIND: RouteKind = RouteKind::$route_kind;

            fn parent_refs(&self) -> &[ParentReference] {
                &self.spec.parent_refs
            }

            fn hostnames(&self) -> &[Text] {
                &[]
            }
        }

        impl StreamRouteObject for $type {
            fn rules(&self) -> &[StreamRouteRule] {
                &self.spec.rules
            }
        }
    };
}

without_hostnames!(TcpRoute, "TCPRoute", Tcp, tcp_routes);
without_hostnames!(UdpRoute, "UDPRoute", Udp, udp_routes);

fn check_spec(
    parents: &[ParentReference],
    rules: &[StreamRouteRule],
    uses_default_gateways: bool,
    at: &At<'_>,
    checks: &mut Checks,
) {
    check_parents(parents, &at.field("parentRefs"), checks);
    let at_rules = at.field("rules");
    if rules.len() != 1 {
        let message = format!("has {} rules; it needs exactly one", rules.len());
        checks.invalid(&at_rules, message, "Put all backends into the backendRefs of one rule.");
    }
    for (index, rule) in rules.iter().enumerate().take(1) {
        check_rule(rule, &at_rules.index(index), checks);
    }
    let message = "default Gateways are not offered";
    checks.not_served(&at.field("useDefaultGateways"), uses_default_gateways, message);
}

fn check_rule(rule: &StreamRouteRule, at: &At<'_>, checks: &mut Checks) {
    if let Some(name) = &rule.name {
        section_name(name, &at.field("name"), checks);
    }
    let backends = at.field("backendRefs");
    if rule.backend_refs.is_empty() {
        checks.invalid(&backends, "is empty", "Name a Service with a port.");
    }
    checks.no_more_than(&backends, rule.backend_refs.len(), 16);
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(index);
        let StreamBackendRef { group, kind, namespace, name, port, weight } = backend;
        check_backend((group.as_ref(), kind.as_ref()), (namespace.as_ref(), name), *port, &at, checks);
        check_weight(*weight, &at.field("weight"), checks);
    }
}
