//! Translating again and again, as files change, comes to what translating once comes to; and what did not change is the
//! same by pointer.

use irongate_config::{Config, Route, RouteRule};
use irongate_translate::{Reader, Source, Translation, Translator, read, translate};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kinds of objects.
const KINDS: usize = 8;
/// Objects that there may be.
const OBJECTS: usize = 8 * KINDS;

/// Objects of a few names, each as one of a few texts.
fn object(name: usize, form: usize) -> (String, String) {
    let (kind, name) = (name % KINDS, name / KINDS);
    let text = match kind {
        0 => {
            let hostname = ["", ", hostname: a.example", ", hostname: '*.example'"][form % 3];
            let from = ["Same", "All"][form % 2];
            format!(
                "{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {{name: gw-{name}}}, spec: {{gatewayClassName: \
                 irongate, listeners: [{{name: http, port: {}, protocol: HTTP{hostname}, allowedRoutes: {{namespaces: {{from: \
                 {from}}}}}}}]}}}}",
                80 + form % 2
            )
        }
        1 => format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: service-{name}}}, spec: {{ports: [{{port: {}}}]}}}}",
            80 + form % 2
        ),
        2 => format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{name: slice-{name}, labels: \
             {{kubernetes.io/service-name: service-{}}}}}, addressType: IPv4, ports: [{{port: 8080}}], endpoints: [{{addresses: \
             [127.0.0.{form}]}}]}}",
            name % 2
        ),
        3 => format!(
            "{{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {{name: grant-{name}, namespace: \
             {}}}, spec: {{from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}}], to: [{{group: \
             '', kind: Service}}]}}}}",
            ["default", "other"][form % 2]
        ),
        4 => route(name, form),
        5 => format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {{name: policy-{name}}}, spec: \
             {{targetRefs: [{{group: '', kind: Service, name: service-{}}}], validation: {{hostname: {}.example, \
             wellKnownCACertificates: System}}}}}}",
            form % 3,
            ["a", "b"][form / 6 % 2]
        ),
        6 => format!(
            "{{apiVersion: irongate.dev/v1alpha1, kind: TrafficPolicy, metadata: {{name: traffic-{name}}}, spec: {{targetRefs: [{{group: \
             gateway.networking.k8s.io, {}}}], timeouts: {{request: {}s}}, retry: {{attempts: {}}}}}}}",
            [
                "kind: Gateway, name: gw-0",
                "kind: Gateway, name: gw-1, sectionName: http",
                "kind: HTTPRoute, name: route-0"
            ][form % 3],
            1 + form / 6,
            1 + name % 2
        ),
        _ => format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, metadata: {{name: call-{name}}}, spec: {{parentRefs: \
             [{{name: gw-{}}}], hostnames: [{name}.example], rules: [{{matches: [{{method: {{service: s{}}}}}], backendRefs: \
             [{{name: service-{}, port: 80}}]}}]}}}}",
            form % 2,
            form / 3,
            form % 3
        ),
    };
    (format!("{kind}-{name}"), text)
}

fn route(name: usize, form: usize) -> String {
    let namespace = ["default", "other"][name % 2];
    let rule = |number: usize| {
        let path = ["/a", "/b", "/c["][(form + number) % 3];
        let kind = if path.ends_with('[') { "RegularExpression" } else { "PathPrefix" };
        let filter = [
            "",
            "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: service-1, namespace: default, port: 80}}}], ",
        ][form / 3 % 2];
        format!(
            "{{matches: [{{path: {{type: {kind}, value: '{path}'}}}}], {filter}backendRefs: [{{name: service-{}, namespace: \
             default, port: {}, weight: {}}}]}}",
            (form + number) % 3,
            80 + number % 2,
            form / 4
        )
    };
    format!(
        "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: route-{name}, namespace: {namespace}}}, spec: \
         {{parentRefs: [{{name: gw-{}, namespace: default}}], rules: [{}, {}]}}}}",
        form % 2,
        rule(0),
        rule(1 + form / 6)
    )
}

/// Whether everything in two configurations is the same by pointer.
fn is_shared(one: &Config, other: &Config) -> bool {
    let listeners = one.listeners.iter().zip(&other.listeners);
    let backends = one.backends.values().zip(other.backends.values());
    one.listeners.len() == other.listeners.len()
        && one.backends.len() == other.backends.len()
        && listeners.into_iter().all(|(one, other)| Arc::ptr_eq(one, other))
        && backends.into_iter().all(|(one, other)| Arc::ptr_eq(one, other))
}

