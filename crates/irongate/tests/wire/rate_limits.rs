//! Rate limits over replicas: two gateways and one store, a stand-in for Redis (`examples/rate-limits` has the real one).

use super::{BINARY, GET, OK};
use crate::tls::Pair;
use irongate_testkit::{Gateway, Manifest, Origin, RedisMood, RedisStandIn, Response, eventually};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A route to the origin, with these limits, and a store.
fn manifest(origin: &Origin, store: &str, limits: &str) -> Manifest {
    Manifest::to_origins(&[origin.address()])
        .document(&format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: RateLimitStore\nmetadata: {{name: shared}}\nspec: {store}\n"
        ))
        .document(&format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: limits}}\nspec:\n  \
             targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: route-0}}]\n  rateLimits:\n{limits}"
        ))
}

fn redis(address: SocketAddr, more: &str) -> String {
    format!("{{redis: {{address: 'redis://{address}'}}{more}}}")
}

/// Three an hour, by one client.
const THREE: &str = "  - {name: hourly, requests: 3, per: 1h, store: {name: shared}}\n";

fn origin() -> Origin {
    Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send(OK)?;
        }
    })
}

fn gateway(manifest: &Manifest) -> Gateway {
    Gateway::start(BINARY, manifest)
}

fn statuses(gateway: &Gateway, count: usize) -> Vec<u16> {
    (0..count).map(|_| gateway.get("/").status).collect()
}

fn unanswered(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("irongate_limit_store_unanswered_total", &[&format!("reason=\"{reason}\"")])
}

fn is_up(gateway: &Gateway) -> bool {
    gateway.metric("irongate_limit_store_up", &["store=\"default/shared\""]) == 1.0
}

#[test]
fn a_limit_holds_over_two_gateways() {
    let (origin, store) = (origin(), RedisStandIn::start());
    let manifest = manifest(&origin, &redis(store.address(), ", timeout: 1s"), THREE);
    let (first, second) = (gateway(&manifest), gateway(&manifest));
    assert_eq!(statuses(&first, 2), [200, 200]);
    assert_eq!(statuses(&second, 2), [200, 429]);
    let refused: Response = first.get("/");
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.field("retry-after").and_then(|seconds| seconds.parse().ok()).expect("seconds");
    assert!((1..=1200).contains(&wait), "{wait}");
    assert_eq!(refused.field("ratelimit-policy"), Some("\"hourly\";q=3;w=3600"));
    assert_eq!(origin.requests().len(), 3);
    assert_eq!(first.metric("irongate_rate_limited_total", &["result=\"refused\""]), 1.0);
    assert_eq!(second.metric("irongate_rate_limited_total", &["result=\"refused\""]), 1.0);
    assert_eq!(second.metric("irongate_limit_store_duration_seconds_count", &[]), 2.0);
    let view = first.admin("/api/limit-stores").text();
    assert!(view.contains("\"store\": \"default/shared\"") && view.contains("\"up\": true"), "{view}");
    assert!(view.contains(&format!("redis://{}/0", store.address())), "{view}");
}

#[test]
fn several_limits_are_one_question() {
    let (origin, store) = (origin(), RedisStandIn::start());
    let limits = "  - {name: dry, requests: 1, per: 1h, dryRun: true, store: {name: shared}}\n  \
                  - {name: own, requests: 100, per: 1h}\n  \
                  - {name: tenant, requests: 2, per: 1h, key: [{header: x-tenant}], store: {name: shared}}\n";
    let gateway = gateway(&manifest(&origin, &redis(store.address(), ", timeout: 1s"), limits));
    let ask = |tenant: &str| {
        gateway.exchange(format!("GET / HTTP/1.1\r\nHost: test\r\nX-Tenant: {tenant}\r\n\r\n")).status
    };
    assert_eq!(["a", "a", "b", "a"].map(ask), [200, 200, 200, 429]);
    let counted: Vec<_> =
        store.commands().into_iter().filter(|command| command[0] == "EVALSHA" && command[2] == "2").collect();
    assert_eq!(counted.len(), 4, "{counted:?}");
    // Nothing of what the client sent is there to be read.
    let keys: Vec<_> = counted.iter().map(|command| command[4].clone()).collect();
    assert!(keys.iter().all(|key| key.starts_with("irongate:#") && key.len() == 50), "{keys:?}");
    assert!(keys[0] == keys[1] && keys[0] != keys[2], "{keys:?}");
    assert_eq!(counted[0][3], "irongate:default/limits for HTTPRoute default/route-0/dry");
    assert_eq!(gateway.metric("irongate_rate_limited_total", &["limit=\"dry\"", "would_refuse"]), 3.0);
}

