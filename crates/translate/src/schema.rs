//! JSON schemas of the kinds, derived from their types: for editors, and for the reference in `docs/`.
//!
//! A new kind has its schema by deriving `JsonSchema` (the trait of kinds asks for it) and by its line in
//! [`kinds`]; a test fails where that line is missing. Descriptions are the doc comments of the fields: write them
//! for whoever writes the YAML. Bounds and defaults that serde does not know are said by `#[schemars(…)]`.

mod polish;
#[cfg(test)]
mod tests;

use crate::kinds::{
    Backend, BackendPolicy, BackendTlsPolicy, CORE_GROUP, ConfigMap, EndpointSlice, Gateway, GatewayClass,
    GatewayParameters, GrpcRoute, HttpRoute, Kind, ListenerSet, Metadata, Namespace, RateLimitStore,
    ReferenceGrant, Secret, Service, TcpRoute, TlsRoute, TrafficPolicy, UdpRoute,
};
use polish::polish;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The dialect that editors know best; the YAML language server reads it in all its versions.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// A kind and what its objects may say.
#[derive(Clone, Debug)]
pub struct KindSchema {
    /// `HTTPRoute`.
    pub kind: &'static str,
    /// `gateway.networking.k8s.io`; empty for the core group.
    pub group: &'static str,
    /// The versions that are read, the newest first.
    pub versions: &'static [&'static str],
    /// The whole object: `apiVersion`, `kind`, `metadata`, and the kind's own fields. Refers to `definitions`.
    object: Value,
    definitions: Map<String, Value>,
}

/// The schema of every kind that is read, in the order in which they are documented.
#[must_use]
pub fn kinds() -> Vec<KindSchema> {
    vec![
        schema_of::<GatewayClass>(),
        schema_of::<Gateway>(),
        schema_of::<ListenerSet>(),
        schema_of::<HttpRoute>(),
        schema_of::<GrpcRoute>(),
        schema_of::<TlsRoute>(),
        schema_of::<TcpRoute>(),
        schema_of::<UdpRoute>(),
        schema_of::<BackendTlsPolicy>(),
        schema_of::<ReferenceGrant>(),
        schema_of::<Backend>(),
        schema_of::<BackendPolicy>(),
        schema_of::<TrafficPolicy>(),
        schema_of::<RateLimitStore>(),
        schema_of::<GatewayParameters>(),
        schema_of::<Service>(),
        schema_of::<EndpointSlice>(),
        schema_of::<Secret>(),
        schema_of::<ConfigMap>(),
        schema_of::<Namespace>(),
    ]
}

/// One schema for files with objects of several kinds: which kind's it is, `kind` and `apiVersion` say. Other kinds are
/// let pass, since they may stand in the same files.
#[must_use]
pub fn combined() -> Value {
    let kinds = kinds();
    let mut definitions = Map::new();
    let mut branches = Vec::new();
    for kind in &kinds {
        // A type that several kinds use has one schema, whichever kind it came with.
        definitions.extend(kind.definitions.clone());
        definitions.insert(kind.kind.to_owned(), kind.object.clone());
        branches.push(json!({
            "if": {
                "properties": { "kind": { "const": kind.kind }, "apiVersion": { "enum": kind.api_versions() } },
                "required": ["kind", "apiVersion"],
            },
            "then": { "$ref": format!("#/definitions/{}", kind.kind) },
        }));
    }
    branches.push(json!({
        "if": { "properties": { "kind": { "const": "List" } }, "required": ["kind"] },
        "then": { "properties": { "items": { "type": "array", "items": { "$ref": "#" } } } },
    }));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.kind).collect();
    let mut api_versions: Vec<String> = kinds.iter().flat_map(KindSchema::api_versions).collect();
    api_versions.sort();
    api_versions.dedup();
    json!({
        "$schema": DIALECT,
        "title": "Irongate",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {
            "apiVersion": { "anyOf": [{ "enum": api_versions }, { "type": "string" }] },
            "kind": { "anyOf": [{ "enum": names }, { "type": "string" }] },
        },
        "allOf": branches,
        "definitions": definitions,
    })
}

impl KindSchema {
    /// What may stand in `apiVersion`, the newest first.
    #[must_use]
    pub fn api_versions(&self) -> Vec<String> {
        let text = |version: &&str| match self.group {
            CORE_GROUP => (*version).to_owned(),
            group => format!("{group}/{version}"),
        };
        self.versions.iter().map(text).collect()
    }

    /// The schema of an object of this kind, whole.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = json!({ "$schema": DIALECT, "title": self.kind });
        if let (Value::Object(schema), Value::Object(object)) = (&mut schema, &self.object) {
            schema.extend(object.clone());
            schema.insert("definitions".into(), self.definitions.clone().into());
        }
        schema
    }
}

fn schema_of<K: Kind>() -> KindSchema {
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12());
    let metadata = Metadata::json_schema(&mut generator);
    let body = K::json_schema(&mut generator);
    let mut definitions = generator.take_definitions(false);
    definitions.insert("Metadata".into(), metadata.to_value());
    definitions.values_mut().for_each(polish);
    let mut kind = KindSchema {
        kind: K::KIND,
        group: K::GROUP,
        versions: K::VERSIONS,
        object: Value::Null,
        definitions,
    };
    kind.object = envelope(&kind, body.to_value());
    kind
}

/// A kind's own fields between those that every object has.
fn envelope(kind: &KindSchema, mut body: Value) -> Value {
    let mut metadata = json!({ "$ref": "#/definitions/Metadata" });
    metadata["description"] = "Its name, namespace and labels.".into();
    let mut properties = Map::new();
    properties.insert("apiVersion".into(), json!({ "type": "string", "enum": kind.api_versions() }));
    properties.insert("kind".into(), json!({ "type": "string", "const": kind.kind }));
    properties.insert("metadata".into(), metadata);
    let mut required = vec![json!("apiVersion"), json!("kind"), json!("metadata")];
    if let Some(Value::Object(own)) = body.get_mut("properties").map(Value::take) {
        properties.extend(own);
    }
    if let Some(Value::Array(own)) = body.get_mut("required").map(Value::take) {
        required.extend(own);
    }
    let status = json!({ "description": "What became of it. Not read from files.", "type": "object" });
    properties.insert("status".into(), status);
    let mut object = json!({ "type": "object", "properties": properties, "required": required });
    if let Some(description) = body.get("description") {
        object["description"] = description.clone();
    }
    polish(&mut object);
    // What a cluster writes there is its own affair.
    if let Some(status) = object.pointer_mut("/properties/status").and_then(Value::as_object_mut) {
        status.remove("additionalProperties");
    }
    object
}
