//! `HTTPRoute`: which request goes where, and what is done to it on the way.

use super::http_route_filter::{self, FilterType, HttpRouteFilter, PathModifier, PathModifierType};
use super::{CORE_GROUP, GATEWAY_GROUP, GatewayDuration, Kind, ParentReference, Text};
use crate::checks::{Checks, header_name, section_name};
use crate::resources::{Object, Resources};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::{HostPattern, ObjectName};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::time::Duration;

/// An `HTTPRoute`.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpRoute {
    /// What is wanted.
    pub spec: HttpRouteSpec,
}

/// What is wanted of an `HTTPRoute`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// The hosts that it is for; all where none is written.
    #[serde(default)]
    pub hostnames: Vec<Text>,
    /// Its rules; one that fits every request and has no backend where none is written.
    #[serde(default = "default_rules")]
    pub rules: Vec<HttpRouteRule>,
    /// Attachment without a parentRef; not offered.
    pub use_default_gateways: Option<IgnoredAny>,
}

fn default_rules() -> Vec<HttpRouteRule> {
    vec![HttpRouteRule::default()]
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteRule {
    /// Its name, unique in the route.
    pub name: Option<Text>,
    /// A request fits if it fits one of them; every request where none is written.
    pub matches: Vec<HttpRouteMatch>,
    /// What is done to requests and answers.
    pub filters: Vec<HttpRouteFilter>,
    /// Where requests go.
    pub backend_refs: Vec<HttpBackendRef>,
    /// How long things may take.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// What is tried again.
    pub retry: Option<Retry>,
    /// Requests of one session to one instance; not offered.
    pub session_persistence: Option<IgnoredAny>,
}

/// Conditions on a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteMatch {
    /// On the path; prefix `/` where none is written.
    pub path: Option<PathMatch>,
    /// On header fields.
    pub headers: Vec<HeaderMatch>,
    /// On query parameters.
    pub query_params: Vec<QueryParamMatch>,
    /// On the method.
    pub method: Option<HttpMethod>,
}

/// A condition on the path.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// How it is compared.
    #[serde(rename = "type")]
    pub kind: PathMatchType,
    /// With what; `/` where none is written.
    pub value: Option<Text>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Its first elements.
    #[default]
    PathPrefix,
    /// A regular expression that fits all of it.
    RegularExpression,
}

/// A condition on a header field.
#[derive(Clone, Debug, Deserialize)]
pub struct HeaderMatch {
    /// How its value is compared.
    #[serde(rename = "type", default)]
    pub kind: ValueMatchType,
    /// The field's name.
    pub name: Text,
    /// With what its value is compared.
    pub value: Text,
}

/// A condition on a query parameter.
#[derive(Clone, Debug, Deserialize)]
pub struct QueryParamMatch {
    /// How its value is compared.
    #[serde(rename = "type", default)]
    pub kind: ValueMatchType,
    /// The parameter's name.
    pub name: Text,
    /// With what its value is compared.
    pub value: Text,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum ValueMatchType {
    /// The whole value.
    #[default]
    Exact,
    /// A regular expression that fits all of it.
    RegularExpression,
}

/// A method that can be matched.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "RFC 9110 section 9.3 and RFC 5789 say what each is")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

impl HttpMethod {
    /// The method as it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

/// One of a rule's backends.
#[derive(Clone, Debug, Deserialize)]
pub struct HttpBackendRef {
    /// The group of what is named; the core one where none is written.
    pub group: Option<Text>,
    /// Its kind; `Service` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the route's where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its port; required for a Service.
    pub port: Option<u16>,
    /// Its share is this over the sum.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// What is done only to what this one gets.
    #[serde(default)]
    pub filters: Vec<HttpRouteFilter>,
}

fn default_weight() -> u32 {
    1
}

impl HttpBackendRef {
    /// Group and kind, with what stands for them where they are not written.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        (self.group.as_deref().unwrap_or(CORE_GROUP), self.kind.as_deref().unwrap_or("Service"))
    }
}

/// A rule's timeouts; zero switches one off.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// For the whole exchange.
    pub request: Option<GatewayDuration>,
    /// For one try.
    pub backend_request: Option<GatewayDuration>,
}

