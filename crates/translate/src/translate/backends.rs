//! Services and Backends to backends: what references resolve to, and where the instances are.

pub(super) mod slices;

use super::index::Index;
use super::policies::{Chosen, Policies, PolicyField};
use crate::kinds::{Backend as BackendObject, BackendProtocolName, Service};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use irongate_config::{
    Backend, BackendKey, BackendKind, BackendProtocol, Endpoint, Endpoints, InvalidBackend,
};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a reference does not resolve: for the status, and as a sentence.
type Unresolved = (InvalidBackend, String);

/// The backends that are referred to, each worked out once.
pub(super) struct Backends<'r> {
    index: &'r Index<'r>,
    policies: &'r Policies<'r>,
    known: HashMap<(BackendKind, &'r str, &'r str, u16), Result<BackendKey, Unresolved>>,
    built: BTreeMap<BackendKey, Arc<Backend>>,
    /// Who says which field of a backend's options, where a policy does.
    policy_fields: BTreeMap<BackendKey, Vec<PolicyField>>,
}

impl<'r> Backends<'r> {
    pub(super) fn new(index: &'r Index<'r>, policies: &'r Policies<'r>) -> Self {
        Self {
            index,
            policies,
            known: HashMap::new(),
            built: BTreeMap::new(),
            policy_fields: BTreeMap::new(),
        }
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
        let result = backend.map(|(backend, fields)| {
            let key = backend.key.clone();
            if !fields.is_empty() {
                self.policy_fields.insert(key.clone(), fields);
            }
            self.built.insert(key.clone(), Arc::new(backend));
            key
        });
        self.known.insert(place, result.clone());
        result
    }

    /// The backends, and who says which fields of their options.
    pub(super) fn into_built(
        self,
    ) -> (BTreeMap<BackendKey, Arc<Backend>>, BTreeMap<BackendKey, Vec<PolicyField>>) {
        (self.built, self.policy_fields)
    }

    fn backend(&self, namespace: &str, name: &str) -> Result<(Backend, Vec<PolicyField>), Unresolved> {
        let Some(object) = self.index.backends.get(&(namespace, name)) else {
            return Err((InvalidBackend::BackendNotFound, format!("there is no Backend {namespace}/{name}")));
        };
        let spec = &object.body.spec;
        let endpoints = match &spec.dns {
            Some(dns) => Endpoints::Dns { name: dns.name.to_ascii_lowercase().into(), port: dns.port },
            None => Endpoints::Static(static_endpoints(object)),
        };
        let Chosen { options, fields } = self.policies.choose(BackendKind::Backend, &object.name, None);
        let backend = Backend {
            key: BackendKey {
                kind: BackendKind::Backend,
                name: object.name.clone(),
                port: 0,
                protocol: match spec.protocol {
                    BackendProtocolName::Http1 => BackendProtocol::Http1,
                    BackendProtocolName::Http2 => BackendProtocol::Http2,
                },
                identity: None,
            },
            endpoints,
            tls: None,
            options,
        };
        Ok((backend, fields))
    }

    fn service(
        &self,
        namespace: &'r str,
        name: &'r str,
        port: u16,
        problems: &mut UnplacedProblems,
    ) -> Result<(Backend, Vec<PolicyField>), Unresolved> {
        let not_found = |message: String| Err((InvalidBackend::BackendNotFound, message));
        let Some(object) = self.index.services.get(&(namespace, name)) else {
            return not_found(format!("there is no Service {namespace}/{name}"));
        };
        let spec = &object.body.spec;
        let service_port = spec.ports.iter().find(|one| one.port == port && one.is_tcp());
        let protocol = match service_port.and_then(|port| port.app_protocol.as_deref()) {
            None => BackendProtocol::Http1,
            Some(name) => protocol(name).ok_or_else(|| {
                let message = format!(
                    "the appProtocol `{name}` of Service {} is not spoken; {SPOKEN} are",
                    object.name
                );
                (InvalidBackend::UnsupportedProtocol, message)
            })?,
        };
        let endpoints = match (spec.dns_name(), service_port) {
            // An ExternalName needs no ports of its own; if it lists some, the port is one of them. A route names a
            // port from 1.
            (Some(dns), _) if service_port.is_some() || spec.ports.is_empty() && port != 0 => {
                Endpoints::Dns { name: dns.into(), port }
            }
            (None, Some(service_port)) => {
                let slices = self.index.slices.get(&(namespace, name)).map_or(&[][..], Vec::as_slice);
                Endpoints::Static(slices::endpoints(object, service_port, slices, problems))
            }
            _ => return not_found(no_such_port(object, port)),
        };
        let section = service_port.and_then(|port| port.name.as_deref());
        let Chosen { options, fields } = self.policies.choose(BackendKind::Service, &object.name, section);
        let key = BackendKey {
            kind: BackendKind::Service,
            name: object.name.clone(),
            port,
            protocol,
            identity: None,
        };
        Ok((Backend { key, endpoints, tls: None, options }, fields))
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

/// What can be spoken to a Service's port, as messages name it.
const SPOKEN: &str = "`http`, `kubernetes.io/h2c` and `kubernetes.io/ws`";

/// What an `appProtocol` stands for (KEP-3726, GEP-1911); `None`: it is not spoken. A WebSocket begins as HTTP/1.1.
fn protocol(name: &str) -> Option<BackendProtocol> {
    match name {
        "http" | "kubernetes.io/ws" => Some(BackendProtocol::Http1),
        "kubernetes.io/h2c" => Some(BackendProtocol::Http2),
        _ => None,
    }
}

/// Says which ports there are instead.
fn no_such_port(service: &Object<Service>, port: u16) -> String {
    let ports = service.body.spec.ports.iter().filter(|one| one.is_tcp());
    let ports: Vec<String> = ports.take(10).map(|one| one.port.to_string()).collect();
    let name = &service.name;
    if ports.is_empty() {
        format!("Service {name} has no TCP port")
    } else {
        format!("Service {name} has no TCP port {port}; it has {}", ports.join(", "))
    }
}
