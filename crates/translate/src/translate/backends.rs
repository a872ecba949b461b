//! Services and Backends to backends: what references resolve to, and where the instances are.

use super::index::Index;
use super::policies::Policies;
use crate::kinds::{
    AddressType, Backend as BackendObject, BackendProtocolName, EndpointSlice, Kind, PortReference, Service,
    ServicePort,
};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{
    Backend, BackendKey, BackendKind, BackendProtocol, Endpoint, Endpoints, InvalidBackend, ObjectName,
    Severity,
};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Why a reference does not resolve: for the status, and as a sentence.
type Unresolved = (InvalidBackend, String);

/// The backends that are referred to, each worked out once.
pub(super) struct Backends<'r> {
    index: &'r Index<'r>,
    policies: &'r Policies<'r>,
    known: HashMap<(BackendKind, &'r str, &'r str, u16), Result<BackendKey, Unresolved>>,
    built: BTreeMap<BackendKey, Arc<Backend>>,
}

impl<'r> Backends<'r> {
    pub(super) fn new(index: &'r Index<'r>, policies: &'r Policies<'r>) -> Self {
        Self { index, policies, known: HashMap::new(), built: BTreeMap::new() }
    }

    /// The backend that a reference names. A `Backend` has no port of its own: 0.
    pub(super) fn resolve(
        &mut self,
        kind: BackendKind,
        namespace: &'r str,
        name: &'r str,
        port: u16,
        problems: &mut UnplacedProblems,
    ) -> Result<BackendKey, Unresolved> {
        let place = (kind, namespace, name, port);
        if let Some(known) = self.known.get(&place) {
            return known.clone();
        }
        let backend = match kind {
            BackendKind::Service => self.service(namespace, name, port, problems),
            BackendKind::Backend => self.backend(namespace, name),
        };
        let result = backend.map(|backend| {
            let key = backend.key.clone();
            self.built.insert(key.clone(), Arc::new(backend));
            key
        });
        self.known.insert(place, result.clone());
        result
    }

    pub(super) fn into_built(self) -> BTreeMap<BackendKey, Arc<Backend>> {
        self.built
    }

    fn backend(&self, namespace: &str, name: &str) -> Result<Backend, Unresolved> {
        let Some(object) = self.index.backends.get(&(namespace, name)) else {
            return Err((InvalidBackend::BackendNotFound, format!("there is no Backend {namespace}/{name}")));
        };
        let spec = &object.body.spec;
        let endpoints = match &spec.dns {
            Some(dns) => Endpoints::Dns { name: dns.name.to_ascii_lowercase().into(), port: dns.port },
            None => Endpoints::Static(static_endpoints(object)),
        };
        Ok(Backend {
            key: BackendKey { kind: BackendKind::Backend, name: object.name.clone(), port: 0 },
            endpoints,
            protocol: match spec.protocol {
                BackendProtocolName::Http1 => BackendProtocol::Http1,
                BackendProtocolName::Http2 => BackendProtocol::Http2,
            },
            options: self.policies.options(BackendKind::Backend, &object.name, None),
        })
    }

    fn service(
        &self,
        namespace: &'r str,
        name: &'r str,
        port: u16,
        problems: &mut UnplacedProblems,
    ) -> Result<Backend, Unresolved> {
        let not_found = |message: String| Err((InvalidBackend::BackendNotFound, message));
        let Some(object) = self.index.services.get(&(namespace, name)) else {
            return not_found(format!("there is no Service {namespace}/{name}"));
        };
        let spec = &object.body.spec;
        let service_port = spec.ports.iter().find(|one| one.port == port && one.is_tcp());
        let protocol = match service_port.and_then(|port| port.app_protocol.as_deref()) {
            None | Some("" | "http" | "kubernetes.io/ws") => BackendProtocol::Http1,
            Some("kubernetes.io/h2c") => BackendProtocol::Http2,
            Some(other) => {
                let message =
                    format!("the appProtocol `{other}` of Service {namespace}/{name} is not spoken");
                return Err((InvalidBackend::UnsupportedProtocol, message));
            }
        };
        let endpoints = match (spec.dns_name(), service_port) {
            // An ExternalName needs no ports of its own; if it lists some, the port is one of them.
            (Some(dns), _) if service_port.is_some() || spec.ports.is_empty() => {
                Endpoints::Dns { name: dns.to_ascii_lowercase().into(), port }
            }
            (None, Some(service_port)) => {
                let slices = self.index.slices.get(&(namespace, name)).map_or(&[][..], Vec::as_slice);
                Endpoints::Static(slice_endpoints(object, service_port, slices, problems))
            }
            _ => return not_found(format!("Service {namespace}/{name} has no TCP port {port}")),
        };
        Ok(Backend {
            key: BackendKey { kind: BackendKind::Service, name: object.name.clone(), port },
            endpoints,
            protocol,
            options: self.options(&object.name, service_port),
        })
    }