/// What is tried again (GEP-1731).
#[derive(Clone, Debug, Deserialize)]
pub struct Retry {
    /// Statuses.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// How many more tries.
    pub attempts: Option<u32>,
    /// The least wait before another.
    pub backoff: Option<GatewayDuration>,
}

impl Kind for HttpRoute {
    const KIND: &'static str = "HTTPRoute";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.http_routes
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let spec = &self.spec;
        let at = at.field("spec");
        check_parents(&spec.parent_refs, &at.field("parentRefs"), checks);
        let hostnames = at.field("hostnames");
        checks.no_more_than(&hostnames, spec.hostnames.len(), 16);
        for (index, hostname) in spec.hostnames.iter().enumerate() {
            if let Err(error) = HostPattern::parse(hostname) {
                let advice = if &**hostname == "*" {
                    "Leave it out: a route without hostnames is for all."
                } else {
                    ""
                };
                checks.invalid(&hostnames.index(index), format!("`{hostname}` {error}"), advice);
            }
        }
        let rules = at.field("rules");
        checks.at_most(&rules, spec.rules.len(), 16);
        checks.unique(&rules, "name", spec.rules.iter().map(|rule| rule.name.as_deref()));
        for (index, rule) in spec.rules.iter().enumerate() {
            check_rule(rule, &rules.index(index), checks);
        }
        checks.not_served(
            &at.field("useDefaultGateways"),
            spec.use_default_gateways.is_some(),
            "default Gateways are not offered",
        );
    }
}

fn check_parents(parents: &[ParentReference], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, parents.len(), 32);
    let mut seen = std::collections::HashSet::new();
    for (index, parent) in parents.iter().enumerate() {
        let at = at.index(index);
        if let Some(port) = parent.port {
            checks.port(port, &at.field("port"));
        }
        if !seen.insert(parent) {
            checks.invalid(
                &at,
                "names the same parent as an earlier one",
                "Tell them apart by sectionName or port.",
            );
        }
    }
}

fn check_rule(rule: &HttpRouteRule, at: &At<'_>, checks: &mut Checks) {
    if let Some(name) = &rule.name {
        section_name(name, &at.field("name"), checks);
    }
    let matches = at.field("matches");
    checks.at_most(&matches, rule.matches.len(), 64);
    for (index, one) in rule.matches.iter().enumerate() {
        check_match(one, &matches.index(index), checks);
    }
    http_route_filter::check(&rule.filters, &at.field("filters"), checks);
    check_prefix_replacement(rule, at, checks);
    if let Some(timeouts) = &rule.timeouts {
        let is_longer =
            |request: GatewayDuration, one: GatewayDuration| request.0 != Duration::ZERO && one.0 > request.0;
        if let (Some(request), Some(one)) = (timeouts.request, timeouts.backend_request)
            && is_longer(request, one)
        {
            let message = "is longer than the timeout of the whole request";
            checks.invalid(&at.field("timeouts").field("backendRequest"), message, "");
        }
    }
    if let Some(retry) = &rule.retry {
        let at = at.field("retry");
        let codes = at.field("codes");
        for (index, code) in retry.codes.iter().enumerate() {
            if !(400..=599).contains(code) {
                checks.invalid(&codes.index(index), format!("{code} is not from 400 to 599"), "");
            }
        }
    }
    checks.not_served(
        &at.field("sessionPersistence"),
        rule.session_persistence.is_some(),
        "session persistence is not offered yet",
    );
    check_backends(rule, at, checks);
}

fn check_backends(rule: &HttpRouteRule, at: &At<'_>, checks: &mut Checks) {
    let backends = at.field("backendRefs");
    checks.at_most(&backends, rule.backend_refs.len(), 16);
    if !rule.backend_refs.is_empty()
        && rule.filters.iter().any(|filter| filter.kind == FilterType::RequestRedirect)
    {
        checks.invalid(&backends, "cannot stand beside a RequestRedirect filter, which answers itself", "");
    }
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(index);
        match backend.port {
            Some(port) => checks.port(port, &at.field("port")),
            None if backend.group_kind() == (CORE_GROUP, "Service") => {
                checks.invalid(&at.field("port"), "is required for a Service", "");
            }
            None => {}
        }
        if backend.weight > 1_000_000 {
            checks.invalid(&at.field("weight"), "must be from 0 to 1000000", "");
        }
        http_route_filter::check(&backend.filters, &at.field("filters"), checks);
    }
}

