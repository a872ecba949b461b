//! `Gateway`: where to listen, and which routes may attach there.

use super::{
    GATEWAY_GROUP, GatewayTls, Kind, LabelSelector, Listener, NamespacesFrom, ParametersReference, Text,
    listener,
};
use crate::checks::{Checks, lower_case_host, names, object_name};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
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
    /// Which ListenerSets may add listeners; none where nothing is written.
    pub allowed_listeners: Option<AllowedListeners>,
    /// Client certificates, and the certificate that is shown to backends.
    pub tls: Option<GatewayTls>,
    /// Which routes attach without naming the Gateway; not offered.
    pub default_scope: Option<DefaultScope>,
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
    /// Labels of what is made for the Gateway on Kubernetes.
    #[serde(default)]
    pub labels: BTreeMap<Text, Text>,
    /// Annotations of what is made for the Gateway on Kubernetes.
    #[serde(default)]
    pub annotations: BTreeMap<Text, Text>,
}

/// Which `ListenerSet`s may add listeners to a Gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AllowedListeners {
    /// From which namespaces; from none where nothing is written.
    pub namespaces: ListenerNamespaces,
}

/// From which namespaces `ListenerSet`s may attach.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListenerNamespaces {
    /// How they are chosen.
    #[schemars(extend("default" = "Same"))]
    pub from: NamespacesFrom,
    /// Which, for `from: Selector`.
    pub selector: Option<LabelSelector>,
}

impl Default for ListenerNamespaces {
    fn default() -> Self {
        Self { from: NamespacesFrom::None, selector: None }
    }
}

/// Which routes attach to a Gateway without naming it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum DefaultScope {
    /// All that ask for default Gateways.
    All,
    /// None.
    None,
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
        object_name(&spec.gateway_class_name, &at.field("gatewayClassName"), checks);
        check_addresses(&spec.addresses, &at.field("addresses"), checks);
        let listeners = at.field("listeners");
        if spec.listeners.is_empty() {
            checks.warn(
                &listeners,
                "Invalid",
                "has no listener",
                "Add one: {name: http, port: 80, protocol: HTTP}.",
            );
        }
        listener::check_listeners(&spec.listeners, &listeners, checks);
        if let Some(infrastructure) = &spec.infrastructure {
            infrastructure.check(&at.field("infrastructure"), checks);
        }
        if let Some(allowed) = &spec.allowed_listeners {
            let ListenerNamespaces { from, selector } = &allowed.namespaces;
            let at = at.field("allowedListeners");
            listener::check_namespaces(*from, selector.as_ref(), &at.field("namespaces"), checks);
        }
        if let Some(tls) = &spec.tls {
            tls.check(&at.field("tls"), checks);
        }
        checks.not_served(
            &at.field("defaultScope"),
            spec.default_scope.is_some_and(|scope| scope != DefaultScope::None),
            "default Gateways are not offered",
        );
    }
}

impl Infrastructure {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let (labels, annotations) = (at.field("labels"), at.field("annotations"));
        checks.no_more_than(&labels, self.labels.len(), 8);
        for (key, value) in &self.labels {
            let at = labels.field(key);
            checks.name(key, names::qualified, &at);
            checks.name(value, names::label_value, &at);
        }
        checks.no_more_than(&annotations, self.annotations.len(), 16);
        for (key, value) in &self.annotations {
            let at = annotations.field(key);
            checks.name(key, names::qualified, &at);
            checks.at_most_bytes(&at, value, 4096);
        }
        if let Some(reference) = &self.parameters_ref {
            reference.check(&at.field("parametersRef"), checks);
        }
    }
}

fn check_addresses(addresses: &[GatewayAddress], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, addresses.len(), 16);
    let mut seen = HashSet::new();
    for (index, address) in addresses.iter().enumerate() {
        let at = at.index(index);
        let kind = address.kind.as_deref().unwrap_or("IPAddress");
        check_address_type(kind, &at.field("type"), checks);
        let at = at.field("value");
        let Some(value) = address.value.as_deref().filter(|value| !value.is_empty()) else { continue };
        if address.is_ip() && value.parse::<IpAddr>().is_err() {
            checks.invalid(&at, format!("`{value}` is not an IP address"), "");
        }
        if kind == "Hostname" {
            lower_case_host(value, &at, checks);
        }
        checks.at_most_bytes(&at, value, 253);
        if !seen.insert((kind, value)) {
            checks.invalid(&at, format!("`{value}` is there twice"), "Remove one of the two.");
        }
    }
}

/// One of the API's types, or a domain and a path: one of an implementation's own.
fn check_address_type(kind: &str, at: &At<'_>, checks: &mut Checks) {
    let is_known = ["IPAddress", "Hostname", "NamedAddress"].contains(&kind);
    let is_own = kind.len() <= 253
        && kind
            .split_once('/')
            .is_some_and(|(domain, path)| names::subdomain(domain).is_none() && is_uri_path(path));
    if !is_known && !is_own {
        let message = format!("`{}` is not a type of address", kind.escape_debug());
        checks.invalid(at, message, "Write IPAddress, or leave it out.");
    }
}

/// What may stand after the domain in a name of an implementation's own.
pub(super) fn is_uri_path(path: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    !path.is_empty() && path.bytes().all(is_inner)
}
