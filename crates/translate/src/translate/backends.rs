//! Services and Backends to backends: what references resolve to, and where the instances are.

mod discovery;
pub(super) mod slices;

use super::backend_tls::{NotValid, OwnTls, TlsPolicies, Wanted};
use super::index::Index;
use super::policies::{Chosen, Policies};
use super::precedence::PolicyField;
use crate::kinds::{Backend as BackendObject, BackendProtocolName, PortProtocol, Service};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use foldhash::fast::RandomState;
use irongate_config::{
    Backend, BackendKey, BackendKind, BackendOptions, BackendProtocol, BackendTls, Endpoint, Endpoints,
    InvalidBackend, ObjectName, RouteKind,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a reference does not resolve: for the status, and as a sentence.
type Unresolved = (InvalidBackend, String);

/// What a backend is referred to for: it decides what is spoken to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Purpose {
    /// Requests of HTTP.
    Http,
    /// Calls of gRPC.
    Grpc,
    /// Connections.
    Bytes,
    /// Datagrams.
    Datagrams,
}

impl Purpose {
    /// What a route of a kind refers to backends for.
    pub(super) fn of(kind: RouteKind) -> Self {
        match kind {
            RouteKind::Http => Self::Http,
            RouteKind::Grpc => Self::Grpc,
            RouteKind::Tls | RouteKind::Tcp => Self::Bytes,
            RouteKind::Udp => Self::Datagrams,
        }
    }

    /// What goes there, as messages name it.
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Http | Self::Grpc => "requests",
            Self::Bytes => "connections",
            Self::Datagrams => "datagrams",
        }
    }

    /// What carries it to a Service's port.
    fn port_protocol(self) -> PortProtocol {
        if self == Self::Datagrams { PortProtocol::Udp } else { PortProtocol::Tcp }
    }
}

/// A backend as references name it: kind, namespace, name and port. A `Backend` has no port of its own: 0.
pub(super) type Place<'r> = (BackendKind, &'r str, &'r str, u16);

/// The backends that are referred to, each worked out once.
pub(super) struct Backends<'r> {
    index: &'r Index<'r>,
    policies: &'r Policies<'r>,
    tls: &'r TlsPolicies<'r>,
    own_tls: OwnTls<'r>,
    known: HashMap<(Place<'r>, Purpose), Result<BackendKey, Unresolved>, RandomState>,
    /// Those that anything refers to, whatever for: each is told of once.
    mentioned: HashSet<Place<'r>>,
    built: BTreeMap<BackendKey, Arc<Backend>>,
    /// Who says which field of a backend's options, where a policy does.
    policy_fields: BTreeMap<BackendKey, Vec<PolicyField>>,
}

impl<'r> Backends<'r> {
    pub(super) fn new(
        index: &'r Index<'r>,
        policies: &'r Policies<'r>,
        tls: &'r TlsPolicies<'r>,
        own_tls: OwnTls<'r>,
    ) -> Self {
        Self {
            index,
            policies,
            tls,
            own_tls,
            known: HashMap::default(),
            mentioned: HashSet::new(),
            built: BTreeMap::new(),
            policy_fields: BTreeMap::new(),
        }
    }

    /// The backend that a reference names.
    pub(super) fn resolve(
        &mut self,
        place: Place<'r>,
        purpose: Purpose,
        problems: &mut UnplacedProblems,
    ) -> Result<BackendKey, Unresolved> {
        if let Some(known) = self.known.get(&(place, purpose)) {
            return known.clone();
        }
        let (kind, namespace, name, port) = place;
        let mut told = UnplacedProblems::default();
        let problems = if self.mentioned.insert(place) { problems } else { &mut told };
        let backend = match kind {
            BackendKind::Service => self.service(namespace, name, port, purpose, problems),
            BackendKind::Backend => self.backend(namespace, name, purpose),
        };
        let result = backend.map(|(backend, fields)| {
            let key = backend.key.clone();
            if !fields.is_empty() {
                self.policy_fields.insert(key.clone(), fields);
            }
            self.built.insert(key.clone(), Arc::new(backend));
            key
        });
        self.known.insert((place, purpose), result.clone());
        result
    }