/// Whether the routes of two configurations, and their rules, are the same by pointer where they are equal.
fn is_shared_where_equal(before: Option<&Config>, after: &Config) -> bool {
    let routes = |config: &Config| -> Vec<Arc<Route>> {
        let listeners = config.listeners.iter();
        listeners.flat_map(|listener| listener.routes.iter().map(|one| one.route.clone())).collect()
    };
    let (before, after) = (before.map_or_else(Vec::new, routes), routes(after));
    after.iter().all(|route| {
        // What policies for listeners say makes several of one.
        let formers: Vec<_> = before.iter().filter(|former| former.key == route.key).collect();
        let rules: Vec<&Arc<RouteRule>> = formers.iter().flat_map(|former| &former.rules).collect();
        let is_shared =
            |rule: &Arc<RouteRule>| rules.iter().any(|old| Arc::ptr_eq(old, rule)) || !rules.contains(&rule);
        formers.iter().any(|former| Arc::ptr_eq(former, route))
            || !formers.contains(&route) && route.rules.iter().all(is_shared)
    })
}

fn sources(objects: &BTreeMap<String, String>) -> Vec<Source> {
    let text: Vec<&str> = objects.values().map(String::as_str).collect();
    vec![Source::new("all.yaml", text.join("\n---\n"))]
}

fn shown(translation: &Translation) -> String {
    format!("{translation:#?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// An edit puts an object in one of its forms, or takes it away.
    #[test]
    fn again_and_again_is_once(edits in prop::collection::vec((0..OBJECTS, 0..14usize), 1..24)) {
        let (mut reader, mut translator) = (Reader::default(), Translator::default());
        let mut objects: BTreeMap<String, String> = (0..OBJECTS).map(|name| object(name, name)).collect();
        let mut before: Option<Config> = None;
        for (name, form) in edits {
            let (name, text) = object(name, form);
            if form > 11 {
                objects.remove(&name);
            } else {
                objects.insert(name, text);
            }
            let sources = sources(&objects);
            let translation = translator.translate(&reader.read(&sources).0);
            let once = translate(&read(&sources).0);
            prop_assert_eq!(shown(&translation), shown(&once));
            prop_assert!(is_shared_where_equal(before.as_ref(), &translation.config), "equal and not the same");
            let again = translator.translate(&reader.read(&sources).0);
            prop_assert!(is_shared(&translation.config, &again.config), "nothing changed");
            before = Some(again.config);
        }
    }
}

/// The objects of a small world, and what becomes of it.
fn after(change: impl FnOnce(&mut BTreeMap<String, String>)) -> (Config, Config) {
    let (mut reader, mut translator) = (Reader::default(), Translator::default());
    // Services, their instances, a Gateway and three routes.
    let mut objects: BTreeMap<String, String> =
        [0, 1, 9, 2, 10, 4, 20, 36].into_iter().map(|name| object(name, 0)).collect();
    let mut next = |objects: &_| translator.translate(&reader.read(&sources(objects)).0).config;
    let before = next(&objects);
    change(&mut objects);
    (before, next(&objects))
}

#[test]
fn instances_that_change_are_all_that_is_new() {
    let (before, after) = after(|objects| objects.extend([object(2, 9)]));
    assert!(Arc::ptr_eq(&before.listeners[0], &after.listeners[0]));
    let pairs = before.backends.values().zip(after.backends.values());
    assert_eq!(pairs.filter(|(before, after)| !Arc::ptr_eq(before, after)).count(), 1);
}

#[test]
fn a_route_that_changes_leaves_the_others() {
    let (before, after) = after(|objects| objects.extend([object(20, 6)]));
    let routes =
        |config: &Config| config.listeners[0].routes.iter().map(|one| one.route.clone()).collect::<Vec<_>>();
    let (before, after) = (routes(&before), routes(&after));
    let same = after.iter().filter(|route| before.iter().any(|former| Arc::ptr_eq(former, route))).count();
    assert_eq!((before.len(), after.len(), same), (3, 3, 2));
}
