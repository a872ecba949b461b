//! What policies ask, over every protocol: limits of rates, faults, checks of health, tries, connections, zones and sessions.

use crate::http2::peers::{Answer, Client, Http2Origin, block_on};
use crate::{BINARY, GET, OK, gated, gateway};
use irongate_testkit::{Connection, End, Gate, Gateway, Manifest, Origin, ReadError, eventually};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const CALL: &str = "/grpc.Echo/0";

/// A TrafficPolicy for a route; `fields` are lines of its spec.
fn traffic_policy(kind: &str, name: &str, fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}]\n{fields}\n"
    )
}

/// A BackendPolicy for the Service `origin`; `fields` are lines of its spec.
fn backend_policy(fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{kind: Service, name: origin}}]\n{fields}\n"
    )
}

/// Calls of the service `grpc.Echo` go to these origins.
fn calls_to(origins: &[&Http2Origin], rule_fields: &str) -> Manifest {
    let addresses: Vec<SocketAddr> = origins.iter().map(|origin| origin.address()).collect();
    Manifest::new().service_http2("origin", &addresses).document(&format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {{name: calls}}
spec:
  parentRefs: [{{name: gw}}]
  rules: [{{matches: [{{method: {{service: grpc.Echo}}}}], backendRefs: [{{name: origin, port: 80}}]{rule_fields}}}]"
    ))
}

async fn call(client: &mut Client, fields: &[(&str, &str)]) -> Answer {
    client.ask("POST", CALL, &[&[GRPC], fields].concat(), Some(vec![0; 5])).await
}

/// The status that gRPC's clients are told, in trailers or in a head that says it all.
fn status_of(answer: &Answer) -> Option<&str> {
    let in_trailers = answer.trailers.iter().find(|(name, _)| name == "grpc-status");
    in_trailers.map(|(_, value)| &**value).or_else(|| answer.field("grpc-status"))
}

/// A request is counted once its answer has gone out, which may be a little later.
#[track_caller]
fn counted(gateway: &Gateway, name: &str, label: &str, times: f64) {
    eventually("it is counted", || gateway.metric(name, &[label]) == times);
}

#[test]
fn a_rate_limit_counts_requests_of_every_protocol_together() {
    let origin = Origin::answering(OK);
    let limit = traffic_policy("HTTPRoute", "route-0", "  rateLimits: [{name: all, requests: 2, per: 1h}]");
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&limit));
    assert_eq!(gateway.get("/").status, 200);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 200);
        let refused = client.ask("GET", "/", &[], None).await;
        assert_eq!((refused.status, refused.field("ratelimit-policy")), (429, Some("\"all\";q=2;w=3600")));
        let wait: u32 = refused.field("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
        assert!((1..=1800).contains(&wait), "{wait}");
        let refused = call(&mut client, &[]).await;
        assert_eq!((refused.status, refused.field("grpc-status")), (200, Some("8")), "RESOURCE_EXHAUSTED");
        assert!(refused.body.is_empty() && refused.trailers.is_empty());
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 429, "the connection stays");
    });
    assert_eq!(gateway.get("/").status, 429);
    assert_eq!(origin.requests().len(), 2, "no backend has anything of them");
    counted(&gateway, "irongate_rate_limited_total", "result=\"refused\"", 4.0);
}

#[test]
fn a_rate_limit_is_exact_over_cores_and_apart_by_key() {
    let origin = Http2Origin::start();
    let fields = "  rateLimits: [{name: by-user, requests: 1, per: 1h, burst: 20, key: [{header: x-user}]}]";
    let manifest = calls_to(&[&origin], "").document(&traffic_policy("GRPCRoute", "calls", fields));
    let gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "2"]);
    let passed = |user: &'static str| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let address = gateway.address();
                std::thread::spawn(move || {
                    block_on(async {
                        let mut client = Client::connect(address).await;
                        let mut passed = 0;
                        for _ in 0..10 {
                            let answer = call(&mut client, &[("x-user", user)]).await;
                            passed += usize::from(status_of(&answer) == Some("0"));
                        }
                        passed
                    })
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("no panic")).sum::<usize>()
    };
    assert_eq!((passed("one"), passed("two")), (20, 20));
    assert_eq!(origin.requests(), 40);
}

