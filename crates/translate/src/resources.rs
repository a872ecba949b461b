//! What was written: typed objects, each with the place it came from.

use crate::kinds::{
    Backend, BackendPolicy, BackendTlsPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass,
    GatewayParameters, GrpcRoute, HttpRoute, ListenerSet, Namespace, RateLimitStore, ReferenceGrant, Secret,
    Service, TcpRoute, Text, Timestamp, TlsRoute, TrafficPolicy, UdpRoute,
};
use crate::yaml::path::FieldPath;
use crate::yaml::{Documents, Mark, Node};
use irongate_config::{ObjectName, Position};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Everything that was written and could be understood.
///
/// Every object here is valid in itself: what the API server would refuse is not here. Whether objects fit
/// together is for [`translate`](crate::translate()).
#[derive(Debug, Default)]
pub struct Resources {
    /// `GatewayClass`es.
    pub gateway_classes: Vec<Object<GatewayClass, Text>>,
    /// Gateways.
    pub gateways: Vec<Object<Gateway>>,
    /// `ListenerSet`s.
    pub listener_sets: Vec<Object<ListenerSet>>,
    /// `HTTPRoute`s.
    pub http_routes: Vec<Object<HttpRoute>>,
    /// `GRPCRoute`s.
    pub grpc_routes: Vec<Object<GrpcRoute>>,
    /// `TLSRoute`s.
    pub tls_routes: Vec<Object<TlsRoute>>,
    /// `TCPRoute`s.
    pub tcp_routes: Vec<Object<TcpRoute>>,
    /// `UDPRoute`s.
    pub udp_routes: Vec<Object<UdpRoute>>,
    /// `BackendTLSPolicy`s.
    pub backend_tls_policies: Vec<Object<BackendTlsPolicy>>,
    /// `ReferenceGrant`s.
    pub reference_grants: Vec<Object<ReferenceGrant>>,
    /// Services.
    pub services: Vec<Object<Service>>,
    /// `EndpointSlice`s.
    pub endpoint_slices: Vec<Object<EndpointSlice>>,
    /// Namespaces.
    pub namespaces: Vec<Object<Namespace, Text>>,
    /// Secrets.
    pub secrets: Vec<Object<Secret>>,
    /// `ConfigMap`s.
    pub config_maps: Vec<Object<ConfigMap>>,
    /// Our Backends.
    pub backends: Vec<Object<Backend>>,
    /// Our `BackendPolicy`s.
    pub backend_policies: Vec<Object<BackendPolicy>>,
    /// Our `TrafficPolicy`s.
    pub traffic_policies: Vec<Object<TrafficPolicy>>,
    /// Our `RateLimitStore`s.
    pub rate_limit_stores: Vec<Object<RateLimitStore>>,
    /// Our `GatewayParameters`.
    pub gateway_parameters: Vec<Object<GatewayParameters>>,
    /// The documents that the objects came from.
    pub(crate) documents: Vec<DocumentPlace>,
    /// What is written and cannot be used, in any form: nothing above has its name.
    pub(crate) unusable: Vec<ObjectKey>,
}

/// One object in its place: what it says is shared with the readings before and after that hold it unchanged.
#[derive(Debug)]
pub struct Object<T, N = ObjectName> {
    /// Its place in the order of reading.
    pub order: u32,
    pub(crate) origin: Origin,
    declared: Arc<Declared<T, N>>,
}

/// What an object says.
#[derive(Debug)]
pub struct Declared<T, N = ObjectName> {
    /// Its name.
    pub name: N,
    /// Its labels.
    pub labels: BTreeMap<Text, Text>,
    /// `metadata.generation`, where it is said.
    pub generation: Option<i64>,
    /// When it was made, where it is said.
    pub created: Option<Timestamp>,
    /// What it says.
    pub body: T,
    pub(crate) key: ObjectKey,
}

/// What an object is known by: two of one key are the same object, declared twice or at two times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectKey {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    /// `namespace/name`, or the name alone.
    pub(crate) name: Text,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl<T, N> Object<T, N> {
    pub(crate) fn new(declared: Arc<Declared<T, N>>, order: u32, origin: Origin) -> Self {
        Self { order, origin, declared }
    }

    /// What it says. Of two readings by one [`Reader`](crate::Reader), an object that did not change is the same
    /// by pointer.
    #[must_use]
    pub fn declared(&self) -> &Arc<Declared<T, N>> {
        &self.declared
    }
}

impl<T, N> Clone for Object<T, N> {
    fn clone(&self) -> Self {
        Self { order: self.order, origin: self.origin, declared: self.declared.clone() }
    }
}

impl<T, N> Deref for Object<T, N> {
    type Target = Declared<T, N>;

    fn deref(&self) -> &Declared<T, N> {
        &self.declared
    }
}

impl<T, N: Ord> Object<T, N> {
    /// Compares by age: the older is less, and wins between equals. Objects that say when they were made are
    /// older than those that don't, which go by the order of reading; then the name decides.
    pub fn age(&self) -> (Timestamp, u32, &N) {
        match self.created {
            Some(created) => (created, 0, &self.name),
            None => (Timestamp(i64::MAX), self.order, &self.name),
        }
    }
}

/// Where an object came from: a document, and its place in there if that is a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin {
    pub(crate) document: u32,
    pub(crate) item: Option<u32>,
}

/// Where a document is.
#[derive(Clone)]
pub(crate) struct DocumentPlace {
    pub(crate) file: Arc<str>,
    pub(crate) text: Arc<str>,
    /// Where it is in the text, in bytes.
    pub(crate) range: Range<usize>,
    /// The line on which it begins.
    pub(crate) line: u32,
}

impl fmt::Debug for DocumentPlace {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentPlace({}:{})", self.file, self.line)
    }
}

impl DocumentPlace {
    /// The places of fields. The document is read once more, since its tree was not kept: problems are few,
    /// and ten thousand trees would be large.
    pub(crate) fn find<'f>(&self, fields: impl Iterator<Item = (Origin, &'f FieldPath)>) -> Vec<Position> {
        let text = self.document();
        let root =
            Documents::new(text, self.line - 1).next().and_then(Result::ok).map(|document| document.root);
        let first = Mark { line: self.line, column: 1 };
        fields
            .map(|(origin, path)| {
                let mark = root.as_ref().map_or(first, |root| crate::read::locate(root, origin, path));
                self.position(mark)
            })
            .collect()
    }

    /// The same document with a text of its own, for when that of its file is gone.
    pub(crate) fn detached(&self) -> Self {
        let text: Arc<str> = self.document().into();
        Self { file: self.file.clone(), range: 0..text.len(), text, line: self.line }
    }

    /// Looks at the tree of an object, which is read once more.
    pub(crate) fn read<R>(&self, origin: Origin, look: impl FnOnce(&Node<'_>) -> R) -> Option<R> {
        let document = Documents::new(self.document(), self.line - 1).next()?.ok()?;
        Some(look(crate::read::object_node(&document.root, origin)))
    }

    fn document(&self) -> &str {
        self.text.get(self.range.clone()).unwrap_or_default()
    }

    pub(crate) fn position(&self, mark: Mark) -> Position {
        Position { file: self.file.clone(), line: mark.line, column: mark.column }
    }
}
