//! `EndpointSlice`: some of the instances of a Service.

use super::{DISCOVERY_GROUP, IgnoredAny, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};

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
    zone: Option<IgnoredAny>,
    hints: Option<IgnoredAny>,
    target_ref: Option<IgnoredAny>,
    deprecated_topology: Option<IgnoredAny>,
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
    pub protocol: Option<Text>,
    #[expect(dead_code, reason = "named so that it is known")]
    app_protocol: Option<IgnoredAny>,
}

impl EndpointPort {
    /// Whether it is the TCP port of that name.
    #[must_use]
    pub fn is(&self, name: Option<&str>) -> bool {
        self.name.as_deref().unwrap_or_default() == name.unwrap_or_default()
            && self.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
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
        let ports = at.field("ports");
        checks.no_more_than(&ports, self.ports.len(), 100);
        for (index, port) in self.ports.iter().enumerate() {
            if let Some(number) = port.port {
                checks.port(number, &ports.index(index).field("port"));
            }
        }
        if self.address_type == AddressType::Fqdn {
            let advice = "Use a Backend with spec.dns, or a Service of type ExternalName.";
            checks.warn(&at.field("addressType"), "UnsupportedValue", "names are not looked up here", advice);
            return;
        }
        let endpoints = at.field("endpoints");
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let at = endpoints.index(index);
            let at = at.field("addresses");
            match &endpoint.addresses[..] {
                [] => checks.invalid(&at, "is empty", ""),
                [_] => {}
                [..] => checks.warn(
                    &at,
                    "Ignored",
                    "only the first address counts",
                    "Write one endpoint an address.",
                ),
            }
            if let Some(address) = endpoint.addresses.first().filter(|address| !self.fits(address)) {
                let kind = if self.address_type == AddressType::IPv4 { "IPv4" } else { "IPv6" };
                checks.invalid(&at.index(0), format!("`{address}` is not an {kind} address"), "");
            }
        }
    }
}

impl EndpointSlice {
    fn fits(&self, address: &str) -> bool {
        match self.address_type {
            AddressType::IPv4 => address.parse::<Ipv4Addr>().is_ok(),
            AddressType::IPv6 => address.parse::<Ipv6Addr>().is_ok(),
            AddressType::Fqdn => true,
        }
    }
}
