//! `GRPCRoute`: which call of gRPC goes where, and what is done to it on the way.

use super::backend_reference::{BackendRef, LocalObjectReference};
use super::http_route_filter::{self, FilterType, HeaderModifier, HttpRouteFilter, RequestMirror};
use super::route_parts::{MOST_HTTP_HOSTNAMES, RouteObject, check_hostnames, check_parents};
use super::{
    GATEWAY_GROUP, HeaderMatch, IgnoredAny, Kind, ParentReference, SessionPersistence, Text, ValueMatchType,
};
use crate::checks::{Checks, header_name, section_name};
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{ObjectName, RouteKind};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use std::borrow::Cow;

/// A `GRPCRoute`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GrpcRoute {
    /// What is wanted.
    #[serde(default)]
    pub spec: GrpcRouteSpec,
}

/// What is wanted of a `GRPCRoute`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcRouteSpec {
    /// Where it attaches.
    pub parent_refs: Vec<ParentReference>,
    /// The hosts that it is for; all where none is written.
    pub hostnames: Vec<Text>,
    /// Its rules.
    pub rules: Vec<GrpcRouteRule>,
    /// Attachment without a parentRef; not offered.
    pub use_default_gateways: Option<IgnoredAny>,
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcRouteRule {
    /// Its name, unique in the route.
    pub name: Option<Text>,
    /// A call fits if it fits one of them; every call where none is written.
    pub matches: Vec<GrpcRouteMatch>,
    /// What is done to calls and their answers.
    pub filters: Vec<GrpcRouteFilter>,
    /// Where calls go.
    pub backend_refs: Vec<GrpcBackendRef>,
    /// Calls of one session to one instance.
    pub session_persistence: Option<Box<SessionPersistence>>,
}

/// Conditions on a call.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GrpcRouteMatch {
    /// On its service and method; any where none is written.
    pub method: Option<GrpcMethodMatch>,
    /// On its metadata.
    pub headers: Vec<HeaderMatch>,
}

/// A condition on a call's service and method: one of them, or both.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GrpcMethodMatch {
    /// How they are compared.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "Exact"))]
    pub kind: ValueMatchType,
    /// With what the service is compared, such as `helloworld.Greeter`; any where none is written.
    pub service: Option<Text>,
    /// With what the method is compared, such as `SayHello`; any where none is written.
    pub method: Option<Text>,
}

/// One filter; the field that goes with its type is there, and no other.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "GrpcFilterFields")]
pub struct GrpcRouteFilter(pub HttpRouteFilter);

/// A filter as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GrpcFilterFields {
    /// What it does.
    #[serde(rename = "type")]
    kind: GrpcFilterType,
    /// Edits of the call's metadata.
    request_header_modifier: Option<HeaderModifier>,
    /// Edits of the answer's metadata.
    response_header_modifier: Option<HeaderModifier>,
    /// A copy of the call, elsewhere.
    request_mirror: Option<Box<RequestMirror>>,
    /// Another object.
    extension_ref: Option<LocalObjectReference>,
}

/// What a filter of a `GRPCRoute` does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum GrpcFilterType {
    /// Edits the call's metadata.
    RequestHeaderModifier,
    /// Edits the answer's metadata.
    ResponseHeaderModifier,
    /// Sends a copy of the call elsewhere.
    RequestMirror,
    /// Does what another object says.
    ExtensionRef,
}

impl JsonSchema for GrpcRouteFilter {
    fn schema_name() -> Cow<'static, str> {
        "GrpcRouteFilter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        GrpcFilterFields::json_schema(generator)
    }
}

impl From<GrpcFilterFields> for GrpcRouteFilter {
    fn from(fields: GrpcFilterFields) -> Self {
        let GrpcFilterFields {
            kind,
            request_header_modifier,
            response_header_modifier,
            request_mirror,
            extension_ref,
        } = fields;
        let kind = match kind {
            GrpcFilterType::RequestHeaderModifier => FilterType::RequestHeaderModifier,
            GrpcFilterType::ResponseHeaderModifier => FilterType::ResponseHeaderModifier,
            GrpcFilterType::RequestMirror => FilterType::RequestMirror,
            GrpcFilterType::ExtensionRef => FilterType::ExtensionRef,
        };
        Self(HttpRouteFilter {
            kind,
            request_header_modifier,
            response_header_modifier,
            request_redirect: None,
            url_rewrite: None,
            request_mirror,
            cors: None,
            external_auth: None,
            extension_ref,
        })
    }
}

