//! `spec.dns` and `spec.consul` of a Backend: where instances are found while the gateway runs.

use crate::checks::{Checks, names};
use crate::kinds::address::host_and_port;
use crate::kinds::{BackendTlsValidation, GatewayDuration, Text};
use crate::yaml::path::At;
use irongate_config::HostPattern;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// DNS servers that may be named.
const MOST_SERVERS: usize = 8;
/// Tags that may be asked for.
const MOST_TAGS: usize = 16;

/// A name in DNS whose records are the instances.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendDns {
    /// The name. For `SRV` records the whole of it, such as `_http._tcp.shop.example.com`.
    pub name: Text,
    /// The port of every instance; SRV records have ports of their own.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Which records tell the instances.
    #[serde(default, rename = "type")]
    #[schemars(extend("default" = "Addresses"))]
    pub kind: BackendDnsType,
    /// The DNS servers that are asked: IP addresses, on port 53 or with a port. Those of the system (`/etc/resolv.conf`, and `/etc/hosts`
    /// before them) where none is written.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub servers: Vec<Text>,
    /// How long an answer is used at least, though it says less (TTL); from 100ms.
    #[schemars(extend("default" = "1s"))]
    pub min_refresh: Option<GatewayDuration>,
    /// How long an answer is used at most, though it says more.
    #[schemars(extend("default" = "5m"))]
    pub max_refresh: Option<GatewayDuration>,
}

/// Which records of a name tell the instances.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum BackendDnsType {
    /// A and AAAA.
    #[default]
    Addresses,
    /// A alone.
    A,
    /// AAAA alone.
    #[serde(rename = "AAAA")]
    Aaaa,
    /// Hosts with ports, weights and priorities.
    #[serde(rename = "SRV")]
    Srv,
}

/// A service in a catalog of Consul.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendConsul {
    /// Where Consul's HTTP API is: `http://127.0.0.1:8500`, `https://consul.example.com:8501`. These ports where none is written.
    pub address: Text,
    /// The name of the service.
    pub service: Text,
    /// Only instances that have all of these tags.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub tags: Vec<Text>,
    /// The data centre; the agent's own where none is written.
    pub datacenter: Option<Text>,
    /// Whether instances with a check that warns are used too.
    #[serde(default)]
    pub include_warning: bool,
    /// The token that is sent.
    pub token_ref: Option<TokenReference>,
    /// How long Consul may wait for news before it answers; from 1s to 10m.
    #[schemars(extend("default" = "1m"))]
    pub wait: Option<GatewayDuration>,
    /// Whom to trust where `address` begins with `https:`; those of the system, for its host, where nothing is written.
    pub tls: Option<Box<BackendTlsValidation>>,
}

/// A key of a Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct TokenReference {
    /// The name of the Secret.
    pub name: Text,
    /// The key in it.
    #[serde(default = "token_key")]
    #[schemars(extend("default" = "token"))]
    pub key: Text,
}

fn token_key() -> Text {
    "token".into()
}

impl BackendDns {
    /// The servers that are named well, with their ports.
    #[must_use]
    pub fn server_addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().filter_map(|text| server(text)).collect()
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let is_srv = self.kind == BackendDnsType::Srv;
        match self.port {
            None if !is_srv => {
                checks.invalid(&at.field("port"), "is missing", "SRV records alone have ports.")
            }
            Some(_) if is_srv => {
                checks.invalid(
                    &at.field("port"),
                    "means nothing for SRV records",
                    "They have ports of their own.",
                );
            }
            Some(port) => checks.port(port, &at.field("port")),
            None => {}
        }
        let at_name = at.field("name");
        let name = self.name.strip_suffix('.').unwrap_or(&self.name);
        if is_srv {
            checks.name(name, names::domain, &at_name);
        } else {
            match HostPattern::parse(name) {
                Ok(HostPattern::Exact(_)) => {}
                Ok(_) => checks.invalid(&at_name, "must be one host, not a pattern", ""),
                Err(error) => checks.invalid(&at_name, format!("`{}` {error}", self.name), ""),
            }
        }
        checks.no_more_than(&at.field("servers"), self.servers.len(), MOST_SERVERS);
        for (index, text) in self.servers.iter().enumerate() {
            if server(text).is_none() {
                let message = format!("`{}` is not an IP address, alone or with a port", text.escape_debug());
                checks.invalid(&at.field("servers").index(index), message, "");
            }
        }
        let least = self.min_refresh.map_or(irongate_config::DnsSource::MIN_REFRESH, |value| value.0);
        let most = self.max_refresh.map_or(irongate_config::DnsSource::MAX_REFRESH, |value| value.0);
        if least < Duration::from_millis(100) {
            checks.invalid(&at.field("minRefresh"), "must be at least 100ms", "");
        }
        if least > most {
            checks.invalid(
                &at.field("minRefresh"),
                "must not be longer than maxRefresh",
                "Raise maxRefresh.",
            );
        }
    }
}

/// An IP address, with the port of DNS where none is written.
fn server(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 53),
        Err(_) => text.parse().ok()?,
    };
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}

impl BackendConsul {
    /// Scheme (whether it is `https`), host and port of the address, if it is written well.
    #[must_use]
    pub fn place(&self) -> Option<(bool, &str, u16)> {
        let (is_secure, rest) = match self.address.split_once("://")? {
            ("http", rest) => (false, rest),
            ("https", rest) => (true, rest),
            _ => return None,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = host_and_port(authority, if is_secure { 8501 } else { 8500 })?;
        Some((is_secure, host, port))
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        match self.place() {
            None => {
                let message = format!("`{}` is no address of an HTTP API", self.address.escape_debug());
                checks.invalid(&at.field("address"), message, "Write http://HOST:PORT, without a path.");
            }
            Some((false, ..)) if self.tls.is_some() => {
                checks.invalid(&at.field("tls"), "means nothing for an address that begins with http:", "");
            }
            Some(_) => {}
        }
        let text = |text: &str, at: &At<'_>, checks: &mut Checks| {
            if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
                checks.invalid(at, "must be from 1 to 255 characters, none of them a control character", "");
            }
        };
        text(&self.service, &at.field("service"), checks);
        if let Some(datacenter) = &self.datacenter {
            text(datacenter, &at.field("datacenter"), checks);
        }
        checks.no_more_than(&at.field("tags"), self.tags.len(), MOST_TAGS);
        for (index, tag) in self.tags.iter().enumerate() {
            text(tag, &at.field("tags").index(index), checks);
        }
        if self.wait.is_some_and(|wait| !(1..=600).contains(&wait.0.as_secs())) {
            checks.invalid(&at.field("wait"), "must be from 1s to 10m", "");
        }
        if let Some(tls) = &self.tls {
            tls.check(&at.field("tls"), checks);
        }
    }
}
