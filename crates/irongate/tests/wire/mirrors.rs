//! Mirrors: what copies are like, and that they neither slow nor fail the request.

use crate::http2::peers::{Client, Http2Origin, block_on};
use crate::{OK, gateway};
use irongate_testkit::{Gate, Gateway, Manifest, Origin, Request, eventually};

const MIRROR: &str = "{type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}}}";

fn mirrored(origin: &Origin, mirror: &Origin) -> Manifest {
    Manifest::new()
        .route(&format!("- filters: [{MIRROR}]\n  backendRefs: [{{name: origin, port: 80}}]"))
        .service("origin", &[origin.address()])
        .service("mirror", &[mirror.address()])
}

/// What came to a mirror, once there is that much.
#[track_caller]
fn wait(mirror: &Origin, count: usize) -> Vec<Request> {
    eventually("the copies come", || mirror.requests().len() >= count);
    mirror.requests()
}

fn copies(gateway: &Gateway, result: &str) -> f64 {
    gateway.metric("irongate_mirrored_requests_total", &[&format!("result=\"{result}\"")])
}

#[test]
fn copies_are_like_their_requests() {
    let (origin, mirror, own) = (Origin::echoing(), Origin::answering(OK), Origin::answering(OK));
    let set = |name| {
        format!(
            "{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: {name}, value: '1'}}], remove: [X-Gone]}}}}"
        )
    };
    let rules = format!(
        "- matches: [{{path: {{value: /app}}}}]\n  filters:\n  - {MIRROR}\n  - {}\n  \
         - {{type: URLRewrite, urlRewrite: {{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /v1}}}}}}\n  \
         backendRefs:\n  - name: origin\n    port: 80\n    filters:\n    - {}\n    \
         - {{type: RequestMirror, requestMirror: {{backendRef: {{name: own, port: 80}}}}}}\n    \
         - {{type: URLRewrite, urlRewrite: {{hostname: inner.test}}}}",
        set("X-Rule"),
        set("X-Backend"),
    );
    let manifest = Manifest::new()
        .route(&rules)
        .service("origin", &[origin.address()])
        .service("mirror", &[mirror.address()])
        .service("own", &[own.address()]);
    let gateway = gateway(&manifest);
    let answer = gateway.exchange(
        "POST /app/a?b=c HTTP/1.1\r\nHost: test\r\nX-Gone: 1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n",
    );
    assert_eq!(answer.text(), "POST /v1/a?b=c 5");
    for (copies, is_own) in [(wait(&mirror, 1), false), (wait(&own, 1), true)] {
        let copy = &copies[0];
        assert_eq!((copy.method(), copy.target(), &copy.body[..]), ("POST", "/v1/a?b=c", &b"abcde"[..]));
        assert_eq!(
            (copy.field("x-rule"), copy.field("x-gone"), copy.field("expect")),
            (Some("1"), None, None)
        );
        assert_eq!(copy.field("x-backend"), is_own.then_some("1"));
        assert_eq!(copy.field("host"), Some(if is_own { "inner.test" } else { "test" }));
        assert_eq!(copy.field("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(copies.len(), 1);
    }
    eventually("they are counted", || copies(&gateway, "answered") == 2.0);
}

#[test]
fn shares_are_kept() {
    let (origin, mirror, half) = (Origin::echoing(), Origin::answering(OK), Origin::answering(OK));
    let rules = "- filters:\n  \
         - {type: RequestMirror, requestMirror: {backendRef: {name: mirror, port: 80}, percent: 0}}\n  \
         - {type: RequestMirror, requestMirror: {backendRef: {name: half, port: 80}, fraction: {numerator: 1, denominator: 2}}}\n  \
         backendRefs: [{name: origin, port: 80}]";
    let manifest = Manifest::new()
        .route(rules)
        .service("origin", &[origin.address()])
        .service("mirror", &[mirror.address()])
        .service("half", &[half.address()]);
    let gateway = gateway(&manifest);
    let mut client = gateway.connect();
    for _ in 0..400 {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    let sum = || copies(&gateway, "answered") + copies(&gateway, "dropped");
    eventually("they are over", || half.requests().len() as f64 == sum());
    let share = half.requests().len();
    // Seven standard deviations.
    assert!((130..=270).contains(&share), "{share} of 400");
    assert_eq!(mirror.requests().len(), 0);
}

#[test]
fn a_mirror_that_hangs_or_is_dead_holds_nothing_up() {
    let gate = Gate::new();
    let waits = gate.clone();
    let (origin, hanging) = (
        Origin::echoing(),
        Origin::start(move |connection| {
            connection.request()?;
            waits.wait();
            Ok(())
        }),
    );
    let mut dead = Origin::echoing();
    dead.stop();
    let rules = format!(
        "- filters:\n  - {MIRROR}\n  - {{type: RequestMirror, requestMirror: {{backendRef: {{name: dead, port: 80}}}}}}\n  \
         backendRefs: [{{name: origin, port: 80}}]"
    );
    let manifest = Manifest::new()
        .route(&rules)
        .service("origin", &[origin.address()])
        .service("mirror", &[hanging.address()])
        .service("dead", &[dead.address()]);
    let gateway = gateway(&manifest);
    let mut client = gateway.connect();
    // More than may be under way: the rest is dropped, and each of them is answered.
    for number in 0..400 {
        client.send(format!("POST /{number} HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc"));
        assert_eq!(client.response().text(), format!("POST /{number} 3"));
    }
    eventually("those that cannot be sent are counted", || {
        copies(&gateway, "dropped") >= 144.0 && copies(&gateway, "failed") >= 1.0
    });
    assert!(hanging.requests().len() <= 256);
    assert_eq!(origin.requests().len(), 400);
    gate.open();
}

#[test]
fn bodies_that_do_not_fit_are_not_copied() {
    let (origin, mirror) = (Origin::echoing(), Origin::answering(OK));
    let gateway = gateway(&mirrored(&origin, &mirror));
    let mut client = gateway.connect();
    let large = vec![b'a'; 200_000];
    client.send(format!("PUT /length HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", large.len()));
    client.send(&large);
    assert_eq!(client.response().text(), "PUT /length 200000");
    client.send(format!(
        "PUT /chunked HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        large.len()
    ));
    client.send(&large);
    client.send("\r\n0\r\n\r\n");
    assert_eq!(client.response().text(), "PUT /chunked 200000");
    let fits = vec![b'a'; 60_000];
    client.send(format!("PUT /fits HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", fits.len()));
    client.send(&fits);
    assert_eq!(client.response().text(), "PUT /fits 60000");
    let seen = wait(&mirror, 1);
    assert_eq!((seen[0].target(), seen[0].body.len()), ("/fits", 60_000));
    eventually("the others are counted", || copies(&gateway, "dropped") == 2.0);
}

#[test]
fn a_request_that_is_tried_again_is_copied_once() {
    let mirror = Origin::answering(OK);
    let origin = Origin::start(|connection| {
        let first = connection.number() == 0;
        loop {
            let request = connection.request()?;
            let status = if first { "503 Service Unavailable" } else { "200 OK" };
            connection
                .send(format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))?;
            if request.method() == "PUT" {
                return Ok(());
            }
        }
    });
    let manifest = Manifest::new()
        .route(&format!(
            "- filters: [{MIRROR}]\n  retry: {{attempts: 2, codes: [503]}}\n  backendRefs: [{{name: origin, port: 80}}]"
        ))
        .service("origin", &[origin.address()])
        .service("mirror", &[mirror.address()]);
    let gateway = gateway(&manifest);
    let answer = gateway.exchange("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(answer.status, 200);
    assert_eq!(wait(&mirror, 1)[0].body, b"abc");
    eventually("it is over", || copies(&gateway, "answered") == 1.0);
    assert_eq!((origin.requests().len(), mirror.requests().len()), (2, 1));
}

#[test]
fn copies_over_http2() {
    let (origin, mirror) = (Origin::echoing(), Http2Origin::start());
    let manifest = Manifest::new()
        .route(&format!("- filters: [{MIRROR}]\n  backendRefs: [{{name: origin, port: 80}}]"))
        .service("origin", &[origin.address()])
        .service_http2("mirror", &[mirror.address()]);
    let gateway = gateway(&manifest);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("POST", "/echo?a", &[("x-kept", "1")], Some(b"0123".to_vec())).await;
        assert_eq!((answer.status, answer.text()), (200, "POST /echo?a 4".to_owned()));
        assert_eq!(client.ask("GET", "/echo", &[], None).await.status, 200);
    });
    eventually("the copies are answered", || copies(&gateway, "answered") == 2.0);
    assert!(mirror.fields().contains(&("x-kept".to_owned(), "1".to_owned())));
}
