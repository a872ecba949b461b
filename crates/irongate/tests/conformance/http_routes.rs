//! The conformance tests of `HTTPRoute`: each is named after the golden file that it runs.

use crate::Conformance;
use crate::cases::{Case, get, request};
use irongate_testkit::eventually;

/// Runs the manifests of a test and compares what comes of requests to the Gateway `same-namespace`.
#[track_caller]
fn check(test: &str, cases: impl IntoIterator<Item = Case>) {
    Conformance::start(test).at("same-namespace", 80).check(cases);
}

#[test]
fn simple_same_namespace() {
    check("HTTPRouteSimpleSameNamespace", [get("/").to("infra-backend-v1")]);
}

#[test]
fn matches() {
    check(
        "HTTPRouteExactPathMatching",
        [
            get("/one").to("infra-backend-v1"),
            get("/two").to("infra-backend-v2"),
            get("/").status(404),
            get("/one/example").status(404),
            get("/two/").status(404),
            get("/Two").status(404),
        ],
    );
    check(
        "HTTPRouteMatching",
        [
            get("/").to("infra-backend-v1"),
            get("/example").to("infra-backend-v1"),
            get("/").field("Version", "one").to("infra-backend-v1"),
            get("/v2").to("infra-backend-v2"),
            get("/v2/").to("infra-backend-v2"),
            get("/v2/example").to("infra-backend-v2"),
            get("/").field("Version", "two").to("infra-backend-v2"),
            get("/v2example").to("infra-backend-v1"),
            get("/foo/v2/example").to("infra-backend-v1"),
        ],
    );
    check(
        "HTTPRoutePathMatchOrder",
        [
            get("/match/exact/one").to("infra-backend-v2"),
            get("/match/exact").to("infra-backend-v3"),
            get("/match").to("infra-backend-v3"),
            get("/match/prefix/one/any").to("infra-backend-v1"),
            get("/match/prefix/any").to("infra-backend-v1"),
            get("/match/any").to("infra-backend-v3"),
            get("/match/exact/one/two").to("infra-backend-v1"),
        ],
    );
    check(
        "HTTPRouteNamedRule",
        [get("/named").to("infra-backend-v1"), get("/unnamed").to("infra-backend-v2")],
    );
}

#[test]
fn header_matching() {
    let with =
        |fields: &[(&str, &str)]| fields.iter().fold(get("/"), |case, (name, value)| case.field(name, value));
    check(
        "HTTPRouteHeaderMatching",
        [
            with(&[("Version", "one")]).to("infra-backend-v1"),
            with(&[("Version", "two")]).to("infra-backend-v2"),
            with(&[("Version", "two"), ("Color", "orange")]).to("infra-backend-v1"),
            with(&[("Color", "orange")]).status(404),
            with(&[("Some-Other-Header", "one")]).status(404),
            with(&[("Color", "blue")]).to("infra-backend-v1"),
            with(&[("Color", "green")]).to("infra-backend-v1"),
            with(&[("Color", "red")]).to("infra-backend-v2"),
            with(&[("Color", "yellow")]).to("infra-backend-v2"),
            with(&[("Color", "purple")]).status(404),
        ],
    );
}

#[test]
fn method_matching() {
    check(
        "HTTPRouteMethodMatching",
        [
            request("POST", "/").to("infra-backend-v1"),
            get("/").to("infra-backend-v2"),
            request("HEAD", "/").status(404),
            get("/path1").to("infra-backend-v1"),
            request("PUT", "/").field("version", "one").to("infra-backend-v2"),
            request("POST", "/path2").field("version", "two").to("infra-backend-v3"),
            request("PATCH", "/path3").to("infra-backend-v1"),
            request("DELETE", "/path4").field("version", "three").to("infra-backend-v1"),
            request("PUT", "/").status(404),
            request("DELETE", "/path4").status(404),
            request("PATCH", "/path5").to("infra-backend-v2"),
            get("/path5").field("version", "four").to("infra-backend-v1"),
            request("PATCH", "/").field("version", "four").to("infra-backend-v3"),
        ],
    );
}

