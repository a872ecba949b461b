//! `/api/routes`: the routes as they are attached, a listener after the other.

use super::{Page, seconds};
use irongate_config::{
    AttachedRoute, AttachedStreamRoute, BackendRef, BackendTarget, Config, FieldMatch, Filter, Listener,
    PathMatch, RequestMatch, RouteRule, ValueMatch,
};
use serde_json::{Value, json};

pub(crate) fn routes(config: &Config, page: Page) -> Value {
    let attached: Vec<(&Listener, Attached<'_>)> = config
        .listeners
        .iter()
        .flat_map(|listener| {
            let requests = listener.routes.iter().map(Attached::Requests);
            let streams = listener.stream_routes.iter().map(Attached::Streams);
            requests.chain(streams).map(|attached| (&**listener, attached))
        })
        .collect();
    page.of(
        "routes",
        attached.into_iter().map(|(listener, attached)| match attached {
            Attached::Requests(attached) => one((listener, attached)),
            Attached::Streams(attached) => stream(listener, attached),
        }),
    )
}

/// A route as it is attached, of either sort.
enum Attached<'c> {
    Requests(&'c AttachedRoute),
    Streams(&'c AttachedStreamRoute),
}

/// A route of connections or datagrams: its one rule has backends alone.
fn stream(listener: &Listener, attached: &AttachedStreamRoute) -> Value {
    let route = &attached.route;
    json!({
        "listener": listener.key.to_string(),
        "route": route.key.to_string(),
        "hostnames": attached.hostnames.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rules": [{
            "rule": 0,
            "name": route.rule.as_deref(),
            "backends": route.backends.iter().map(backend).collect::<Vec<_>>(),
        }],
    })
}

fn one((listener, attached): (&Listener, &AttachedRoute)) -> Value {
    json!({
        "listener": listener.key.to_string(),
        "route": attached.route.key.to_string(),
        "hostnames": attached.hostnames.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rules": attached.route.rules.iter().map(|one| rule(one)).collect::<Vec<_>>(),
    })
}

fn rule(rule: &RouteRule) -> Value {
    json!({
        "rule": rule.place,
        "name": rule.name.as_deref(),
        "matches": rule.matches.iter().map(request_match).collect::<Vec<_>>(),
        "filters": rule.filters.iter().map(filter).collect::<Vec<_>>(),
        "backends": rule.backends.iter().map(backend).collect::<Vec<_>>(),
        "timeoutSeconds": {
            "request": rule.timeouts.request.map(seconds),
            "backendRequest": rule.timeouts.backend_request.map(seconds),
        },
        "retry": rule.retry.as_ref().map(|retry| json!({
            "attempts": retry.attempts,
            "codes": retry.codes,
            "backoffSeconds": retry.backoff.map(seconds),
        })),
        "sessionPersistence": rule.session.as_deref().map(super::backends::session),
    })
}

fn request_match(matched: &RequestMatch) -> Value {
    let (kind, value) = match &matched.path {
        PathMatch::Exact(path) => ("Exact", path),
        PathMatch::Prefix(prefix) => ("PathPrefix", prefix),
        PathMatch::Regex(pattern) => ("RegularExpression", pattern),
    };
    json!({
        "path": { "type": kind, "value": &**value },
        "method": matched.method.as_deref(),
        "headers": matched.headers.iter().map(field).collect::<Vec<_>>(),
        "queryParams": matched.query.iter().map(field).collect::<Vec<_>>(),
    })
}

fn field(field: &FieldMatch) -> Value {
    let (kind, value) = match &field.value {
        ValueMatch::Exact(value) => ("Exact", value),
        ValueMatch::Regex(pattern) => ("RegularExpression", pattern),
    };
    json!({ "name": &*field.name, "type": kind, "value": &**value })
}

/// The type alone: what a filter sets in a header may be a secret.
fn filter(filter: &Filter) -> &'static str {
    match filter {
        Filter::RequestHeaders(_) => "RequestHeaderModifier",
        Filter::ResponseHeaders(_) => "ResponseHeaderModifier",
        Filter::Redirect(_) => "RequestRedirect",
        Filter::Rewrite(_) => "URLRewrite",
        Filter::Mirror(_) => "RequestMirror",
        Filter::Cors(_) => "CORS",
    }
}

fn backend(backend: &BackendRef) -> Value {
    let (name, invalid) = match &backend.target {
        BackendTarget::Backend(key) => (Some(key.to_string()), None),
        BackendTarget::Invalid(reason) => (None, Some(reason.as_str())),
    };
    json!({
        "backend": name,
        "invalid": invalid,
        "weight": backend.weight,
        "filters": backend.filters.iter().map(filter).collect::<Vec<_>>(),
    })
}
