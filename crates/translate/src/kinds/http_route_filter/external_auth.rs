//! `externalAuth`: a question to an authorization service (GEP-1494). Not served: the rules of the CRD are checked, and
//! requests of its rule are answered with 500.

use crate::checks::Checks;
use crate::kinds::{BackendObjectReference, Text};
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// `externalAuth`: who is asked whether a request may go on. Not served: requests of its rule are answered with 500.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthFilter {
    /// How the service is asked.
    pub protocol: ExternalAuthProtocol,
    /// The service.
    pub backend_ref: BackendObjectReference,
    /// What is sent to a service that speaks Envoy's `ext_authz`.
    pub grpc: Option<GrpcAuthConfig>,
    /// What is sent to a service that speaks HTTP.
    pub http: Option<HttpAuthConfig>,
    /// Whether it is sent the body.
    pub forward_body: Option<ForwardBodyConfig>,
}

/// How an authorization service is asked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum ExternalAuthProtocol {
    /// By a request of its own.
    #[serde(rename = "HTTP")]
    Http,
    /// By Envoy's `ext_authz`.
    #[serde(rename = "GRPC")]
    Grpc,
}

/// What a service of `ext_authz` is sent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcAuthConfig {
    /// Fields of the request; all where none is written.
    pub allowed_headers: Vec<Text>,
}

/// What a service that speaks HTTP is sent, and what of its answer is used.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpAuthConfig {
    /// What is put before the path.
    pub path: Option<Text>,
    /// Fields of the request, besides those that are always sent.
    pub allowed_headers: Vec<Text>,
    /// Fields of the answer that go on to the backend.
    pub allowed_response_headers: Vec<Text>,
}

/// How much of a body is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ForwardBodyConfig {
    /// So many bytes; none where it is 0.
    pub max_size: i32,
}

pub(super) fn check(filter: &ExternalAuthFilter, at: &At<'_>, checks: &mut Checks) {
    filter.backend_ref.check(&at.field("backendRef"), checks);
    for (protocol, name, field, present) in [
        (ExternalAuthProtocol::Grpc, "GRPC", "grpc", filter.grpc.is_some()),
        (ExternalAuthProtocol::Http, "HTTP", "http", filter.http.is_some()),
    ] {
        if present && protocol != filter.protocol {
            checks.invalid(&at.field(field), format!("goes only with the protocol {name}"), "");
        } else if !present && protocol == filter.protocol {
            checks.invalid(&at.field(field), format!("is required for the protocol {name}"), "");
        }
    }
    if let Some(grpc) = &filter.grpc {
        check_names(&grpc.allowed_headers, &at.field("grpc").field("allowedHeaders"), checks);
    }
    if let Some(http) = &filter.http {
        let at = at.field("http");
        check_names(&http.allowed_headers, &at.field("allowedHeaders"), checks);
        check_names(&http.allowed_response_headers, &at.field("allowedResponseHeaders"), checks);
        if let Some(path) = http.path.as_deref() {
            check_path(path, &at.field("path"), checks);
        }
    }
    if filter.forward_body.is_some_and(|body| body.max_size < 0) {
        checks.invalid(&at.field("forwardBody").field("maxSize"), "may not be negative", "");
    }
}

/// A set of at most 64 names. The CRD has no pattern for them.
fn check_names(names: &[Text], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, names.len(), 64);
    checks.unique_items(at, names.iter().map(|name| &**name));
}

/// By the pattern of the CRD: the characters of a path, and escapes that are whole.
fn check_path(path: &str, at: &At<'_>, checks: &mut Checks) {
    checks.at_most_bytes(at, path, 1024);
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@%".contains(byte);
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if path.is_empty()
        || !path.bytes().all(|byte| is_allowed(&byte))
        || !path.split('%').skip(1).all(is_escape)
    {
        let message = "may hold only the characters of a path; others are percent-encoded";
        checks.invalid(at, format!("`{}` {message}", path.escape_debug()), "");
    }
}