#[test]
fn a_fault_answers_in_the_terms_of_the_protocol() {
    let origin = Origin::answering(OK);
    let faults = "  faults:
  - {percent: 100, headers: [{name: x-chaos, value: status}], abort: {status: 418}}
  - {percent: 100, headers: [{name: x-chaos, value: grpc}], abort: {grpcStatus: 10}}
  - {percent: 100, headers: [{name: x-chaos, value: reset}], abort: {reset: true}}
  - {percent: 100, headers: [{name: x-chaos, value: late}], delay: {time: 50ms}}";
    let policy = traffic_policy("HTTPRoute", "route-0", faults);
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for (value, plain, of_call) in [("status", 418, "2"), ("grpc", 503, "10")] {
            let chaos = ("x-chaos", value);
            assert_eq!(client.ask("GET", "/", &[chaos], None).await.status, plain, "{value}");
            let answer = call(&mut client, &[chaos]).await;
            assert_eq!((answer.status, answer.field("grpc-status")), (200, Some(of_call)), "{value}");
        }
        let reset = client.begin("GET", "/", &[("x-chaos", "reset")], None).await;
        assert!(Answer::read(reset).await.is_err(), "the stream is reset");
        assert!(origin.requests().is_empty(), "no backend has a part in it");
        let begin = Instant::now();
        assert_eq!(client.ask("GET", "/", &[("x-chaos", "late")], None).await.status, 200);
        assert!(begin.elapsed() >= Duration::from_millis(50));
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 200, "only who asks for it");
    });
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nx-chaos: reset\r\n\r\n");
    let (bytes, end) = client.read_to_end();
    assert!(bytes.is_empty() && matches!(end, End::Closed | End::Reset), "{end:?}");
    counted(&gateway, "irongate_faults_injected_total", "kind=\"abort\"", 6.0);
    counted(&gateway, "irongate_faults_injected_total", "kind=\"delay\"", 1.0);
}

#[test]
fn the_health_service_of_grpc_takes_an_instance_out_and_brings_it_back() {
    let (unwell, other) = (Http2Origin::start(), Http2Origin::start());
    unwell.set_serving(false);
    let fields = "  healthChecks: {interval: 20ms, unhealthyThreshold: 2, grpc: {service: shop.Cart}}";
    let gateway = gateway(&calls_to(&[&unwell, &other], "").document(&backend_policy(fields)));
    let says = |what: &str| {
        let text = gateway.admin("/api/backends").text();
        let part = text.split("\"address\"").find(|part| part.contains(&unwell.address().to_string()));
        part.is_some_and(|part| part.contains(what))
    };
    eventually("its checks fail", || says("\"unhealthy\""));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..20 {
            assert_eq!(status_of(&call(&mut client, &[]).await), Some("0"));
        }
    });
    assert_eq!((unwell.requests(), other.requests()), (0, 20));
    assert_eq!(unwell.checks()[0], b"\0\0\0\0\x0b\x0a\x09shop.Cart");
    unwell.set_serving(true);
    eventually("its checks pass", || says("\"ready\""));
    eventually("it is asked again", || {
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            assert_eq!(status_of(&call(&mut client, &[]).await), Some("0"));
        });
        unwell.requests() > 0
    });
}

/// The first request on an origin is never answered, all others are.
fn hanging_once() -> (Origin, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let origin = Origin::start(move |connection: &mut Connection| -> Result<(), ReadError> {
        loop {
            connection.request()?;
            if counted.fetch_add(1, Ordering::Relaxed) == 0 {
                return connection.until_end();
            }
            connection.send(OK)?;
        }
    });
    (origin, count)
}

#[test]
fn a_try_has_a_time_of_its_own() {
    for (retry, status, tries) in [
        ("{attempts: 1, on: [Timeout], perTryTimeout: 100ms}", 200, 2),
        ("{attempts: 0, perTryTimeout: 100ms}", 504, 1),
    ] {
        let (origin, count) = hanging_once();
        let policy = backend_policy(&format!("  retry: {retry}"));
        let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy));
        assert_eq!((gateway.get("/").status, count.load(Ordering::Relaxed)), (status, tries), "{retry}");
    }
    // What the route says counts.
    let (origin, count) = hanging_once();
    let manifest = Manifest::new()
        .route("- {backendRefs: [{name: origin, port: 80}], timeouts: {backendRequest: 100ms}}")
        .service("origin", &[origin.address()])
        .document(&backend_policy("  retry: {attempts: 1, on: [Timeout], perTryTimeout: 600s}"));
    assert_eq!((gateway(&manifest).get("/").status, count.load(Ordering::Relaxed)), (200, 2));
}

