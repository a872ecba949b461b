//! The conformance tests of `ListenerSet`.

use crate::Conformance;
use crate::cases::{Case, get};

/// A request that only the listener for this host may answer, or nobody.
fn route(host: &str, path: &str, backend: Option<&str>) -> Case {
    let case = get(path).host(host);
    match backend {
        Some(backend) => case.to(backend),
        None => case.status(404),
    }
}

/// The Gateway's own listener serves, and each set's as far as it is allowed.
#[track_caller]
fn check_allowed(test: &str, gateway: &str, allowed: &[&str], refused: &[&str]) {
    let conformance = Conformance::start(test);
    let served = allowed.iter().map(|host| (*host, Some("infra-backend-v1")));
    let hosts = served.chain(refused.iter().map(|host| (*host, None)));
    conformance.at(gateway, 80).check(hosts.map(|(host, backend)| route(host, "/route", backend)));
}

const OWN: &str = "gateway-listener.com";
const FIRST: [&str; 2] = ["listener-set-1-listener-1.com", "listener-set-1-listener-2.com"];
const SECOND: [&str; 2] = ["listener-set-2-listener-1.com", "listener-set-2-listener-2.com"];

#[test]
fn allowed_namespace_none() {
    let gateway = "gateway-does-not-allow-listenerset";
    check_allowed("ListenerSetAllowedNamespaceNone", gateway, &[OWN], &FIRST);
}

#[test]
fn default_not_allowed() {
    check_allowed("ListenerSetDefaultNotAllowed", "gateway-without-allowed-listeners", &[OWN], &FIRST);
}

#[test]
fn allowed_namespace_same() {
    let gateway = "gateway-allows-listenerset-in-same-namespace";
    check_allowed("ListenerSetAllowedNamespaceSame", gateway, &[OWN, FIRST[0], FIRST[1]], &SECOND);
}

#[test]
fn allowed_namespace_selector() {
    let gateway = "gateway-allows-listenerset-in-selected-namespace";
    check_allowed("ListenerSetAllowedNamespaceSelector", gateway, &[OWN, FIRST[0], FIRST[1]], &SECOND);
}

#[test]
fn allowed_routes_namespaces() {
    const ROUTES: [(&str, &str); 3] = [
        ("/route-in-same-namespace", "infra-backend-v1"),
        ("/route-in-selected-namespace", "infra-backend-v2"),
        ("/route-not-in-selected-namespace", "infra-backend-v3"),
    ];
    let conformance = Conformance::start("ListenerSetAllowedRoutesNamespaces");
    let gateway = conformance.at("gateway-with-listener-sets-test-allowed-routes", 80);
    for (listener, served) in [("all", &[0, 1, 2][..]), ("same", &[0]), ("selector", &[1])] {
        let host = format!("listener-set-listener-allowed-routes-{listener}.com");
        gateway.check(
            ROUTES.iter().enumerate().map(|(place, (path, backend))| {
                route(&host, path, served.contains(&place).then_some(*backend))
            }),
        );
    }
}

#[test]
fn allowed_routes_supported_kinds() {
    let conformance = Conformance::start("ListenerSetAllowedRoutesSupportedKinds");
    let gateway = conformance.at("gateway-with-listener-sets-test-supported-route-kinds", 80);
    // Nothing is attached: whoever listens says that there is no route.
    gateway.check([route("gateway-listener.com", "/", None), route("tls-only.com", "/", None)]);
}

#[test]
fn reference_grant() {
    let conformance = Conformance::start("ListenerSetReferenceGrant");
    let ask = |host: &str| get("/").tls(host).host(host);
    conformance.at("gateway-with-listener-sets-test-reference-grant", 443).check([
        ask("gateway-listener.com").status(404),
        ask("listenerset-with-reference-grant-listener.com").status(404),
        ask("listenerset-without-reference-grant-listener.com").refused(),
    ]);
}

