//! Another attempt beside one that waits for long, as a TrafficPolicy asks for it.

use crate::http2::peers::{Client, Http2Origin, block_on};
use crate::{GET, OK, gateway};
use irongate_testkit::{Gate, Gateway, Manifest, Origin, eventually};
use std::net::SocketAddr;

fn policy(fields: &str) -> String {
    format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]\n{fields}"
    )
}

/// An endpoint that is asked first, since the other is far less probable, and that other.
fn manifest(first: &Origin, other: &Origin, fields: &str) -> Manifest {
    between(first.address(), other.address(), "", fields)
}

fn between(first: SocketAddr, other: SocketAddr, spec: &str, fields: &str) -> Manifest {
    let backend = format!(
        "apiVersion: irongate.dev/v1alpha1\nkind: Backend\nmetadata: {{name: origins}}\nspec:\n{spec}  endpoints:\n  \
         - {{address: '{first}', weight: 1000000}}\n  - {{address: '{other}', weight: 1}}\n",
    );
    // By weight alone, so that it stays that way.
    let random = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: b}\nspec:\n  \
                  targetRefs: [{group: irongate.dev, kind: Backend, name: origins}]\n  algorithm: Random\n";
    Manifest::new()
        .route("- backendRefs: [{group: irongate.dev, kind: Backend, name: origins}]")
        .document(&backend)
        .document(random)
        .document(&policy(fields))
}

/// Answers with this once the gate is open.
fn late(gate: &Gate, answer: &'static str) -> Origin {
    let gate = gate.clone();
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            gate.wait();
            connection.send(answer)?;
        }
    })
}

fn quick(answer: &'static str) -> Origin {
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            connection.send(answer)?;
        }
    })
}

const OTHER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
const HEDGE: &str = "  hedge: {after: 20ms}\n";

/// How many other attempts were made, and how many had the answer that counted.
fn hedges(gateway: &Gateway) -> (f64, f64) {
    let count = |name: &str| gateway.metric(&format!("irongate_backend_{name}_total"), &[]);
    (count("hedges"), count("hedges_won"))
}

#[test]
fn the_other_answers_in_place_of_one_that_waits() {
    let gate = Gate::new();
    let (slow, other) = (late(&gate, OK), quick(OTHER));
    let gateway = gateway(&manifest(&slow, &other, HEDGE));
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(GET);
        assert_eq!(client.response().text(), "other");
    }
    assert_eq!(hedges(&gateway), (3.0, 3.0));
    assert_eq!((slow.requests().len(), other.requests().len()), (3, 3));
    assert_eq!(other.records().len(), 1, "its connection is kept");
    // Who was slower is not held to have failed.
    let text = gateway.admin("/api/backends").text();
    assert_eq!(text.matches("\"doubt\": 0.0").count(), 2, "{text}");
    eventually("nothing is under way", || {
        gateway.admin("/api/backends").text().matches("\"pending\": 0").count() == 2
    });
    gate.open();
}

#[test]
fn the_first_counts_where_it_comes_in_time() {
    let gate = Gate::new();
    gate.open();
    let (first, other) = (late(&gate, OK), quick(OTHER));
    let gateway = gateway(&manifest(&first, &other, "  hedge: {after: 60s}\n"));
    assert_eq!(gateway.get("/").status, 200);
    assert_eq!(hedges(&gateway), (0.0, 0.0));
    assert!(other.requests().is_empty());
}

#[test]
fn a_bad_answer_of_the_other_does_not_count() {
    let gate = Gate::new();
    let (first, other) = (late(&gate, OK), quick(BUSY));
    let gateway = gateway(&manifest(&first, &other, HEDGE));
    let mut client = gateway.connect();
    client.send(GET);
    eventually("the other was asked", || other.requests().len() == 1);
    gate.open();
    assert_eq!(client.response().status, 200);
    assert_eq!(hedges(&gateway), (1.0, 0.0));
}

