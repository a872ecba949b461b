//! How fast bodies are passed on where a TrafficPolicy bounds it. That nothing goes faster is asserted; how much slower a machine
//! is than the bound is its own affair.

use crate::http2::peers::{Client as Http2Client, block_on};
use crate::{BINARY, OK, gateway};
use irongate_testkit::{Gateway, Manifest, Origin};
use std::time::{Duration, Instant};

/// Bytes a second.
const RATE: usize = 100 << 10;
/// What is sent of this takes half a second at least: a tenth of a second's bytes go at once.
const LENGTH: usize = 60 << 10;

/// What a policy's clock and a test's may differ by.
const CLOCK: Duration = Duration::from_millis(50);

fn policy(name: &str, target: &str, fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, {target}}}]\n  bandwidth: {fields}\n"
    )
}

fn of_gateway(fields: &str) -> String {
    policy("p", "kind: Gateway, name: gw", fields)
}

/// An origin that answers each request with this much.
fn generous(length: usize) -> Origin {
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes(), vec![b'a'; length]];
    let answer = answer.concat();
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            connection.send(&answer)?;
        }
    })
}

fn held(gateway: &Gateway, direction: &str) -> f64 {
    let labels = ["policy=\"default/p for Gateway default/gw\"", &*format!("direction=\"{direction}\"")];
    gateway.metric("irongate_bandwidth_held_total", &labels)
}

/// Not faster than so many bytes may go.
#[track_caller]
fn assert_held(begun: Instant, bytes: usize, what: &str) {
    let least = Duration::from_secs_f64((bytes - RATE / 10) as f64 / RATE as f64);
    let took = begun.elapsed();
    assert!(took + CLOCK >= least, "{what}: {took:?} instead of {least:?}");
}

#[test]
fn answers_take_their_time_over_each_version() {
    let origin = generous(LENGTH);
    let policy = of_gateway("{response: {perRequest: 100Ki}}");
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy));
    let begun = Instant::now();
    assert_eq!(gateway.get("/").body.len(), LENGTH);
    assert_held(begun, LENGTH, "HTTP/1.1");
    block_on(async {
        let mut client = Http2Client::connect(gateway.address()).await;
        let begun = Instant::now();
        assert_eq!(client.ask("GET", "/", &[], None).await.body.len(), LENGTH);
        assert_held(begun, LENGTH, "HTTP/2");
    });
    assert!(held(&gateway, "response") > 0.5);
    assert_eq!(held(&gateway, "request"), 0.0);
}

#[test]
fn requests_take_their_time() {
    let origin = Origin::echoing();
    let policy = of_gateway("{request: {perRequest: 100Ki}}");
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(&policy));
    let begun = Instant::now();
    let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {LENGTH}\r\n\r\n");
    let answer = gateway.exchange([head.as_bytes(), &vec![b'a'; LENGTH]].concat());
    assert_eq!(answer.text(), format!("POST / {LENGTH}"));
    assert_held(begun, LENGTH, "a request");
    assert!(held(&gateway, "request") > 0.5);
}

/// `total` counts for all connections, and on all cores, together.
#[test]
fn all_of_a_target_share_its_total() {
    const CLIENTS: usize = 6;
    let origin = generous(LENGTH / 3);
    let policy = of_gateway("{response: {total: 100Ki}}");
    let manifest = Manifest::to_origins(&[origin.address()]).document(&policy);
    let gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "2"]);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| assert_eq!(gateway.get("/").body.len(), LENGTH / 3));
        }
    });
    assert_held(begun, CLIENTS * LENGTH / 3, "all together");
    assert!(held(&gateway, "response") > 0.5);
}

#[test]
fn what_is_more_specific_switches_it_off() {
    let origin = generous(LENGTH);
    let manifest = Manifest::new()
        .route("- {name: free, matches: [{path: {value: /free}}], backendRefs: [{name: origin, port: 80}]}\n- backendRefs: [{name: origin, port: 80}]")
        .service("origin", &[origin.address()])
        .document(&of_gateway("{response: {perRequest: 100Ki}, request: {perRequest: 100Ki}}"))
        .document(&policy("free", "kind: HTTPRoute, name: route-0, sectionName: free", "{response: {}}"));
    let gateway = gateway(&manifest);
    assert_eq!(gateway.get("/free").body.len(), LENGTH);
    assert_eq!(held(&gateway, "response"), 0.0);
    let begun = Instant::now();
    assert_eq!(gateway.get("/").body.len(), LENGTH);
    assert_held(begun, LENGTH, "the other rule");
    assert!(held(&gateway, "response") > 0.5);
}

/// Waiting for its turn is not standing still, and our own answers are not held back.
#[test]
fn our_own_answers_do_not_wait() {
    let origin = Origin::answering(OK);
    let rules =
        "- {matches: [{path: {value: /none}}], backendRefs: []}\n- backendRefs: [{name: origin, port: 80}]";
    let manifest = Manifest::new()
        .route(rules)
        .service("origin", &[origin.address()])
        .document(&of_gateway("{response: {perRequest: 1Ki}, request: {perRequest: 1Ki}}"));
    let gateway = gateway(&manifest);
    for _ in 0..20 {
        assert_eq!(gateway.get("/none").status, 500);
        assert_eq!(gateway.get("/").text(), "ok");
    }
    assert_eq!(held(&gateway, "response"), 0.0);
}
