use super::*;
use crate::live::Shared;
use irongate_config::{
    Backend, BackendKind, BackendProtocol, BackendRef, Certificate, Endpoint, Endpoints, HostPattern,
    ListenerProtocol, ListenerTls, ObjectName, PathMatch, RequestMatch, Route, RouteKey, RouteKind,
    SecretBytes,
};
use irongate_telemetry::Registry as Metrics;

/// A snapshot after the other, as the control side makes them.
struct World {
    shared: Arc<Shared>,
    config: Config,
    running: Snapshot,
}

impl World {
    fn new() -> Self {
        let (probes, _) = tokio::sync::mpsc::unbounded_channel();
        let (discard, _) = std::sync::mpsc::channel();
        let shared = Shared::new(Metrics::new(2), probes, 1, discard);
        let mut world = Self { shared, config: Config::default(), running: Snapshot::default() };
        world.set_endpoints(&[1]);
        let routes = (0..3).map(|number| route(number, vec![rule(&format!("/{number}"), 1)])).collect();
        world.config.listeners = vec![listener("a", 80, routes), listener("b", 81, vec![])];
        world.next();
        world
    }

    fn set_endpoints(&mut self, ports: &[u16]) {
        let endpoint = |port: &u16| Endpoint::new(([127, 0, 0, 1], *port).into(), 1);
        let backend = Backend {
            key: key(),
            endpoints: Endpoints::Static(ports.iter().map(endpoint).collect()),
            tls: None,
            options: Arc::default(),
        };
        self.config.backends.insert(key(), backend.into());
    }

    /// Replaces the routes of the first listener.
    fn set_routes(&mut self, change: impl FnOnce(&mut Vec<AttachedRoute>)) {
        change(&mut Arc::make_mut(&mut self.config.listeners[0]).routes);
    }

    /// Compiles what is configured now; gives what ran before.
    fn next(&mut self) -> Snapshot {
        let (former, problems) = self.next_with_problems();
        assert!(problems.is_empty(), "{problems:?}");
        former
    }

    fn next_with_problems(&mut self) -> (Snapshot, Vec<Problem>) {
        let version = self.running.version + 1;
        let port_id = |place: Place| PortId(place.address.port().into());
        let registry = &self.shared.registry;
        let (next, problems) = compile(&self.config, registry, &self.running, version, port_id);
        (std::mem::replace(&mut self.running, next), problems)
    }

    fn live_version(&self) -> u64 {
        self.running.backends[0].as_ref().expect("the backend").version()
    }
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("default", name).expect("a name")
}

fn key() -> BackendKey {
    let (kind, protocol) = (BackendKind::Service, BackendProtocol::Http1);
    BackendKey { kind, name: name("origin"), port: 80, protocol, identity: None }
}

fn rule(path: &str, weight: u32) -> RouteRule {
    let matched = RequestMatch { path: PathMatch::Prefix(path.into()), ..RequestMatch::default() };
    let backend =
        BackendRef { weight, target: BackendTarget::Backend(key()), filters: vec![], session: None };
    RouteRule { matches: vec![matched], backends: vec![backend], ..RouteRule::default() }
}

fn route(number: u32, rules: Vec<RouteRule>) -> AttachedRoute {
    let key = RouteKey { kind: RouteKind::Http, name: name(&format!("route-{number}")) };
    let rules = rules.into_iter().map(Arc::new).collect();
    AttachedRoute { hostnames: vec![HostPattern::Any], route: Route { key, age: number, rules }.into() }
}

fn listener(section: &str, port: u16, routes: Vec<AttachedRoute>) -> Arc<Listener> {
    Arc::new(Listener {
        key: ListenerKey { gateway: name("gw"), set: None, section: section.into() },
        addresses: vec![([127, 0, 0, 1], port).into()],
        protocol: ListenerProtocol::Http,
        hostname: HostPattern::Any,
        options: Arc::default(),
        tls: None,
        routes,
        stream_routes: vec![],
    })
}

/// What two snapshots share: each listener's plan, the first one's table, and its rules.
#[derive(Debug, PartialEq)]
struct Shares {
    listeners: Vec<bool>,
    table: bool,
    rules: usize,
}