    /// Whether a policy says how TLS is begun with a backend.
    pub(super) fn has_tls_policy(&self, place: Place<'_>) -> bool {
        if self.tls.is_empty() {
            return false;
        }
        let (_, namespace, name, port) = place;
        let service = self.index.services.get(&(namespace, name));
        let port =
            service.and_then(|one| one.body.spec.ports.iter().find(|one| one.port == port && one.is_tcp()));
        self.tls.concerns(place, port.and_then(|port| port.name.as_deref()))
    }

    /// Whether anything refers to a backend, whatever for.
    pub(super) fn is_mentioned(&self, place: Place<'r>) -> bool {
        self.mentioned.contains(&place)
    }

    /// How a backend that a reference came to is treated.
    pub(super) fn options(&self, key: &BackendKey) -> Option<&BackendOptions> {
        self.built.get(key).map(|backend| &*backend.options)
    }

    /// The backends, and who says which fields of their options.
    pub(super) fn into_built(
        self,
    ) -> (BTreeMap<BackendKey, Arc<Backend>>, BTreeMap<BackendKey, Vec<PolicyField>>) {
        (self.built, self.policy_fields)
    }

    fn backend(
        &self,
        namespace: &str,
        name: &str,
        purpose: Purpose,
    ) -> Result<(Backend, Vec<PolicyField>), Unresolved> {
        let Some(object) = self.index.backends.get(&(namespace, name)) else {
            return Err((InvalidBackend::BackendNotFound, format!("there is no Backend {namespace}/{name}")));
        };
        let spec = &object.body.spec;
        let endpoints = match (&spec.dns, &spec.consul) {
            (Some(dns), _) => discovery::dns(dns),
            (None, Some(consul)) => {
                let tls = self.own_tls.consul.get(&(namespace, name)).cloned();
                discovery::consul(object, consul, tls, self.index)?
            }
            (None, None) => Endpoints::Static(static_endpoints(object)),
        };
        let tls = match purpose {
            Purpose::Datagrams => None,
            _ => valid(self.own_tls.instances.get(&(namespace, name)).cloned(), &object.name)?,
        };
        let Chosen { options, fields } = self.policies.choose(BackendKind::Backend, &object.name, None);
        let backend = Backend {
            key: BackendKey {
                kind: BackendKind::Backend,
                name: object.name.clone(),
                port: 0,
                protocol: match (purpose, spec.protocol) {
                    (Purpose::Http, BackendProtocolName::Http1) => BackendProtocol::Http1,
                    (Purpose::Http, BackendProtocolName::Http2) | (Purpose::Grpc, _) => {
                        BackendProtocol::Http2
                    }
                    (Purpose::Bytes, _) => BackendProtocol::Tcp,
                    (Purpose::Datagrams, _) => BackendProtocol::Udp,
                },
                identity: None,
            },
            endpoints,
            tls,
            options,
        };
        Ok((backend, fields))
    }

    fn service(
        &self,
        namespace: &'r str,
        name: &'r str,
        port: u16,
        purpose: Purpose,
        problems: &mut UnplacedProblems,
    ) -> Result<(Backend, Vec<PolicyField>), Unresolved> {
        let not_found = |message: String| Err((InvalidBackend::BackendNotFound, message));
        let Some(object) = self.index.services.get(&(namespace, name)) else {
            return not_found(format!("there is no Service {namespace}/{name}"));
        };
        let spec = &object.body.spec;
        let carrier = purpose.port_protocol();
        let service_port = spec.ports.iter().find(|one| one.port == port && one.protocol == carrier);
        let app_protocol = service_port.and_then(|port| port.app_protocol.as_deref());
        let section = service_port.and_then(|port| port.name.as_deref());
        let tls = match purpose {
            Purpose::Datagrams => None,
            _ => valid(self.tls.of_service(namespace, name, section), &object.name)?,
        };
        let protocol = protocol(purpose, app_protocol, tls.is_some()).map_err(|fault| {
            let message = format!("the appProtocol of Service {}, port {port}, {fault}", object.name);
            (InvalidBackend::UnsupportedProtocol, message)
        })?;
        let endpoints = match (spec.dns_name(), service_port) {
            // An ExternalName needs no ports of its own; if it lists some, the port is one of them. A route names a
            // port from 1.
            (Some(dns), _) if service_port.is_some() || spec.ports.is_empty() && port != 0 => {
                discovery::external_name(dns, port)
            }
            (None, Some(service_port)) => {
                let slices = self.index.slices.get(&(namespace, name)).map_or(&[][..], Vec::as_slice);
                Endpoints::Static(slices::endpoints(object, service_port, slices, problems))
            }
            _ => return not_found(no_such_port(object, port, carrier)),
        };
        let Chosen { options, fields } = self.policies.choose(BackendKind::Service, &object.name, section);
        let key = BackendKey {
            kind: BackendKind::Service,
            name: object.name.clone(),
            port,
            protocol,
            identity: None,
        };
        Ok((Backend { key, endpoints, tls, options }, fields))
    }
}

