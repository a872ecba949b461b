//! How long lists may be (`maxItems`, `maxProperties`): as long is taken, and one longer is refused at the list's field.

use super::{base, complaint, errors, put};
use irongate_translate::{Source, read};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A list: the kind of a base object, where it stands, one of its items, in which `#` stands for its number, and how many
/// there may be. An item of a map is a key and a value.
type List = (&'static str, &'static str, &'static str, usize);

const MIRROR: &str =
    r##"{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "m#", "port": 80}}}"##;
const BACKEND: &str = r##"{"name": "app#", "port": 80}"##;
const PARENT: &str = r##"{"name": "gw#"}"##;
const HEADER: &str = r##"{"name": "h#", "value": "v"}"##;
const OPTION: &str = r##""example.com/o#": "v""##;
const AUTHORITY: &str = r##"{"group": "", "kind": "ConfigMap", "name": "c#"}"##;
const LISTENER: &str = r##"{"name": "l#", "port": 1#, "protocol": "HTTP"}"##;

const LISTS: &[List] = &[
    ("Gateway", "/spec/addresses", r##"{"value": "10.0.0.#"}"##, 16),
    ("Gateway", "/spec/listeners", LISTENER, 64),
    ("Gateway", "/spec/listeners/0/allowedRoutes/kinds", r##"{"kind": "K#"}"##, 8),
    ("Gateway", "/spec/listeners/1/tls/certificateRefs", r##"{"name": "c#"}"##, 64),
    ("Gateway", "/spec/listeners/1/tls/options", OPTION, 16),
    ("Gateway", "/spec/infrastructure/labels", r##""l#": "v""##, 8),
    ("Gateway", "/spec/infrastructure/annotations", r##""a#": "v""##, 16),
    ("Gateway", "/spec/tls/frontend/perPort", r##"{"port": 1#, "tls": {}}"##, 64),
    ("Gateway", "/spec/tls/frontend/default/validation/caCertificateRefs", AUTHORITY, 8),
    ("ListenerSet", "/spec/listeners", LISTENER, 64),
    ("ReferenceGrant", "/spec/from", r##"{"group": "g", "kind": "K", "namespace": "n#"}"##, 16),
    ("ReferenceGrant", "/spec/to", r##"{"group": "", "kind": "K", "name": "n#"}"##, 16),
    ("HTTPRoute", "/spec/parentRefs", PARENT, 32),
    ("HTTPRoute", "/spec/hostnames", r##""h#.example.com""##, 16),
    ("HTTPRoute", "/spec/rules", r##"{"name": "r#"}"##, 16),
    ("HTTPRoute", "/spec/rules/0/matches", r##"{"path": {"value": "/#"}}"##, 64),
    ("HTTPRoute", "/spec/rules/0/matches/0/headers", HEADER, 16),
    ("HTTPRoute", "/spec/rules/0/matches/0/queryParams", HEADER, 16),
    ("HTTPRoute", "/spec/rules/0/filters", MIRROR, 16),
    ("HTTPRoute", "/spec/rules/0/filters/0/requestHeaderModifier/set", HEADER, 16),
    ("HTTPRoute", "/spec/rules/0/filters/0/requestHeaderModifier/add", HEADER, 16),
    ("HTTPRoute", "/spec/rules/0/filters/0/requestHeaderModifier/remove", r##""h#""##, 16),
    ("HTTPRoute", "/spec/rules/0/filters/1/cors/allowOrigins", r##""https://#.example.com""##, 64),
    ("HTTPRoute", "/spec/rules/0/filters/1/cors/allowHeaders", r##""h#""##, 64),
    ("HTTPRoute", "/spec/rules/0/filters/1/cors/exposeHeaders", r##""h#""##, 64),
    ("HTTPRoute", "/spec/rules/0/filters/2/externalAuth/http/allowedHeaders", r##""h#""##, 64),
    ("HTTPRoute", "/spec/rules/0/filters/2/externalAuth/http/allowedResponseHeaders", r##""h#""##, 64),
    ("HTTPRoute", "/spec/rules/0/backendRefs", BACKEND, 16),
    ("HTTPRoute", "/spec/rules/0/backendRefs/0/filters", MIRROR, 16),
    ("GRPCRoute", "/spec/parentRefs", PARENT, 32),
    ("GRPCRoute", "/spec/hostnames", r##""h#.example.com""##, 16),
    ("GRPCRoute", "/spec/rules", r##"{"name": "r#"}"##, 16),
    ("GRPCRoute", "/spec/rules/0/matches", r##"{"method": {"service": "s#"}}"##, 64),
    ("GRPCRoute", "/spec/rules/0/matches/0/headers", HEADER, 16),
    ("GRPCRoute", "/spec/rules/0/filters", MIRROR, 16),
    ("GRPCRoute", "/spec/rules/0/backendRefs", BACKEND, 16),
    ("TLSRoute", "/spec/hostnames", r##""h#.example.com""##, 1024),
    ("TLSRoute", "/spec/rules/0/backendRefs", BACKEND, 16),
    ("TCPRoute", "/spec/parentRefs", PARENT, 32),
    ("TCPRoute", "/spec/rules/0/backendRefs", BACKEND, 16),
    ("UDPRoute", "/spec/rules/0/backendRefs", BACKEND, 16),
    ("BackendTLSPolicy", "/spec/targetRefs", r##"{"group": "", "kind": "Service", "name": "s#"}"##, 16),
    ("BackendTLSPolicy", "/spec/validation/caCertificateRefs", AUTHORITY, 8),
    (
        "BackendTLSPolicy",
        "/spec/validation/subjectAltNames",
        r##"{"type": "Hostname", "hostname": "h#.example.com"}"##,
        5,
    ),
    ("BackendTLSPolicy", "/spec/options", OPTION, 16),
];

/// So many items, as JSON.
fn items(item: &str, count: usize) -> Value {
    let items: Vec<String> = (0..count).map(|number| item.replace('#', &number.to_string())).collect();
    let text = items.join(",");
    // A map's item is a key and a value, and no JSON by itself.
    let is_map = serde_json::from_str::<Value>(&items[0]).is_err();
    let text = if is_map { format!("{{{text}}}") } else { format!("[{text}]") };
    serde_json::from_str(&text).expect("JSON")
}

/// `spec.rules[0].filters` for `/spec/rules/0/filters`.
fn field(pointer: &str) -> String {
    let mut field = String::new();
    for key in pointer.split('/').skip(1) {
        let _infallible = match key.parse::<usize>() {
            Ok(index) => write!(field, "[{index}]"),
            Err(_) if field.is_empty() => write!(field, "{key}"),
            Err(_) => write!(field, ".{key}"),
        };
    }
    field
}

#[test]
fn a_list_may_be_as_long_as_the_crd_says() {
    let mut complaints = String::new();
    for (kind, pointer, item, most) in LISTS {
        let mut object = base(kind);
        put(&mut object, pointer, items(item, *most));
        for error in errors(&object) {
            let _infallible = writeln!(complaints, "{most} in {pointer} of {kind}: {error}");
        }
        put(&mut object, pointer, items(item, most + 1));
        complaints.extend(complaint(&object, &field(pointer)));
    }
    assert!(complaints.is_empty(), "{complaints}");
}

#[test]
fn a_route_has_at_most_128_matches_in_all() {
    for (kind, item) in
        [("HTTPRoute", r##"{"path": {"value": "/#"}}"##), ("GRPCRoute", r##"{"method": {"service": "s#"}}"##)]
    {
        let rule = |count| json!({ "matches": items(item, count) });
        let mut object = base(kind);
        put(&mut object, "/spec/rules", json!([rule(64), rule(64)]));
        assert_eq!(errors(&object), [], "{kind}");
        put(&mut object, "/spec/rules", json!([rule(64), rule(64), rule(1)]));
        assert_eq!(complaint(&object, "spec.rules"), None);
    }
}

#[test]
fn an_endpoint_slice_has_at_most_1000_endpoints() {
    let slice = |count: usize| {
        let endpoints = items(r#"{"addresses": ["10.0.0.1"]}"#, count);
        let object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "a", "labels": { "kubernetes.io/service-name": "app" } },
            "addressType": "IPv4", "ports": [{ "port": 80 }], "endpoints": endpoints,
        });
        read(&[Source::new("one.yaml", object.to_string())]).1
    };
    assert_eq!(slice(1000), []);
    let problems = slice(1001);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((&*problems[0].field, problems[0].reason), ("endpoints", "Invalid"));
}
