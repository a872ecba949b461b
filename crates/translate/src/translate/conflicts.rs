//! Listeners that cannot stand side by side.
//!
//! Within one Gateway, listeners that are not distinct all lose (Gateway API, `spec.listeners`). Between
//! Gateways, which are merged where they share an address and a port, the older wins.

use super::gateways::{Fault, GatewayNode, ListenerNode};
use crate::kinds::{Gateway, Kind};
use crate::problems::UnplacedProblems;
use crate::yaml::path::At;
use irongate_config::{HostPattern, ListenerKey, Severity};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

/// What shares a port peacefully: hostnames tell those of one kind apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Transport {
    Http,
    Tls,
    Tcp,
    Udp,
}

fn transport(protocol: &str) -> Option<Transport> {
    match protocol {
        "HTTP" => Some(Transport::Http),
        "HTTPS" | "TLS" => Some(Transport::Tls),
        "TCP" => Some(Transport::Tcp),
        "UDP" => Some(Transport::Udp),
        _ => None,
    }
}

/// Marks the listeners that lose.
pub(super) fn settle(gateways: &mut [GatewayNode<'_>], problems: &mut UnplacedProblems) {
    let mut taken: HashMap<(SocketAddr, HostPattern), ListenerKey> = HashMap::new();
    for gateway in gateways {
        let faults = within(&gateway.listeners);
        for (place, fault) in faults.into_iter().enumerate() {
            let is_between = fault.is_none();
            let fault = fault.or_else(|| against_older(&gateway.listeners[place], &taken));
            let Some(fault) = fault else { continue };
            let at = At::Root.field("spec");
            let at = at.field("listeners");
            let field = if fault.reason == "ProtocolConflict" { "port" } else { "hostname" };
            let advice = if is_between { "The older Gateway has it." } else { "Neither of them is served." };
            problems.push(
                Severity::Error,
                (Gateway::KIND, gateway.object),
                &at.index(place).field(field),
                fault.reason,
                (fault.message.clone(), advice),
            );
            let listener = &mut gateway.listeners[place];
            if fault.reason == "ProtocolConflict" {
                listener.kinds.clear();
            }
            listener.fault = Some(fault);
            listener.is_conflicted = true;
        }
        if gateway.fault.is_none() {
            for listener in gateway.listeners.iter().filter(|listener| listener.fault.is_none()) {
                for address in &listener.addresses {
                    taken.insert((*address, listener.hostname.clone()), listener.key.clone());
                }
            }
        }
    }
}

/// For each listener of a Gateway, whether it is not distinct from another one there.
fn within(listeners: &[ListenerNode<'_>]) -> Vec<Option<Fault>> {
    let mut transports: HashMap<u16, HashSet<Transport>> = HashMap::new();
    let mut hosts: HashMap<(u16, &str, &HostPattern), usize> = HashMap::new();
    for listener in listeners {
        let spec = listener.spec;
        if let Some(transport) = transport(&spec.protocol).filter(|transport| *transport != Transport::Udp) {
            transports.entry(spec.port).or_default().insert(transport);
        }
        *hosts.entry((spec.port, &spec.protocol, &listener.hostname)).or_default() += 1;
    }
    let fault = |listener: &ListenerNode<'_>| {
        let spec = listener.spec;
        let shares = transport(&spec.protocol).is_some_and(|transport| transport != Transport::Udp)
            && transports.get(&spec.port).is_some_and(|transports| transports.len() > 1);
        if shares {
            let message =
                format!("another listener of the Gateway speaks another protocol on port {}", spec.port);
            return Some(Fault::new("ProtocolConflict", message));
        }
        let same = hosts.get(&(spec.port, &*spec.protocol, &listener.hostname)).copied().unwrap_or(0);
        (same > 1).then(|| {
            let message =
                format!("another listener of the Gateway has port {} and the same hostname", spec.port);
            Fault::new("HostnameConflict", message)
        })
    };
    listeners.iter().map(fault).collect()
}

fn against_older(
    listener: &ListenerNode<'_>,
    taken: &HashMap<(SocketAddr, HostPattern), ListenerKey>,
) -> Option<Fault> {
    if listener.fault.is_some() {
        return None;
    }
    let other =
        listener.addresses.iter().find_map(|address| taken.get(&(*address, listener.hostname.clone())))?;
    let message =
        format!("listener {other} has the address, port {} and hostname already", listener.spec.port);
    Some(Fault::new("HostnameConflict", message))
}
