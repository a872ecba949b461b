//! The conformance tests of `Gateway`.

use crate::Conformance;
use crate::cases::get;
use crate::secure::Shown;

#[test]
fn http_listener_isolation() {
    const LISTENERS: [(&str, &str); 4] = [
        ("empty-hostname", "bar.com"),
        ("wildcard-example-com", "bar.example.com"),
        ("wildcard-foo-example-com", "bar.foo.example.com"),
        ("abc-foo-example-com", "abc.foo.example.com"),
    ];
    let conformance = Conformance::start("GatewayHTTPListenerIsolation");
    for gateway in ["http-listener-isolation", "http-listener-isolation-with-hostname-intersection"] {
        conformance.at(gateway, 80).check(LISTENERS.iter().flat_map(|(own, host)| {
            LISTENERS.map(|(path, _)| {
                let case = get(&format!("/{path}")).host(host);
                if path == *own { case.to("infra-backend-v1") } else { case.status(404) }
            })
        }));
    }
}

#[test]
fn invalid_route_kind() {
    let conformance = Conformance::start("GatewayInvalidRouteKind");
    conformance
        .at("gateway-supported-and-invalid-route-kind", 80)
        .check([get("/").host("supported-route-kind.example.com").to("infra-backend-v1")]);
    conformance
        .at("gateway-only-invalid-route-kind", 80)
        .check([get("/").host("supported-route-kind.example.com").status(404)]);
}

#[test]
fn invalid_tls_configuration() {
    let conformance = Conformance::start("GatewayInvalidTLSConfiguration");
    for (gateway, host) in [
        ("nonexistent-secret", "nonexistent-certificate"),
        ("unsupported-group", "unsupported-group-certificate"),
        ("unsupported-kind", "unsupported-kind-certificate"),
        ("malformed-secret", "malformed-certificate"),
    ] {
        let host = format!("{host}.example.com");
        let gateway = conformance.at(&format!("gateway-certificate-{gateway}"), 80);
        gateway.check([get("/").host(&host).to("infra-backend-v1")]);
    }
}

#[test]
fn frontend_invalid_default_client_certificate_validation() {
    let conformance = Conformance::start("GatewayFrontendInvalidDefaultClientCertificateValidation");
    conformance.at("client-validation-invalid-default", 80).check([get("/").to("infra-backend-v1")]);
}

#[test]
fn client_certificates() {
    let ask = |name: &str, shown| get("/").tls(name).host(name).showing(shown);
    let conformance = Conformance::start("GatewayFrontendClientCertificateValidation");
    for (port, name) in [(443, "example.org"), (8443, "second-example.org")] {
        conformance.at("client-validation-default", port).check([
            ask(name, Shown::Good).to("infra-backend-v1"),
            ask(name, Shown::Foreign).refused(),
            ask(name, Shown::None).refused(),
        ]);
    }
    let conformance = Conformance::start("GatewayFrontendClientCertificateValidationInsecureFallback");
    // Nothing is attached: whoever listens says that there is no route.
    let all = [Shown::Good, Shown::Foreign, Shown::None];
    conformance
        .at("client-validation-fallback", 443)
        .check(all.map(|shown| ask("example.org", shown).status(404)));
}

#[test]
fn modify_listeners() {
    let mut conformance = Conformance::start("GatewayModifyListeners");
    conformance.at("gateway-remove-listener", 80).check([get("/").to("infra-backend-v1")]);
    assert!(!conformance.at("gateway-add-listener", 80).is_open());
    conformance.change("GatewayModifyListeners-changed");
    conformance.at("gateway-add-listener", 80).eventually(&get("/").to("infra-backend-v1"));
    let removed = conformance.at("gateway-remove-listener", 80);
    irongate_testkit::eventually("the listener that was removed closes", || !removed.is_open());
}

#[test]
fn observed_generation_bump() {
    let mut conformance = Conformance::start("GatewayObservedGenerationBump");
    // Nothing is attached: whoever listens says that there is no route.
    conformance.at("gateway-observed-generation-bump", 80).check([get("/").host("foo.com").status(404)]);
    conformance.change("GatewayObservedGenerationBump-changed");
    conformance.at("gateway-observed-generation-bump", 80).check([get("/").host("foo.com").status(404)]);
}

#[test]
fn with_attached_routes_with_port_8080() {
    let conformance = Conformance::start("GatewayWithAttachedRoutesWithPort8080");
    let gateway = "gateway-with-two-listeners-and-one-attached-route";
    conformance.at(gateway, 80).check([get("/").to("infra-backend-v1")]);
    conformance.at(gateway, 8080).check([get("/").status(404)]);
}
