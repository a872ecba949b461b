//! Where things came from: the lines of rules and listeners, and which object said which setting.

use super::precedence::{FieldPolicy, PolicyField};
use crate::kinds::{
    GatewayParameters, IRONGATE_GROUP, Kind, Listener, ParametersReference, StreamRouteRule, Text,
};
use crate::read::document::ENVELOPE;
use crate::resources::{Object, Origin, Resources};
use crate::yaml::decode::decode;
use crate::yaml::path::{At, FieldPath};
use crate::yaml::{Mark, Node, Value};
use irongate_config::{ListenerKey, ObjectName, Position, RouteKey, RouteKind};
use std::collections::{BTreeMap, HashMap};

/// A setting that is written somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOrigin {
    /// Its field, below `spec`: `ejection.maxPercent`.
    pub field: String,
    /// Who says it: the first counts, the others do not. Never empty.
    pub said: Vec<Said>,
}

/// What one object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// `BackendPolicy default/shop`.
    pub resource: String,
    /// The line of the field.
    pub position: Position,
    /// As it is written.
    pub value: String,
}

impl Resources {
    /// Where a match of a route was written, or what stands nearest to it; both by their indices as written. Those
    /// of kinds without matches: where the rule was.
    #[must_use]
    pub fn route_position(&self, route: &RouteKey, rule: usize, request_match: usize) -> Option<Position> {
        self.rule_position(route, rule, |at| at.field("matches").index(request_match).to_path())
    }

    /// Where a field of a rule was written, or what stands nearest to it: `timeouts.request` or the like.
    #[must_use]
    pub fn rule_field_position(&self, route: &RouteKey, rule: usize, field: &str) -> Option<Position> {
        self.rule_position(route, rule, |at| match field.split_once('.') {
            Some((outer, inner)) => at.field(outer).field(inner).to_path(),
            None => at.field(field).to_path(),
        })
    }

