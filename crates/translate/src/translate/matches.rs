//! The matches of a rule.

use super::rules::Translator;
use crate::kinds::{
    HeaderMatch, HttpRouteMatch, PathMatch as PathFields, PathMatchType, QueryParamMatch, Text,
    ValueMatchType,
};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::{FieldMatch, PathMatch, RequestMatch, Severity, ValueMatch};
use std::borrow::Cow;

/// The matches of a rule; `None` if one of them cannot be used.
pub(super) fn translate<'r>(
    translator: &mut Translator<'_, 'r>,
    matches: &'r [HttpRouteMatch],
    at: &At<'_>,
) -> Option<Vec<RequestMatch>> {
    if matches.is_empty() {
        return Some(vec![RequestMatch::default()]);
    }
    let mut translated = Vec::with_capacity(matches.len());
    let mut is_usable = true;
    for (place, one) in matches.iter().enumerate() {
        match request_match(translator, one, &at.index(place)) {
            Some(one) => translated.push(one),
            // The others are looked at nevertheless: all problems at once.
            None => is_usable = false,
        }
    }
    is_usable.then_some(translated)
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