    fn options(&self, name: &ObjectName, port: Option<&ServicePort>) -> Arc<irongate_config::BackendOptions> {
        self.policies.options(BackendKind::Service, name, port.and_then(|port| port.name.as_deref()))
    }
}

/// A Backend's addresses, in order; of one that is there twice the weights are added.
fn static_endpoints(object: &Object<BackendObject>) -> Vec<Endpoint> {
    let mut weights: BTreeMap<SocketAddr, u32> = BTreeMap::new();
    for endpoint in object.body.spec.endpoints.iter().flatten() {
        if let Some(address) = endpoint.socket_address() {
            let weight = weights.entry(address).or_default();
            *weight = weight.saturating_add(endpoint.weight);
        }
    }
    weights.into_iter().map(|(address, weight)| Endpoint { address, weight }).collect()
}

/// The instances behind a Service's port: those that are ready, and where none is, those that are going but
/// still answer.
fn slice_endpoints(
    service: &Object<Service>,
    port: &ServicePort,
    slices: &[&Object<EndpointSlice>],
    problems: &mut UnplacedProblems,
) -> Vec<Endpoint> {
    let (mut ready, mut last_resort) = (Vec::new(), Vec::new());
    let (mut has_port, mut has_endpoint) = (false, false);
    for slice in slices.iter().filter(|slice| slice.body.address_type != AddressType::Fqdn) {
        let Some(slice_port) = slice.body.ports.iter().find(|one| one.is(port.name.as_deref())) else {
            continue;
        };
        has_port = true;
        let number = slice_port.port.unwrap_or(match &port.target_port {
            Some(PortReference::Number(number)) => *number,
            Some(PortReference::Name(_)) | None => port.port,
        });
        for endpoint in &slice.body.endpoints {
            has_endpoint = true;
            let address = endpoint.addresses.first().and_then(|text| text.parse::<IpAddr>().ok());
            let Some(address) = address.map(|ip| SocketAddr::new(ip, number)) else { continue };
            if endpoint.conditions.is_ready() {
                ready.push(address);
            } else if endpoint.conditions.is_last_resort() {
                last_resort.push(address);
            }
        }
    }
    let mut addresses = if ready.is_empty() { last_resort } else { ready };
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        warn_of_no_endpoints(service, port, slices, (has_port, has_endpoint), problems);
    }
    addresses.into_iter().map(|address| Endpoint { address, weight: 1 }).collect()
}

fn warn_of_no_endpoints(
    service: &Object<Service>,
    port: &ServicePort,
    slices: &[&Object<EndpointSlice>],
    (has_port, has_endpoint): (bool, bool),
    problems: &mut UnplacedProblems,
) {
    let name = port.name.as_deref().unwrap_or_default();
    let (message, advice) = if slices.is_empty() {
        let label = format!("kubernetes.io/service-name: {}", service.name.name());
        ("no EndpointSlice belongs to it".to_owned(), format!("Add one with the label {label}."))
    } else if !has_port {
        (format!("its EndpointSlices have no TCP port named `{name}`"), "Name the port there as here.".into())
    } else if has_endpoint {
        (format!("no instance is ready on port {}", port.port), String::new())
    } else {
        (format!("its EndpointSlices have no endpoint for port {}", port.port), String::new())
    };
    let advice = format!("{advice} Requests are answered with 503.").trim_start().to_owned();
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
