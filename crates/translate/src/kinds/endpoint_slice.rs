//! `EndpointSlice`: some of the instances of a Service.

use super::{DISCOVERY_GROUP, IgnoredAny, Kind, PortProtocol, Text};
use crate::checks::{Checks, names};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The label that names the Service of a slice.
pub(crate) const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// An `EndpointSlice`; its label `kubernetes.io/service-name` says whose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// What its addresses are.
    pub address_type: AddressType,
    /// The instances.
    #[serde(default)]
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports of each of them.
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

/// What the addresses of a slice are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum AddressType {
    /// IPv4 addresses.
    IPv4,
    /// IPv6 addresses.
    IPv6,
    /// Names: deprecated by Kubernetes, and not used here.
    #[serde(rename = "FQDN")]
    Fqdn,
}

/// One instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "fields of the API that mean nothing here are named so that they are known")]
pub struct SliceEndpoint {
    /// Where it is. Only the first counts, as for every consumer of slices.
    pub addresses: Vec<Text>,
    /// How it is.
    #[serde(default)]
    pub conditions: EndpointConditions,
    hostname: Option<IgnoredAny>,
    node_name: Option<IgnoredAny>,
    /// The zone that it is in. A gateway that knows its own (`--zone`) prefers instances there.
    pub zone: Option<Text>,
    /// Whose requests it is for; counts before its zone.
    #[serde(default)]
    pub hints: EndpointHints,
    target_ref: Option<IgnoredAny>,
    deprecated_topology: Option<IgnoredAny>,
}

/// Whose requests an instance is for (topology-aware routing).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointHints {
    /// The zones whose requests it is for.
    pub for_zones: Vec<ForZone>,
    for_nodes: Option<IgnoredAny>,
}

/// A zone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ForZone {
    /// Its name.
    pub name: Text,
}

impl SliceEndpoint {
    /// The zones whose requests it is for: those of its hints, else its own.
    pub(crate) fn zones(&self) -> impl Iterator<Item = &str> {
        let own = self.zone.as_deref().filter(|zone| self.hints.for_zones.is_empty() && !zone.is_empty());
        self.hints.for_zones.iter().map(|zone| &*zone.name).chain(own)
    }
}

/// How an instance is. What is not said is the good case.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EndpointConditions {
    /// It takes requests, and is not about to go.
    pub ready: Option<bool>,
    /// It takes requests, though it may be about to go. As `ready` where it is not said.
    pub serving: Option<bool>,
    /// It is about to go.
    pub terminating: Option<bool>,
}

impl EndpointConditions {
    /// Whether requests may be sent there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.unwrap_or(true)
    }

    /// Whether requests may be sent there when no other instance is ready: it is going, but still answers.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.terminating.unwrap_or(false) && self.serving.unwrap_or_else(|| self.is_ready())
    }
}

/// One port of the instances.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointPort {
    /// The name of the Service's port; none for a Service's only port without a name.
    pub name: Option<Text>,
    /// The number; the Service's target port where none is written.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// `TCP` where none is written.
    #[serde(default)]
    pub protocol: PortProtocol,
    /// What is spoken there; the Service's own counts.
    pub app_protocol: Option<Text>,
}

impl EndpointPort {
    /// Its name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether it is the port of that name for that protocol.
    #[must_use]
    pub fn is(&self, name: &str, protocol: PortProtocol) -> bool {
        self.name() == name && self.protocol == protocol
    }
}

impl Kind for EndpointSlice {
    const KIND: &'static str = "EndpointSlice";
    const GROUP: &'static str = DISCOVERY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.endpoint_slices
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        self.check_ports(&at.field("ports"), checks);
        if self.address_type == AddressType::Fqdn {
            let advice = "Use a Backend with spec.dns, or a Service of type ExternalName.";
            checks.warn(&at.field("addressType"), "UnsupportedValue", "names are not looked up here", advice);
            return;
        }
        let endpoints = at.field("endpoints");
        checks.at_most(&endpoints, self.endpoints.len(), 1000, "Put the rest into another EndpointSlice.");
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let at = endpoints.index(index);
            let at = at.field("addresses");
            checks.no_more_than(&at, endpoint.addresses.len(), 100);
            match &endpoint.addresses[..] {
                [] => checks.invalid(&at, "is empty", "Write the instance's address."),
                [_] => {}
                [..] => checks.warn(
                    &at,
                    "Ignored",
                    "only the first address counts",
                    "Write one endpoint an address.",
                ),
            }
            for (index, address) in endpoint.addresses.iter().enumerate() {
                self.check_address(address, &at.index(index), checks);
            }
        }
    }
}

impl EndpointSlice {
    fn check_ports(&self, at: &At<'_>, checks: &mut Checks) {
        checks.no_more_than(at, self.ports.len(), 100);
        for (index, port) in self.ports.iter().enumerate() {
            let at = at.index(index);
            if let Some(number) = port.port {
                checks.port(number, &at.field("port"));
            }
            if !port.name().is_empty() {
                checks.name(port.name(), names::label, &at.field("name"));
            }
            if let Some(protocol) = &port.app_protocol {
                checks.name(protocol, names::qualified, &at.field("appProtocol"));
            }
        }
        checks.unique(at, "name", self.ports.iter().map(|port| Some(port.name())));
    }

    /// Of the type of the slice, and one that an instance can have. Kubernetes refuses loopback addresses, too; here
    /// instances on the same machine are most of what files are written for.
    fn check_address(&self, text: &str, at: &At<'_>, checks: &mut Checks) {
        let is_four = self.address_type == AddressType::IPv4;
        let address: Option<IpAddr> = match self.address_type {
            AddressType::IPv4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            AddressType::IPv6 => {
                let address = text.parse::<Ipv6Addr>().ok();
                address.filter(|address| address.to_ipv4_mapped().is_none()).map(IpAddr::from)
            }
            AddressType::Fqdn => return,
        };
        let Some(address) = address else {
            let other = if is_four { "IPv6" } else { "IPv4" };
            let advice = match text.parse::<IpAddr>() {
                Ok(_) => format!("Write it in a slice with addressType: {other}."),
                Err(_) if text.contains(':') && is_four => "The port belongs into `ports`.".to_owned(),
                Err(_) => String::new(),
            };
            let kind = if is_four { "IPv4" } else { "IPv6" };
            return checks.invalid(at, format!("`{}` is not an {kind} address", text.escape_debug()), advice);
        };
        if let Some(what) = special(address) {
            checks.invalid(at, format!("`{address}` is {what}; no instance has it"), "");
        }
    }
}

/// What an address is that no single instance can be reached at.
pub(crate) fn special(address: IpAddr) -> Option<&'static str> {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        _ if is_link_local => Some("a link-local address"),
        _ => None,
    }
}
