//! The conformance tests of `Gateway`.

use crate::Conformance;
use crate::cases::get;
use crate::secure::{self, Shown};
use irongate_testkit::eventually;

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
fn listeners_that_are_not_valid_do_not_listen() {
    for (test, gateway, port) in [
        ("GatewayInvalidParametersRef", "gateway-invalid-parameters-ref", 80),
        ("GatewaySecretInvalidReferenceGrant", "gateway-secret-invalid-reference-grant", 443),
        ("GatewaySecretMissingReferenceGrant", "gateway-secret-missing-reference-grant", 443),
    ] {
        assert!(!Conformance::start(test).at(gateway, port).is_open(), "{test}");
    }
    let conformance = Conformance::start("GatewayListenerUnsupportedProtocol");
    assert!(!conformance.at("gateway-listener-unsupported-protocol", 80).is_open());
    assert!(!conformance.at("gateway-listeners-mixed-protocols", 8080).is_open());
    conformance.at("gateway-listeners-mixed-protocols", 80).check([get("/").status(404)]);
}

#[test]
fn gateways_without_routes_listen() {
    let long = "a".repeat(253);
    for (test, gateway) in [
        ("GatewayInfrastructure", "gateway-with-infrastructure-metadata"),
        ("GatewayNameMaximumLength", &*long),
        ("GatewayOptionalAddressValue", "gateway-without-address-value"),
    ] {
        Conformance::start(test).at(gateway, 80).check([get("/").status(404)]);
    }
    for (test, gateway) in [
        ("GatewaySecretReferenceGrantAllInNamespace", "gateway-secret-reference-grant-all-in-namespace"),
        ("GatewaySecretReferenceGrantSpecific", "gateway-secret-reference-grant-specific"),
    ] {
        Conformance::start(test).at(gateway, 443).check([get("/").tls("example.org").status(404)]);
    }
    // Those that show backends a certificate which cannot be used serve all the same.
    let conformance = Conformance::start("GatewayInvalidTLSBackendConfiguration");
    for fault in [
        "nonexistent-secret",
        "unsupported-group",
        "unsupported-kind",
        "malformed-secret",
        "missing-reference-grant",
    ] {
        conformance.at(&format!("gateway-client-certificate-{fault}"), 80).check([get("/").status(404)]);
    }
}

#[test]
fn static_addresses() {
    let mut conformance = Conformance::start("GatewayStaticAddresses");
    assert!(!conformance.at("gateway-static-addresses", 8080).is_open());
    for test in ["GatewayStaticAddresses-usable-types", "GatewayStaticAddresses-usable"] {
        conformance.change(test);
        conformance.at("gateway-static-addresses", 8080).eventually(&get("/").status(404));
    }
}

#[test]
fn tls_backend_client_certificate() {
    let conformance = Conformance::start("GatewayTLSBackendClientCertificate");
    let shown = secure::gateway_certificate();
    conformance.at("gateway-client-certificate", 80).check([get("/")
        .host("abc.example.com")
        .to("gateway-tls-backend-client-certificate-test")
        .sees("X-Client-Certificate", &shown)]);
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
fn invalid_frontend_client_certificate_validation() {
    let conformance = Conformance::start("GatewayInvalidFrontendClientCertificateValidation");
    let gateway = "gateway-with-invalid-client-cert-validation";
    let ask = |shown| get("/").tls("example.org").showing(shown);
    conformance.at(gateway, 443).check([
        ask(Shown::Good).status(404),
        ask(Shown::Foreign).refused(),
        ask(Shown::None).refused(),
    ]);
    for port in [6443, 7443, 8443] {
        assert!(!conformance.at(gateway, port).is_open(), "{port}");
    }
}

#[test]
fn modify_listeners() {
    let mut conformance = Conformance::start("GatewayModifyListeners");
    conformance.at("gateway-remove-listener", 80).check([get("/").to("infra-backend-v1")]);
    assert!(!conformance.at("gateway-add-listener", 80).is_open());
    conformance.change("GatewayModifyListeners-changed");
    conformance.at("gateway-add-listener", 80).eventually(&get("/").to("infra-backend-v1"));
    let removed = conformance.at("gateway-remove-listener", 80);
    eventually("the listener that was removed closes", || !removed.is_open());
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
fn class_observed_generation_bump() {
    let mut conformance = Conformance::start("GatewayClassObservedGenerationBump");
    let generation = |conformance: &Conformance| {
        let classes = &conformance.statuses()["gatewayClasses"];
        classes[0]["conditions"][0]["observedGeneration"].as_u64()
    };
    assert_eq!(generation(&conformance), Some(1));
    conformance.change("GatewayClassObservedGenerationBump-changed");
    eventually("the change is followed", || generation(&conformance) == Some(2));
}

#[test]
fn with_attached_routes() {
    let conformance = Conformance::start("GatewayWithAttachedRoutes");
    conformance.at("gateway-with-one-attached-route", 80).check([get("/").to("infra-backend-v1")]);
    conformance.at("gateway-with-two-attached-routes", 80).check([
        get("/").host("foo.example.com").to("infra-backend-v1"),
        get("/").host("not-matching.example.org").status(404),
    ]);
    assert!(!conformance.at("unresolved-gateway-with-one-attached-unresolved-route", 443).is_open());
}

#[test]
fn with_attached_routes_with_port_8080() {
    let conformance = Conformance::start("GatewayWithAttachedRoutesWithPort8080");
    let gateway = "gateway-with-two-listeners-and-one-attached-route";
    conformance.at(gateway, 80).check([get("/").to("infra-backend-v1")]);
    conformance.at(gateway, 8080).check([get("/").status(404)]);
}
