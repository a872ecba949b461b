//! `EndpointSlice`s to endpoints: which instances of a Service get requests.
//!
//! Those that are ready, of all slices together: one that is ready in any slice is ready. Where none is ready, those that are
//! about to go and still serve, as kube-proxy does it: when all instances are replaced at once, an answer from an old one
//! is better than none.

use crate::kinds::{AddressType, EndpointPort, EndpointSlice, Kind, PortReference, SERVICE_LABEL, Service};
use crate::kinds::{ServicePort, ServiceType};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::translate::index::Index;
use crate::yaml::path::At;
use irongate_config::{Endpoint, Severity};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The instances behind a Service's port, sorted, none twice.
pub(super) fn endpoints(
    service: &Object<Service>,
    port: &ServicePort,
    slices: &[&Object<EndpointSlice>],
    problems: &mut UnplacedProblems,
) -> Vec<Endpoint> {
    let (mut ready, mut last_resort) = (Vec::new(), Vec::new());
    let mut found = Found::default();
    for slice in slices.iter().filter(|slice| slice.body.address_type != AddressType::Fqdn) {
        let Some(slice_port) = slice.body.ports.iter().find(|one| one.is(port.name(), port.protocol)) else {
            continue;
        };
        found.port = true;
        let Some(number) = port_number(slice_port, port) else { continue };
        found.number = true;
        for endpoint in &slice.body.endpoints {
            let address = endpoint.addresses.first().and_then(|text| text.parse::<IpAddr>().ok());
            let Some(address) = address.map(|ip| SocketAddr::new(ip, number)) else { continue };
            found.endpoint = true;
            let conditions = endpoint.conditions;
            let zones = endpoint.zones().map(Arc::from).collect();
            let endpoint = || Endpoint { zones, ..Endpoint::new(address, 1) };
            if conditions.is_ready() {
                ready.push(endpoint());
            } else if conditions.is_last_resort() {
                last_resort.push(endpoint());
            }
        }
    }
    let mut endpoints = if ready.is_empty() { last_resort } else { ready };
    endpoints.sort_by_key(|endpoint| endpoint.address);
    endpoints.dedup_by_key(|endpoint| endpoint.address);
    if endpoints.is_empty() {
        warn_of_no_endpoints(service, port, slices.is_empty(), &found, problems);
    }
    endpoints
}

/// The instances' port: the slice's, else the Service's. `None`: it has only a name, and a container's ports are not
/// known here.
fn port_number(slice_port: &EndpointPort, port: &ServicePort) -> Option<u16> {
    match (slice_port.port, &port.target_port) {
        (Some(number), _) => Some(number),
        (None, Some(PortReference::Number(number))) => Some(*number),
        (None, None) => Some(port.port),
        (None, Some(PortReference::Name(_))) => None,
    }
}

/// What was found on the way to no endpoint.
#[derive(Default)]
struct Found {
    port: bool,
    number: bool,
    endpoint: bool,
}

fn warn_of_no_endpoints(
    service: &Object<Service>,
    port: &ServicePort,
    has_no_slice: bool,
    found: &Found,
    problems: &mut UnplacedProblems,
) {
    let name = port.name();
    let (message, advice) = if has_no_slice {
        let label = format!("{SERVICE_LABEL}: {}", service.name.name());
        ("no EndpointSlice belongs to it".to_owned(), format!("Add one with the label {label}."))
    } else if !found.port {
        let carrier = if port.is_tcp() { "TCP" } else { "UDP" };
        let message = match name {
            "" => format!("its EndpointSlices have no {carrier} port without a name"),
            name => format!("its EndpointSlices have no {carrier} port named `{name}`"),
        };
        (message, "Name the port there as here.".into())
    } else if !found.number {
        let message = format!("the number of port `{name}` is known neither here nor in its EndpointSlices");
        (message, "Write it in the EndpointSlices.".into())
    } else if found.endpoint {
        (format!("no instance is ready on port {}", port.port), String::new())
    } else {
        (format!("its EndpointSlices have no endpoint for port {}", port.port), String::new())
    };
    let outcome = if port.is_tcp() { "Requests are answered with 503." } else { "Datagrams are dropped." };
    let advice = format!("{advice} {outcome}").trim_start().to_owned();
    let place = service.body.spec.ports.iter().position(|one| std::ptr::eq(one, port)).unwrap_or_default();
    let at = At::Root.field("spec");
    let at = at.field("ports");
    problems.push(
        Severity::Warning,
        (Service::KIND, service),
        &at.index(place),
        "NoEndpoints",
        (message, advice),
    );
}

/// Tells of slices that nothing uses.
pub(in crate::translate) fn check(resources: &Resources, index: &Index<'_>, problems: &mut UnplacedProblems) {
    let at = At::Root.field("metadata");
    let labels = at.field("labels");
    for slice in &resources.endpoint_slices {
        let namespace = slice.name.namespace();
        let Some(name) = slice.labels.get(SERVICE_LABEL) else {
            let advice = format!("Add the label {SERVICE_LABEL} with the name of the Service.");
            warn(slice, &labels, ("NoService", "belongs to no Service".into(), advice), problems);
            continue;
        };
        let at = labels.field(SERVICE_LABEL);
        let service = index.services.get(&(namespace, name)).map(|service| &service.body.spec);
        let found = match service.map(|spec| spec.kind) {
            None => (
                "ServiceNotFound",
                format!("there is no Service {namespace}/{name}"),
                "Add it, or mend the name.",
            ),
            Some(ServiceType::ExternalName) => (
                "Ignored",
                format!("Service {namespace}/{name} is of type ExternalName: its instances come from DNS"),
                "Remove the type, or the slice.",
            ),
            Some(_) => continue,
        };
        let (reason, message, advice) = found;
        warn(slice, &at, (reason, message, advice.into()), problems);
    }
}

fn warn(
    slice: &Object<EndpointSlice>,
    at: &At<'_>,
    (reason, message, advice): (&'static str, String, String),
    problems: &mut UnplacedProblems,
) {
    problems.push(Severity::Warning, (EndpointSlice::KIND, slice), at, reason, (message, advice));
}
