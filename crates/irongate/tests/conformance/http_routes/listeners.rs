//! Which listener a request comes to.

use crate::Conformance;
use crate::cases::get;

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
    let conformance = Conformance::start("HTTPRouteDisallowedKind");
    conformance.at("tlsroutes-only", 443).check([get("/").tls("example.com").refused()]);
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
