//! The matches of a rule.
//!
//! A call of gRPC is a POST to `/service/method` (gRPC over HTTP2, section Requests), so that its conditions are some on
//! the path.

use super::rules::Translator;
use crate::kinds::{
    GrpcMethodMatch, GrpcRouteMatch, HeaderMatch, HttpRouteMatch, PathMatch as PathFields, PathMatchType,
    QueryParamMatch, Text, ValueMatchType,
};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::{FieldMatch, PathMatch, RequestMatch, Severity, ValueMatch};
use regex_syntax::escape;
use std::borrow::Cow;

/// The matches of an `HTTPRoute`'s rule; `None` if one of them cannot be used.
pub(super) fn of_http<'r>(
    translator: &mut Translator<'_, 'r>,
    matches: &'r [HttpRouteMatch],
    at: &At<'_>,
) -> Option<Vec<RequestMatch>> {
    if matches.is_empty() {
        return Some(vec![RequestMatch::default()]);
    }
    // All are looked at, whatever is wrong with one: all problems at once.
    let translated = matches.iter().enumerate();
    let translated = translated.map(|(place, one)| request_match(translator, one, &at.index(place)));
    translated.collect::<Vec<_>>().into_iter().collect()
}

/// The matches of a `GRPCRoute`'s rule; `None` if one of them cannot be used.
pub(super) fn of_grpc<'r>(
    translator: &mut Translator<'_, 'r>,
    matches: &'r [GrpcRouteMatch],
    at: &At<'_>,
) -> Option<Vec<RequestMatch>> {
    let post = |path, headers| RequestMatch { path, method: Some("POST".into()), headers, query: Vec::new() };
    if matches.is_empty() {
        return Some(vec![post(prefix(None), Vec::new())]);
    }
    let translated = matches.iter().enumerate().map(|(place, one)| {
        let at = at.index(place);
        let path = match &one.method {
            Some(method) => call(translator, method, &at.field("method")),
            None => Some(prefix(None)),
        };
        let headers = headers(translator, &one.headers, &at.field("headers"));
        Some(post(path?, headers?))
    });
    translated.collect::<Vec<_>>().into_iter().collect()
}

/// The path of calls of a service, a method, or both.
fn call<'r>(
    translator: &mut Translator<'_, 'r>,
    call: &'r GrpcMethodMatch,
    at: &At<'_>,
) -> Option<PathMatch> {
    let given = |text: &'r Option<Text>| text.as_ref().filter(|text| !text.is_empty());
    let (service, method) = (given(&call.service), given(&call.method));
    if call.kind == ValueMatchType::Exact {
        // A leading dot says that the name is a full one, which it is on the wire, too.
        let service = service.map(|service| service.strip_prefix('.').unwrap_or(service));
        return Some(match (service, method) {
            (Some(service), Some(method)) => PathMatch::Exact(format!("/{service}/{method}").into()),
            (Some(service), None) => PathMatch::Regex(format!("/{}/[^/]+", escape(service)).into()),
            (None, Some(method)) => PathMatch::Regex(format!("/[^/]+/{}", escape(method)).into()),
            (None, None) => prefix(None),
        });
    }
    let mut part = |text: Option<&'r Text>, field| match text {
        None => Some("[^/]+".to_owned()),
        Some(text) => usable(translator, text, &at.field(field))
            .map(|pattern| format!("(?:{})", without_anchors(&pattern))),
    };
    let (service, method) = (part(service, "service"), part(method, "method"));
    Some(PathMatch::Regex(format!("/{}/{}", service?, method?).into()))
}

fn request_match<'r>(
    translator: &mut Translator<'_, 'r>,
    one: &'r HttpRouteMatch,
    at: &At<'_>,
) -> Option<RequestMatch> {
    let path = match &one.path {
        Some(path) => path_match(translator, path, &at.field("path")),
        None => Some(prefix(None)),
    };
    let headers = headers(translator, &one.headers, &at.field("headers"));
    let query = query(translator, &one.query_params, &at.field("queryParams"));
    let method = one.method.map(|method| method.as_str().into());
    Some(RequestMatch { path: path?, method, headers: headers?, query: query? })
}

