//! `/api/listeners`.

use super::{Page, certificate, seconds};
use irongate_config::{Config, Listener, ListenerProtocol, ListenerTls, ProxyOptions};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Listeners; `open` has the addresses that are listened on.
pub(crate) fn listeners(config: &Config, open: &[SocketAddr], page: Page) -> Value {
    page.of("listeners", config.listeners.iter().map(|listener| one(listener, open)))
}

fn one(listener: &Listener, open: &[SocketAddr]) -> Value {
    let address =
        |address: &SocketAddr| json!({ "address": address.to_string(), "open": open.contains(address) });
    json!({
        "listener": listener.key.to_string(),
        "addresses": listener.addresses.iter().map(address).collect::<Vec<_>>(),
        "protocol": match listener.protocol {
            ListenerProtocol::Http => "HTTP",
            ListenerProtocol::Https => "HTTPS",
            ListenerProtocol::Tls => "TLS",
            ListenerProtocol::Tcp => "TCP",
            ListenerProtocol::Udp => "UDP",
        },
        "hostname": listener.hostname.to_string(),
        "attachedRoutes": listener.routes.len() + listener.stream_routes.len(),
        "tls": listener.tls.as_deref().map(tls),
        "options": options(&listener.options),
    })
}

/// Never a key.
fn tls(tls: &ListenerTls) -> Value {
    json!({
        "certificates": tls.certificates.iter().map(|one| certificate(one)).collect::<Vec<_>>(),
        "clients": tls.clients.as_ref().map(|clients| json!({
            "authorities": clients.authorities.len(),
            "allowsInvalid": clients.allows_invalid,
        })),
    })
}

fn options(options: &ProxyOptions) -> Value {
    let ProxyOptions { trusted_proxies, proxy_protocol_from, http3, limits, timeouts } = options;
    json!({
        "trustedProxies": trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "proxyProtocolFrom": proxy_protocol_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "http3": http3,
        "limits": {
            "headBytes": limits.head_bytes,
            "headFields": limits.head_fields,
            "targetBytes": limits.target_bytes,
            "pipelined": limits.pipelined,
            "streams": limits.streams,
            "replayBytes": limits.replay_bytes,
            "sessions": limits.sessions,
        },
        "timeoutSeconds": {
            "head": seconds(timeouts.head),
            "idle": seconds(timeouts.idle),
            "http2Idle": seconds(timeouts.http2_idle),
            "stalledWrite": seconds(timeouts.stalled_write),
            "streamIdle": seconds(timeouts.stream_idle),
            "tunnelIdle": seconds(timeouts.tunnel_idle),
            "sessionIdle": seconds(timeouts.session_idle),
            "response": seconds(timeouts.response),
        },
    })
}