#[test]
fn a_bad_answer_of_the_first_waits_for_the_other() {
    let (bad, good) = (Gate::new(), Gate::new());
    let (first, other) = (late(&bad, BUSY), late(&good, OTHER));
    let gateway = gateway(&manifest(&first, &other, HEDGE));
    let mut client = gateway.connect();
    client.send(GET);
    eventually("the other was asked", || other.requests().len() == 1);
    bad.open();
    // Most likely it comes meanwhile; what the client gets is the same.
    assert!((0..50).all(|_| client.is_quiet()));
    good.open();
    assert_eq!(client.response().text(), "other");
    assert_eq!(hedges(&gateway), (1.0, 1.0));
}

#[test]
fn a_first_that_breaks_waits_for_the_other() {
    let (breaks, good) = (Gate::new(), Gate::new());
    let gate = breaks.clone();
    let first = Origin::start(move |connection| {
        connection.request()?;
        gate.wait();
        connection.reset();
        Ok(())
    });
    let other = late(&good, OTHER);
    let gateway = gateway(&manifest(&first, &other, HEDGE));
    let mut client = gateway.connect();
    client.send(GET);
    eventually("the other was asked", || other.requests().len() == 1);
    breaks.open();
    good.open();
    assert_eq!(client.response().text(), "other");
    assert_eq!(other.requests().len(), 1);
}

#[test]
fn only_what_does_no_harm_is_sent_twice() {
    let gate = Gate::new();
    let (slow, other) = (late(&gate, OK), quick(OTHER));
    let gateway = gateway(&manifest(&slow, &other, "  hedge: {after: 1ms}\n"));
    let requests = [
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab",
        "DELETE / HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
    ];
    let mut clients: Vec<_> = requests.iter().map(|_| gateway.connect()).collect();
    for (client, request) in clients.iter_mut().zip(requests) {
        client.send(request);
    }
    eventually("all of them wait", || slow.requests().len() == requests.len());
    // One that may be sent twice, after them: theirs would have been by now.
    assert_eq!(gateway.get("/").text(), "other");
    assert_eq!((hedges(&gateway), other.requests().len()), ((1.0, 1.0), 1));
    gate.open();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status, 200));
}

#[test]
fn it_draws_on_the_retry_budget() {
    let gate = Gate::new();
    let (slow, other) = (late(&gate, OK), quick(OTHER));
    let none = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: budget}\nspec:\n  \
                targetRefs: [{group: irongate.dev, kind: Backend, name: origins}]\n  \
                retryBudget: {percent: 0, minPerSecond: 1, interval: 1h}\n";
    let gateway = gateway(&manifest(&slow, &other, HEDGE).document(none));
    // 3,600 in an hour: as many as that are sent twice.
    assert_eq!(gateway.get("/").text(), "other");
    gateway.configure(
        &manifest(&slow, &other, HEDGE).document(&none.replace("minPerSecond: 1", "minPerSecond: 0")),
    );
    gateway.reload();
    let mut client = gateway.connect();
    client.send(GET);
    eventually("it waits", || slow.requests().len() == 2);
    gate.open();
    assert_eq!(client.response().status, 200);
    assert_eq!((hedges(&gateway), other.requests().len()), ((1.0, 1.0), 1));
}

#[test]
fn a_client_that_leaves_ends_both() {
    let gate = Gate::new();
    let (slow, other) = (late(&gate, OK), late(&gate, OTHER));
    let gateway = gateway(&manifest(&slow, &other, HEDGE));
    let mut client = gateway.connect();
    client.send(GET);
    eventually("both were asked", || slow.requests().len() + other.requests().len() == 2);
    client.reset();
    eventually("nothing is under way", || {
        gateway.admin("/api/backends").text().matches("\"pending\": 0").count() == 2
    });
    gate.open();
}

#[test]
fn over_http2_the_one_that_waits_is_cancelled() {
    let (slow, other) = (Http2Origin::silent(), Http2Origin::start());
    let gateway = gateway(&between(slow.address(), other.address(), "  protocol: HTTP2\n", HEDGE));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for _ in 0..3 {
            assert_eq!(client.ask("GET", "/a", &[], None).await.text(), "GET /a 0");
        }
    });
    assert_eq!(hedges(&gateway), (3.0, 3.0));
    assert_eq!((slow.requests(), other.requests()), (3, 3));
    eventually("what was not waited for is cancelled", || slow.cancelled() == 3);
    assert_eq!((slow.connections(), other.connections()), (1, 1), "both connections go on");
}
