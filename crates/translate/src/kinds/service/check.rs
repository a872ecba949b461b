//! What the API server would refuse in a `Service`.

use super::{PortReference, ServicePort, ServiceSpec, ServiceType, SessionAffinity};
use crate::checks::{Checks, names};
use crate::yaml::path::At;
use irongate_config::HostPattern;
use std::collections::HashSet;
use std::net::IpAddr;

pub(super) fn spec(spec: &ServiceSpec, at: &At<'_>, checks: &mut Checks) {
    check_cluster_ip(spec, &at.field("clusterIP"), checks);
    check_external_name(spec, &at.field("externalName"), checks);
    let ports = at.field("ports");
    let needs_ports = spec.kind != ServiceType::ExternalName && !spec.is_headless();
    if needs_ports && spec.ports.is_empty() {
        checks.invalid(&ports, "is required, and missing", "Write the port that routes name: [{port: 80}].");
    }
    checks.no_more_than(&ports, spec.ports.len(), 1000);
    let mut seen = HashSet::new();
    for (index, port) in spec.ports.iter().enumerate() {
        let at = ports.index(index);
        check_port(port, spec, &at, checks);
        if !seen.insert((port.port, port.protocol)) {
            let message = format!("port {} is there twice", port.port);
            checks.invalid(&at.field("port"), message, "A route could not tell them apart.");
        }
    }
    let port_names = spec.ports.iter().map(|port| Some(port.name()).filter(|name| !name.is_empty()));
    checks.unique(&ports, "name", port_names);
    if spec.session_affinity == SessionAffinity::ClientIP {
        let message = "is not offered: requests of one client may go to several instances";
        checks.warn(&at.field("sessionAffinity"), "UnsupportedValue", message, "");
    }
}

fn check_cluster_ip(spec: &ServiceSpec, at: &At<'_>, checks: &mut Checks) {
    let Some(address) = spec.cluster_ip.as_deref().filter(|address| !address.is_empty()) else { return };
    match spec.kind {
        ServiceType::ExternalName => {
            checks.invalid(at, "may not be set for type ExternalName", "Remove it.");
        }
        ServiceType::NodePort | ServiceType::LoadBalancer if spec.is_headless() => {
            let message = "may be None only for type ClusterIP";
            checks.invalid(at, message, "Remove the type, or the clusterIP.");
        }
        _ if !spec.is_headless() && address.parse::<IpAddr>().is_err() => {
            let message = format!("`{address}` is neither None nor an IP address");
            checks.invalid(at, message, "Leave it out; None makes the Service headless.");
        }
        _ => {}
    }
}

fn check_external_name(spec: &ServiceSpec, at: &At<'_>, checks: &mut Checks) {
    let is_external = spec.kind == ServiceType::ExternalName;
    let Some(name) = spec.external_name.as_deref().filter(|name| !name.is_empty()) else {
        if is_external {
            checks.invalid(at, "is required for type ExternalName, and missing", "Write the DNS name.");
        }
        return;
    };
    if !is_external {
        let message = "means something only with type ExternalName";
        checks.warn(at, "Ignored", message, "Write type: ExternalName.");
        return;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.parse::<IpAddr>().is_ok() {
        let advice = "Write an EndpointSlice, or a Backend with endpoints.";
        checks.invalid(at, "is an IP address; a DNS name belongs here", advice);
    } else if let Some(fault) = names::subdomain(name) {
        let is_upper = names::subdomain(&name.to_ascii_lowercase()).is_none();
        let advice = if is_upper { "Write it in lower case." } else { "" };
        checks.invalid(at, format!("`{}` {fault}", name.escape_debug()), advice);
    } else if let Err(error) = HostPattern::parse(name) {
        checks.invalid(at, format!("`{name}` {error}"), "");
    }
}

fn check_port(port: &ServicePort, spec: &ServiceSpec, at: &At<'_>, checks: &mut Checks) {
    checks.port(port.port, &at.field("port"));
    if !port.name().is_empty() {
        checks.name(port.name(), names::label, &at.field("name"));
    } else if spec.ports.len() > 1 {
        let message = "is required where a Service has several ports, and missing";
        checks.invalid(&at.field("name"), message, "");
    }
    if let Some(PortReference::Name(name)) = &port.target_port {
        let at = at.field("targetPort");
        match names::port(name) {
            Some(_) if name.parse::<u16>().is_ok() => {
                checks.invalid(&at, format!("`{name}` is a text"), "Write the number without quotes.");
            }
            _ => checks.name(name, names::port, &at),
        }
    }
    if let Some(protocol) = &port.app_protocol {
        checks.name(protocol, names::qualified, &at.field("appProtocol"));
    }
    let has_no_nodes = matches!(spec.kind, ServiceType::ClusterIP | ServiceType::ExternalName);
    if has_no_nodes && port.node_port.is_some_and(|port| port != 0) {
        let message = "means something only with type NodePort or LoadBalancer";
        checks.invalid(&at.field("nodePort"), message, "Remove it: nothing listens there.");
    }
}
