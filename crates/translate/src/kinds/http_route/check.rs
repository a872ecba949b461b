//! What the API server would refuse in an `HTTPRoute`.

use super::{HttpRouteMatch, HttpRouteRule, HttpRouteSpec, PathMatchType};
use crate::checks::{Checks, field_value, header_name, section_name};
use crate::kinds::GatewayDuration;
use crate::kinds::http_route_filter::{self, FilterType, HttpRouteFilter, PathModifier, PathModifierType};
use crate::kinds::route_parts::{MOST_HTTP_HOSTNAMES, check_hostnames, check_parents};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use std::time::Duration;

pub(super) fn spec(spec: &HttpRouteSpec, at: &At<'_>, checks: &mut Checks) {
    check_parents(&spec.parent_refs, &at.field("parentRefs"), checks);
    check_hostnames(&spec.hostnames, MOST_HTTP_HOSTNAMES, &at.field("hostnames"), checks);
    let rules = at.field("rules");
    checks.at_most(&rules, spec.rules.len(), 16, "Put the rest into another HTTPRoute.");
    let matches: usize = spec.rules.iter().map(|rule| rule.matches.len().max(1)).sum();
    if matches > 128 {
        let message = format!("have {matches} matches in all; at most 128 are allowed");
        checks.invalid(&rules, message, "Put some of the rules into another HTTPRoute.");
    }
    if spec.rules.is_empty() {
        checks.invalid(&rules, "is empty", "Leave it out for one rule that fits every request.");
    }
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

fn check_rule(rule: &HttpRouteRule, at: &At<'_>, checks: &mut Checks) {
    if let Some(name) = &rule.name {
        section_name(name, &at.field("name"), checks);
    }
    let matches = at.field("matches");
    checks.at_most(&matches, rule.matches.len(), 64, "Put the rest into another rule.");
    for (index, one) in rule.matches.iter().enumerate() {
        check_match(one, &matches.index(index), checks);
    }
    http_route_filter::check(&refs(&rule.filters), &at.field("filters"), checks);
    check_prefix_replacement(rule, at, checks);
    if let Some(timeouts) = &rule.timeouts {
        let is_longer =
            |request: GatewayDuration, one: GatewayDuration| request.0 != Duration::ZERO && one.0 > request.0;
        if let (Some(request), Some(one)) = (timeouts.request, timeouts.backend_request)
            && is_longer(request, one)
        {
            let message = "is longer than the timeout of the whole request";
            let advice = "Make it shorter, or `request` longer.";
            checks.invalid(&at.field("timeouts").field("backendRequest"), message, advice);
        }
    }
    if let Some(retry) = &rule.retry {
        let at = at.field("retry");
        let codes = at.field("codes");
        for (index, code) in retry.codes.iter().enumerate() {
            if !(400..=599).contains(code) {
                checks.invalid(&codes.index(index), format!("{code} is not from 400 to 599"), "");
            }
            if retry.codes[..index.min(200)].contains(code) {
                checks.invalid(&codes.index(index), format!("{code} is there twice"), "");
            }
        }
    }
    if let Some(persistence) = &rule.session_persistence {
        persistence.check(&at.field("sessionPersistence"), checks);
    }
    check_backends(rule, at, checks);
}

fn check_backends(rule: &HttpRouteRule, at: &At<'_>, checks: &mut Checks) {
    let backends = at.field("backendRefs");
    checks.no_more_than(&backends, rule.backend_refs.len(), 16);
    if !rule.backend_refs.is_empty()
        && rule.filters.iter().any(|filter| filter.kind == FilterType::RequestRedirect)
    {
        checks.invalid(&backends, "cannot stand beside a RequestRedirect filter, which answers itself", "");
    }
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let at = backends.index(index);
        backend.check(&at, checks);
        http_route_filter::check(&refs(&backend.filters), &at.field("filters"), checks);
    }
}

fn refs(filters: &[HttpRouteFilter]) -> Vec<&HttpRouteFilter> {
    filters.iter().collect()
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
    checks.no_more_than(&headers, one.headers.len(), 16);
    checks.unique(&headers, "name", one.headers.iter().map(|header| Some(&*header.name)));
    for (index, header) in one.headers.iter().enumerate() {
        let at = headers.index(index);
        header_name(&header.name, &at.field("name"), checks);
        field_value(&header.value, &at.field("value"), checks);
    }
    let params = at.field("queryParams");
    checks.no_more_than(&params, one.query_params.len(), 16);
    checks.unique(&params, "name", one.query_params.iter().map(|param| Some(&*param.name)));
    for (index, param) in one.query_params.iter().enumerate() {
        let at = params.index(index);
        // The CRD has the pattern of header names here, too.
        header_name(&param.name, &at.field("name"), checks);
        if param.value.is_empty() {
            checks.invalid(&at.field("value"), "is empty", "");
        }
        checks.at_most_bytes(&at.field("value"), &param.value, 1024);
    }
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