#[test]
fn query_param_matching() {
    check(
        "HTTPRouteQueryParamMatching",
        [
            get("/?animal=whale").to("infra-backend-v1"),
            get("/?animal=dolphin").to("infra-backend-v2"),
            get("/?animal=whale&otherparam=irrelevant").to("infra-backend-v1"),
            get("/?animal=dolphin&color=yellow").to("infra-backend-v2"),
            get("/?animal=dolphin&color=blue").to("infra-backend-v3"),
            get("/?ANIMAL=Whale").to("infra-backend-v3"),
            get("/?animal=whale&animal=dolphin").to("infra-backend-v1"),
            get("/").status(404),
            get("/?animal=dog").status(404),
            get("/?whaledolphin").status(404),
            get("/path1?animal=whale").to("infra-backend-v1"),
            get("/?animal=whale").field("version", "one").to("infra-backend-v2"),
            get("/path2?animal=whale").field("version", "two").to("infra-backend-v3"),
            get("/path3?animal=shark").to("infra-backend-v1"),
            get("/path4").field("version", "three").to("infra-backend-v1"),
            get("/path3?animal=fish").status(404),
            get("/path5?animal=hydra").to("infra-backend-v3"),
            get("/path5?animal=other").to("infra-backend-v1"),
        ],
    );
}

#[test]
fn matching_across_routes() {
    check(
        "HTTPRouteMatchingAcrossRoutes",
        [
            get("/").to("infra-backend-v1"),
            get("/example").to("infra-backend-v1"),
            get("/").host("example.net").to("infra-backend-v1"),
            get("/example").field("Version", "one").to("infra-backend-v1"),
            get("/v2").to("infra-backend-v2"),
            get("/v2example").to("infra-backend-v1"),
            get("/").host("example.net").field("Version", "two").to("infra-backend-v1"),
            get("/v2/example").to("infra-backend-v2"),
            get("/").field("Version", "two").to("infra-backend-v2"),
            get("/").host("example.org").status(404),
        ],
    );
}

#[test]
fn references() {
    for test in [
        "HTTPRouteInvalidNonExistentBackendRef",
        "HTTPRouteInvalidBackendRefUnknownKind",
        "HTTPRouteInvalidCrossNamespaceBackendRef",
        "HTTPRouteInvalidReferenceGrant",
    ] {
        check(test, [get("/").status(500)]);
    }
    check("HTTPRouteNoBackendRefs", [get("/omitted").status(500), get("/empty").status(500)]);
    check(
        "HTTPRoutePartiallyInvalidViaInvalidReferenceGrant",
        [get("/v1").to("infra-backend-v1"), get("/v2").status(500)],
    );
    for test in [
        "HTTPRouteInvalidCrossNamespaceParentRef",
        "HTTPRouteInvalidParentRefNotMatchingSectionName",
        "HTTPRouteInvalidParentRefNotMatchingListenerPort",
        "HTTPRouteInvalidParentRefSectionNameNotMatchingPort",
    ] {
        check(test, [get("/").status(404)]);
    }
    let conformance = Conformance::start("HTTPRouteCrossNamespace");
    conformance.at("backend-namespaces", 80).check([get("/").to("web-backend")]);
}

