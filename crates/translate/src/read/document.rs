//! One document: decoded and checked by itself, and knowing nothing of any other, so that it need not be read again
//! while its text stays the same.

use super::kinds::KINDS;
use crate::checks::{Checks, Finding};
use crate::kinds::{CORE_GROUP, GATEWAY_GROUP, IRONGATE_GROUP, Kind, Metadata};
use crate::nearest::advice;
use crate::problems::sentence;
use crate::resources::{Declared, Object, ObjectKey, Origin, Resources};
use crate::yaml::decode::{DecodeError, UnknownField, decode};
use crate::yaml::path::{At, FieldPath};
use crate::yaml::{Documents, Mark, Node, Value, YamlError};
use irongate_config::{Problem, Severity};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What a part of a text came to. Lines count from its beginning.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) items: Vec<Item>,
    /// Problems beyond the room for them, which were only counted.
    pub(super) more: usize,
}

/// One object, or what stands where one should.
#[derive(Debug)]
pub(super) struct Item {
    /// Where its document begins: bytes, and the line from 1.
    pub(super) offset: usize,
    pub(super) line: u32,
    /// Its place there, if that is a list.
    pub(super) item: Option<u32>,
    pub(super) mark: Mark,
    pub(super) found: Found,
    pub(super) problems: Vec<Noted>,
}

/// A problem whose position is not yet known beyond its place in the document.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) mark: Mark,
    pub(super) problem: Problem,
}

/// What was found where an object should stand.
#[derive(Debug)]
pub(super) enum Found {
    /// A good object.
    Object(Arc<dyn AnyObject>),
    /// One that cannot be used; its name can be read. With what stands for it where it is not to be left out.
    Unusable(ObjectKey, Option<Arc<dyn AnyObject>>),
    /// Nobody knows what it should be.
    Broken,
    /// Nothing for us.
    Nothing,
}

/// An object of any kind that is read.
pub(super) trait AnyObject: fmt::Debug + Send + Sync {
    fn key(&self) -> &ObjectKey;

    /// Puts it with the others of its kind.
    fn add(self: Arc<Self>, order: u32, origin: Origin, resources: &mut Resources);
}

impl<K: Kind> AnyObject for Declared<K, K::Name> {
    fn key(&self) -> &ObjectKey {
        &self.key
    }

    fn add(self: Arc<Self>, order: u32, origin: Origin, resources: &mut Resources) {
        K::list(resources).push(Object::new(self, order, origin));
    }
}

/// Reads a text, which is one document in nearly all cases. At most `room` problems are kept.
pub(super) fn read(text: &str, room: usize) -> Outcome {
    let mut reader = DocumentReader { outcome: Outcome::default(), room };
    for document in Documents::new(text, 0) {
        match document {
            Err(YamlError { mark, message, advice }) => {
                let mut problems = Vec::new();
                let message = format!("not YAML: {message}");
                let problem =
                    problem(Severity::Error, String::new(), String::new(), "BadYaml", message, advice);
                reader.note(&mut problems, || Noted { mark, problem });
                let item = Item { offset: 0, line: 1, item: None, mark, found: Found::Broken, problems };
                reader.outcome.items.push(item);
            }
            Ok(document) if document.root.is_null() => {}
            Ok(document) => reader.document(&document.root, document.offset, document.line),
        }
    }
    reader.outcome
}

/// Decodes an object and checks it.
pub(super) fn read_object<K: Kind>(candidate: &mut Candidate<'_, '_>, version: &str) -> Found {
    match candidate.decoded::<K>(version) {
        Some(declared) => Found::Object(Arc::new(declared)),
        None => candidate.unusable::<K>().unwrap_or(Found::Broken),
    }
}

struct DocumentReader {
    outcome: Outcome,
    /// Problems that may still be kept.
    room: usize,
}

/// Keys of every object that are not part of what its kind says.
pub(crate) const ENVELOPE: &[&str] = &["apiVersion", "kind", "metadata", "status"];

impl DocumentReader {
    fn document(&mut self, root: &Node<'_>, offset: usize, line: u32) {
        let is_list = root.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
        match root.get("items").map(|items| &items.value) {
            Some(Value::Sequence(items)) if is_list => {
                for (index, node) in (0..).zip(items) {
                    self.object(node, offset, line, Some(index));
                }
            }
            _ => self.object(root, offset, line, None),
        }
    }

