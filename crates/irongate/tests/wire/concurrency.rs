//! Limits of what is under way at once, as a TrafficPolicy asks for them.

use crate::http2::peers::{Client as Http2Client, Http2Origin, block_on};
use crate::http2::wait;
use crate::{GET, OK, gateway};
use irongate_testkit::{Client, Gate, Gateway, Manifest, Origin, eventually};

/// A policy for all requests; `fields` are lines of its spec.
fn policy(fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]\n{fields}"
    )
}

fn manifest(origin: &Origin, fields: &str) -> Manifest {
    Manifest::to_origins(&[origin.address()]).document(&policy(fields))
}

/// An origin that answers nobody before the gate is open.
fn stuck(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            gate.wait();
            connection.send(OK)?;
        }
    })
}

/// What a limit of this policy has, by the gauge's name.
fn stands(gateway: &Gateway, gauge: &str) -> f64 {
    gateway.metric(&format!("irongate_concurrency_{gauge}"), &["policy=\"default/p for Gateway default/gw\""])
}

fn shed(gateway: &Gateway, priority: &str, reason: &str) -> f64 {
    let labels = [&*format!("priority=\"{priority}\""), &format!("reason=\"{reason}\"")];
    gateway.metric("irongate_concurrency_shed_total", &labels)
}

/// A client whose request is under way.
#[track_caller]
fn under_way(gateway: &Gateway, request: &str, count: f64) -> Client {
    let mut client = gateway.connect();
    client.send(request);
    eventually("it is under way", || stands(gateway, "in_flight") == count);
    client
}

fn request(field: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: test\r\n{field}\r\n\r\n")
}

#[test]
fn over_the_limit_is_refused_at_once_and_what_is_important_is_not() {
    let gate = Gate::new();
    let origin = stuck(&gate);
    let fields = "  concurrency: {min: 2, max: 2}\n  priority: {rules: [{headers: [{name: x-tier, value: gold}], \
                  priority: High}, {headers: [{name: x-job, value: bulk}], priority: Low}]}\n";
    let gateway = gateway(&manifest(&origin, fields));
    let bulk = request("X-Job: bulk");
    let mut clients = vec![under_way(&gateway, &bulk, 1.0)];
    assert_eq!(gateway.exchange(&bulk).status, 503, "four fifths of two");
    clients.push(under_way(&gateway, GET, 2.0));
    let refused = gateway.get("/");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    let gold = request("X-Tier: gold");
    clients.push(under_way(&gateway, &gold, 3.0));
    clients.push(under_way(&gateway, &gold, 4.0));
    assert_eq!(gateway.exchange(&gold).status, 503, "there is a bound all the same");
    assert_eq!(stands(&gateway, "limit"), 2.0);
    assert!(gateway.admin("/api/concurrency").text().contains("\"inFlight\": 4"));
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
    eventually("all are over", || stands(&gateway, "in_flight") == 0.0);
    assert_eq!(gateway.get("/").status, 200, "there is room again");
    assert_eq!(["low", "normal", "high"].map(|priority| shed(&gateway, priority, "full")), [1.0; 3]);
    assert_eq!(gateway.metric("irongate_request_failures_total", &["reason=\"overloaded\""]), 3.0);
    let admitted = |priority: &str| {
        gateway.metric("irongate_concurrency_admitted_total", &[&format!("priority=\"{priority}\"")])
    };
    assert_eq!(["low", "normal", "high"].map(admitted), [1.0, 2.0, 2.0]);
    assert_eq!(origin.requests().len(), 5, "what is refused costs no backend anything");
}