#[test]
fn a_store_that_falls_silent_stops_nobody() {
    for (on_failure, expected) in [("Local", [200, 200, 200, 429]), ("Allow", [200; 4]), ("Deny", [503; 4])] {
        let (origin, store) = (origin(), RedisStandIn::start());
        let more = format!(", timeout: 100ms, onFailure: {on_failure}");
        let gateway = gateway(&manifest(&origin, &redis(store.address(), &more), THREE));
        assert!(is_up(&gateway));
        store.be(RedisMood::Silent);
        assert_eq!(statuses(&gateway, 4), expected, "{on_failure}");
        // It is found out by the requests, or before that by nobody having answered a sign of life.
        let _ = statuses(&gateway, 6);
        eventually(&format!("{on_failure}: it is given up"), || !is_up(&gateway));
        assert!(unanswered(&gateway, "timeout") <= 5.0, "{on_failure}: no more than five waited in vain");
        let away = unanswered(&gateway, "away");
        let _ = statuses(&gateway, 20);
        assert_eq!(unanswered(&gateway, "away"), away + 20.0, "{on_failure}: nobody waits");
        let action = format!("action=\"{}\"", on_failure.to_lowercase());
        assert!(gateway.metric("irongate_limit_store_fallbacks_total", &[&action]) >= 20.0, "{on_failure}");
        // It answers again: what it has counted counts.
        store.be(RedisMood::Well);
        eventually(&format!("{on_failure}: it is back"), || is_up(&gateway));
        assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429], "{on_failure}");
        assert!(gateway.metric("irongate_limit_store_connections_total", &[]) >= 2.0);
    }
}

#[test]
fn whatever_a_store_does_requests_are_answered() {
    for mood in [RedisMood::Failing, RedisMood::Garbled, RedisMood::Closing] {
        let (origin, store) = (origin(), RedisStandIn::start());
        let more = ", timeout: 1s, onFailure: Allow";
        let gateway = gateway(&manifest(&origin, &redis(store.address(), more), THREE));
        store.be(mood);
        assert_eq!(statuses(&gateway, 8), [200; 8], "{mood:?}");
        eventually(&format!("{mood:?}: it is given up"), || !is_up(&gateway));
        assert_eq!(unanswered(&gateway, "timeout"), 0.0, "{mood:?}: it fails at once");
        let view = gateway.admin("/api/limit-stores").text();
        assert!(view.contains("\"lastFailure\": {"), "{view}");
        store.be(RedisMood::Well);
        eventually(&format!("{mood:?}: it is back"), || is_up(&gateway));
        assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429], "{mood:?}");
    }
}

#[test]
fn one_that_was_restarted_gets_the_script_again() {
    let (origin, store) = (origin(), RedisStandIn::start());
    let gateway = gateway(&manifest(&origin, &redis(store.address(), ", timeout: 1s"), THREE));
    assert_eq!(statuses(&gateway, 3), [200; 3]);
    store.forget();
    assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429]);
    let whole = store.commands().iter().filter(|command| command[0] == "EVAL").count();
    assert_eq!((whole, store.accepted()), (1, 1), "it is sent once, on the same connection");
}

#[test]
fn a_password_is_sent_and_told_to_nobody() {
    let (origin, store) = (origin(), RedisStandIn::start());
    store.require("open sesame");
    let spec = format!(
        "{{redis: {{address: 'redis://{}', database: 3, username: gate, prefix: 'p:', passwordRef: {{name: redis}}}}, \
         timeout: 1s}}",
        store.address()
    );
    let secret = |password: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: redis}}\nstringData: {{password: '{password}'}}\n"
        )
    };
    let with = |password: &str| manifest(&origin, &spec, THREE).document(&secret(password));
    let gateway = gateway(&with("open barley"));
    assert!(!is_up(&gateway));
    assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429], "it counts by itself");
    // The store is connected to before the configuration that names it is in use.
    let version = || gateway.metric("irongate_config_version", &[]);
    let before = version();
    gateway.configure(&with("open sesame"));
    eventually("the reload", || version() > before);
    eventually("it is there", || is_up(&gateway));
    assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429]);
    let commands = store.commands();
    assert!(commands.contains(&vec!["AUTH".into(), "gate".into(), "open sesame".into()]), "{commands:?}");
    assert!(commands.contains(&vec!["SELECT".into(), "3".into()]), "{commands:?}");
    let view = gateway.admin("/api/limit-stores").text() + &gateway.printed();
    assert!(!view.contains("sesame") && !view.contains("barley"), "{view}");
}

