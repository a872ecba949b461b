//! `Gateway`: where to listen, and which routes may attach there.

use super::{GATEWAY_GROUP, IgnoredAny, Kind, LabelSelector, ParametersReference, SelectorOperator, Text};
use crate::checks::{Checks, section_name};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{HostPattern, ObjectName};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// A Gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Gateway {
    /// What is wanted.
    pub spec: GatewaySpec,
}

/// What is wanted of a Gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// Its class.
    pub gateway_class_name: Text,
    /// Where it listens; all interfaces where none is written.
    #[serde(default)]
    pub addresses: Vec<GatewayAddress>,
    /// Its listeners.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Where its own parameters are.
    pub infrastructure: Option<Infrastructure>,
    /// Who may add listeners; `ListenerSet`s are not read.
    pub allowed_listeners: Option<IgnoredAny>,
    /// Client certificates and certificates towards backends; TLS is not spoken.
    pub tls: Option<IgnoredAny>,
    /// Attachment without a parentRef; not offered.
    pub default_scope: Option<IgnoredAny>,
}

/// An address of a Gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GatewayAddress {
    /// `IPAddress` where none is written.
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    /// The address; where none is written, any may be chosen.
    pub value: Option<Text>,
}

impl GatewayAddress {
    /// Whether it is of the type that we listen on.
    #[must_use]
    pub fn is_ip(&self) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == "IPAddress")
    }
}

/// `infrastructure` of a Gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Infrastructure {
    /// Its `GatewayParameters`, in its own namespace.
    pub parameters_ref: Option<ParametersReference>,
    #[expect(dead_code, reason = "named so that it is known")]
    labels: Option<IgnoredAny>,
    #[expect(dead_code, reason = "named so that it is known")]
    annotations: Option<IgnoredAny>,
}

/// One listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name, unique in the Gateway.
    pub name: Text,
    /// The hosts that it is for; all where none is written.
    pub hostname: Option<Text>,
    /// Its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// What is spoken: `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of an implementation's own.
    pub protocol: Text,
    /// Which routes may attach.
    pub allowed_routes: Option<AllowedRoutes>,
    /// Certificates and mode of TLS; TLS is not spoken.
    pub tls: Option<IgnoredAny>,
}

/// Which routes may attach to a listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct AllowedRoutes {
    /// From which namespaces; the Gateway's own where none is written.
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds; all that the protocol allows where none is written.
    #[serde(default)]
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RouteNamespaces {
    /// How they are chosen.
    pub from: NamespacesFrom,
    /// Which, for [`NamespacesFrom::Selector`].
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    All,
    /// By labels.
    Selector,
    /// The Gateway's own.
    #[default]
    Same,
    /// None.
    None,
}

/// A kind of route.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub struct RouteGroupKind {
    /// Its group; Gateway API's own where none is written.
    pub group: Option<Text>,
    /// The kind.
    pub kind: Text,
}

impl Kind for Gateway {
    const KIND: &'static str = "Gateway";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.gateways
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        let addresses = at.field("addresses");
        checks.no_more_than(&addresses, spec.addresses.len(), 16);
        for (index, address) in spec.addresses.iter().enumerate() {
            let Some(value) = address.value.as_deref().filter(|_| address.is_ip()) else { continue };
            if value.parse::<IpAddr>().is_err() {
                let message = format!("`{value}` is not an IP address");
                checks.invalid(&addresses.index(index).field("value"), message, "");
            }
        }
        let listeners = at.field("listeners");
        if spec.listeners.is_empty() {
            checks.warn(
                &listeners,
                "Invalid",
                "has no listener",
                "Add one: {name: http, port: 80, protocol: HTTP}.",
            );
        }
        checks.no_more_than(&listeners, spec.listeners.len(), 64);
        checks.unique(&listeners, "name", spec.listeners.iter().map(|listener| Some(&*listener.name)));
        for (index, listener) in spec.listeners.iter().enumerate() {
            check_listener(listener, &listeners.index(index), checks);
        }
        checks.not_served(
            &at.field("allowedListeners"),
            spec.allowed_listeners.is_some(),
            "ListenerSets are not read",
        );
        checks.not_served(&at.field("tls"), spec.tls.is_some(), "TLS is not spoken yet");
        checks.not_served(
            &at.field("defaultScope"),
            spec.default_scope.is_some(),
            "default Gateways are not offered",
        );
    }
}

fn check_listener(listener: &Listener, at: &At<'_>, checks: &mut Checks) {
    section_name(&listener.name, &at.field("name"), checks);
    checks.port(listener.port, &at.field("port"));
    if listener.protocol.is_empty() {
        checks.invalid(&at.field("protocol"), "is empty", "Write HTTP.");
    }
    if let Some(hostname) = &listener.hostname
        && !hostname.is_empty()
        && let Err(error) = HostPattern::parse(hostname)
    {
        checks.invalid(&at.field("hostname"), format!("`{hostname}` {error}"), "");
    }
    let Some(allowed) = &listener.allowed_routes else { return };
    let at = at.field("allowedRoutes");
    checks.no_more_than(&at.field("kinds"), allowed.kinds.len(), 8);
    let Some(namespaces) = &allowed.namespaces else { return };
    let at = at.field("namespaces");
    match (&namespaces.selector, namespaces.from) {
        (Some(selector), NamespacesFrom::Selector) => check_selector(selector, &at.field("selector"), checks),
        (None, NamespacesFrom::Selector) => checks.warn(
            &at,
            "Invalid",
            "`from: Selector` without a selector allows no namespace",
            "Add a selector, or write `from: All`.",
        ),
        (Some(_), _) => checks.warn(
            &at.field("selector"),
            "Invalid",
            "means something only with `from: Selector`",
            "Write `from: Selector`.",
        ),
        (None, _) => {}
    }
}

fn check_selector(selector: &LabelSelector, at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(&at.field("matchLabels"), selector.match_labels.len(), 64);
    let at = at.field("matchExpressions");
    checks.no_more_than(&at, selector.match_expressions.len(), 64);
    for (index, condition) in selector.match_expressions.iter().enumerate() {
        let needs_values = matches!(condition.operator, SelectorOperator::In | SelectorOperator::NotIn);
        if needs_values == condition.values.is_empty() {
            let message =
                if needs_values { "is empty, and `In` and `NotIn` need values" } else { "must be empty" };
            checks.invalid(&at.index(index).field("values"), message, "");
        }
    }
}