    /// What a backend reference of a rule names, by the indices as written: `Service default/shop:80`.
    #[must_use]
    pub fn backend_name(&self, route: &RouteKey, rule: usize, backend: usize) -> Option<String> {
        fn find<'r, T>(objects: &'r [Object<T>], name: &ObjectName) -> Option<&'r T> {
            objects.iter().find(|object| object.name == *name).map(|object| &object.body)
        }
        let name = &route.name;
        let stream = |rules: &[StreamRouteRule]| {
            rules.get(rule)?.backend_refs.get(backend).map(|one| {
                let (_, kind) = one.group_kind();
                named(kind, one.namespace.as_ref(), &one.name, one.port, name)
            })
        };
        match route.kind {
            RouteKind::Http => {
                let rules = &find(&self.http_routes, name)?.spec.rules;
                let one = rules.get(rule)?.backend_refs.get(backend)?;
                Some(named(one.group_kind().1, one.namespace.as_ref(), &one.name, one.port, name))
            }
            RouteKind::Grpc => {
                let rules = &find(&self.grpc_routes, name)?.spec.rules;
                let one = rules.get(rule)?.backend_refs.get(backend)?;
                Some(named(one.group_kind().1, one.namespace.as_ref(), &one.name, one.port, name))
            }
            RouteKind::Tls => stream(&find(&self.tls_routes, name)?.spec.rules),
            RouteKind::Tcp => stream(&find(&self.tcp_routes, name)?.spec.rules),
            RouteKind::Udp => stream(&find(&self.udp_routes, name)?.spec.rules),
        }
    }

    fn rule_position(
        &self,
        route: &RouteKey,
        rule: usize,
        path: impl FnOnce(&At<'_>) -> FieldPath,
    ) -> Option<Position> {
        let at = At::Root.field("spec");
        let at = at.field("rules");
        let path = path(&at.index(rule));
        match route.kind {
            RouteKind::Http => self.position_in(&self.http_routes, &route.name, &path),
            RouteKind::Grpc => self.position_in(&self.grpc_routes, &route.name, &path),
            RouteKind::Tls => self.position_in(&self.tls_routes, &route.name, &path),
            RouteKind::Tcp => self.position_in(&self.tcp_routes, &route.name, &path),
            RouteKind::Udp => self.position_in(&self.udp_routes, &route.name, &path),
        }
    }

    fn position_in<T>(&self, objects: &[Object<T>], name: &ObjectName, path: &FieldPath) -> Option<Position> {
        self.position(objects.iter().find(|object| object.name == *name)?, path)
    }

    /// The file of each object that has a status, and the line on which its document begins, by kind and name:
    /// `HTTPRoute default/shop`, `GatewayClass irongate`.
    #[must_use]
    pub fn documents_by_object(&self) -> HashMap<String, (&str, u32)> {
        let mut places = HashMap::new();
        let mut add = |origin: Origin, key: String| {
            if let Some(place) = self.documents.get(origin.document as usize) {
                places.insert(key, (&*place.file, place.line));
            }
        };
        self.gateway_classes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.gateways.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.listener_sets.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.http_routes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.grpc_routes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.tls_routes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.tcp_routes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.udp_routes.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.backend_tls_policies.iter().for_each(|one| add(one.origin, one.key.to_string()));
        self.traffic_policies.iter().for_each(|one| add(one.origin, one.key.to_string()));
        places
    }

    /// Where a listener of a Gateway or of a `ListenerSet` was written.
    #[must_use]
    pub fn listener_position(&self, listener: &ListenerKey) -> Option<Position> {
        self.in_listener(listener, |at| at.to_path()).map(|(_, position)| position)
    }

    /// The field of a listener's port, and where it was written.
    #[must_use]
    pub fn listener_port(&self, listener: &ListenerKey) -> Option<(String, Position)> {
        self.in_listener(listener, |at| at.field("port").to_path())
    }

    fn in_listener(
        &self,
        listener: &ListenerKey,
        path: impl FnOnce(&At<'_>) -> FieldPath,
    ) -> Option<(String, Position)> {
        let at = At::Root.field("spec");
        let at = at.field("listeners");
        let path = |listeners: &[Listener]| {
            let index = listeners.iter().position(|one| one.name == listener.section)?;
            Some(path(&at.index(index)))
        };
        let (path, position) = match &listener.set {
            None => {
                let object = self.gateways.iter().find(|object| object.name == listener.gateway)?;
                let path = path(&object.body.spec.listeners)?;
                let position = self.position(object, &path)?;
                (path, position)
            }
            Some(set) => {
                let object = self.listener_sets.iter().find(|object| object.name == *set)?;
                let path = path(&object.body.spec.listeners)?;
                let position = self.position(object, &path)?;
                (path, position)
            }
        };
        Some((path.to_string(), position))
    }

    /// What policies say of a backend: `fields` is its entry in [`Translation::policies`](crate::Translation).
    #[must_use]
    pub fn policy_settings(&self, fields: &[PolicyField]) -> Vec<FieldOrigin> {
        self.settings_of(&self.backend_policies, fields)
    }

    /// The same of a rule, and of [`Translation::traffic_policies`](crate::Translation).
    #[must_use]
    pub fn traffic_settings(&self, fields: &[PolicyField]) -> Vec<FieldOrigin> {
        self.settings_of(&self.traffic_policies, fields)
    }

    fn settings_of<P: FieldPolicy>(
        &self,
        policies: &[Object<P>],
        fields: &[PolicyField],
    ) -> Vec<FieldOrigin> {
        let said = |policy: &ObjectName, field: &str| {
            let object = policies.iter().find(|object| object.name == *policy)?;
            whole(self.said(object), field)
        };
        let origin = |field: &PolicyField| {
            let policies = std::iter::once(&field.policy).chain(&field.overridden);
            let said = policies.filter_map(|policy| said(policy, field.field)).collect();
            FieldOrigin { field: field.field.to_owned(), said }
        };
        fields.iter().map(origin).collect()
    }

    /// What `GatewayParameters` say of a Gateway, by field: its own before those of its class.
    #[must_use]
    pub fn gateway_settings(&self, gateway: &ObjectName) -> Vec<FieldOrigin> {
        let Some(object) = self.gateways.iter().find(|object| object.name == *gateway) else {
            return Vec::new();
        };
        let spec = &object.body.spec;
        let own =
            spec.infrastructure.as_ref().and_then(|infrastructure| infrastructure.parameters_ref.as_ref());
        let class = self.gateway_classes.iter().find(|class| class.name == spec.gateway_class_name);
        let class = class.and_then(|class| class.body.spec.parameters_ref.as_ref());
        let find = |reference: &ParametersReference, namespace: Option<&str>| {
            let is_meant = |object: &&Object<GatewayParameters>| {
                (&*reference.group, &*reference.kind) == (IRONGATE_GROUP, GatewayParameters::KIND)
                    && namespace == Some(object.name.namespace())
                    && *reference.name == *object.name.name()
            };
            self.gateway_parameters.iter().find(is_meant)
        };
        let own = own.and_then(|reference| find(reference, Some(gateway.namespace())));
        let class = class.and_then(|reference| find(reference, reference.namespace.as_deref()));
        let mut fields: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        for (field, said) in own.into_iter().chain(class).flat_map(|object| self.said(object)) {
            fields.entry(field).or_default().push(said);
        }
        fields.into_iter().map(|(field, said)| FieldOrigin { field, said }).collect()
    }

    /// Every field below an object's `spec` that its kind knows, with what it says.
    fn said<K: Kind>(&self, object: &Object<K>) -> Vec<(String, Said)> {
        let Some(place) = self.documents.get(object.origin.document as usize) else { return Vec::new() };
        let resource = format!("{} {}", K::KIND, object.name);
        let read = place.read(object.origin, |node| {
            let (_, unknown) = decode::<K>(node, &At::Root, ENVELOPE, K::IS_SECRET);
            let unknown: Vec<String> = unknown.iter().map(|field| field.path.to_string()).collect();
            let mut found = Vec::new();
            for entry in node.get("spec").map_or(&[][..], Node::entries) {
                leaves(&entry.key, &entry.value, entry.mark, &mut |field, value, mark| {
                    if !unknown.contains(&format!("spec.{field}")) {
                        let said = Said { resource: resource.clone(), position: place.position(mark), value };
                        found.push((field.to_owned(), said));
                    }
                });
            }
            found
        });
        read.unwrap_or_default()
    }

    fn position<T, N>(&self, object: &Object<T, N>, path: &FieldPath) -> Option<Position> {
        let place = self.documents.get(object.origin.document as usize)?;
        place.find(std::iter::once((object.origin, path))).pop()
    }
}

/// A reference of a route as a text.
fn named(kind: &str, namespace: Option<&Text>, name: &str, port: Option<u16>, route: &ObjectName) -> String {
    let namespace = namespace.map_or(route.namespace(), |namespace| &**namespace);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{kind} {namespace}/{name}{port}")
}

/// What is said of a field, or of all fields below it, where the first of them stands.
fn whole(said: Vec<(String, Said)>, field: &str) -> Option<Said> {
    let mut whole: Option<Said> = None;
    for (name, said) in said {
        let Some(below) = name.strip_prefix(field) else { continue };
        let Some(below) = below.strip_prefix('.') else {
            if below.is_empty() {
                return Some(said);
            }
            continue;
        };
        let text = format!("{below}: {}", said.value);
        match &mut whole {
            Some(whole) => whole.value = format!("{}, {text}", whole.value),
            None => whole = Some(Said { value: text, ..said }),
        }
    }
    whole
}

/// Every value below a field that is no mapping, or an empty one; what is `null` is not there.
fn leaves(field: &str, node: &Node<'_>, mark: Mark, take: &mut impl FnMut(&str, String, Mark)) {
    match &node.value {
        Value::Mapping(entries) if entries.is_empty() => take(field, "{}".to_owned(), mark),
        Value::Mapping(entries) => {
            for entry in entries {
                leaves(&format!("{field}.{}", entry.key), &entry.value, entry.mark, take);
            }
        }
        _ if node.is_null() => {}
        _ => take(field, text(node), mark),
    }
}

fn text(node: &Node<'_>) -> String {
    match &node.value {
        Value::Scalar { text, .. } => text.to_string(),
        Value::Sequence(items) if items.is_empty() => "[]".to_owned(),
        Value::Sequence(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Mapping(_) => "{…}".to_owned(),
    }
}
