//! Listeners that cannot stand side by side.
//!
//! Within one Gateway, listeners that are not distinct all lose (Gateway API, `spec.listeners`). Those of its
//! `ListenerSet`s come after its own, an older set before a younger one, and lose to whoever has the place already.
//! Between Gateways, which are merged where they share an address and a port, the older wins.
//!
//! HTTP/3 is nobody's own listener: it gives way to one of UDP, whoever came first.

use super::gateways::{Fault, GatewayNode};
use super::hosts::wider_patterns;
use super::listeners::{ListenerNode, Owner};
use crate::kinds::Protocol;
use crate::problems::UnplacedProblems;
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

impl Transport {
    fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http => Self::Http,
            Protocol::Https | Protocol::Tls => Self::Tls,
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }

    fn has_hosts(self) -> bool {
        matches!(self, Self::Http | Self::Tls)
    }

    fn is_udp(self) -> bool {
        self == Self::Udp
    }
}

/// Marks the listeners that lose, and those of TLS whose hosts overlap.
pub(super) fn settle(gateways: &mut [GatewayNode<'_>], problems: &mut UnplacedProblems) {
    let mut claims = Claims::default();
    for gateway in &mut *gateways {
        let is_served = gateway.fault.is_none();
        settle_group(&mut gateway.listeners, is_served.then_some(&mut claims), problems);
        for set in &mut gateway.sets {
            let is_served = set.fault.is_none();
            settle_group(&mut set.listeners, is_served.then_some(&mut claims), problems);
        }
        mark_overlaps(gateway);
    }
    for gateway in gateways.iter_mut().filter(|gateway| gateway.options.http3) {
        let sets = gateway.sets.iter_mut().flat_map(|set| &mut set.listeners);
        gateway.listeners.iter_mut().chain(sets).for_each(|listener| claims.take_http3(listener, problems));
    }
}

/// Marks those that lose among the listeners of one object, and against whoever came before.
fn settle_group(
    listeners: &mut [ListenerNode<'_>],
    claims: Option<&mut Claims>,
    problems: &mut UnplacedProblems,
) {
    let faults = within(listeners);
    for (listener, fault) in listeners.iter_mut().zip(faults) {
        let is_between = fault.is_none();
        let Some(fault) = fault.or_else(|| claims.as_ref()?.fault(listener)) else { continue };
        let advice = match listener.owner {
            _ if !is_between && fault.reason == "ProtocolConflict" => {
                "Give one of them another port; neither is served."
            }
            _ if !is_between => "Give one of them another hostname or port; neither is served.",
            Owner::Gateway(_) => "The older Gateway has it: take another hostname, port or address.",
            Owner::ListenerSet(_) => {
                "The Gateway's own listeners come first, then those of older ListenerSets."
            }
        };
        let field = if fault.reason == "ProtocolConflict" { "port" } else { "hostname" };
        listener.owner.report_listener(problems, listener.place, field, &fault, advice);
        if fault.reason == "ProtocolConflict" {
            listener.kinds.clear();
        }
        listener.fault = Some(fault);
        listener.is_conflicted = true;
    }
    if let Some(claims) = claims {
        listeners.iter().filter(|listener| !listener.is_conflicted).for_each(|listener| claims.add(listener));
    }
}

/// For each listener of an object, whether it is not distinct from another one there.
fn within(listeners: &[ListenerNode<'_>]) -> Vec<Option<Fault>> {
    let mut transports: HashMap<(u16, bool), HashSet<Transport>> = HashMap::new();
    let mut hosts: HashMap<(u16, Transport, &HostPattern), usize> = HashMap::new();
    for listener in listeners {
        let Some(transport) = listener.protocol.map(Transport::of) else { continue };
        let port = listener.spec.port;
        transports.entry((port, transport.is_udp())).or_default().insert(transport);
        *hosts.entry((port, transport, &listener.hostname)).or_default() += 1;
    }
    let fault = |listener: &ListenerNode<'_>| {
        let transport = Transport::of(listener.protocol?);
        let (port, whose) = (listener.spec.port, listener.owner.kind());
        if transports.get(&(port, transport.is_udp())).is_some_and(|transports| transports.len() > 1) {
            let message = format!("another listener of the {whose} speaks another protocol on port {port}");
            return Some(Fault::new("ProtocolConflict", message));
        }
        let same = hosts.get(&(port, transport, &listener.hostname)).copied().unwrap_or(0);
        (same > 1).then(|| {
            if transport.has_hosts() {
                let message =
                    format!("another listener of the {whose} has port {port} and the same hostname");
                Fault::new("HostnameConflict", message)
            } else {
                Fault::new("ProtocolConflict", format!("another listener of the {whose} has port {port}"))
            }
        })
    };
    listeners.iter().map(fault).collect()
}

/// Who has which place.
#[derive(Default)]
struct Claims {
    /// By address, and whether it is for datagrams.
    by_place: HashMap<(SocketAddr, bool), Claim>,
}

struct Claim {
    transport: Transport,
    /// Who was there first.
    first: ListenerKey,
    hosts: HashMap<HostPattern, ListenerKey>,
}

impl Claims {
    fn fault(&self, listener: &ListenerNode<'_>) -> Option<Fault> {
        let transport = Transport::of(listener.protocol?);
        let port = listener.spec.port;
        listener.addresses.iter().find_map(|address| {
            let claim = self.by_place.get(&(*address, transport.is_udp()))?;
            if claim.transport != transport || !transport.has_hosts() {
                let message = if claim.transport == transport {
                    format!("listener {} has the address and port {port} already", claim.first)
                } else {
                    format!("listener {} speaks another protocol on port {port}", claim.first)
                };
                return Some(Fault::new("ProtocolConflict", message));
            }
            let other = claim.hosts.get(&listener.hostname)?;
            let message = format!("listener {other} has the address, port {port} and hostname already");
            Some(Fault::new("HostnameConflict", message))
        })
    }

    fn add(&mut self, listener: &ListenerNode<'_>) {
        let Some(transport) = listener.protocol.map(Transport::of) else { return };
        for address in &listener.addresses {
            let claim = self.by_place.entry((*address, transport.is_udp())).or_insert_with(|| Claim {
                transport,
                first: listener.key.clone(),
                hosts: HashMap::new(),
            });
            claim.hosts.insert(listener.hostname.clone(), listener.key.clone());
        }
    }

    /// Takes HTTP/3 from a listener of HTTPS where one of UDP has its address and port.
    fn take_http3(&self, listener: &mut ListenerNode<'_>, problems: &mut UnplacedProblems) {
        if listener.protocol != Some(Protocol::Https) || listener.fault.is_some() {
            return;
        }
        let mut of_udp = listener.addresses.iter().filter_map(|address| self.by_place.get(&(*address, true)));
        let Some(claim) = of_udp.next() else { return };
        listener.lacks_http3 = true;
        let message =
            format!("HTTP/3 is not served: listener {} has port {} of UDP", claim.first, listener.spec.port);
        let text = (message, "Give one of them another port; HTTP/1.1 and HTTP/2 are served.");
        let field = (listener.place, "port");
        listener.owner.report_field(problems, Severity::Warning, field, "ProtocolConflict", text);
    }
}

/// Marks the listeners of TLS that share hosts with another one of their Gateway's on the same port: a client that
/// reuses a connection may then reach a listener that it would not have reached by a new one.
fn mark_overlaps(gateway: &mut GatewayNode<'_>) {
    let all = || gateway.listeners.iter().chain(gateway.sets.iter().flat_map(|set| &set.listeners));
    let is_tls = |listener: &&ListenerNode<'_>| {
        !listener.is_conflicted && listener.protocol.map(Transport::of) == Some(Transport::Tls)
    };
    let hosts: HashSet<(u16, HostPattern)> =
        all().filter(is_tls).map(|listener| (listener.spec.port, listener.hostname.clone())).collect();
    let mut overlapping = HashSet::new();
    for (port, host) in &hosts {
        // Every wider pattern that is there overlaps with this one.
        for wider in wider_patterns(host) {
            let wider = (*port, wider);
            if hosts.contains(&wider) {
                overlapping.insert(wider);
                overlapping.insert((*port, host.clone()));
            }
        }
    }
    if overlapping.is_empty() {
        return;
    }
    let listeners =
        gateway.listeners.iter_mut().chain(gateway.sets.iter_mut().flat_map(|set| &mut set.listeners));
    for listener in listeners.filter(|listener| is_tls(&&**listener)) {
        listener.overlaps = overlapping.contains(&(listener.spec.port, listener.hostname.clone()));
    }
}
