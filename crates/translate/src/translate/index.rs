//! Objects by name, so that no reference costs a search.

use crate::kinds::{
    Backend, ConfigMap, EndpointSlice, GatewayParameters, Namespace, SERVICE_LABEL, Secret, Service, Text,
};
use crate::resources::{Object, Resources};
use std::collections::{HashMap, HashSet};

/// Namespace and name.
type Name<'r> = (&'r str, &'r str);

/// Objects by name.
pub(super) struct Index<'r> {
    pub(super) services: HashMap<Name<'r>, &'r Object<Service>>,
    /// By the Service that their label names.
    pub(super) slices: HashMap<Name<'r>, Vec<&'r Object<EndpointSlice>>>,
    pub(super) backends: HashMap<Name<'r>, &'r Object<Backend>>,
    pub(super) secrets: HashMap<Name<'r>, &'r Object<Secret>>,
    pub(super) config_maps: HashMap<Name<'r>, &'r Object<ConfigMap>>,
    pub(super) parameters: HashMap<Name<'r>, &'r Object<GatewayParameters>>,
    namespaces: HashMap<&'r str, &'r Object<Namespace, Text>>,
    grants: HashSet<Grant<'r>>,
}

/// One thing that a `ReferenceGrant` allows: who may refer to what.
#[derive(PartialEq, Eq, Hash)]
struct Grant<'r> {
    from: (&'r str, &'r str, &'r str),
    to_namespace: &'r str,
    to: (&'r str, &'r str),
    /// `None`: any.
    to_name: Option<&'r str>,
}

impl<'r> Index<'r> {
    pub(super) fn new(resources: &'r Resources) -> Self {
        let mut slices: HashMap<Name<'r>, Vec<_>> = HashMap::new();
        for slice in &resources.endpoint_slices {
            if let Some(service) = slice.labels.get(SERVICE_LABEL) {
                slices.entry((slice.name.namespace(), service)).or_default().push(slice);
            }
        }
        Self {
            services: by_name(&resources.services),
            slices,
            backends: by_name(&resources.backends),
            secrets: by_name(&resources.secrets),
            config_maps: by_name(&resources.config_maps),
            parameters: by_name(&resources.gateway_parameters),
            namespaces: resources.namespaces.iter().map(|object| (&*object.name, object)).collect(),
            grants: grants(resources),
        }
    }

    /// A label of a namespace. One that no file declares exists with its name as its only label, and every
    /// one has that.
    pub(super) fn namespace_label<'n>(&'n self, namespace: &'n str, label: &str) -> Option<&'n str> {
        if label == "kubernetes.io/metadata.name" {
            return Some(namespace);
        }
        self.namespaces.get(namespace)?.labels.get(label).map(|value| &**value)
    }

    /// Whether objects of a kind in one namespace may refer to an object in another.
    pub(super) fn is_granted(
        &self,
        from: (&str, &str, &str),
        to: (&str, &str),
        (to_namespace, to_name): (&str, &str),
    ) -> bool {
        [None, Some(to_name)]
            .into_iter()
            .any(|to_name| self.grants.contains(&Grant { from, to_namespace, to, to_name }))
    }
}

fn by_name<T>(objects: &[Object<T>]) -> HashMap<Name<'_>, &Object<T>> {
    objects.iter().map(|object| ((object.name.namespace(), object.name.name()), object)).collect()
}

fn grants(resources: &Resources) -> HashSet<Grant<'_>> {
    let mut grants = HashSet::new();
    for object in &resources.reference_grants {
        for from in &object.body.spec.from {
            for to in &object.body.spec.to {
                grants.insert(Grant {
                    from: (&from.group, &from.kind, &from.namespace),
                    to_namespace: object.name.namespace(),
                    to: (&to.group, &to.kind),
                    to_name: to.name.as_deref().filter(|name| !name.is_empty()),
                });
            }
        }
    }
    grants
}
