//! `Service`: the name and the ports of a backend; its instances are in `EndpointSlice`s.

mod check;

use super::{CORE_GROUP, IgnoredAny, Kind, KindName, NameProblem, Text};
use crate::checks::{Checks, names};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A Service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Service {
    /// What is wanted.
    pub spec: ServiceSpec,
}

/// What is wanted of a Service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// How it is reached in a cluster; `ExternalName` is a DNS name.
    #[serde(rename = "type")]
    pub kind: ServiceType,
    /// The DNS name of an `ExternalName`.
    pub external_name: Option<Text>,
    /// Its ports; only an `ExternalName` or a headless Service may have none.
    pub ports: Vec<ServicePort>,
    /// Its address in a cluster, where nothing is sent: requests go to the instances. `None`: it is headless and has none.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<Text>,
    /// Whether clients stay with one instance in a cluster; not offered here.
    pub session_affinity: SessionAffinity,
    selector: Option<IgnoredAny>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<IgnoredAny>,
    ip_families: Option<IgnoredAny>,
    ip_family_policy: Option<IgnoredAny>,
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

/// How a Service is reached in a cluster.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[expect(missing_docs, reason = "Kubernetes' own; for a gateway the first three are the same")]
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
    /// A DNS name, looked up again and again.
    ExternalName,
}

/// Whether clients stay with one instance.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum SessionAffinity {
    /// No.
    #[default]
    None,
    /// By their addresses.
    ClientIP,
}

impl ServiceSpec {
    /// The DNS name, if it is an `ExternalName`, without the dot that may end it.
    #[must_use]
    pub fn dns_name(&self) -> Option<&str> {
        let name = self.external_name.as_deref().filter(|_| self.kind == ServiceType::ExternalName)?;
        Some(name.strip_suffix('.').unwrap_or(name))
    }

    /// Whether it has no address of its own.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
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
    #[serde(default)]
    pub protocol: PortProtocol,
    /// What is spoken there: `http`, `kubernetes.io/h2c`, `kubernetes.io/ws`.
    pub app_protocol: Option<Text>,
    /// The port of the nodes in a cluster; nothing listens there here.
    pub node_port: Option<u16>,
}

impl ServicePort {
    /// Its name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Whether it is a TCP port.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.protocol == PortProtocol::Tcp
    }
}

/// What carries the bytes to a port.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum PortProtocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
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

    fn name(namespace: Option<&str>, name: &str) -> Result<ObjectName, NameProblem> {
        NameProblem::check("name", names::label(name))?;
        <ObjectName as KindName>::new(namespace, name)
    }

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.services
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        check::spec(&self.spec, &at.field("spec"), checks);
    }
}
