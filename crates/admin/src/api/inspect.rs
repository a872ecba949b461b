//! `/api/…`: what runs, as JSON.

use super::{Shared, problem};
use crate::current::{Applied, Question};
use crate::delivery::{Delivery, Pieces};
use crate::views::{self, MOST, Page};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use std::sync::Arc;

/// Views that may be under way at once: each holds the text that its peer has not taken yet.
pub(super) const AT_ONCE: usize = 4;

/// Parameters of a query, in order; a name may stand there several times.
type Parameters = Query<Vec<(String, String)>>;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/api/config", get(config))
        .route("/api/statuses", get(statuses))
        .route("/api/problems", get(problems))
        .route("/api/listeners", get(listeners))
        .route("/api/routes", get(routes))
        .route("/api/backends", get(backends))
        .route("/api/concurrency", get(concurrency))
        .route("/api/limit-stores", get(limit_stores))
        .route("/api/explain", get(explain))
}

async fn config(State(shared): State<Shared>) -> Response {
    let unopened = shared.admin.current.unopened();
    view(shared, move |applied| Ok(views::config(applied, unopened.len()))).await
}

async fn statuses(State(shared): State<Shared>) -> Response {
    let unopened = shared.admin.current.unopened();
    view(shared, move |applied| Ok(applied.knowledge.statuses(&unopened))).await
}

async fn problems(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let unopened = shared.admin.current.unopened();
    view(shared, move |applied| {
        let knowledge = &applied.knowledge;
        let unopened = unopened.iter().map(|one| knowledge.unopened(one));
        let problems = unopened.chain(applied.problems.iter().map(|problem| knowledge.problem(problem)));
        Ok(page(&parameters)?.of("problems", problems.collect::<Vec<_>>().into_iter()))
    })
    .await
}

async fn listeners(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let open = shared.admin.current.proxy().map(|proxy| proxy.addresses()).unwrap_or_default();
    view(shared, move |applied| Ok(views::listeners(&applied.config, &open, page(&parameters)?))).await
}

async fn routes(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    view(shared, move |applied| Ok(views::routes(&applied.config, page(&parameters)?))).await
}

async fn backends(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let reports = match shared.admin.current.proxy() {
        Some(proxy) => proxy.backends().await,
        None => Vec::new(),
    };
    let registry = shared.admin.registry.clone();
    view(shared, move |applied| {
        Ok(views::backends(&applied.config, &reports, &registry.endpoints(), page(&parameters)?))
    })
    .await
}

async fn concurrency(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let limits = shared.admin.registry.concurrency_limits();
    view(shared, move |_| Ok(page(&parameters)?.of("limits", limits.iter().map(views::concurrency)))).await
}

async fn limit_stores(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let reports = shared.admin.current.proxy().map(|proxy| proxy.limit_stores()).unwrap_or_default();
    view(shared, move |_| Ok(views::limit_stores(&reports, page(&parameters)?))).await
}

async fn explain(State(shared): State<Shared>, Query(parameters): Parameters) -> Response {
    let mut question = Question { method: "GET".to_owned(), url: String::new(), headers: Vec::new() };
    for (name, value) in parameters {
        match name.as_str() {
            "method" => question.method = value,
            "url" => question.url = value,
            "header" => question.headers.push(value),
            _ => {
                return bad_query(&format!(
                    "There is no parameter {name}; there are url, method and header."
                ));
            }
        }
    }
    view(shared, move |applied| applied.knowledge.explain(&question, &applied.config)).await
}

/// Which part of a list is wanted.
fn page(parameters: &[(String, String)]) -> Result<Page, String> {
    let mut page = Page { offset: 0, limit: MOST };
    for (name, value) in parameters {
        let number = value.parse().map_err(|_| format!("{name}={value} is no number."));
        match name.as_str() {
            "offset" => page.offset = number?,
            "limit" => page.limit = number?.min(MOST),
            _ => return Err(format!("There is no parameter {name}; there are offset and limit.")),
        }
    }
    Ok(page)
}

/// Makes a view of what runs, on a thread that nobody waits for, and sends it in pieces. An error is the asker's.
async fn view(
    shared: Shared,
    make: impl FnOnce(&Arc<Applied>) -> Result<Value, String> + Send + 'static,
) -> Response {
    let Some(applied) = shared.admin.current.applied() else {
        let message = "No configuration has been put into use yet.";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "starting", message);
    };
    let Ok(turn) = shared.views.try_acquire_owned() else {
        let message = format!("{AT_ONCE} views are under way already.");
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "too_many_views", &message);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let made = tokio::task::spawn_blocking(move || {
        make(&applied).map(|value| {
            let mut text = Pieces::default();
            // Pieces take everything, and values are always JSON.
            let written = serde_json::to_writer_pretty(&mut text, &value);
            debug_assert!(written.is_ok());
            text
        })
    });
    match made.await {
        Ok(Ok(text)) => {
            let body = Body::new(Delivery::new(text, turn));
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Ok(Err(message)) => bad_query(&message),
        Err(error) => {
            tracing::error!(%error, "a view could not be made");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The view could not be made.")
        }
    }
}

fn bad_query(message: &str) -> Response {
    let body = json!({ "error": "bad_query", "message": message });
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::BAD_REQUEST, content_type, format!("{body:#}\n")).into_response()
}
