//! Our `GatewayParameters`: what belongs to the proxy and not to a route.

use super::{Bytes, GatewayDuration, IRONGATE_GROUP, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use ipnet::IpNet;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;
use std::time::Duration;

/// A `GatewayParameters`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GatewayParameters {
    /// What is wanted.
    #[serde(default)]
    pub spec: GatewayParametersSpec,
}

/// What belongs to the proxy and not to a route. What is not written is left to the parameters of the
/// `GatewayClass`, and then has its default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayParametersSpec {
    /// Addresses and networks of peers whose forwarding fields are believed.
    pub trusted_proxies: Option<Vec<Text>>,
    /// Addresses and networks of peers whose connections begin with a PROXY header (version 1 or 2), which says who the
    /// client is. One of them that sends none is refused; of other peers none is taken.
    pub proxy_protocol_from: Option<Vec<Text>>,
    /// Whether HTTPS listeners speak HTTP/3 too, over UDP at the same port, and tell their clients so (`Alt-Svc`). It is
    /// experimental.
    #[schemars(extend("default" = false))]
    pub http3: Option<bool>,
    /// Bounds on what is taken from peers.
    pub limits: LimitFields,
    /// Bounds on waits.
    pub timeouts: TimeoutFields,
}

/// Bounds on what is taken from peers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LimitFields {
    /// The head of a message, and trailers. From 1Ki to 1Mi.
    #[schemars(extend("default" = "64Ki"))]
    pub head_bytes: Option<Bytes>,
    /// Fields in a head. From 1 to 1,024.
    #[schemars(extend("default" = 256))]
    pub head_fields: Option<u32>,
    /// The request target. From 256 to 1Mi.
    #[schemars(extend("default" = "16Ki"))]
    pub target_bytes: Option<Bytes>,
    /// Pipelined requests served in one turn of a connection. From 1.
    #[schemars(extend("default" = 16))]
    pub pipelined: Option<u32>,
    /// HTTP/2 streams at once on one client connection. From 1 to 10,000.
    #[schemars(extend("default" = 100))]
    pub streams: Option<u32>,
    /// Bytes of a request's body that are kept so that it can be sent again. At most 16Mi; 0: none.
    #[schemars(extend("default" = "64Ki"))]
    pub replay_bytes: Option<Bytes>,
    /// Clients that exchange datagrams at once, a UDP listener and core. From 1 to 65,536.
    #[schemars(extend("default" = 4096))]
    pub sessions: Option<u32>,
}

/// Bounds on waits. None may be zero.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeoutFields {
    /// For a head, from its first byte.
    #[schemars(extend("default" = "10s"))]
    pub head: Option<GatewayDuration>,
    /// Idle keep-alive of an HTTP/1.1 client.
    #[schemars(extend("default" = "75s"))]
    pub idle: Option<GatewayDuration>,
    /// Idle keep-alive of an HTTP/2 client.
    #[schemars(extend("default" = "5m"))]
    pub http2_idle: Option<GatewayDuration>,
    /// Bytes wait for a peer, and it takes none.
    #[schemars(extend("default" = "60s"))]
    pub stalled_write: Option<GatewayDuration>,
    /// Nothing moves either way on a stream.
    #[schemars(extend("default" = "5m"))]
    pub stream_idle: Option<GatewayDuration>,
    /// The same for upgraded connections, and those that are passed on as bytes.
    #[schemars(extend("default" = "1h"))]
    pub tunnel_idle: Option<GatewayDuration>,
    /// No datagram passes between a client of a UDP listener and its backend.
    #[schemars(extend("default" = "60s"))]
    pub session_idle: Option<GatewayDuration>,
    /// From the end of the request to the head of the answer.
    #[schemars(extend("default" = "60s"))]
    pub response: Option<GatewayDuration>,
}

/// A network, or one address as a network of its own.
#[must_use]
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)).map(|net| net.trunc())
}

impl Kind for GatewayParameters {
    const KIND: &'static str = "GatewayParameters";
    const GROUP: &'static str = IRONGATE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1alpha1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.gateway_parameters
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        let lists = [
            ("trustedProxies", &self.spec.trusted_proxies),
            ("proxyProtocolFrom", &self.spec.proxy_protocol_from),
        ];
        for (name, list) in lists {
            for (index, text) in list.iter().flatten().enumerate() {
                if parse_network(text).is_none() {
                    let message = format!("`{text}` is neither an address nor a network such as 10.0.0.0/8");
                    checks.invalid(&at.field(name).index(index), message, "");
                }
            }
        }
        check_limits(&self.spec.limits, &at.field("limits"), checks);
        check_timeouts(&self.spec.timeouts, &at.field("timeouts"), checks);
    }
}

fn check_limits(limits: &LimitFields, at: &At<'_>, checks: &mut Checks) {
    const MEBIBYTE: u64 = 1 << 20;
    let bytes = |value: Option<Bytes>| value.map(|value| value.0);
    for (name, value, min, max) in [
        ("headBytes", bytes(limits.head_bytes), 1 << 10, MEBIBYTE),
        ("headFields", limits.head_fields.map(u64::from), 1, 1024),
        ("targetBytes", bytes(limits.target_bytes), 256, MEBIBYTE),
        ("pipelined", limits.pipelined.map(u64::from), 1, u64::from(u32::MAX)),
        ("streams", limits.streams.map(u64::from), 1, 10_000),
        ("replayBytes", bytes(limits.replay_bytes), 0, 16 * MEBIBYTE),
        ("sessions", limits.sessions.map(u64::from), 1, 65_536),
    ] {
        if value.is_some_and(|value| value < min || value > max) {
            checks.invalid(&at.field(name), format!("must be from {min} to {max}"), "");
        }
    }
}

fn check_timeouts(timeouts: &TimeoutFields, at: &At<'_>, checks: &mut Checks) {
    for (name, value) in [
        ("head", timeouts.head),
        ("idle", timeouts.idle),
        ("http2Idle", timeouts.http2_idle),
        ("stalledWrite", timeouts.stalled_write),
        ("streamIdle", timeouts.stream_idle),
        ("tunnelIdle", timeouts.tunnel_idle),
        ("sessionIdle", timeouts.session_idle),
        ("response", timeouts.response),
    ] {
        if value.is_some_and(|value| value.0 == Duration::ZERO) {
            checks.invalid(
                &at.field(name),
                "must be longer than nothing",
                "What may take for ever is not offered.",
            );
        }
    }
}
