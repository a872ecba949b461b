//! What is decided before there is a request: which listener a connection or a datagram is for.

use super::request::Protocol;
use super::view::Verdict;
use irongate_config::{Listener, ListenerProtocol};
use irongate_traffic::HostTable;
use std::net::SocketAddr;
use std::sync::Arc;

/// What is known before there is a request.
pub(super) enum First<'s> {
    /// There will be one; over TLS, the listener that the server name chose.
    Request(Option<&'s Arc<Listener>>),
    /// There will be none: bytes are passed on.
    Stream(&'s Arc<Listener>),
    /// Nobody takes it.
    None(Verdict),
}

/// Which listener takes a connection, and whether requests come on it.
pub(super) fn before_request<'s>(
    sharing: &[&'s Arc<Listener>],
    protocol: Protocol,
    address: SocketAddr,
    name: &str,
) -> First<'s> {
    let spoken = |listener: &Listener| match listener.protocol {
        ListenerProtocol::Http => Protocol::Http,
        ListenerProtocol::Https => Protocol::Https,
        ListenerProtocol::Tls => Protocol::Tls,
        ListenerProtocol::Tcp => Protocol::Tcp,
        ListenerProtocol::Udp => Protocol::Udp,
    };
    let refused = |listener: &Listener| {
        let (asked, scheme) = (protocol.scheme(), spoken(listener).scheme());
        let summary =
            format!("the listener {} on {address} does not take {asked}; write {scheme}://", listener.key);
        First::None(Verdict { outcome: "refused", status: None, summary })
    };
    let Some(first) = sharing.first() else { return First::Request(None) };
    match protocol {
        Protocol::Http | Protocol::Tcp | Protocol::Udp if spoken(first) != protocol => refused(first),
        Protocol::Http => First::Request(None),
        Protocol::Tcp | Protocol::Udp => First::Stream(first),
        Protocol::Https | Protocol::Tls if !matches!(spoken(first), Protocol::Https | Protocol::Tls) => {
            refused(first)
        }
        Protocol::Https | Protocol::Tls => {
            let hosts = HostTable::new(sharing.iter().map(|listener| (listener.hostname.clone(), *listener)));
            match hosts.find(name.as_bytes()).copied() {
                Some(listener) if spoken(listener) == Protocol::Tls => First::Stream(listener),
                Some(listener) if protocol == Protocol::Tls => refused(listener),
                Some(listener) => First::Request(Some(listener)),
                None => {
                    let shown = if name.is_empty() { "no server name" } else { name };
                    let summary =
                        format!("no listener on {address} is for {shown}: the connection is closed");
                    First::None(Verdict { outcome: "closed", status: None, summary })
                }
            }
        }
    }
}

/// Whether a listener's socket is of the sort that a protocol comes to.
pub(super) fn is_carried(listener: &Listener, protocol: Protocol) -> bool {
    (listener.protocol == ListenerProtocol::Udp) == (protocol == Protocol::Udp)
}
