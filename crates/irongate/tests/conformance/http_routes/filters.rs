//! What is done to requests and answers.

use super::check;
use crate::Conformance;
use crate::cases::{Case, get, request};
use irongate_testkit::eventually;

#[test]
fn header_modifiers() {
    let modified = |case: Case| {
        case.field("X-Header-Remove", "remove-val")
            .field("X-Header-Add", "original")
            .field("x-header-set", "original")
            .field("Some-Other-Header", "val")
            .to("infra-backend-v1")
            .sees("X-Header-Set", "set-overwrites-values")
            .sees("X-Header-Add", "original,add-appends-values")
            .sees("Some-Other-Header", "val")
            .sees_no("X-Header-Remove")
    };
    check("HTTPRouteRequestHeaderModifier", [modified(get("/all"))]);
    check("HTTPRouteBackendRequestHeaderModifier", [modified(get("/all"))]);
    check(
        "HTTPRouteResponseHeaderModifier",
        [get("/all")
            .field("X-Echo-Set-Header", "X-Header-Remove:a,x-header-set:b,X-Header-Add:original,Other:c")
            .to("infra-backend-v1")
            .answers("X-Header-Set", "set-overwrites-values")
            .answers("X-Header-Add", "original,add-appends-values")
            .answers("Other", "c")
            .answers_no("X-Header-Remove")],
    );
}

#[test]
fn rewrites() {
    let rewritten = |target: &str, host: &str| get(target).host("rewrite.example").sees("Host", host);
    check(
        "HTTPRouteRewriteHost",
        [
            rewritten("/one", "one.example.org").to("infra-backend-v1"),
            rewritten("/two", "example.org").to("infra-backend-v2"),
        ],
    );
    check(
        "HTTPRouteRewritePath",
        [
            get("/prefix/one/two").sees_line("GET /one/two").to("infra-backend-v1"),
            get("/strip-prefix/three").sees_line("GET /three").to("infra-backend-v1"),
            get("/strip-prefix").sees_line("GET /").to("infra-backend-v1"),
            get("/full/one/two").sees_line("GET /one").to("infra-backend-v1"),
        ],
    );
    check(
        "HTTPRouteBackendURLRewrite",
        [get("/prefix/one/two")
            .sees_line("GET /one/two")
            .sees("Host", "one.example.org")
            .to("infra-backend-v1")],
    );
}

#[test]
fn redirects() {
    let to = |target: &str, status, location: &str| get(target).status(status).answers("Location", location);
    check(
        "HTTPRouteRedirectHostAndStatus",
        [
            to("/hostname-redirect", 302, "http://example.org/hostname-redirect"),
            to("/host-and-status", 301, "http://example.org/host-and-status"),
        ],
    );
    check(
        "HTTPRouteRedirectPath",
        [
            to("/original-prefix/lemon", 302, "http://example.com/replacement-prefix/lemon"),
            to("/full/path/original", 302, "http://example.com/full-path-replacement"),
            to("/prefix-and-host/lemon", 302, "http://example.org/replacement-prefix/lemon"),
            to("/full-and-status", 301, "http://example.com/full-path-replacement"),
        ],
    );
    check(
        "HTTPRouteRedirectPort",
        [
            to("/port", 302, "http://example.com:8083/port"),
            to("/port-and-host", 302, "http://example.org:8083/port-and-host"),
            to("/port-and-status", 301, "http://example.com:8083/port-and-status"),
        ],
    );
    check(
        "HTTPRouteRedirectScheme",
        [
            to("/scheme", 302, "https://example.com/scheme"),
            to("/scheme-and-host", 302, "https://example.org/scheme-and-host"),
            to("/scheme-and-status", 301, "https://example.com/scheme-and-status"),
        ],
    );
    check("HTTPRouteBackendRequestRedirect", [to("/one", 301, "http://example.org/one")]);
    for (test, status) in
        [("HTTPRoute303Redirect", 303), ("HTTPRoute307Redirect", 307), ("HTTPRoute308Redirect", 308)]
    {
        check(test, [to("/r", status, "https://example.org/r")]);
    }
}

#[test]
fn redirect_port_and_scheme() {
    let conformance = Conformance::start("HTTPRouteRedirectPortAndScheme");
    for (port, own) in [(80, ""), (8080, ":8080")] {
        let to = |target: &str, base: &str| {
            get(target).status(302).answers("Location", &format!("{base}{target}"))
        };
        conformance.at("redirects", port).check([
            to("/scheme-nil-and-port-nil", &format!("http://example.org{own}")),
            to("/scheme-nil-and-port-80", "http://example.org"),
            to("/scheme-https-and-port-nil", "https://example.org"),
            to("/scheme-https-and-port-443", "https://example.org"),
            to("/scheme-https-and-port-8443", "https://example.org:8443"),
            to("/scheme-http-and-port-nil", "http://example.org"),
            to("/scheme-http-and-port-80", "http://example.org"),
        ]);
    }
}

