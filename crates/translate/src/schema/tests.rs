//! Every kind has a schema, and every schema takes what is read without a problem.

mod validate;

use super::*;
use crate::read::kinds::KINDS;
use crate::yaml::{Documents, Node, Value as Yaml};
use crate::{Source, read};
use std::fs;
use std::path::{Path, PathBuf};
use validate::faults;

#[test]
fn every_kind_has_a_schema() {
    let mut read: Vec<(&str, &str)> = KINDS.iter().map(|known| (known.group, known.kind)).collect();
    let mut schemas: Vec<(&str, &str)> = kinds().iter().map(|kind| (kind.group, kind.kind)).collect();
    read.sort_unstable();
    schemas.sort_unstable();
    assert_eq!(schemas, read, "a kind that is read needs its line in schema::kinds");
}

/// The value of a tree as JSON has it, without what is `null`.
fn json_of(node: &Node<'_>) -> Value {
    use crate::yaml::scalar::{Plain, resolve};
    match &node.value {
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().filter(|entry| !entry.value.is_null());
            entries.map(|entry| (entry.key.to_string(), json_of(&entry.value))).collect()
        }
        Yaml::Scalar { text, plain: false } => Value::String(text.to_string()),
        Yaml::Scalar { text, plain: true } => match resolve(text) {
            Plain::Null => Value::Null,
            Plain::Bool(value) => value.into(),
            Plain::Integer(number) => i64::try_from(number).map_or(Value::Null, Value::from),
            Plain::Float(number) => number.into(),
            Plain::Text(text) => text.into(),
        },
    }
}

/// What the combined schema says against a text's documents.
fn schema_faults(schema: &Value, text: &str) -> Vec<String> {
    let documents = Documents::new(text, 0).map(|document| document.expect("it was read before").root);
    documents.filter(|root| !root.is_null()).flat_map(|root| faults(schema, &json_of(&root))).collect()
}

/// Files below a folder of the workspace with one of these endings.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn examples_fit() {
    let schema = combined();
    let examples = files("examples", ".yaml");
    assert!(!examples.is_empty());
    for path in examples {
        let text = fs::read_to_string(&path).expect("readable");
        let (_, problems) = read(&[Source::new("example", text.clone())]);
        assert_eq!(problems, [], "{}", path.display());
        assert_eq!(schema_faults(&schema, &text), [""; 0], "{}", path.display());
    }
}

/// What reading finds nothing wrong with fits; what translating finds has nothing to do with schemas.
#[test]
fn golden_inputs_fit() {
    let schema = combined();
    let mut checked = 0;
    for path in files("crates/translate/tests/golden", ".golden") {
        let text = fs::read_to_string(&path).expect("readable");
        let end = text.find("\n=== config").unwrap_or(text.len());
        for section in text[..end].split("=== input ").skip(1) {
            let (name, text) = section.split_once('\n').unwrap_or((section, ""));
            if read(&[Source::new(name, text)]).1.is_empty() {
                checked += 1;
                assert_eq!(schema_faults(&schema, text), [""; 0], "{} {name}", path.display());
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

/// Each case is an object that does not fit, and what is said of it.
#[test]
fn what_does_not_fit_is_told() {
    let schema = combined();
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n";
    let policy = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: a}\n";
    for (text, expected) in [
        (format!("{route}spec: {{hostname: [a.b]}}"), "/spec/hostname: is not a field"),
        (
            format!("{route}spec: {{rules: [{{matches: [{{method: get}}]}}]}}"),
            "/spec/rules/0/matches/0/method",
        ),
        (
            format!("{route}spec: {{rules: [{{backendRefs: [{{name: a, port: 0}}]}}]}}"),
            "/spec/rules/0/backendRefs/0/port",
        ),
        (
            format!("{route}spec: {{rules: [{{timeouts: {{request: 10}}}}]}}"),
            "/spec/rules/0/timeouts/request",
        ),
        (format!("{policy}spec: {{}}"), "/spec: `targetRefs` is missing"),
        (format!("{policy}spec: {{targetRefs: [], connectTimeout: 1d}}"), "/spec/connectTimeout"),
        (
            format!("{policy}spec: {{targetRefs: [], ejection: {{maxPercent: 101}}}}"),
            "/spec/ejection/maxPercent",
        ),
    ] {
        let faults = schema_faults(&schema, &text);
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{text}\n{faults:#?}");
    }
    assert_eq!(schema_faults(&schema, "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 1}"), [""; 0]);
}

/// A `spec` with every default that a kind's schema names.
fn defaults_of(kind: &str) -> Value {
    let kind = kinds().into_iter().find(|known| known.kind == kind).expect("there is one");
    let schema = kind.schema();
    fn collect(root: &Value, schema: &Value) -> Value {
        if let Some(default) = schema.get("default").filter(|default| !default.is_object()) {
            return default.clone();
        }
        let reference = schema.get("$ref").or_else(|| schema.pointer("/allOf/0/$ref"));
        if let Some(Value::String(reference)) = reference {
            return collect(root, root.pointer(reference.trim_start_matches('#')).expect("it is defined"));
        }
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let properties = properties.map(|(name, schema)| (name.clone(), collect(root, schema)));
        // Only lists and mappings have empty defaults, which nobody writes.
        properties.filter(|(_, value)| *value != json!({}) && *value != json!([])).collect()
    }
    collect(&schema, &schema["properties"]["spec"])
}

/// Writing every default is the same as writing nothing.
#[test]
fn defaults_are_those_that_hold() {
    let mut policy = defaults_of("BackendPolicy");
    policy["targetRefs"] = json!([{ "group": "irongate.dev", "kind": "Backend", "name": "b" }]);
    assert_eq!(policy["retryBudget"]["percent"], 20);
    let parameters = defaults_of("GatewayParameters");
    assert_eq!(parameters["limits"]["headBytes"], "64Ki");
    let object = |api: &str, kind: &str, name: &str, spec: Value| {
        json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec }).to_string()
    };
    let ours = "irongate.dev/v1alpha1";
    let gateway = json!({
        "gatewayClassName": "irongate",
        "listeners": [{ "name": "http", "port": 80, "protocol": "HTTP" }],
        "infrastructure": { "parametersRef": { "group": "irongate.dev", "kind": "GatewayParameters", "name": "p" } },
    });
    let documents = [
        object(ours, "BackendPolicy", "p", policy),
        object(ours, "GatewayParameters", "p", parameters),
        object(ours, "Backend", "b", json!({ "endpoints": ["127.0.0.1:1"] })),
        object("gateway.networking.k8s.io/v1", "Gateway", "g", gateway),
    ];
    let (resources, problems) = read(&[Source::new("defaults", documents.join("\n---\n"))]);
    assert_eq!(problems, []);
    let translation = crate::translate(&resources);
    assert_eq!(translation.problems, []);
    let backend = translation.config.backends.values().next().expect("one backend");
    assert_eq!(*backend.options, irongate_config::BackendOptions::default());
    assert_eq!(*translation.config.listeners[0].options, irongate_config::ProxyOptions::default());
}
