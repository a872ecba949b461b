//! `Service`: the name and the ports of a backend; its instances are in `EndpointSlice`s.

use super::{CORE_GROUP, IgnoredAny, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{HostPattern, ObjectName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A Service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Service {
    /// What is wanted.
    pub spec: ServiceSpec,
}

/// What is wanted of a Service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP` where none is written; `ExternalName` is a DNS name.
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    /// The DNS name of an `ExternalName`.
    pub external_name: Option<Text>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    selector: Option<IgnoredAny>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<IgnoredAny>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<IgnoredAny>,
    ip_families: Option<IgnoredAny>,
    ip_family_policy: Option<IgnoredAny>,
    session_affinity: Option<IgnoredAny>,
    session_affinity_config: Option<IgnoredAny>,
    internal_traffic_policy: Option<IgnoredAny>,
    external_traffic_policy: Option<IgnoredAny>,
    traffic_distribution: Option<IgnoredAny>,
    #[serde(rename = "externalIPs")]
    external_ips: Option<IgnoredAny>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<IgnoredAny>,
    load_balancer_class: Option<IgnoredAny>,
    load_balancer_source_ranges: Option<IgnoredAny>,
    allocate_load_balancer_node_ports: Option<IgnoredAny>,
    health_check_node_port: Option<IgnoredAny>,
    publish_not_ready_addresses: Option<IgnoredAny>,
}

impl ServiceSpec {
    /// The DNS name, if it is an `ExternalName`.
    #[must_use]
    pub fn dns_name(&self) -> Option<&Text> {
        self.external_name.as_ref().filter(|_| self.kind.as_deref() == Some("ExternalName"))
    }
}

/// One port of a Service.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Its name: `EndpointSlice`s give the instances' ports under it. May be missing where there is only one.
    pub name: Option<Text>,
    /// The port that routes name.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The instances' port, as a number or by name.
    pub target_port: Option<PortReference>,
    /// `TCP` where none is written.
    pub protocol: Option<Text>,
    /// What is spoken there.
    pub app_protocol: Option<Text>,
    #[expect(dead_code, reason = "named so that it is known")]
    node_port: Option<IgnoredAny>,
}

impl ServicePort {
    /// Whether it is a TCP port.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
    }
}

/// A port as a number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortReference {
    /// The number.
    Number(u16),
    /// The name of a container's port; only `EndpointSlice`s know its number.
    Name(Text),
}

impl JsonSchema for PortReference {
    fn schema_name() -> Cow<'static, str> {
        "PortReference".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 1, "maximum": 65535 })
    }
}

impl<'de> Deserialize<'de> for PortReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrName;
        impl Visitor<'_> for NumberOrName {
            type Value = PortReference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 1 to 65535 or the name of one")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<PortReference, E> {
                u16::try_from(number)
                    .ok()
                    .filter(|number| *number != 0)
                    .map(PortReference::Number)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<PortReference, E> {
                Ok(PortReference::Name(name.into()))
            }
        }
        deserializer.deserialize_any(NumberOrName)
    }
}

impl Kind for Service {
    const KIND: &'static str = "Service";
    const GROUP: &'static str = CORE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.services
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        let spec = &self.spec;
        let ports = at.field("ports");
        checks.no_more_than(&ports, spec.ports.len(), 1000);
        for (index, port) in spec.ports.iter().enumerate() {
            let at = ports.index(index);
            checks.port(port.port, &at.field("port"));
            if port.name.is_none() && spec.ports.len() > 1 {
                checks.invalid(&at.field("name"), "is required where a Service has several ports", "");
            }
        }
        checks.unique(&ports, "name", spec.ports.iter().map(|port| port.name.as_deref()));
        if spec.kind.as_deref() == Some("ExternalName") {
            let at = at.field("externalName");
            match spec.external_name.as_deref().map(HostPattern::parse) {
                Some(Ok(HostPattern::Exact(_))) => {}
                Some(Ok(_)) => checks.invalid(&at, "must be one host, not a pattern", ""),
                Some(Err(error)) => checks.invalid(&at, error.to_string(), ""),
                None => checks.invalid(&at, "is required for a Service of type ExternalName", ""),
            }
        }
    }
}