#[test]
fn dual_parent_ref_independence() {
    Conformance::start("ListenerSetDualParentRefIndependence").at("gateway-dual-parentref", 80).check([
        route("gw-dual.com", "/dual", Some("infra-backend-v1")),
        route("ls-dual.com", "/dual", Some("infra-backend-v1")),
        route("gw-dual.com", "/bad-gw-section", None),
        route("ls-dual.com", "/bad-gw-section", Some("infra-backend-v2")),
    ]);
}

#[test]
fn gateway_parent_section_name_not_found() {
    let conformance = Conformance::start("ListenerSetGatewayParentSectionNameNotFound");
    conformance.at("gateway-section-name", 80).check([
        route("gw-section.com", "/section", None),
        route("ls-section.com", "/section", None),
        route("ls-section.com", "/set", Some("infra-backend-v2")),
        route("gw-section.com", "/set", None),
    ]);
}

#[test]
fn hostname_conflict() {
    let conformance = Conformance::start("ListenerSetHostnameConflict");
    conformance.at("gateway-with-listenerset-hostname-conflict", 80).check([
        route("gateway-listener.com", "/", Some("infra-backend-v1")),
        route("hostname-conflict-with-gateway-listener.com", "/", Some("infra-backend-v1")),
        route("listener-set-1-listener.com", "/", Some("infra-backend-v2")),
        route("hostname-conflict-with-listener-set-listener.com", "/", Some("infra-backend-v2")),
        route("listener-set-2-listener.com", "/", Some("infra-backend-v3")),
    ]);
}

#[test]
fn protocol_conflict() {
    let conformance = Conformance::start("ListenerSetProtocolConflict");
    let gateway = "gateway-with-listenerset-protocol-conflict";
    conformance.at(gateway, 80).check([
        route("gateway-listener.com", "/gateway-route", Some("infra-backend-v1")),
        route("protocol-conflict-with-gateway-listener.com", "/gateway-route", Some("infra-backend-v1")),
        route("listener-set-1-listener.com", "/listener-set-1-route", Some("infra-backend-v2")),
        route(
            "protocol-conflict-with-listener-set-listener.com",
            "/listener-set-1-route",
            Some("infra-backend-v2"),
        ),
    ]);
    conformance.at(gateway, 8080).check([
        route("listener-set-2-listener.com", "/listener-set-2-route", Some("infra-backend-v3")),
        route("gateway-listener.com", "/gateway-route", None),
    ]);
}

#[test]
fn http_routing() {
    const HOSTS: [&str; 6] = [
        "gateway-listener-1.com",
        "gateway-listener-2.com",
        "listener-set-http-routing-1-listener-1.com",
        "listener-set-http-routing-1-listener-2.com",
        "listener-set-http-routing-2-listener-1.com",
        "listener-set-http-routing-2-listener-2.com",
    ];
    // A route's path, its backend, and which of the hosts serve it.
    let routes: [(&str, &str, &[usize]); 6] = [
        ("/route", "infra-backend-v1", &[0, 1, 2, 3, 4, 5]),
        ("/gateway-route", "infra-backend-v2", &[0, 1]),
        ("/gateway-section-route", "infra-backend-v3", &[0]),
        ("/listener-set-http-routing-1-route", "infra-backend-v2", &[2, 3]),
        ("/listener-set-http-routing-1-section-route", "infra-backend-v3", &[2]),
        ("/listener-set-http-routing-2-route", "infra-backend-v2", &[4, 5]),
    ];
    let conformance = Conformance::start("ListenerSetHTTPRouting");
    let gateway = conformance.at("gateway-with-listener-sets-http-routing", 80);
    for (path, backend, served) in routes {
        gateway.check(
            HOSTS
                .iter()
                .enumerate()
                .map(|(place, host)| route(host, path, served.contains(&place).then_some(backend))),
        );
    }
}

#[test]
fn route_status_scoped_to_parent_ref() {
    let conformance = Conformance::start("ListenerSetRouteStatusScopedToParentRef");
    conformance.at("gateway-ls-parentref-scope", 80).check([
        route("gw-scope.com", "/gw-only", Some("infra-backend-v1")),
        route("ls-scope.com", "/gw-only", None),
        route("ls-scope.com", "/ls-only", Some("infra-backend-v2")),
        route("gw-scope.com", "/ls-only", None),
    ]);
}