/// A replaced prefix needs a prefix: exactly one match, of that type.
fn check_prefix_replacement(rule: &HttpRouteRule, at: &At<'_>, checks: &mut Checks) {
    let replaces_prefix = |path: Option<&PathModifier>| {
        path.is_some_and(|path| path.kind == PathModifierType::ReplacePrefixMatch)
    };
    let has = |filters: &[HttpRouteFilter]| {
        filters.iter().any(|filter| {
            replaces_prefix(filter.request_redirect.as_ref().and_then(|redirect| redirect.path.as_ref()))
                || replaces_prefix(filter.url_rewrite.as_ref().and_then(|rewrite| rewrite.path.as_ref()))
        })
    };
    if !has(&rule.filters) && !rule.backend_refs.iter().any(|backend| has(&backend.filters)) {
        return;
    }
    let is_prefix =
        |one: &HttpRouteMatch| one.path.as_ref().is_none_or(|path| path.kind == PathMatchType::PathPrefix);
    match &rule.matches[..] {
        [] => {}
        [one] if is_prefix(one) => {}
        _ => checks.invalid(
            &at.field("matches"),
            "must be exactly one, of type PathPrefix, where a filter replaces the prefix",
            "Split the rule into one a prefix.",
        ),
    }
}

fn check_match(one: &HttpRouteMatch, at: &At<'_>, checks: &mut Checks) {
    if let Some(path) = &one.path {
        let at = at.field("path").field("value").to_path();
        let value = path.value.as_deref().unwrap_or("/");
        if value.len() > 1024 {
            checks.invalid_at(at.clone(), "is longer than 1024 bytes", "");
        }
        if path.kind != PathMatchType::RegularExpression
            && let Some(message) = path_fault(value)
        {
            checks.invalid_at(at, format!("`{value}` {message}"), "");
        }
    }
    let headers = at.field("headers");
    checks.at_most(&headers, one.headers.len(), 16);
    for (index, header) in one.headers.iter().enumerate() {
        let at = headers.index(index);
        header_name(&header.name, &at.field("name"), checks);
        check_value(&header.value, &at, checks);
    }
    let params = at.field("queryParams");
    checks.at_most(&params, one.query_params.len(), 16);
    checks.unique(&params, "name", one.query_params.iter().map(|param| Some(&*param.name)));
    for (index, param) in one.query_params.iter().enumerate() {
        let at = params.index(index);
        // The CRD has the pattern of header names here, too.
        header_name(&param.name, &at.field("name"), checks);
        check_value(&param.value, &at, checks);
    }
}

fn check_value(value: &str, at: &At<'_>, checks: &mut Checks) {
    if value.is_empty() {
        checks.invalid(&at.field("value"), "is empty", "");
    }
    checks.at_most_bytes(&at.field("value"), value, 4096);
}

/// What the CRD refuses in a path that is compared as text (`HTTPPathMatch`'s rules).
fn path_fault(path: &str) -> Option<&'static str> {
    let path = &*decode_unreserved(path);
    let holds = |part: &str| path.contains(part);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@%".contains(&byte);
    if !path.starts_with('/') {
        Some("must begin with `/`")
    } else if holds("//") {
        Some("may not hold `//`")
    } else if holds("/./") || holds("/../") || path.ends_with("/..") || path.ends_with("/.") {
        Some("may not have `.` or `..` as an element")
    } else if holds("%2f") || holds("%2F") {
        Some("may not hold `%2f`, which is no separator")
    } else if holds("#") {
        Some("may not hold `#`")
    } else if !path.bytes().all(is_allowed) || has_bad_escape(path) {
        Some("may hold only the characters of a path; others are percent-encoded")
    } else {
        None
    }
}

fn has_bad_escape(path: &str) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = path.as_bytes();
    (0..bytes.len()).any(|i| bytes[i] == b'%' && !(hex(bytes.get(i + 1)) && hex(bytes.get(i + 2))))
}
