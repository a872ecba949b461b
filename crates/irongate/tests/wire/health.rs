//! Active checks, limits and retries as a BackendPolicy asks for them.

use crate::{GET, OK, gated, gateway};
use irongate_testkit::{Gate, Gateway, Manifest, Origin, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// A policy for the Service `origin`; `fields` are lines of its spec.
fn policy(fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{kind: Service, name: origin}}]\n{fields}"
    )
}

/// What the admin API says of an endpoint.
fn health(gateway: &Gateway, origin: &Origin) -> String {
    let text = gateway.admin("/api/backends").text();
    let endpoint = text.split("\"address\"").find(|part| part.contains(&origin.address().to_string()));
    endpoint.unwrap_or_default().to_owned()
}

/// An origin that passes its checks while it is `fit`, and answers everything else.
fn checked(fit: &Arc<AtomicBool>) -> Origin {
    let fit = fit.clone();
    Origin::start(move |connection| {
        loop {
            let request = connection.request()?;
            let passes = request.target() != "/check" || fit.load(Ordering::Relaxed);
            connection.send(if passes { OK } else { BUSY })?;
        }
    })
}

#[test]
fn an_endpoint_that_fails_its_checks_gets_nothing_until_they_pass() {
    let fit = Arc::new(AtomicBool::new(false));
    let (unfit, other) = (checked(&fit), checked(&Arc::new(AtomicBool::new(true))));
    let fields = "  healthChecks: {interval: 20ms, unhealthyThreshold: 2, http: {path: /check, body: ok}}\n";
    let manifest = Manifest::to_origins(&[unfit.address(), other.address()]).document(&policy(fields));
    let gateway = gateway(&manifest);
    eventually("its checks fail", || health(&gateway, &unfit).contains("\"unhealthy\""));
    assert!(health(&gateway, &unfit).contains("check: status 503"));
    let asked = |origin: &Origin| origin.requests().iter().filter(|one| one.target() == "/").count();
    let before = asked(&unfit);
    (0..20).for_each(|_| assert_eq!(gateway.get("/").status, 200));
    assert_eq!(asked(&unfit), before, "it gets no requests");
    fit.store(true, Ordering::Relaxed);
    eventually("its checks pass", || health(&gateway, &unfit).contains("\"ready\""));
    eventually("it is asked again", || gateway.get("/").status == 200 && asked(&unfit) > before);
    let check = unfit.requests().into_iter().find(|one| one.target() == "/check").expect("it was checked");
    assert_eq!(check.field("host"), Some(&*unfit.address().to_string()));
    assert_eq!(check.field("user-agent"), Some("irongate-health-check"));
}

#[test]
fn a_connection_can_be_the_check() {
    let says = |answer: &'static str| {
        Origin::start(move |connection| {
            connection.exactly(6)?;
            connection.send(answer)
        })
    };
    let (good, bad) = (says("+PONG\r\n"), says("-LOADING\r\n"));
    let fields = "  healthChecks: {interval: 20ms, tcp: {send: \"PING\\r\\n\", expect: +PONG}}\n";
    let gateway = gateway(&Manifest::to_origins(&[good.address(), bad.address()]).document(&policy(fields)));
    eventually("one fails", || health(&gateway, &bad).contains("check: unexpected content"));
    assert!(health(&gateway, &good).contains("\"ready\""));
}

#[test]
fn requests_over_the_limit_are_refused_at_once() {
    let gate = Arc::new(Gate::new());
    let origin = gated(&gate);
    let manifest =
        Manifest::to_origins(&[origin.address()]).document(&policy("  limits: {maxRequests: 1}\n"));
    let gateway = gateway(&manifest);
    let mut first = gateway.connect();
    first.send(GET);
    eventually("the first is there", || !origin.requests().is_empty());
    let refused = gateway.get("/");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(gateway.get("/").status, 200, "there is room again");
    assert_eq!(gateway.metric("irongate_backend_limited_total", &["limit=\"requests\""]), 1.0);
    assert_eq!(gateway.metric("irongate_request_failures_total", &["reason=\"limit_requests\""]), 1.0);
}

#[test]
fn requests_wait_for_a_connection_where_there_may_be_no_more() {
    let gate = Arc::new(Gate::new());
    let origin = gated(&gate);
    let fields = "  connectTimeout: 60s\n  limits: {maxConnections: 1, maxPending: 1}\n";
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy(fields)));
    let (mut first, mut second) = (gateway.connect(), gateway.connect());
    first.send(GET);
    eventually("the first is there", || !origin.requests().is_empty());
    second.send(GET);
    let waits = || gateway.metric("irongate_backend_limit_in_use", &["limit=\"pending\""]) == 1.0;
    eventually("the second waits", waits);
    assert_eq!(gateway.get("/").status, 503, "and nobody else may");
    gate.open();
    assert_eq!((first.response().status, second.response().status), (200, 200));
    assert_eq!(origin.records().len(), 1, "over one connection");
}

#[test]
fn a_backend_says_what_is_tried_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let origin = Origin::start(move |connection| {
        loop {
            connection.request()?;
            let busy = counted.fetch_add(1, Ordering::Relaxed) % 3 < 2;
            connection.send(if busy { BUSY } else { OK })?;
        }
    });
    let fields = "  retry: {attempts: 2, statuses: [503], backoff: 1ms}\n";
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy(fields)));
    assert_eq!((gateway.get("/").status, count.load(Ordering::Relaxed)), (200, 3));
    let post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";
    assert_eq!((gateway.exchange(post).status, count.load(Ordering::Relaxed)), (503, 4));
}
