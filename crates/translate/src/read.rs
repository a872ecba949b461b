//! From texts to [`Resources`]: each document is decoded and checked by itself, and a bad one costs nobody else.

use crate::checks::{Checks, Finding};
use crate::kinds::{
    Backend, BackendPolicy, CORE_GROUP, ConfigMap, EndpointSlice, GATEWAY_GROUP, Gateway, GatewayClass,
    GatewayParameters, HttpRoute, IRONGATE_GROUP, Kind, KindName, Metadata, Namespace, ReferenceGrant,
    Secret, Service,
};
use crate::nearest::advice;
use crate::problems::Problems;
use crate::resources::{DocumentPlace, Object, Origin, Resources};
use crate::source::Source;
use crate::yaml::decode::{DecodeError, UnknownField, decode};
use crate::yaml::path::{At, FieldPath};
use crate::yaml::{Documents, Mark, Node, Value, YamlError};
use irongate_config::{Position, Problem, Severity};
use std::collections::HashMap;

/// Reads texts. What cannot be understood is a [`Problem`] and is not in the [`Resources`].
///
/// A text may hold any number of documents, separated by `---`, and a document may be a list of objects
/// (`kind: List`). Sources and documents are read in the order given, and of two objects of one kind and name the
/// first counts. The work is bounded by the length of the texts, and hostile text is a problem like any other.
#[must_use]
pub fn read(sources: &[Source]) -> (Resources, Vec<Problem>) {
    let mut reader = Reader::default();
    for source in sources {
        reader.source(source);
    }
    (reader.resources, reader.problems.finish())
}

/// The node of an object in its document, and the place of a field there.
pub(crate) fn locate(root: &Node<'_>, origin: Origin, path: &FieldPath) -> Mark {
    path.find(object_node(root, origin))
}

fn object_node<'n, 'a>(root: &'n Node<'a>, origin: Origin) -> &'n Node<'a> {
    let item = origin.item.and_then(|item| match &root.get("items")?.value {
        Value::Sequence(items) => items.get(item as usize),
        _ => None,
    });
    item.unwrap_or(root)
}

/// Keys of every object that are not part of what its kind says.
const ENVELOPE: &[&str] = &["apiVersion", "kind", "metadata", "status"];

/// The kinds that are read, for suggestions.
pub(crate) const KINDS: &[(&str, &str)] = &[
    (GatewayClass::GROUP, GatewayClass::KIND),
    (Gateway::GROUP, Gateway::KIND),
    (HttpRoute::GROUP, HttpRoute::KIND),
    (ReferenceGrant::GROUP, ReferenceGrant::KIND),
    (Service::GROUP, Service::KIND),
    (EndpointSlice::GROUP, EndpointSlice::KIND),
    (Namespace::GROUP, Namespace::KIND),
    (Secret::GROUP, Secret::KIND),
    (ConfigMap::GROUP, ConfigMap::KIND),
    (Backend::GROUP, Backend::KIND),
    (BackendPolicy::GROUP, BackendPolicy::KIND),
    (GatewayParameters::GROUP, GatewayParameters::KIND),
];

#[derive(Default)]
struct Reader {
    resources: Resources,
    problems: Problems,
    /// Where each object was declared first, by `Kind namespace/name`.
    declared: HashMap<String, Origin>,
    order: u32,
}

/// An object on its way in.
struct Item<'n, 'a> {
    node: &'n Node<'a>,
    origin: Origin,
    place: &'n DocumentPlace,
    /// `Kind namespace/name`, as far as they are known.
    resource: String,
}

impl Reader {
    fn source(&mut self, source: &Source) {
        let position =
            |mark: Mark| Some(Position { file: source.name.clone(), line: mark.line, column: mark.column });
        if source.text.len() > Source::MAX_BYTES {
            let message = format!("the file is larger than {} MiB", Source::MAX_BYTES >> 20);
            self.plain_problem(position(Mark { line: 1, column: 1 }), "TooLarge", message, "Split it.");
            return;
        }
        for document in Documents::new(&source.text, 0) {
            match document {
                Err(YamlError { mark, message }) => {
                    self.plain_problem(position(mark), "BadYaml", format!("not YAML: {message}"), "");
                }
                Ok(document) if document.root.is_null() => {}
                Ok(document) => {
                    let place = DocumentPlace {
                        file: source.name.clone(),
                        text: source.text.clone(),
                        offset: document.offset,
                        line: document.line,
                    };
                    let number = u32::try_from(self.resources.documents.len()).unwrap_or(u32::MAX);
                    self.document(&document.root, number, &place);
                    self.resources.documents.push(place);
                }
            }
        }
    }

