//! What was written: typed objects, each with the place it came from.

use crate::kinds::{
    Backend, BackendPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass, GatewayParameters, HttpRoute,
    Namespace, ReferenceGrant, Secret, Service, Text, Timestamp,
};
use crate::yaml::path::FieldPath;
use crate::yaml::{Documents, Mark};
use irongate_config::{ObjectName, Position};
use std::collections::BTreeMap;
use std::fmt;
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
    /// `HTTPRoute`s.
    pub http_routes: Vec<Object<HttpRoute>>,
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
    /// Our `GatewayParameters`.
    pub gateway_parameters: Vec<Object<GatewayParameters>>,
    /// The documents that the objects came from.
    pub(crate) documents: Vec<DocumentPlace>,
}

/// One object.
#[derive(Clone, Debug)]
pub struct Object<T, N = ObjectName> {
    /// Its name.
    pub name: N,
    /// Its labels.
    pub labels: BTreeMap<Text, Text>,
    /// `metadata.generation`, where it is said.
    pub generation: Option<i64>,
    /// When it was made, where it is said.
    pub created: Option<Timestamp>,
    /// Its place in the order of reading.
    pub order: u32,
    /// What it says.
    pub body: T,
    pub(crate) origin: Origin,
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
    pub(crate) offset: usize,
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
        let text = self.text.get(self.offset..).unwrap_or_default();
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

    pub(crate) fn position(&self, mark: Mark) -> Position {
        Position { file: self.file.clone(), line: mark.line, column: mark.column }
    }
}