/// Whatever way a request ends, it is counted out once.
#[test]
fn each_end_makes_room() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::start(move |connection| {
        loop {
            let request = connection.request()?;
            match request.target() {
                "/reset" => {
                    connection.reset();
                    return Ok(());
                }
                "/stuck" => held.wait(),
                _ => {}
            }
            connection.send(OK)?;
        }
    });
    let rules = "- matches: [{path: {value: /late}}]\n  timeouts: {request: 50ms}\n  \
                 backendRefs: [{name: late, port: 80}]\n- backendRefs: [{name: origin, port: 80}]";
    let late = stuck(&gate);
    let manifest = Manifest::new()
        .route(rules)
        .service("origin", &[origin.address()])
        .service("late", &[late.address()])
        .document(&policy("  concurrency: {max: 1}\n"));
    let gateway = gateway(&manifest);
    let is_free = || stands(&gateway, "in_flight") == 0.0;
    assert_eq!(gateway.get("/").status, 200);
    eventually("an answer makes room", is_free);
    assert_eq!(gateway.get("/reset").status, 502);
    eventually("a reset by the origin makes room", is_free);
    assert_eq!(gateway.get("/late").status, 504);
    eventually("a timeout makes room", is_free);
    let stuck = "GET /stuck HTTP/1.1\r\nHost: test\r\n\r\n";
    under_way(&gateway, stuck, 1.0).reset();
    eventually("a client that goes makes room", is_free);
    block_on(async {
        let mut client = Http2Client::connect(gateway.address()).await;
        let answer = client.begin("GET", "/stuck", &[], None).await;
        wait(|| stands(&gateway, "in_flight") == 1.0).await;
        drop(answer);
        wait(is_free).await;
    });
    assert_eq!(gateway.get("/").status, 200);
    gate.open();
}

#[test]
fn some_wait_for_room_and_no_more_than_may() {
    let gate = Gate::new();
    let origin = stuck(&gate);
    let fields = "  concurrency: {max: 1, queue: {size: 1, timeout: 60s}}\n  priority: {rules: [{headers: \
                  [{name: x-job, value: bulk}], priority: Low}]}\n";
    let gateway = gateway(&manifest(&origin, fields));
    let mut first = under_way(&gateway, GET, 1.0);
    let (mut bulk, mut second) = (gateway.connect(), gateway.connect());
    bulk.send(request("X-Job: bulk"));
    eventually("it waits", || stands(&gateway, "queued") == 1.0);
    second.send(GET);
    assert_eq!(bulk.response().status, 503, "the more important takes its place");
    assert_eq!(gateway.get("/").status, 503, "the queue is full");
    // Who leaves does not wait any more.
    second.reset();
    eventually("it left", || stands(&gateway, "queued") == 0.0);
    let mut third = gateway.connect();
    third.send(GET);
    eventually("it waits", || stands(&gateway, "queued") == 1.0);
    gate.open();
    assert_eq!((first.response().status, third.response().status), (200, 200));
    assert_eq!((shed(&gateway, "low", "displaced"), shed(&gateway, "normal", "full")), (1.0, 1.0));
    eventually("all are over", || stands(&gateway, "in_flight") == 0.0);
}

#[test]
fn nobody_waits_longer_than_the_queue_says() {
    let gate = Gate::new();
    let origin = stuck(&gate);
    let gateway = gateway(&manifest(&origin, "  concurrency: {max: 1, queue: {size: 8, timeout: 20ms}}\n"));
    let mut first = under_way(&gateway, GET, 1.0);
    assert_eq!(gateway.get("/").status, 503);
    assert_eq!(shed(&gateway, "normal", "timeout"), 1.0);
    gate.open();
    assert_eq!(first.response().status, 200);
}

#[test]
fn a_reload_keeps_what_is_counted() {
    let gate = Gate::new();
    let origin = stuck(&gate);
    let gateway = gateway(&manifest(&origin, "  concurrency: {max: 1}\n"));
    let mut first = under_way(&gateway, GET, 1.0);
    assert_eq!(gateway.get("/").status, 503);
    gateway.configure(&manifest(&origin, "  concurrency: {min: 2, max: 2}\n"));
    gateway.reload();
    eventually("the other limit holds", || stands(&gateway, "limit") == 2.0);
    let mut second = under_way(&gateway, GET, 2.0);
    assert_eq!(gateway.get("/").status, 503, "the first one counts as before");
    gate.open();
    assert_eq!((first.response().status, second.response().status), (200, 200));
    eventually("all are over", || stands(&gateway, "in_flight") == 0.0);
}