    fn object(&mut self, node: &Node<'_>, offset: usize, line: u32, item: Option<u32>) {
        let mut candidate = Candidate { reader: self, node, resource: String::new(), problems: Vec::new() };
        let found = candidate.find();
        let problems = candidate.problems;
        self.outcome.items.push(Item { offset, line, item, mark: node.mark, found, problems });
    }

    fn note(&mut self, problems: &mut Vec<Noted>, noted: impl FnOnce() -> Noted) {
        if self.room > 0 {
            self.room -= 1;
            problems.push(noted());
        } else {
            self.outcome.more += 1;
        }
    }
}

/// An object on its way in.
pub(super) struct Candidate<'c, 'a> {
    reader: &'c mut DocumentReader,
    node: &'c Node<'a>,
    /// `Kind namespace/name`, as far as they are known.
    resource: String,
    problems: Vec<Noted>,
}

impl Candidate<'_, '_> {
    fn find(&mut self) -> Found {
        let node = self.node;
        if !matches!(node.value, Value::Mapping(_)) {
            let advice = "Every document is a mapping with apiVersion, kind, metadata and spec.";
            self.invalid(&At::Root, "is not an object", advice);
            return Found::Broken;
        }
        let mut header = |name: &'static str, advice| {
            let text = node.get(name).filter(|value| !value.is_null()).and_then(Node::text);
            if text.is_none_or(str::is_empty) {
                self.invalid(&At::Root.field(name), "is required, and missing", advice);
            }
            text.filter(|text| !text.is_empty())
        };
        let api_version = header("apiVersion", "Write the kind's group and version, such as apiVersion: v1.");
        let kind = header("kind", "Write what the object is, such as kind: Service.");
        let (Some(api_version), Some(kind)) = (api_version, kind) else { return Found::Broken };
        if kind == "List" && node.get("items").is_some_and(|items| !items.is_null()) {
            self.invalid(&At::Root.field("items"), "must be a list", "Begin each object with `- `.");
            return Found::Broken;
        }
        let (group, version) = api_version.rsplit_once('/').unwrap_or((CORE_GROUP, api_version));
        self.resource = resource_text(kind, node);
        match KINDS.iter().find(|known| (known.group, known.kind) == (group, kind)) {
            Some(known) => (known.read)(self, version),
            None => {
                self.unknown_kind(group, kind);
                Found::Nothing
            }
        }
    }

    fn unknown_kind(&mut self, group: &str, kind: &str) {
        let api_version = |group: &str| match group {
            CORE_GROUP => "v1".to_owned(),
            IRONGATE_GROUP => format!("{group}/v1alpha1"),
            _ => format!("{group}/v1"),
        };
        let same = KINDS.iter().find(|known| known.kind == kind);
        let (field, message, advice) = match same {
            Some(other) => (
                "apiVersion",
                format!("there is no {kind} in the group `{group}`"),
                format!("The {kind} that is served has apiVersion: {}.", api_version(other.group)),
            ),
            None => {
                let names: Vec<&str> = KINDS.iter().map(|known| known.kind).collect();
                let message = if group == GATEWAY_GROUP {
                    format!("the kind {kind} is not served")
                } else {
                    format!("the kind {kind} of `{}` means nothing here", api_version_text(group))
                };
                ("kind", message, advice(kind, &names))
            }
        };
        let path = At::Root.field(field).to_path();
        self.report(Severity::Warning, &path, "UnknownKind", message, advice);
    }

    fn decoded<K: Kind>(&mut self, version: &str) -> Option<Declared<K, K::Name>> {
        if !K::VERSIONS.contains(&version) {
            let advice = match (K::GROUP, K::VERSIONS[0]) {
                (CORE_GROUP, newest) => format!("Write apiVersion: {newest}."),
                (group, newest) => format!("Write apiVersion: {group}/{newest}."),
            };
            let message = format!("there is no version `{version}` of {}", K::KIND);
            self.invalid(&At::Root.field("apiVersion"), message, advice);
            return None;
        }
        let metadata = self.metadata()?;
        let name = match K::name(metadata.namespace.as_deref(), metadata.name.as_deref().unwrap_or_default())
        {
            Ok(name) => name,
            Err(problem) => {
                let at = At::Root.field("metadata");
                self.invalid(&at.field(problem.field), problem.message, "");
                return None;
            }
        };
        let key = key::<K>(&name);
        self.resource = key.to_string();
        let (body, unknown) = decode::<K>(self.node, &At::Root, ENVELOPE, K::IS_SECRET);
        self.unknown_fields(unknown);
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                self.undecodable(&error);
                return None;
            }
        };
        let Metadata { labels, generation, creation_timestamp: created, .. } = metadata;
        (!self.is_refused(&body)).then(|| Declared { name, labels, generation, created, body, key })
    }

    /// An object that cannot be used, by its name as it is written.
    fn unusable<K: Kind>(&self) -> Option<Found> {
        let metadata = self.node.get("metadata")?;
        let text = |name| metadata.get(name).and_then(Node::text);
        let name = K::name(text("namespace"), text("name")?).ok()?;
        let key = key::<K>(&name);
        let stand_in = K::stand_in(self.node).map(|body| {
            let labels = BTreeMap::new();
            let declared = Declared { name, labels, generation: None, created: None, body, key: key.clone() };
            Arc::new(declared) as Arc<dyn AnyObject>
        });
        Some(Found::Unusable(key, stand_in))
    }

    /// Whether the API server would not take an object; what is wrong with it is reported.
    fn is_refused<K: Kind>(&mut self, body: &K) -> bool {
        let mut checks = Checks::default();
        body.check(&At::Root, &mut checks);
        let is_refused = checks.has_error();
        for Finding { severity, path, reason, message, advice } in checks.findings {
            self.report(severity, &path, reason, message, advice);
        }
        is_refused
    }

    fn metadata(&mut self) -> Option<Metadata> {
        let at = At::Root.field("metadata");
        let Some(node) = self.node.get("metadata") else {
            self.invalid(&at, "is required, and missing", "Write metadata: {name: …}.");
            return None;
        };
        let (metadata, unknown) = decode::<Metadata>(node, &at, &[], false);
        self.unknown_fields(unknown);
        match metadata {
            Ok(metadata) if metadata.name.is_some() => Some(metadata),
            Ok(_) => {
                self.invalid(&at.field("name"), "is required, and missing", "");
                None
            }
            Err(error) => {
                self.undecodable(&error);
                None
            }
        }
    }

    fn unknown_fields(&mut self, unknown: Vec<UnknownField>) {
        for field in unknown {
            let message = "is not a field of this kind, and means nothing";
            let advice = match advice(&field.name, field.known) {
                none if none.is_empty() => "Remove it; `irongate schema` has the fields of each kind.".into(),
                advice => advice,
            };
            let path = field.path.to_string();
            self.note(Severity::Warning, field.mark, path, "UnknownField", message, advice);
        }
    }

    fn undecodable(&mut self, error: &DecodeError) {
        let mark = error.mark.unwrap_or(self.node.mark);
        let path = error.path.to_string();
        self.note(Severity::Error, mark, path, "Invalid", error.message.clone(), error.advice.clone());
    }

    fn invalid(&mut self, at: &At<'_>, message: impl Into<String>, advice: impl Into<String>) {
        self.report(Severity::Error, &at.to_path(), "Invalid", message, advice);
    }

    fn report(
        &mut self,
        severity: Severity,
        path: &FieldPath,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.note(severity, path.find(self.node), path.to_string(), reason, message, advice);
    }

    fn note(
        &mut self,
        severity: Severity,
        mark: Mark,
        field: String,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let Self { reader, resource, problems, .. } = self;
        reader.note(problems, || Noted {
            mark,
            problem: problem(severity, resource.clone(), field, reason, message, advice),
        });
    }
}

fn problem(
    severity: Severity,
    resource: String,
    field: String,
    reason: &'static str,
    message: impl Into<String>,
    advice: impl Into<String>,
) -> Problem {
    let (message, advice) = (sentence(message.into()), sentence(advice.into()));
    Problem { severity, position: None, resource, field, reason, message, advice }
}

fn key<K: Kind>(name: &K::Name) -> ObjectKey {
    ObjectKey { group: K::GROUP, kind: K::KIND, name: name.to_string().into() }
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
