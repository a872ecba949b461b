//! What backends rules name, and what is sent to each.

use super::check;
use crate::Conformance;
use crate::cases::get;

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
fn backends() {
    let conformance = Conformance::start("HTTPRouteRequestHeaderModifierBackendWeights");
    conformance.at("same-namespace", 80).check((0..40).map(|_| get("/")));
    for service in ["infra-backend-v1", "infra-backend-v2"] {
        let requests = conformance.requests_of(service);
        assert!(!requests.is_empty(), "{service}");
        assert!(requests.iter().all(|request| request.field("backend") == Some(service)), "{service}");
    }
    check("HTTPRouteBackendProtocolWebSocket", [get("/").to("infra-backend-v1")]);
    let conformance = Conformance::start("HTTPRouteBackendProtocolH2C");
    let gateway = conformance.at("same-namespace", 80);
    gateway.check([get("/").to("infra-backend-v1")]);
    assert!(gateway.http2("/").contains("infra-backend-v1"));
    check(
        "HTTPRouteServiceTypes",
        [
            get("/manual").to("manual-endpointslices"),
            get("/headless").to("headless"),
            get("/headless-manual").to("headless-manual-endpointslices"),
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