fn shares(former: &Snapshot, next: &Snapshot) -> Shares {
    let (one, other) = (&former.listeners, &next.listeners);
    let pointers = |plan: &ListenerPlan| plan.rules.iter().flatten().map(Arc::as_ptr).collect::<Vec<_>>();
    let before = pointers(&one[0]);
    Shares {
        listeners: one.iter().zip(other).map(|(one, other)| Arc::ptr_eq(one, other)).collect(),
        table: Arc::ptr_eq(&one[0].table, &other[0].table),
        rules: pointers(&other[0]).iter().filter(|rule| before.contains(rule)).count(),
    }
}

#[test]
fn nothing_new_makes_nothing_anew() {
    let mut world = World::new();
    let former = world.next();
    let all = Shares { listeners: vec![true, true], table: true, rules: 3 };
    assert_eq!(shares(&former, &world.running), all);
    let port = PortId(80);
    assert!(Arc::ptr_eq(&former.ports[&port], &world.running.ports[&port]));
}

#[test]
fn endpoints_touch_their_backend_alone() {
    let mut world = World::new();
    let version = world.live_version();
    world.set_endpoints(&[1, 2]);
    let former = world.next();
    let all = Shares { listeners: vec![true, true], table: true, rules: 3 };
    assert_eq!(shares(&former, &world.running), all);
    assert_eq!(world.live_version(), version + 1);
    world.next();
    assert_eq!(world.live_version(), version + 1, "the same endpoints are no change");
}

#[test]
fn a_weight_keeps_the_table_and_the_other_rules() {
    let mut world = World::new();
    world.set_routes(|routes| routes[1] = route(1, vec![rule("/1", 2)]));
    let former = world.next();
    let most = Shares { listeners: vec![false, true], table: true, rules: 2 };
    assert_eq!(shares(&former, &world.running), most);
    let facts = |snapshot: &Snapshot| snapshot.ports[&PortId(80)].facts.clone();
    assert!(
        Arc::ptr_eq(&facts(&former), &facts(&world.running)),
        "connections keep what they know of the port"
    );
}

#[test]
fn a_route_more_keeps_the_rules_of_the_others() {
    let mut world = World::new();
    // Those that come after it are younger now.
    world.set_routes(|routes| {
        routes.insert(1, route(9, vec![rule("/9", 1)]));
        for (age, attached) in (0..).zip(routes) {
            Arc::make_mut(&mut attached.route).age = age;
        }
    });
    let former = world.next();
    let rules = Shares { listeners: vec![false, true], table: false, rules: 3 };
    assert_eq!(shares(&former, &world.running), rules);
    assert_eq!(world.running.listeners[0].rules.len(), 4);
}

#[test]
fn a_backend_that_is_gone_gives_its_slot_back() {
    let mut world = World::new();
    let backend = world.config.backends.remove(&key()).expect("it was there");
    world.set_routes(Vec::clear);
    drop(world.next());
    assert!(world.shared.registry.all().is_empty());
    world.config.backends.insert(key(), backend);
    world.next();
    assert_eq!(world.live_version(), 1, "a new one, in the same place");
    assert_eq!(world.running.backends.len(), 1);
}

fn certificate(key: &str) -> Arc<Certificate> {
    let signed = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate");
    let key = if key.is_empty() { signed.signing_key.serialize_pem() } else { key.to_owned() };
    let chain = vec![signed.cert.der().clone()];
    Arc::new(Certificate { chain, key: SecretBytes::new(key.into_bytes()), names: vec![], expires: i64::MAX })
}

#[test]
fn a_certificate_that_stays_broken_is_told_with_each_configuration() {
    for good in [vec![], vec![certificate("")]] {
        let mut world = World::new();
        let certificates = good.into_iter().chain([certificate("no key")]).collect();
        let tls = Arc::new(ListenerTls { certificates, clients: None });
        let listener = Arc::make_mut(&mut world.config.listeners[1]);
        (listener.protocol, listener.tls) = (ListenerProtocol::Https, Some(tls));
        let first = world.next_with_problems().1;
        assert!(first.iter().any(|problem| problem.reason == "InvalidCertificateRef"), "{first:?}");
        assert_eq!(world.next_with_problems().1, first, "nothing changed");
        for number in 4..6 {
            let routes = vec![route(number, vec![rule("/new", 1)])];
            Arc::make_mut(&mut world.config.listeners[1]).routes = routes;
            assert_eq!(world.next_with_problems().1, first, "its routes changed");
        }
        // The same again, read anew.
        let listener = Arc::make_mut(&mut world.config.listeners[1]);
        listener.tls = listener.tls.as_deref().cloned().map(Arc::new);
        assert_eq!(world.next_with_problems().1, first, "its certificates were read again");
    }
}