#[test]
fn mirrors() {
    let conformance = Conformance::start("HTTPRouteRequestMirror");
    conformance.at("same-namespace", 80).check([
        get("/mirror?a=b").to("infra-backend-v1"),
        get("/mirror-and-modify-headers").field("X-Header-Remove", "1").to("infra-backend-v1"),
    ]);
    eventually("the copies come", || conformance.requests_of("infra-backend-v2").len() == 2);
    for copy in conformance.requests_of("infra-backend-v2") {
        let is_modified = copy.target() == "/mirror-and-modify-headers";
        assert!(is_modified || copy.target() == "/mirror?a=b", "{copy:?}");
        assert_eq!(copy.field("x-header-set").is_some(), is_modified);
        assert_eq!(copy.field("x-header-remove"), None);
    }
    let conformance = Conformance::start("HTTPRouteRequestMultipleMirrors");
    conformance.at("same-namespace", 80).check([get("/multi-mirror").to("infra-backend-v1")]);
    for service in ["infra-backend-v2", "infra-backend-v3"] {
        eventually("the copies come", || conformance.requests_of(service).len() == 1);
    }
}

#[test]
fn a_share_of_requests_is_mirrored() {
    let conformance = Conformance::start("HTTPRouteRequestPercentageMirror");
    // Of 500 requests, five standard deviations either way: the suite has three, and five tries.
    let shares =
        [("/percent-mirror", 55..=145), ("/fraction-mirror", 194..=306), ("/hundred-mirror", 121..=229)];
    let count = |target: &str| {
        let requests = conformance.requests_of("infra-backend-v2");
        requests.iter().filter(|request| request.target() == target).count()
    };
    for (target, share) in &shares {
        let requests = (0..500).map(|_| get(target).to("infra-backend-v1"));
        conformance.at("same-namespace", 80).check(requests);
        eventually("the copies come", || count(target) >= *share.start());
    }
    for (target, share) in shares {
        assert!(share.contains(&count(target)), "{target}: {}", count(target));
    }
}

#[test]
fn cors() {
    let ask = |target: &str, origin: &str, method: &str| {
        request("OPTIONS", target).field("Origin", origin).field("Access-Control-Request-Method", method)
    };
    let headers = "x-header-1, x-header-2";
    let one = |origin: &str| {
        ask("/cors-1", origin, "GET")
            .field("Access-Control-Request-Headers", headers)
            .answers("access-control-allow-origin", origin)
            .answers("access-control-allow-methods", "GET, OPTIONS")
            .answers("access-control-allow-headers", headers)
            .answers("access-control-expose-headers", "x-header-3, x-header-4")
            .answers("access-control-max-age", "3600")
            .answers("access-control-allow-credentials", "true")
    };
    let allow = "access-control-allow-origin";
    let simple = |target: &str, origin: &str| get(target).field("Origin", origin).to("infra-backend-v1");
    let (foobar, other) = ("https://foobar.com:12345", "https://other.foo.com");
    check(
        "HTTPRouteCORS",
        [
            one("https://www.foo.com"),
            one("https://www.bar.com"),
            one("https://xpto.www.bar.com"),
            ask("/cors-1", "https://foobar.com", "GET").answers_no(allow),
            simple("/cors-1", "https://www.foo.com").answers(allow, "https://www.foo.com"),
            simple("/cors-1", "https://foobar.com").answers_no(allow),
            ask("/cors-2", "https://www.foo.com", "POST")
                .answers(allow, "https://www.foo.com")
                .answers("access-control-allow-methods", "POST")
                .answers_no("access-control-allow-credentials"),
            ask("/cors-wildcard-origin", foobar, "PUT")
                .answers(allow, foobar)
                .answers("access-control-allow-methods", "PUT"),
            simple("/cors-wildcard-origin", foobar).answers(allow, foobar),
            ask("/cors-wildcard-methods-headers", other, "PUT")
                .field("Access-Control-Request-Headers", headers)
                .answers(allow, other)
                .answers("access-control-allow-headers", headers)
                .answers("access-control-allow-credentials", "true"),
            simple("/cors-wildcard-methods-headers-unauth", other)
                .field("Authorization", "Bearer test")
                .answers(allow, other)
                .answers_no("access-control-allow-credentials"),
        ],
    );
}
