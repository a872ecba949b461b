//! The paths and what they answer.

mod inspect;

use crate::current::Current;
use crate::delivery::{Delivery, Pieces};
use crate::{Phase, Readiness};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use irongate_telemetry::{CONTENT_TYPE, Registry};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Every path there is.
const PATHS: [&str; 12] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/api/config",
    "/api/statuses",
    "/api/problems",
    "/api/listeners",
    "/api/routes",
    "/api/backends",
    "/api/concurrency",
    "/api/limit-stores",
    "/api/explain",
];

/// How many scrapes may be under way, each of which holds the text that its peer has not taken yet: 10,000 busy
/// routes make some 1.3 MB, and each listener with a backend another 4 KB.
const SCRAPES: usize = 4;

/// What the admin API reads.
#[derive(Clone, Debug)]
pub struct Admin {
    /// What is counted.
    pub registry: Arc<Registry>,
    /// Whether requests should be sent here.
    pub readiness: Arc<Readiness>,
    /// What runs.
    pub current: Arc<Current>,
}

/// Whether a connection came in on a loopback address; decides which hosts are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Loopback,
    Network,
}

#[derive(Clone)]
struct Shared {
    admin: Admin,
    scrapes: Arc<Semaphore>,
    views: Arc<Semaphore>,
}

/// The API for connections that came in one way or the other; clones share the bound on scrapes.
pub(crate) fn router(admin: Admin) -> impl Fn(Reach) -> Router {
    let shared = Shared {
        admin,
        scrapes: Arc::new(Semaphore::new(SCRAPES)),
        views: Arc::new(Semaphore::new(inspect::AT_ONCE)),
    };
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(inspect::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(shared);
    move |reach| router.clone().layer(middleware::from_fn_with_state(reach, guard))
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let phase = shared.admin.readiness.phase();
    let status = if phase == Phase::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", phase.as_str()))
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let Ok(turn) = shared.scrapes.try_acquire_owned() else {
        let message = format!("{SCRAPES} scrapes are under way already.");
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "too_many_scrapes", &message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let registry = shared.admin.registry;
    // Many series take a while to write: not on a thread that others wait for.
    let written = tokio::task::spawn_blocking(move || {
        let mut text = Pieces::default();
        // Pieces take everything, and nothing else in it fails.
        let written = registry.encode_to(&mut text);
        debug_assert!(written.is_ok());
        text
    });
    match written.await {
        Ok(text) => {
            let body = Body::new(Delivery::new(text, turn));
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The metrics could not be written.")
        }
    }
}

async fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.")
}

async fn method_not_allowed() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Only GET and HEAD are answered here.")
}

/// What is asked of every request, whatever its path.
async fn guard(State(reach): State<Reach>, request: Request, next: Next) -> Response {
    let mut response = match refusal(reach, request.headers()) {
        Some(response) => response,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refusal(reach: Reach, headers: &HeaderMap) -> Option<Response> {
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body {
        let mut response = problem(StatusCode::BAD_REQUEST, "body", "No request here has a body.");
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    // HTTP/1.0 may leave Host out; browsers never do.
    let foreign = |host: &HeaderValue| !host.to_str().is_ok_and(is_local_host);
    if reach == Reach::Loopback && headers.get_all(header::HOST).iter().any(foreign) {
        let message = "On a loopback address only an IP address or localhost is served as Host, so that \
                       no web page can reach this API by a name of its own.";
        return Some(problem(StatusCode::FORBIDDEN, "foreign_host", message));
    }
    None
}

/// Whether a `Host` is an IP address or `localhost` (or below it: RFC 6761, 6.3), with or without a port.
fn is_local_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
            _ => return false,
        },
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

fn problem(status: StatusCode, error: &str, message: &str) -> Response {
    let body = json!({ "error": error, "message": message, "paths": PATHS });
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body:#}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_local() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9990",
            "[::1]",
            "[::1]:9990",
            "localhost",
            "LocalHost:1",
            "a.localhost:80",
            "192.0.2.1",
        ] {
            assert!(is_local_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9990",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[::1",
            "[::1]x",
            "[evil]",
            "evillocalhost",
            ":80",
        ] {
            assert!(!is_local_host(host), "{host}");
        }
    }
}
