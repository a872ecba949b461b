//! Matches, conditions and durations as short texts.

use irongate_config::{
    BackendTarget, FieldMatch, PathMatch, RequestMatch, SessionCarrier, SessionPersistence, ValueMatch,
};
use irongate_message::{FieldName, RequestHead};
use irongate_traffic::route::naive::{Condition, Criterion};
use std::time::Duration;

/// A match: `path prefix /api, method GET, header x-env: canary`.
pub(super) fn request_match(matched: &RequestMatch) -> String {
    let mut parts = vec![path(&matched.path)];
    parts.extend(matched.method.as_ref().map(|method| format!("method {method}")));
    parts.extend(matched.headers.iter().map(|one| format!("header {}", field(one, ": "))));
    parts.extend(matched.query.iter().map(|one| format!("query {}", field(one, "="))));
    parts.join(", ")
}

/// A session: ``cookie `cart` for /shop, 12h at most, over after 30m without a request``.
pub(super) fn session(session: &SessionPersistence) -> String {
    let mut text = match &session.carrier {
        SessionCarrier::Cookie { path, .. } => {
            let path = path.as_ref().map(|path| format!(" for {path}")).unwrap_or_default();
            format!("cookie `{}`{path}", session.name)
        }
        SessionCarrier::Header => format!("field `{}`", session.name),
    };
    if let Some(timeout) = session.absolute_timeout {
        text += &format!(", {timeout:?} at most");
    }
    if let Some(timeout) = session.idle_timeout {
        text += &format!(", over after {timeout:?} without a request");
    }
    text
}

fn path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("path exactly {path}"),
        PathMatch::Prefix(prefix) => format!("path prefix {prefix}"),
        PathMatch::Regex(pattern) => format!("path pattern {pattern}"),
    }
}

fn field(condition: &FieldMatch, separator: &str) -> String {
    match &condition.value {
        ValueMatch::Exact(value) => format!("{}{separator}{value}", condition.name),
        ValueMatch::Regex(pattern) => format!("{}{separator}~{pattern}", condition.name),
    }
}

/// Why a request does not meet a condition.
pub(super) fn unmet(condition: &Condition<'_>, head: &RequestHead) -> String {
    let own = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    match condition {
        Condition::Host(hosts) => {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            format!("host {} is not {}", own(head.host()), hosts.join(" or "))
        }
        Condition::Path(matched) => {
            let asked = own(head.path());
            match matched {
                PathMatch::Exact(path) => format!("path {asked} is not {path}"),
                PathMatch::Prefix(prefix) => format!("path {asked} is not {prefix} or below it"),
                PathMatch::Regex(pattern) => format!("path {asked} does not fit the pattern {pattern}"),
            }
        }
        Condition::Method(method) => format!("method {} is not {method}", own(head.method_text())),
        Condition::Header(one) => {
            let name = FieldName::new(&one.name).ok();
            let value = name.and_then(|name| head.fields.get_named(&name).map(own));
            format!("header {}: needs {}", value_of(&one.name, value, ": "), wanted(one))
        }
        Condition::Query(one) => format!("query parameter {}: needs {}", one.name, wanted(one)),
    }
}

fn value_of(name: &str, value: Option<String>, separator: &str) -> String {
    value.map_or_else(|| format!("{name} is missing"), |value| format!("{name}{separator}{value}"))
}

fn wanted(condition: &FieldMatch) -> String {
    match &condition.value {
        ValueMatch::Exact(value) => value.to_string(),
        ValueMatch::Regex(pattern) => format!("the pattern {pattern}"),
    }
}

/// Why a match that fits stands behind the one that was taken.
pub(super) fn criterion(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::Hostname => "the hostname of the one taken is more specific",
        Criterion::PathKind => "an exact path comes before a pattern, and a pattern before a prefix",
        Criterion::PathLength => "the path of the one taken is longer",
        Criterion::Method => "the one taken asks for the method",
        Criterion::Headers => "the one taken asks for more header fields",
        Criterion::Query => "the one taken asks for more query parameters",
        Criterion::Age => "the route of the one taken is older",
        Criterion::Order => "the one taken is written before it",
    }
}

/// The criterion's name in JSON.
pub(super) fn criterion_name(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::Hostname => "hostname",
        Criterion::PathKind => "pathKind",
        Criterion::PathLength => "pathLength",
        Criterion::Method => "method",
        Criterion::Headers => "headers",
        Criterion::Query => "query",
        Criterion::Age => "age",
        Criterion::Order => "order",
    }
}

/// What a backend is called.
pub(super) fn target(target: &BackendTarget) -> String {
    match target {
        BackendTarget::Backend(key) => key.to_string(),
        BackendTarget::Invalid(_) => "a reference that does not resolve".to_owned(),
    }
}

/// `1m 30s`.
pub(super) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