    fn plain_problem(
        &mut self,
        position: Option<Position>,
        reason: &'static str,
        message: String,
        advice: &str,
    ) {
        self.problems.push(|| Problem {
            severity: Severity::Error,
            position,
            resource: String::new(),
            field: String::new(),
            reason,
            message,
            advice: advice.into(),
        });
    }

    fn document(&mut self, root: &Node<'_>, document: u32, place: &DocumentPlace) {
        let is_list = root.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
        match root.get("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if is_list => {
                for (index, node) in (0..).zip(items) {
                    let origin = Origin { document, item: Some(index) };
                    self.object(Item { node, origin, place, resource: String::new() });
                }
            }
            _ => {
                let origin = Origin { document, item: None };
                self.object(Item { node: root, origin, place, resource: String::new() });
            }
        }
    }

    fn object(&mut self, mut item: Item<'_, '_>) {
        if !matches!(item.node.value, Value::Mapping(_)) {
            let advice = "Every document is a mapping with apiVersion, kind, metadata and spec.";
            return self.invalid(&item, &At::Root, "is not an object", advice);
        }
        let mut header = |name: &'static str| match item.node.get(name).and_then(Node::text) {
            Some(text) if !text.is_empty() => Some(text),
            _ => {
                self.invalid(&item, &At::Root.field(name), "is required, and missing", "");
                None
            }
        };
        let (Some(api_version), Some(kind)) = (header("apiVersion"), header("kind")) else { return };
        let (group, version) = api_version.rsplit_once('/').unwrap_or((CORE_GROUP, api_version));
        item.resource = resource_text(kind, item.node);
        match (group, kind) {
            (GatewayClass::GROUP, GatewayClass::KIND) => self.take::<GatewayClass>(item, version),
            (Gateway::GROUP, Gateway::KIND) => self.take::<Gateway>(item, version),
            (HttpRoute::GROUP, HttpRoute::KIND) => self.take::<HttpRoute>(item, version),
            (ReferenceGrant::GROUP, ReferenceGrant::KIND) => self.take::<ReferenceGrant>(item, version),
            (Service::GROUP, Service::KIND) => self.take::<Service>(item, version),
            (EndpointSlice::GROUP, EndpointSlice::KIND) => self.take::<EndpointSlice>(item, version),
            (Namespace::GROUP, Namespace::KIND) => self.take::<Namespace>(item, version),
            (Secret::GROUP, Secret::KIND) => self.take::<Secret>(item, version),
            (ConfigMap::GROUP, ConfigMap::KIND) => self.take::<ConfigMap>(item, version),
            (Backend::GROUP, Backend::KIND) => self.take::<Backend>(item, version),
            (BackendPolicy::GROUP, BackendPolicy::KIND) => self.take::<BackendPolicy>(item, version),
            (GatewayParameters::GROUP, GatewayParameters::KIND) => {
                self.take::<GatewayParameters>(item, version)
            }
            _ => self.unknown_kind(&item, group, kind),
        }
    }

    fn unknown_kind(&mut self, item: &Item<'_, '_>, group: &str, kind: &str) {
        let api_version = |group: &str| match group {
            CORE_GROUP => "v1".to_owned(),
            IRONGATE_GROUP => format!("{group}/v1alpha1"),
            _ => format!("{group}/v1"),
        };
        let same = KINDS.iter().find(|(_, known)| *known == kind);
        let (field, message, advice) = match same {
            Some((other, _)) => (
                "apiVersion",
                format!("there is no {kind} in the group `{group}`"),
                format!("The {kind} that is served has apiVersion: {}.", api_version(other)),
            ),
            None => {
                let names: Vec<&str> = KINDS.iter().map(|(_, kind)| *kind).collect();
                let message = if group == GATEWAY_GROUP {
                    format!("the kind {kind} is not served")
                } else {
                    format!("the kind {kind} of `{}` means nothing here", api_version_text(group))
                };
                ("kind", message, advice(kind, &names))
            }
        };
        self.report(
            item,
            Severity::Warning,
            &At::Root.field(field).to_path(),
            "UnknownKind",
            message,
            advice,
        );
    }

    /// Decodes an object, checks it and keeps it.
    fn take<K: Kind>(&mut self, mut item: Item<'_, '_>, version: &str) {
        if !K::VERSIONS.contains(&version) {
            let advice = match (K::GROUP, K::VERSIONS[0]) {
                (CORE_GROUP, newest) => format!("Write apiVersion: {newest}."),
                (group, newest) => format!("Write apiVersion: {group}/{newest}."),
            };
            let message = format!("there is no version `{version}` of {}", K::KIND);
            return self.invalid(&item, &At::Root.field("apiVersion"), message, advice);
        }
        let Some(metadata) = self.metadata(&item) else { return };
        let name =
            match K::Name::new(metadata.namespace.as_deref(), metadata.name.as_deref().unwrap_or_default()) {
                Ok(name) => name,
                Err(problem) => {
                    let at = At::Root.field("metadata");
                    return self.invalid(&item, &at.field(problem.field), problem.message, "");
                }
            };
        item.resource = format!("{} {name}", K::KIND);
        let (body, unknown) = decode::<K>(item.node, &At::Root, ENVELOPE, K::IS_SECRET);
        self.unknown_fields(&item, unknown);
        let body = match body {
            Ok(body) => body,
            Err(error) => return self.undecodable(&item, &error),
        };
        if self.is_refused(&item, &body) || self.is_declared(&item) {
            return;
        }
        let object = Object {
            name,
            labels: metadata.labels,
            generation: metadata.generation,
            created: metadata.creation_timestamp,
            order: self.order,
            body,
            origin: item.origin,
        };
        self.order += 1;
        self.declared.insert(item.resource, item.origin);
        K::list(&mut self.resources).push(object);
    }

    /// Whether the API server would not take an object; what is wrong with it is reported.
    fn is_refused<K: Kind>(&mut self, item: &Item<'_, '_>, body: &K) -> bool {
        let mut checks = Checks::default();
        body.check(&At::Root, &mut checks);
        let is_refused = checks.has_error();
        for Finding { severity, path, reason, message, advice } in checks.findings {
            self.report(item, severity, &path, reason, message, advice);
        }
        is_refused
    }

    fn metadata(&mut self, item: &Item<'_, '_>) -> Option<Metadata> {
        let at = At::Root.field("metadata");
        let Some(node) = item.node.get("metadata") else {
            self.invalid(item, &at, "is required, and missing", "Write metadata: {name: …}.");
            return None;
        };
        let (metadata, unknown) = decode::<Metadata>(node, &at, &[], false);
        self.unknown_fields(item, unknown);
        match metadata {
            Ok(metadata) if metadata.name.is_some() => Some(metadata),
            Ok(_) => {
                self.invalid(item, &at.field("name"), "is required, and missing", "");
                None
            }
            Err(error) => {
                self.undecodable(item, &error);
                None
            }
        }
    }

    fn is_declared(&mut self, item: &Item<'_, '_>) -> bool {
        let Some(first) = self.declared.get(&item.resource) else { return false };
        let first = match self.resources.documents.get(first.document as usize) {
            Some(place) => format!("{}:{}", place.file, place.line),
            None => "this document".into(),
        };
        let message = format!("is declared already in the document at {first}; that one counts");
        self.report(
            item,
            Severity::Error,
            &FieldPath::default(),
            "Duplicate",
            message,
            "Rename or remove one.",
        );
        true
    }

    fn unknown_fields(&mut self, item: &Item<'_, '_>, unknown: Vec<UnknownField>) {
        for field in unknown {
            let message = "is not a field of this kind, and means nothing";
            let position = item.place.position(field.mark);
            let advice = advice(&field.name, field.known);
            self.problems.push(|| Problem {
                severity: Severity::Warning,
                position: Some(position),
                resource: item.resource.clone(),
                field: field.path.to_string(),
                reason: "UnknownField",
                message: message.into(),
                advice,
            });
        }
    }

    fn undecodable(&mut self, item: &Item<'_, '_>, error: &DecodeError) {
        let mark = error.mark.unwrap_or(item.node.mark);
        let position = item.place.position(mark);
        self.problems.push(|| Problem {
            severity: Severity::Error,
            position: Some(position),
            resource: item.resource.clone(),
            field: error.path.to_string(),
            reason: "Invalid",
            message: error.message.clone(),
            advice: error.advice.clone(),
        });
    }

    fn invalid(
        &mut self,
        item: &Item<'_, '_>,
        at: &At<'_>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.report(item, Severity::Error, &at.to_path(), "Invalid", message.into(), advice);
    }

    fn report(
        &mut self,
        item: &Item<'_, '_>,
        severity: Severity,
        path: &FieldPath,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let position = item.place.position(path.find(item.node));
        self.problems.push(|| Problem {
            severity,
            position: Some(position),
            resource: item.resource.clone(),
            field: path.to_string(),
            reason,
            message: message.into(),
            advice: advice.into(),
        });
    }
}

fn api_version_text(group: &str) -> &str {
    if group == CORE_GROUP { "v1" } else { group }
}

/// `Kind namespace/name` as it is written, before anything is checked.
fn resource_text(kind: &str, node: &Node<'_>) -> String {
    let text = |name| node.get("metadata").and_then(|metadata| metadata.get(name)).and_then(Node::text);
    let short = |text: &str| -> String { text.chars().take(253).collect() };
    match (text("namespace"), text("name")) {
        (_, None) => short(kind),
        (None, Some(name)) => format!("{} {}", short(kind), short(name)),
        (Some(namespace), Some(name)) => format!("{} {}/{}", short(kind), short(namespace), short(name)),
    }
}
