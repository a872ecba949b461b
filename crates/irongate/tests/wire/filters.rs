//! Routes and their filters, as far as they show on the wire.

use crate::gateway;
use irongate_testkit::{Manifest, Origin};

fn to(rules: &str, origin: &Origin) -> Manifest {
    Manifest::new().route(rules).service("origin", &[origin.address()])
}

#[test]
fn redirects_are_answered_by_us() {
    let origin = Origin::echoing();
    let gateway = gateway(&to(
        "- matches: [{path: {value: /old}}]\n  filters:\n  - type: RequestRedirect\n    requestRedirect:\n      \
         path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}\n      statusCode: 301\n\
         - matches: [{path: {value: /secure}}]\n  filters:\n  - type: RequestRedirect\n    \
         requestRedirect: {scheme: https, hostname: example.com}\n\
         - backendRefs: [{name: origin, port: 80}]",
        &origin,
    ));
    let port = gateway.address().port();
    let mut client = gateway.connect();
    for _ in 0..2 {
        // A body that nobody wants does not confuse what follows.
        client.send("POST /old/a?b=c HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
        let answer = client.response();
        assert_eq!(answer.status, 301);
        assert_eq!(answer.field("location"), Some(&*format!("http://test:{port}/new/a?b=c")));
        client.send("GET /secure HTTP/1.1\r\nHost: test\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status, answer.field("location")), (302, Some("https://example.com/secure")));
    }
    crate::assert_untouched(&gateway, &origin, "after redirects");
}

#[test]
fn rewrites_change_what_the_origin_sees() {
    let origin = Origin::echoing();
    let gateway = gateway(&to(
        "- matches: [{path: {value: /app}}]\n  filters:\n  - type: URLRewrite\n    urlRewrite:\n      \
         hostname: inner.test\n      path: {type: ReplacePrefixMatch, replacePrefixMatch: /}\n  \
         backendRefs: [{name: origin, port: 80}]\n\
         - matches: [{path: {value: /full}}]\n  filters:\n  - type: URLRewrite\n    urlRewrite:\n      \
         path: {type: ReplaceFullPath, replaceFullPath: /one}\n  backendRefs: [{name: origin, port: 80}]",
        &origin,
    ));
    assert_eq!(gateway.get("/app/a/b?c").text(), "GET /a/b?c 0");
    assert_eq!(gateway.get("/app").text(), "GET / 0");
    assert_eq!(gateway.get("/full/a?b").text(), "GET /one?b 0");
    let hosts: Vec<_> = origin
        .requests()
        .iter()
        .map(|request| request.field("host").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(hosts, ["inner.test", "inner.test", "test"]);
}

#[test]
fn headers_are_edited_both_ways() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nX-Set: o\r\nX-Gone: o\r\nX-Add: o\r\nContent-Length: 2\r\n\r\nok",
    );
    let edit = "{set: [{name: X-Set, value: new}], add: [{name: X-Add, value: more}], remove: [X-Gone]}";
    let gateway = gateway(&to(
        &format!(
            "- filters:\n  - {{type: RequestHeaderModifier, requestHeaderModifier: {edit}}}\n  \
             - {{type: ResponseHeaderModifier, responseHeaderModifier: {edit}}}\n  backendRefs: [{{name: origin, port: 80}}]"
        ),
        &origin,
    ));
    let answer = gateway
        .exchange("GET / HTTP/1.1\r\nHost: test\r\nx-set: 1\r\nX-GONE: 2\r\nx-add: 3\r\nx-set: 4\r\n\r\n");
    let request = origin.only_request();
    for (who, head, first) in [("request", &request.head, "3"), ("answer", &answer.head, "o")] {
        assert_eq!(head.field("x-set"), Some("new"), "{who}");
        assert_eq!(head.field("x-gone"), None, "{who}");
        let added: Vec<&str> = head.values("x-add").collect();
        assert!(added == [first, "more"] || added == [format!("{first},more")], "{who}: {added:?}");
    }
}

#[test]
fn requests_go_where_their_route_says() {
    let (a, b, c) =
        (Origin::answering(named("a")), Origin::answering(named("b")), Origin::answering(named("c")));
    let manifest = Manifest::new()
        .route_for("[one.test]", "- backendRefs: [{name: a, port: 80}]")
        .route_for(
            "['*.wild.test']",
            "- matches: [{headers: [{name: X-To, value: c}]}]\n  backendRefs: [{name: c, port: 80}]\n\
             - matches: [{method: POST, queryParams: [{name: q, value: '1'}]}]\n  backendRefs: [{name: a, port: 80}]\n\
             - backendRefs: [{name: b, port: 80}]",
        )
        .service("a", &[a.address()])
        .service("b", &[b.address()])
        .service("c", &[c.address()]);
    let gateway = gateway(&manifest);
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n", Some("a")),
        ("GET / HTTP/1.1\r\nHost: ONE.test:99\r\n\r\n", Some("a")),
        ("GET http://one.test/ HTTP/1.1\r\nHost: x.wild.test\r\n\r\n", Some("a")),
        ("GET / HTTP/1.1\r\nHost: x.y.wild.test\r\n\r\n", Some("b")),
        ("GET / HTTP/1.1\r\nHost: x.wild.test\r\nx-to: c\r\n\r\n", Some("c")),
        ("POST /?q=1 HTTP/1.1\r\nHost: x.wild.test\r\n\r\n", Some("a")),
        ("POST /?q=2&q=1 HTTP/1.1\r\nHost: x.wild.test\r\n\r\n", Some("b")),
        ("GET / HTTP/1.1\r\nHost: wild.test\r\n\r\n", None),
        ("GET / HTTP/1.1\r\nHost: other\r\n\r\n", None),
        ("GET / HTTP/1.0\r\n\r\n", None),
    ] {
        let answer = gateway.exchange(request);
        match expected {
            Some(name) => assert_eq!((answer.status, answer.text().as_str()), (200, name), "{request:?}"),
            None => assert_eq!(answer.status, 404, "{request:?}"),
        }
    }
}

fn named(name: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())
}

#[test]
fn broken_references_and_empty_services() {
    let origin = Origin::echoing();
    let gateway = gateway(
        &to(
            "- matches: [{path: {value: /missing}}]\n  backendRefs: [{name: missing, port: 80}]\n\
             - matches: [{path: {value: /port}}]\n  backendRefs: [{name: origin, port: 81}]\n\
             - matches: [{path: {value: /none}}]\n  backendRefs: []\n\
             - matches: [{path: {value: /empty}}]\n  backendRefs: [{name: empty, port: 80}]\n\
             - matches: [{path: {value: /zero}}]\n  backendRefs: [{name: origin, port: 80, weight: 0}]\n\
             - backendRefs: [{name: origin, port: 80}]",
            &origin,
        )
        .service("empty", &[]),
    );
    for (target, status) in
        [("/missing", 500), ("/port", 500), ("/none", 500), ("/empty", 503), ("/zero", 500), ("/other", 200)]
    {
        let mut client = gateway.connect();
        // The connection goes on after each of them.
        for _ in 0..2 {
            client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc"));
            assert_eq!(client.response().status, status, "{target}");
        }
    }
}
