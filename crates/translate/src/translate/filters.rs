//! The filters of a rule or of one of its backends.

use super::rules::Translator;
use crate::kinds::{
    FilterType, Header, HeaderModifier, HttpRouteFilter, PathModifier, PathModifierType, RequestRedirect,
    Text, UrlRewrite,
};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::{Filter, HeaderEdits, PathRewrite, Redirect, Rewrite, Scheme, Severity};

/// Fields that say how a message is framed and what one connection is asked: the proxy writes them itself, and an
/// edit would have no effect, or a harmful one.
const FRAMING_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The filters in the order written; `None` if one of them is not served, and requests must not go on without it.
pub(super) fn translate(
    translator: &mut Translator<'_, '_>,
    filters: &[HttpRouteFilter],
    at: &At<'_>,
) -> Option<Vec<Filter>> {
    let mut translated = Vec::with_capacity(filters.len());
    let mut is_served = true;
    for (place, filter) in filters.iter().enumerate() {
        match one(translator, filter, &at.index(place)) {
            Some(filter) => translated.push(filter),
            None => is_served = false,
        }
    }
    is_served.then_some(translated)
}

fn one(translator: &mut Translator<'_, '_>, filter: &HttpRouteFilter, at: &At<'_>) -> Option<Filter> {
    let name = filter.kind.names();
    // Which field goes with which type was checked on reading.
    match filter.kind {
        FilterType::RequestHeaderModifier => {
            let edits = filter.request_header_modifier.as_ref()?;
            header_edits(translator, edits, true, &at.field(name.1)).map(Filter::RequestHeaders)
        }
        FilterType::ResponseHeaderModifier => {
            let edits = filter.response_header_modifier.as_ref()?;
            header_edits(translator, edits, false, &at.field(name.1)).map(Filter::ResponseHeaders)
        }
        FilterType::RequestRedirect => filter.request_redirect.as_deref().map(redirect).map(Filter::Redirect),
        FilterType::UrlRewrite => filter.url_rewrite.as_deref().map(rewrite).map(Filter::Rewrite),
        FilterType::RequestMirror
        | FilterType::Cors
        | FilterType::ExternalAuth
        | FilterType::ExtensionRef => {
            let message = format!("the filter {} is not served", name.0);
            let advice = "Requests of this rule are answered with 500, since a filter must not be skipped.";
            translator.report(Severity::Error, &at.field("type"), "UnsupportedValue", (message, advice));
            None
        }
    }
}

fn header_edits(
    translator: &mut Translator<'_, '_>,
    edits: &HeaderModifier,
    is_request: bool,
    at: &At<'_>,
) -> Option<HeaderEdits> {
    let mut is_served = true;
    let mut check = |name: &str, at: &At<'_>| {
        let lower = name.to_ascii_lowercase();
        let advice = if is_request && lower == "host" {
            "Use the filter URLRewrite with a hostname."
        } else if FRAMING_FIELDS.contains(&&*lower) {
            "Requests of this rule are answered with 500; remove the edit."
        } else {
            return;
        };
        let message = format!("the field `{name}` is the proxy's own to write");
        translator.report(Severity::Error, at, "UnsupportedValue", (message, advice));
        is_served = false;
    };
    for (list, headers) in [("set", &edits.set), ("add", &edits.add)] {
        let at = at.field(list);
        for (place, header) in headers.iter().enumerate() {
            check(&header.name, &at.index(place).field("name"));
        }
    }
    let removed = at.field("remove");
    for (place, name) in edits.remove.iter().enumerate() {
        check(name, &removed.index(place));
    }
    let pairs = |headers: &[Header]| -> Vec<(Text, Text)> {
        headers.iter().map(|header| (header.name.clone(), trimmed(&header.value))).collect()
    };
    is_served.then(|| HeaderEdits {
        set: pairs(&edits.set),
        add: pairs(&edits.add),
        remove: edits.remove.clone(),
    })
}

/// White space around a value is not part of it (RFC 9110 §5.5).
fn trimmed(value: &Text) -> Text {
    let trimmed = value.trim_matches([' ', '\t']);
    if trimmed.len() == value.len() { value.clone() } else { trimmed.into() }
}

fn redirect(redirect: &RequestRedirect) -> Redirect {
    Redirect {
        scheme: redirect.scheme.as_deref().map(
            |scheme| {
                if scheme == "https" { Scheme::Https } else { Scheme::Http }
            },
        ),
        hostname: redirect.hostname.as_deref().map(host),
        path: redirect.path.as_ref().and_then(path),
        port: redirect.port,
        status: redirect.status_code.unwrap_or(302),
    }
}

fn rewrite(rewrite: &UrlRewrite) -> Rewrite {
    Rewrite { hostname: rewrite.hostname.as_deref().map(host), path: rewrite.path.as_ref().and_then(path) }
}

fn host(hostname: &str) -> Text {
    hostname.to_ascii_lowercase().into()
}

fn path(path: &PathModifier) -> Option<PathRewrite> {
    let rooted = |value: &Text| -> Text {
        let value = decode_unreserved(value);
        if value.starts_with('/') { value.into() } else { format!("/{value}").into() }
    };
    match path.kind {
        PathModifierType::ReplaceFullPath => {
            path.replace_full_path.as_ref().map(rooted).map(PathRewrite::Full)
        }
        PathModifierType::ReplacePrefixMatch => {
            path.replace_prefix_match.as_ref().map(rooted).map(PathRewrite::Prefix)
        }
    }
}