#[test]
fn a_reload_keeps_the_connection() {
    let (origin, store) = (origin(), RedisStandIn::start());
    let manifest = manifest(&origin, &redis(store.address(), ", timeout: 1s"), THREE);
    let gateway = gateway(&manifest);
    assert_eq!(statuses(&gateway, 2), [200, 200]);
    let version = || gateway.metric("irongate_config_version", &[]);
    let before = version();
    gateway.configure(&manifest.route_for("[other]", "- backendRefs: [{name: origin, port: 80}]"));
    eventually("the reload", || version() > before);
    assert_eq!(statuses(&gateway, 2), [200, 429]);
    assert_eq!(store.accepted(), 1);
    // Another address is another store, and the old connection is not kept.
    let other = RedisStandIn::start();
    gateway.configure(&self::manifest(&origin, &redis(other.address(), ", timeout: 1s"), THREE));
    eventually("the second reload", || version() > before + 1.0);
    assert_eq!(statuses(&gateway, 4), [200, 200, 200, 429]);
    assert_eq!((store.accepted(), other.accepted()), (1, 1));
}

#[test]
fn a_client_that_leaves_is_waited_for_no_longer() {
    let (origin, store) = (origin(), RedisStandIn::start());
    let gateway =
        gateway(&manifest(&origin, &redis(store.address(), ", timeout: 1s, onFailure: Allow"), THREE));
    store.be(RedisMood::Silent);
    let mut client = gateway.connect();
    client.send(GET);
    let is_asked = |command: &Vec<String>| command[0] == "EVALSHA" && command[3].contains("hourly");
    eventually("the store is asked", || store.commands().iter().any(is_asked));
    client.reset();
    let gone = || gateway.metric("irongate_request_failures_total", &["reason=\"client_gone\""]);
    eventually("the client is gone", || gone() == 1.0);
    assert!(origin.requests().is_empty());
}

/// Speaks TLS with whoever comes, and passes on to the store what is inside.
fn secured(store: SocketAddr, pair: &Pair) -> SocketAddr {
    let key = PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![pair.certificate.der().clone()], key).expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || pass_on(stream, config, store));
        }
    });
    address
}

/// Ends with either side.
fn pass_on(stream: TcpStream, config: Arc<ServerConfig>, store: SocketAddr) -> io::Result<()> {
    /// How long one side is listened to before the other is.
    const TURN: Duration = Duration::from_millis(2);
    let mut store = TcpStream::connect(store)?;
    store.set_read_timeout(Some(TURN))?;
    stream.set_read_timeout(Some(TURN))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, stream);
    loop {
        move_some(&mut client, &mut store)?;
        move_some(&mut store, &mut client)?;
    }
}

fn move_some(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; 4096];
    match from.read(&mut bytes) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(length) => to.write_all(&bytes[..length]).and_then(|()| to.flush()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

#[test]
fn a_store_is_asked_over_tls_if_it_is_the_one_that_is_meant() {
    let (trusted, other) = (Pair::new(), Pair::new());
    for (shown, is_trusted) in [(&trusted, true), (&other, false)] {
        let (origin, store) = (origin(), RedisStandIn::start());
        let address = secured(store.address(), shown);
        let tls = "{hostname: test, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}";
        let spec = format!("{{redis: {{address: 'rediss://{address}', tls: {tls}}}, timeout: 1s}}");
        let pem = trusted.certificate.pem().replace('\n', "\n    ");
        let ca = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    {}\n",
            pem.trim_end()
        );
        let gateway = gateway(&manifest(&origin, &spec, THREE).document(&ca));
        assert_eq!(
            statuses(&gateway, 4),
            [200, 200, 200, 429],
            "{is_trusted}: the store, or else the gateway itself"
        );
        assert_eq!(is_up(&gateway), is_trusted);
        let counted = store.commands().iter().filter(|command| command[0].starts_with("EVAL")).count();
        assert_eq!(counted > 3, is_trusted, "{counted} questions");
        let view = gateway.admin("/api/limit-stores").text();
        assert!(view.contains(&format!("rediss://{address}/0")), "{view}");
        assert_eq!(view.contains("ertificate"), !is_trusted, "why it is not there: {view}");
    }
}