#[test]
fn who_waits_too_long_for_a_connection_is_refused() {
    let gate = Arc::new(Gate::new());
    let origin = gated(&gate);
    let policy = backend_policy("  connectTimeout: 100ms\n  limits: {maxConnections: 1}");
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy));
    let mut first = gateway.connect();
    first.send(GET);
    eventually("the first is there", || !origin.requests().is_empty());
    let refused = gateway.get("/");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    counted(&gateway, "irongate_request_failures_total", "reason=\"limit_connections\"", 1.0);
    gate.open();
    assert_eq!((first.response().status, gateway.get("/").status, origin.records().len()), (200, 200, 1));
}

#[test]
fn calls_share_the_one_connection_that_there_may_be() {
    let origin = Http2Origin::start();
    let policy = backend_policy("  limits: {maxConnections: 1}");
    let gateway = gateway(&calls_to(&[&origin], "").document(&policy));
    block_on(async {
        let (mut one, mut two) =
            (Client::connect(gateway.address()).await, Client::connect(gateway.address()).await);
        for _ in 0..20 {
            let both = tokio::join!(call(&mut one, &[]), call(&mut two, &[]));
            assert_eq!((status_of(&both.0), status_of(&both.1)), (Some("0"), Some("0")));
        }
    });
    assert_eq!((origin.requests(), origin.connections()), (40, 1));
}

#[test]
fn calls_stay_in_the_zone_while_somebody_is_there() {
    let (near, far) = (Origin::answering(OK), Origin::answering(OK));
    let (near_call, far_call) = (Http2Origin::start(), Http2Origin::start());
    let backend = |name: &str, protocol: &str, near: SocketAddr, far: SocketAddr| {
        format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: Backend\nmetadata: {{name: {name}}}\nspec:\n  protocol: {protocol}\n  \
             endpoints: [{{address: '{near}', zone: a}}, {{address: '{far}', zone: b}}]\n"
        )
    };
    let manifest = Manifest::new()
        .route(
            "- {matches: [{path: {value: /grpc.Echo}}], backendRefs: [{group: irongate.dev, kind: Backend, name: calls}]}
- {backendRefs: [{group: irongate.dev, kind: Backend, name: plain}]}",
        )
        .document(&backend("plain", "HTTP1", near.address(), far.address()))
        .document(&backend("calls", "HTTP2", near_call.address(), far_call.address()))
        // By latencies a zone spills over when a busy machine holds one answer up.
        .document(
            "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: by-load}\nspec:\n  \
             algorithm: LeastRequest\n  connectTimeout: 60s\n  targetRefs:\n  \
             - {group: irongate.dev, kind: Backend, name: plain}\n  \
             - {group: irongate.dev, kind: Backend, name: calls}\n",
        );
    let gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "1", "--zone", "a"]);
    let ask = || {
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            for _ in 0..20 {
                assert_eq!(client.ask("GET", "/", &[], None).await.status, 200);
                assert_eq!(status_of(&call(&mut client, &[]).await), Some("0"));
            }
        });
    };
    ask();
    assert_eq!((near.requests().len(), far.requests().len()), (20, 0));
    assert_eq!((near_call.requests(), far_call.requests()), (20, 0));
    drop((near, near_call));
    ask();
    assert_eq!((far.requests().len(), far_call.requests()), (20, 20), "then who is elsewhere");
}

#[test]
fn a_session_of_calls_stays_with_its_instance() {
    let origins: Vec<Http2Origin> = (0..4).map(|_| Http2Origin::start()).collect();
    let origins: Vec<&Http2Origin> = origins.iter().collect();
    for (session, answered, sent) in [
        ("{sessionName: x-sid, type: Header}", "x-sid", "x-sid"),
        ("{sessionName: sid}", "set-cookie", "cookie"),
    ] {
        let gateway = gateway(&calls_to(&origins, &format!(", sessionPersistence: {session}")));
        let before: Vec<usize> = origins.iter().map(|origin| origin.requests()).collect();
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            let first = call(&mut client, &[]).await;
            assert_eq!(status_of(&first), Some("0"));
            let note = first.field(answered).expect("the session is noted");
            let value = note.split(';').next().unwrap_or_default();
            for _ in 0..20 {
                let answer = call(&mut client, &[(sent, value)]).await;
                assert_eq!((status_of(&answer), answer.field(answered)), (Some("0"), None));
            }
        });
        let asked = origins.iter().zip(before).map(|(origin, before)| origin.requests() - before);
        let asked: BTreeSet<usize> = asked.filter(|count| *count > 0).collect();
        assert_eq!(asked, BTreeSet::from([21]), "{session}");
    }
}
