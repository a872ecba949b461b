//! Our `Backend`: where instances are found without Kubernetes.

mod discovery;

pub use discovery::{BackendConsul, BackendDns, BackendDnsType, TokenReference};

use super::{BackendTlsValidation, IRONGATE_GROUP, Kind, Text, special};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A Backend.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Backend {
    /// What is wanted.
    pub spec: BackendSpec,
}

/// What is wanted of a Backend: its `endpoints`, its `dns` name or its `consul` service, one of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct BackendSpec {
    /// The instances, by address.
    pub endpoints: Option<Vec<BackendEndpoint>>,
    /// A name that is looked up again and again.
    pub dns: Option<BackendDns>,
    /// A service that Consul is asked for, again and again.
    pub consul: Option<Box<BackendConsul>>,
    /// What is spoken to the instances; `HTTP1` where none is written.
    #[serde(default)]
    #[schemars(extend("default" = "HTTP1"))]
    pub protocol: BackendProtocolName,
    /// How TLS is begun with the instances; cleartext where nothing is written.
    pub tls: Option<Box<BackendTlsValidation>>,
}

/// What is spoken to a Backend's instances.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum BackendProtocolName {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "HTTP1")]
    Http1,
    /// HTTP/2: in cleartext with prior knowledge, over TLS by ALPN.
    #[serde(rename = "HTTP2")]
    Http2,
}

/// One instance: `10.0.0.1:8080`, or `{address: 10.0.0.1, port: 8080, weight: 2}`.
#[derive(Clone, Debug)]
pub struct BackendEndpoint {
    /// An IP address, `localhost`, or with `port` left out both together, as `address:port`.
    pub address: Text,
    /// The port.
    pub port: Option<u16>,
    /// Its share relative to the others'; 1 where none is written.
    pub weight: u32,
    /// The zone that it is in.
    pub zone: Option<Text>,
    /// It is used when those of a lower number are not to be had; 0 where none is written.
    pub priority: u16,
}

impl BackendEndpoint {
    /// Where it listens, if that is said well.
    #[must_use]
    pub fn socket_address(&self) -> Option<SocketAddr> {
        let ip = |text: &str| -> Option<IpAddr> {
            // Nearly every development setup says this; it needs no resolver.
            if text == "localhost" {
                return Some(Ipv4Addr::LOCALHOST.into());
            }
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            bare.parse().ok()
        };
        let address = match self.port {
            Some(port) => SocketAddr::new(ip(&self.address)?, port),
            None => match self.address.strip_prefix("localhost:") {
                Some(port) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?),
                None => self.address.parse().ok()?,
            },
        };
        (address.port() != 0).then_some(address)
    }
}

/// One instance, field by field.
#[derive(Deserialize, JsonSchema)]
struct EndpointFields {
    /// An IP address, `localhost`, or either with a port: `10.0.0.1:8080`.
    address: Text,
    /// The port, where `address` has none.
    #[schemars(range(min = 1))]
    port: Option<u16>,
    /// Its share relative to the others'.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    weight: u32,
    /// The zone that it is in. A gateway that knows its own (`--zone`) prefers instances there.
    zone: Option<Text>,
    /// It is used when those of a lower number are not to be had.
    #[serde(default)]
    priority: u16,
}

fn one() -> u32 {
    1
}

impl JsonSchema for BackendEndpoint {
    fn schema_name() -> Cow<'static, str> {
        "BackendEndpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One instance: `10.0.0.1:8080`, or `{address: 10.0.0.1, port: 8080, weight: 2}`.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<EndpointFields>()],
        })
    }
}

impl<'de> Deserialize<'de> for BackendEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrFields;
        impl<'de> Visitor<'de> for TextOrFields {
            type Value = BackendEndpoint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address such as 10.0.0.1:8080, or a mapping with address, port and weight")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BackendEndpoint, E> {
                Ok(BackendEndpoint { address: text.into(), port: None, weight: 1, zone: None, priority: 0 })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BackendEndpoint, A::Error> {
                let EndpointFields { address, port, weight, zone, priority } =
                    EndpointFields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(BackendEndpoint { address, port, weight, zone, priority })
            }
        }
        deserializer.deserialize_any(TextOrFields)
    }
}

impl Kind for Backend {
    const KIND: &'static str = "Backend";
    const GROUP: &'static str = IRONGATE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1alpha1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.backends
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        let ways = [self.spec.endpoints.is_some(), self.spec.dns.is_some(), self.spec.consul.is_some()];
        if ways.into_iter().filter(|is_there| *is_there).count() != 1 {
            checks.invalid(&at, "needs `endpoints`, `dns` or `consul`, one of them", "");
        }
        let endpoints = at.field("endpoints");
        if self.spec.endpoints.as_ref().is_some_and(Vec::is_empty) {
            let advice = "Requests are answered with 503.";
            checks.warn(&endpoints, "NoEndpoints", "is empty", advice);
        }
        for (index, endpoint) in self.spec.endpoints.iter().flatten().enumerate() {
            let at = endpoints.index(index);
            match endpoint.socket_address().map(|address| address.ip()) {
                None => {
                    let address = endpoint.address.escape_debug();
                    let message = format!("`{address}` is not an IP address with a port");
                    checks.invalid(&at, message, "For names use spec.dns: {name, port}.");
                }
                Some(address) => {
                    if let Some(what) = special(address) {
                        checks.invalid(&at, format!("`{address}` is {what}; no instance has it"), "");
                    }
                }
            }
            if endpoint.weight == 0 || endpoint.weight > 1_000_000 {
                checks.invalid(
                    &at.field("weight"),
                    "must be from 1 to 1000000",
                    "Leave the endpoint out to give it nothing.",
                );
            }
        }
        if let Some(tls) = &self.spec.tls {
            tls.check(&at.field("tls"), checks);
        }
        if let Some(dns) = &self.spec.dns {
            dns.check(&at.field("dns"), checks);
        }
        if let Some(consul) = &self.spec.consul {
            consul.check(&at.field("consul"), checks);
        }
    }
}
