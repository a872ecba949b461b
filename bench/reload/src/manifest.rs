//! The configurations, as text.

use std::fmt::Write;
use std::net::SocketAddr;

/// A Gateway with one HTTP listener.
pub(crate) fn gateway(name: &str, port: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec:\n  \
         gatewayClassName: irongate\n  addresses: [{{value: 127.0.0.1}}]\n  \
         listeners: [{{name: http, port: {port}, protocol: HTTP}}]\n---\n"
    )
}

/// A Service with these instances.
pub(crate) fn service(name: &str, endpoints: &[SocketAddr]) -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n---\n"
    );
    for endpoint in endpoints {
        let port = endpoint.port();
        let _infallible = write!(
            text,
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}\naddressType: IPv4\n\
             ports: [{{name: http, port: {port}}}]\nendpoints: [{{addresses: [127.0.0.1]}}]\n---\n"
        );
    }
    text
}

/// A route for a path, whose answers name it and a version.
pub(crate) fn route(path: &str, version: usize, backends: &[(&str, u32)]) -> String {
    let backends: Vec<String> = backends
        .iter()
        .map(|(name, weight)| format!("{{name: {name}, port: 80, weight: {weight}}}"))
        .collect();
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: route-{path}}}\nspec:\n  \
         parentRefs: [{{name: gw}}]\n  rules:\n  - matches: [{{path: {{value: /{path}}}}}]\n    \
         filters:\n    - type: ResponseHeaderModifier\n      responseHeaderModifier:\n        \
         set: [{{name: x-version, value: \"{version}\"}}, {{name: x-route, value: {path}}}]\n    \
         backendRefs: [{}]\n---\n",
        backends.join(", ")
    )
}