fn path_match<'r>(
    translator: &mut Translator<'_, 'r>,
    path: &'r PathFields,
    at: &At<'_>,
) -> Option<PathMatch> {
    let value = path.value.as_ref();
    match path.kind {
        PathMatchType::Exact => Some(PathMatch::Exact(value.map_or_else(|| "/".into(), canonical))),
        PathMatchType::PathPrefix => Some(prefix(value)),
        PathMatchType::RegularExpression => match value {
            Some(value) => usable(translator, value, &at.field("value")).map(PathMatch::Regex),
            None => Some(PathMatch::Regex("/".into())),
        },
    }
}

/// A prefix without the `/` at its end, which means nothing there.
fn prefix(value: Option<&Text>) -> PathMatch {
    let value = value.map_or_else(|| "/".into(), canonical);
    let trimmed = value.trim_end_matches('/');
    PathMatch::Prefix(if trimmed.is_empty() {
        "/".into()
    } else if trimmed.len() < value.len() {
        trimmed.into()
    } else {
        value
    })
}

/// A pattern that fits a whole element says no more with `^` and `$`, which would fit nowhere in the middle of a path.
fn without_anchors(pattern: &str) -> &str {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    match pattern.strip_suffix('$') {
        Some(rest) if !rest.ends_with('\\') => rest,
        _ => pattern,
    }
}

/// The path in the form in which requests are matched.
fn canonical(path: &Text) -> Text {
    match decode_unreserved(path) {
        Cow::Borrowed(_) => path.clone(),
        Cow::Owned(path) => path.into(),
    }
}

fn headers<'r>(
    translator: &mut Translator<'_, 'r>,
    headers: &'r [HeaderMatch],
    at: &At<'_>,
) -> Option<Vec<FieldMatch>> {
    let mut fields: Vec<FieldMatch> = Vec::with_capacity(headers.len());
    let mut is_usable = true;
    for (place, header) in headers.iter().enumerate() {
        let at = at.index(place);
        let name = lower_case(&header.name);
        // Gateway API: of names that differ only by case, the first counts.
        if fields.iter().any(|earlier| earlier.name == name) {
            let text = ("the same name is there before, and only the first counts", "Remove one.");
            translator.report(Severity::Warning, &at.field("name"), "Ignored", text);
            continue;
        }
        match value_match(translator, header.kind, &header.value, &at) {
            Some(value) => fields.push(FieldMatch { name, value }),
            None => is_usable = false,
        }
    }
    is_usable.then_some(fields)
}

fn query<'r>(
    translator: &mut Translator<'_, 'r>,
    params: &'r [QueryParamMatch],
    at: &At<'_>,
) -> Option<Vec<FieldMatch>> {
    let mut fields = Vec::with_capacity(params.len());
    for (place, param) in params.iter().enumerate() {
        let value = value_match(translator, param.kind, &param.value, &at.index(place));
        fields.push(value.map(|value| FieldMatch { name: param.name.clone(), value }));
    }
    fields.into_iter().collect()
}

fn value_match<'r>(
    translator: &mut Translator<'_, 'r>,
    kind: ValueMatchType,
    value: &'r Text,
    at: &At<'_>,
) -> Option<ValueMatch> {
    match kind {
        ValueMatchType::Exact => Some(ValueMatch::Exact(value.clone())),
        ValueMatchType::RegularExpression => {
            usable(translator, value, &at.field("value")).map(ValueMatch::Regex)
        }
    }
}

/// A regular expression, if it can be used.
fn usable<'r>(translator: &mut Translator<'_, 'r>, pattern: &'r Text, at: &At<'_>) -> Option<Text> {
    let Some(message) = translator.regexes.fault(pattern) else { return Some(pattern.clone()) };
    let advice = "The syntax is that of RE2 and of Rust's regex crate; the rule is not served.";
    translator.report(Severity::Error, at, "UnsupportedValue", (format!("`{pattern}` {message}"), advice));
    None
}

fn lower_case(name: &Text) -> Text {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.clone()
    }
}