/// One of a rule's backends.
pub type GrpcBackendRef = BackendRef<GrpcRouteFilter>;

impl Kind for GrpcRoute {
    const KIND: &'static str = "GRPCRoute";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1alpha2"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.grpc_routes
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        check_parents(&spec.parent_refs, &at.field("parentRefs"), checks);
        check_hostnames(&spec.hostnames, MOST_HTTP_HOSTNAMES, &at.field("hostnames"), checks);
        let rules = at.field("rules");
        checks.at_most(&rules, spec.rules.len(), 16, "Put the rest into another GRPCRoute.");
        let matches: usize = spec.rules.iter().map(|rule| rule.matches.len()).sum();
        if matches > 128 {
            let message = format!("have {matches} matches in all; at most 128 are allowed");
            checks.invalid(&rules, message, "Put some of the rules into another GRPCRoute.");
        }
        if spec.rules.is_empty() {
            let advice = "Add one; without matches it takes every call.";
            checks.warn(&rules, "NoRules", "has no rule, so that it serves no call", advice);
        }
        checks.unique(&rules, "name", spec.rules.iter().map(|rule| rule.name.as_deref()));
        for (index, rule) in spec.rules.iter().enumerate() {
            check_rule(rule, &rules.index(index), checks);
        }
        let message = "default Gateways are not offered";
        checks.not_served(&at.field("useDefaultGateways"), spec.use_default_gateways.is_some(), message);
    }
}

impl RouteObject for GrpcRoute {
    const ROUTE_KIND: RouteKind = RouteKind::Grpc;

    fn parent_refs(&self) -> &[ParentReference] {
        &self.spec.parent_refs
    }

    fn hostnames(&self) -> &[Text] {
        &self.spec.hostnames
    }
}

fn check_rule(rule: &GrpcRouteRule, at: &At<'_>, checks: &mut Checks) {
    if let Some(name) = &rule.name {
        section_name(name, &at.field("name"), checks);
    }
    let matches = at.field("matches");
    checks.at_most(&matches, rule.matches.len(), 64, "Put the rest into another rule.");
    for (index, one) in rule.matches.iter().enumerate() {
        check_match(one, &matches.index(index), checks);
    }
    let filters = |filters: &[GrpcRouteFilter], at: &At<'_>, checks: &mut Checks| {
        let filters: Vec<&HttpRouteFilter> = filters.iter().map(|GrpcRouteFilter(filter)| filter).collect();
        http_route_filter::check(&filters, &at.field("filters"), checks);
    };
    filters(&rule.filters, at, checks);
    let backends = at.field("backendRefs");
    checks.no_more_than(&backends, rule.backend_refs.len(), 16);
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(index);
        backend.check(&at, checks);
        filters(&backend.filters, &at, checks);
    }
    if let Some(persistence) = &rule.session_persistence {
        persistence.check(&at.field("sessionPersistence"), checks);
    }
}

fn check_match(one: &GrpcRouteMatch, at: &At<'_>, checks: &mut Checks) {
    if let Some(method) = &one.method {
        check_method(method, &at.field("method"), checks);
    }
    let headers = at.field("headers");
    checks.no_more_than(&headers, one.headers.len(), 16);
    checks.unique(&headers, "name", one.headers.iter().map(|header| Some(&*header.name)));
    for (index, header) in one.headers.iter().enumerate() {
        let at = headers.index(index);
        header_name(&header.name, &at.field("name"), checks);
        if header.value.is_empty() {
            checks.invalid(&at.field("value"), "is empty", "");
        }
        checks.at_most_bytes(&at.field("value"), &header.value, 4096);
    }
}

fn check_method(method: &GrpcMethodMatch, at: &At<'_>, checks: &mut Checks) {
    let given = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.is_empty());
    if !given(&method.service) && !given(&method.method) {
        let advice = "Name one, or leave the field out for all calls.";
        checks.invalid(at, "names neither a service nor a method", advice);
    }
    for (field, text) in [("service", &method.service), ("method", &method.method)] {
        let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else { continue };
        let at = at.field(field);
        checks.at_most_bytes(&at, text, 1024);
        let is_name = match field {
            "service" => text.strip_prefix('.').unwrap_or(text).split('.').all(is_identifier),
            _ => is_identifier(text),
        };
        if method.kind == ValueMatchType::Exact && !is_name {
            let message = format!("`{}` is not the name of a {field}", text.escape_debug());
            checks.invalid(&at, message, "Write type: RegularExpression for a pattern.");
        }
    }
}

/// A name of Protocol Buffers.
fn is_identifier(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}