#[test]
fn callers_of_grpc_are_told_in_their_way() {
    let origin = Http2Origin::start();
    let manifest = Manifest::new()
        .route("- backendRefs: [{name: origin, port: 80}]")
        .service_http2("origin", &[origin.address()])
        .document(&policy("  concurrency: {max: 1}\n"));
    let gateway = gateway(&manifest);
    block_on(async {
        let mut client = Http2Client::connect(gateway.address()).await;
        let grpc = [("content-type", "application/grpc")];
        let _hangs = client.begin("POST", "/grpc.Hang/0", &grpc, Some(Vec::new())).await;
        wait(|| stands(&gateway, "in_flight") == 1.0).await;
        let refused = client.ask("POST", "/grpc.Echo/0", &grpc, Some(Vec::new())).await;
        assert_eq!((refused.status, refused.field("grpc-status")), (200, Some("14")));
        assert_eq!(refused.field("grpc-message"), Some("There is more to do than can be done now."));
        assert!(refused.trailers.is_empty() && refused.body.is_empty());
    });
}

/// A policy for the requests of all routes to the Service `origin`.
fn of_backend(fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {{name: b}}\nspec:\n  \
         targetRefs: [{{kind: Service, name: origin}}]\n{fields}"
    )
}

#[test]
fn a_backend_has_one_limit_for_all_routes() {
    let gate = Gate::new();
    let origin = stuck(&gate);
    let routes = "- matches: [{path: {value: /first}}]\n  backendRefs: [{name: origin, port: 80}]\n\
                  - matches: [{path: {value: /other}}]\n  backendRefs: [{name: other, port: 80}]\n\
                  - backendRefs: [{name: origin, port: 80}]";
    let other = Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send(OK)?;
        }
    });
    let manifest = |fields: &str| {
        Manifest::new()
            .route(routes)
            .service("origin", &[origin.address()])
            .service("other", &[other.address()])
            .document(&of_backend(fields))
            .document(&policy(
                "  priority: {rules: [{headers: [{name: x-tier, value: gold}], priority: High}]}\n",
            ))
    };
    let gateway = gateway(&manifest("  concurrency: {max: 2, min: 2}\n"));
    let stands = |gauge: &str| {
        gateway.metric(&format!("irongate_concurrency_{gauge}"), &["policy=\"Service default/origin:80\""])
    };
    let under_way = |request: &str, count: f64| {
        let mut client = gateway.connect();
        client.send(request);
        eventually("it is under way", || stands("in_flight") == count);
        client
    };
    let mut clients = vec![under_way("GET /first HTTP/1.1\r\nHost: test\r\n\r\n", 1.0), under_way(GET, 2.0)];
    let refused = gateway.get("/first");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    assert_eq!(gateway.get("/other").status, 200, "other backends have no part in it");
    clients.push(under_way(&request("X-Tier: gold"), 3.0));
    assert!(gateway.admin("/api/concurrency").text().contains("Service default/origin:80"));
    assert!(gateway.admin("/api/backends").text().contains("\"concurrency\": {"));
    // A reload keeps what is counted, and takes another limit.
    gateway.configure(&manifest("  concurrency: {max: 4, min: 4, queue: {timeout: 60s}}\n"));
    gateway.reload();
    eventually("the other limit holds", || stands("limit") == 4.0);
    clients.push(under_way(GET, 4.0));
    let mut waits = gateway.connect();
    waits.send(GET);
    eventually("it waits", || stands("queued") == 1.0);
    gate.open();
    clients.iter_mut().chain([&mut waits]).for_each(|client| assert_eq!(client.response().status, 200));
    eventually("all are over", || stands("in_flight") == 0.0);
    gateway.configure(&manifest("  algorithm: Random\n"));
    gateway.reload();
    eventually("there is no limit any more", || !gateway.admin("/api/concurrency").text().contains("origin"));
    assert_eq!(gateway.get("/").status, 200);
}