/// A Backend's addresses, in order; of one that is there twice the weights are added, and its first zone and priority
/// count.
fn static_endpoints(object: &Object<BackendObject>) -> Vec<Endpoint> {
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    for written in object.body.spec.endpoints.iter().flatten() {
        if let Some(address) = written.socket_address() {
            let endpoint = endpoints.entry(address).or_insert_with(|| Endpoint {
                zones: written.zone.iter().map(|zone| (&**zone).into()).collect(),
                priority: written.priority,
                ..Endpoint::new(address, 0)
            });
            endpoint.weight = endpoint.weight.saturating_add(written.weight);
        }
    }
    endpoints.into_values().collect()
}

/// How TLS is begun, if it is and one knows how.
fn valid(wanted: Option<Wanted>, name: &ObjectName) -> Result<Option<Arc<BackendTls>>, Unresolved> {
    wanted.transpose().map_err(|NotValid| {
        let message = format!("what says how TLS is begun with {name} is not valid");
        (InvalidBackend::InvalidTls, message)
    })
}

/// What is spoken to a Service's port, by its `appProtocol` (KEP-3726, GEP-1911). A WebSocket begins as HTTP/1.1. Those over
/// TLS need a policy that says whom to trust.
///
/// # Errors
/// What is wrong, as the rest of a sentence about the `appProtocol`.
fn protocol(purpose: Purpose, name: Option<&str>, has_tls: bool) -> Result<BackendProtocol, String> {
    let is_over_tls =
        name.is_some_and(|name| name.eq_ignore_ascii_case("https") || name == "kubernetes.io/wss");
    match (purpose, name) {
        (Purpose::Bytes, _) => Ok(BackendProtocol::Tcp),
        (Purpose::Datagrams, _) => Ok(BackendProtocol::Udp),
        (Purpose::Http, None | Some("http" | "kubernetes.io/ws")) => Ok(BackendProtocol::Http1),
        (Purpose::Http, Some("grpc" | "kubernetes.io/h2c"))
        | (Purpose::Grpc, None | Some("http" | "grpc" | "kubernetes.io/h2c")) => Ok(BackendProtocol::Http2),
        (Purpose::Grpc, Some(name @ ("kubernetes.io/ws" | "kubernetes.io/wss"))) => {
            Err(format!("is `{name}`, which carries no gRPC; leave it out, or write kubernetes.io/h2c"))
        }
        (Purpose::Http, Some(_)) if is_over_tls && has_tls => Ok(BackendProtocol::Http1),
        (Purpose::Grpc, Some(_)) if is_over_tls && has_tls => Ok(BackendProtocol::Http2),
        (_, Some(name)) if is_over_tls => {
            Err(format!("is `{name}`, and no BackendTLSPolicy says whose certificates to trust there"))
        }
        (Purpose::Http | Purpose::Grpc, Some(name)) => Err(format!(
            "is `{name}`, which is not spoken; `http`, `https`, `grpc`, `kubernetes.io/h2c`, `kubernetes.io/ws` and \
             `kubernetes.io/wss` are"
        )),
    }
}

/// Says which ports there are instead.
fn no_such_port(service: &Object<Service>, port: u16, carrier: PortProtocol) -> String {
    let carrier_name = if carrier == PortProtocol::Udp { "UDP" } else { "TCP" };
    let ports = service.body.spec.ports.iter().filter(|one| one.protocol == carrier);
    let ports: Vec<String> = ports.take(10).map(|one| one.port.to_string()).collect();
    let name = &service.name;
    if ports.is_empty() {
        format!("Service {name} has no {carrier_name} port")
    } else {
        format!("Service {name} has no {carrier_name} port {port}; it has {}", ports.join(", "))
    }
}