#[test]
fn changes() {
    let mut conformance = Conformance::start("HTTPRouteReferenceGrant");
    conformance.at("same-namespace", 80).check([get("/").to("web-backend")]);
    conformance.change("HTTPRouteReferenceGrant-deleted");
    conformance.at("same-namespace", 80).eventually(&get("/").status(500));
    let mut conformance = Conformance::start("HTTPRouteObservedGenerationBump");
    conformance.at("same-namespace", 80).check([get("/").to("infra-backend-v1")]);
    conformance.change("HTTPRouteObservedGenerationBump-changed");
    conformance.at("same-namespace", 80).eventually(&get("/").to("infra-backend-v2"));
}

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
    for status in [303, 307, 308] {
        check(&format!("HTTPRoute{status}Redirect"), [to("/r", status, "https://example.org/r")]);
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
fn https_listeners() {
    let ask = |name: &str, host: &str| get("/").tls(name).host(host);
    Conformance::start("HTTPRouteHTTPSListener").at("same-namespace-with-https-listener", 443).check([
        ask("example.org", "example.org").to("infra-backend-v1"),
        ask("second-example.org", "second-example.org").to("infra-backend-v2"),
        ask("unknown-example.org", "unknown-example.org").status(404),
    ]);
    let ask = |name: &str, host: &str| get("/detect-misdirected-requests").tls(name).host(host);
    let (third, fourth) = ("third-example.wildcard.org", "fourth-example.wildcard.org");
    let fifth = "fifth-example.wildcard.org";
    let conformance = Conformance::start("HTTPRouteHTTPSListenerDetectMisdirectedRequests");
    conformance.at("same-namespace-with-https-listener", 443).check([
        ask("example.org", "example.org").to("infra-backend-v1"),
        ask("example.org", "second-example.org").status(421),
        ask("example.org", "unknown-example.org").status(404),
        ask("second-example.org", "second-example.org").to("infra-backend-v2"),
        ask("second-example.org", "example.org").status(421),
        ask("second-example.org", "unknown-example.org").status(421),
        ask(third, third).to("infra-backend-v3"),
        ask(third, fourth).status(421),
        ask(third, fifth).status(404),
        ask(third, "second-example.org").status(421),
        ask(fourth, fourth).to("infra-backend-v1"),
        ask(fourth, third).status(421),
        ask(fourth, fifth).status(421),
        ask("unknown-example.org", "example.org").to("infra-backend-v1"),
        ask("unknown-example.org", "unknown-example.org").status(404),
    ]);
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

#[test]
fn weights() {
    let conformance = Conformance::start("HTTPRouteWeight");
    let ask = || get("/");
    conformance.at("same-namespace", 80).check((0..500).map(|_| ask()));
    let count = |service| conformance.requests_of(service).len();
    let first = count("infra-backend-v1");
    // Five points either way; 350 ± 10 is one standard deviation.
    assert!((305..=395).contains(&first), "{first} of 500");
    assert_eq!((first + count("infra-backend-v2"), count("infra-backend-v3")), (500, 0));
}

#[test]
fn listeners() {
    let conformance = Conformance::start("HTTPRouteHostnameIntersection");
    let on = |host: &str, target: &str| get(target).host(host);
    conformance.at("httproute-hostname-intersection", 80).check([
        on("very.specific.com", "/s1").to("infra-backend-v1"),
        on("very.specific.com:1234", "/s1").to("infra-backend-v1"),
        on("non.matching.com", "/s1").status(404),
        on("foo.nonmatchingwildcard.io", "/s1").status(404),
        on("very.specific.com", "/non-matching-prefix").status(404),
        on("foo.wildcard.io", "/s2").to("infra-backend-v2"),
        on("bar.wildcard.io", "/s2").to("infra-backend-v2"),
        on("foo.bar.wildcard.io", "/s2").to("infra-backend-v2"),
        on("wildcard.io", "/s2").status(404),
        on("very.specific.com", "/s3").to("infra-backend-v3"),
        on("foo.specific.com", "/s3").status(404),
        on("foo.anotherwildcard.io", "/s4").to("infra-backend-v1"),
        on("foo.bar.anotherwildcard.io", "/s4").to("infra-backend-v1"),
        on("anotherwildcard.io", "/s4").status(404),
        on("specific.but.wrong.com", "/s5").status(404),
        on("wildcard.io", "/s5").status(404),
    ]);
    let conformance = Conformance::start("HTTPRouteListenerHostnameMatching");
    conformance.at("httproute-listener-hostname-matching", 80).check([
        on("bar.com", "/").to("infra-backend-v1"),
        on("foo.bar.com", "/").to("infra-backend-v2"),
        on("baz.bar.com", "/").to("infra-backend-v3"),
        on("boo.bar.com", "/").to("infra-backend-v3"),
        on("multiple.prefixes.bar.com", "/").to("infra-backend-v3"),
        on("multiple.prefixes.foo.com", "/").to("infra-backend-v3"),
        on("foo.com", "/").status(404),
        on("no.matching.host", "/").status(404),
    ]);
    let conformance = Conformance::start("HTTPRouteListenerPortMatching");
    for (port, service) in [(80, "infra-backend-v1"), (8080, "infra-backend-v2"), (8090, "infra-backend-v3")]
    {
        let at = conformance.at("httproute-listener-port-matching", port);
        at.check([on("foo.com", "/").to(service), on(&format!("bar.com:{port}"), "/").status(404)]);
    }
    let conformance = Conformance::start("HTTPRouteMultipleGateways");
    conformance.at("same-namespace", 80).check([
        get("/shared").to("infra-backend-v1"),
        get("/first").to("infra-backend-v2"),
        get("/second").status(404),
    ]);
    conformance.at("all-namespaces", 80).check([
        get("/shared").to("infra-backend-v1"),
        get("/first").status(404),
        get("/second").to("infra-backend-v3"),
    ]);
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
fn backends() {
    let conformance = Conformance::start("HTTPRouteRequestHeaderModifierBackendWeights");
    conformance.at("same-namespace", 80).check((0..40).map(|_| get("/")));
    for service in ["infra-backend-v1", "infra-backend-v2"] {
        let requests = conformance.requests_of(service);
        assert!(!requests.is_empty(), "{service}");
        assert!(requests.iter().all(|request| request.field("backend") == Some(service)), "{service}");
    }
    check("HTTPRouteBackendProtocolWebSocket", [get("/").to("infra-backend-v1")]);
    check(
        "HTTPRouteServiceTypes",
        [
            get("/manual").to("manual-endpointslices"),
            get("/headless").to("headless"),
            get("/headless-manual").to("headless-manual-endpointslices"),
        ],
    );
}

/// A request whose backend behaves so: see [`Instance::start`](crate::echo::Instance::start).
fn behaving(target: &str, behaviours: &str) -> Case {
    get(target).field("X-Echo-Behave", behaviours)
}

#[test]
fn timeouts() {
    check(
        "HTTPRouteTimeoutRequest",
        [
            behaving("/request-timeout", "hang").status(504),
            get("/disable-request-timeout").to("infra-backend-v1"),
        ],
    );
    check("HTTPRouteTimeoutBackendRequest", [behaving("/backend-timeout", "hang").status(504)]);
}

#[test]
fn retries() {
    check(
        "HTTPRouteRetry",
        [
            behaving("/retry?two", "500,503,200").to("infra-backend-v3"),
            behaving("/retry?three", "500,500,503,200").status(503).to("infra-backend-v3"),
            behaving("/retry?another-status", "502,200").status(502).to("infra-backend-v3"),
        ],
    );
    check(
        "HTTPRouteRetryConnectionError",
        [
            behaving("/retry?two", "reset,reset,200").to("infra-backend-v3"),
            behaving("/retry?all", "reset").one_of(&[500, 502, 503]),
        ],
    );
    check(
        "HTTPRouteRetryWithTimeouts",
        [
            behaving("/backend-timeout?two", "hang,hang,200").to("infra-backend-v3"),
            behaving("/backend-timeout?all", "hang").status(504),
            behaving("/request-timeout?all", "hang").status(504),
        ],
    );
}
