//! Endpoints by DNS and by Consul, against a scripted DNS server and a stand-in for Consul's documented HTTP API.

use crate::gateway;
use crate::tls::Pair;
use irongate_testkit::{
    ConsulStandIn, DnsServer, Gate, Gateway, Manifest, Origin, PATIENCE, SrvRecord, eventually,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

fn named(name: &str) -> Origin {
    Origin::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()))
}

/// An origin on the same port as another, on another address of this machine.
fn beside(other: &Origin, last: u8, name: &str) -> Origin {
    let address = SocketAddr::from(([127, 0, 0, last], other.address().port()));
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
    Origin::start_at(address, move |connection| {
        loop {
            connection.request()?;
            connection.send(&answer)?;
        }
    })
}

fn ip(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// A gateway that sends everything to a Backend `web` with this `spec`.
fn to(spec: &str) -> Manifest {
    Manifest::new().route("- backendRefs: [{group: irongate.dev, kind: Backend, name: web}]").document(
        &format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: Backend\nmetadata: {{name: web}}\nspec:\n  {spec}\n"
        ),
    )
}

/// A Backend whose answers are used for a tenth of a second, whatever they say.
fn dns(server: &DnsServer, fields: &str) -> Manifest {
    let server = server.address();
    to(&format!("dns: {{{fields}, servers: ['{server}'], minRefresh: 100ms, maxRefresh: 100ms}}"))
}

fn consul(consul: &ConsulStandIn, fields: &str) -> Manifest {
    to(&format!("consul: {{address: 'http://{}', service: web{fields}}}", consul.address()))
}

fn asked(gateway: &Gateway) -> String {
    let answer = gateway.get("/");
    assert_eq!(answer.status, 200, "{}", gateway.printed());
    answer.text()
}

/// What `/api/backends` says of the one backend.
fn backend(gateway: &Gateway) -> Value {
    let answer: Value = serde_json::from_str(&gateway.admin("/api/backends").text()).expect("JSON");
    answer["backends"][0].clone()
}

fn endpoints(gateway: &Gateway) -> Vec<String> {
    let backend = backend(gateway);
    let endpoints = backend["endpoints"].as_array().expect("a list").iter();
    endpoints
        .map(|one| format!("{} {}", one["address"].as_str().unwrap_or_default(), one["weight"]))
        .collect()
}

/// Waits until a source has done something this often, such as `failures`.
fn wait_for(gateway: &Gateway, field: &str, times: u64) {
    eventually(field, || backend(gateway)["source"][field].as_u64() >= Some(times));
}

#[test]
fn traffic_follows_the_addresses_of_a_name() {
    let one = named("one");
    let two = beside(&one, 2, "two");
    let server = DnsServer::start();
    server.set_addresses("web.test", &[ip(1)], 3600);
    let port = one.address().port();
    let gateway = gateway(&dns(&server, &format!("name: web.test, port: {port}")));
    assert_eq!(asked(&gateway), "one", "the first request has an endpoint");
    server.set_addresses("web.test", &[ip(1), ip(2)], 3600);
    eventually("both are asked", || asked(&gateway) == "two");
    server.set_addresses("web.test", &[ip(2)], 3600);
    eventually("the other one is left alone", || endpoints(&gateway) == [format!("127.0.0.2:{port} 1")]);
    for _ in 0..20 {
        assert_eq!(asked(&gateway), "two");
    }
    let backend = backend(&gateway);
    assert_eq!(backend["dns"], format!("web.test:{port}").as_str());
    assert_eq!(backend["source"]["kind"], "DNS");
    assert_eq!(backend["source"]["updates"], 3);
    assert!(
        gateway.metric("irongate_discovery_answers_total", &["source=\"DNS\"", "result=\"changed\""]) >= 3.0
    );
    drop((one, two));
}

#[test]
fn an_endpoint_that_goes_finishes_what_it_has_and_is_hung_up_on() {
    let gate = Gate::new();
    let held = gate.clone();
    let one = Origin::start(move |connection| {
        loop {
            if connection.request()?.target() == "/slow" {
                held.wait();
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")?;
        }
    });
    let two = beside(&one, 2, "two");
    let server = DnsServer::start();
    server.set_addresses("web.test", &[ip(1)], 0);
    let port = one.address().port();
    // Idle connections do not end by themselves in the time of a test.
    let policy = "apiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {name: web}\nspec:\n  \
                  targetRefs: [{group: irongate.dev, kind: Backend, name: web}]\n  pool: {idleTimeout: 1h}\n";
    let gateway = gateway(&dns(&server, &format!("name: web.test, port: {port}")).document(policy));
    let mut slow = gateway.connect();
    slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is under way", || !one.requests().is_empty());
    assert_eq!(asked(&gateway), "one");
    server.set_addresses("web.test", &[ip(2)], 0);
    eventually("the other one is the only one", || endpoints(&gateway) == [format!("127.0.0.2:{port} 1")]);
    assert_eq!(asked(&gateway), "two");
    gate.open();
    assert_eq!(slow.response().text(), "one");
    eventually("all its connections end", || one.records().iter().all(|record| record.end.is_some()));
    assert_eq!(asked(&gateway), "two");
    drop(two);
}

#[test]
fn a_server_that_is_away_costs_no_request() {
    let one = named("one");
    let server = DnsServer::start();
    server.set_addresses("web.test", &[ip(1)], 0);
    let gateway = gateway(&dns(&server, &format!("name: web.test, port: {}", one.address().port())));
    assert_eq!(asked(&gateway), "one");
    server.fail(true);
    wait_for(&gateway, "failures", 2);
    assert_eq!(asked(&gateway), "one");
    server.fail(false);
    server.silence(true);
    let before = backend(&gateway)["source"]["failures"].as_u64().expect("a number");
    wait_for(&gateway, "failures", before + 1);
    assert_eq!(asked(&gateway), "one");
    let source = &backend(&gateway)["source"];
    assert!(source["failure"].as_str().is_some_and(|text| text.contains("web.test")), "{source}");
    assert!(source["failuresInARow"].as_u64() >= Some(1) && source["endpoints"] == 1, "{source}");
    server.silence(false);
    eventually("it is asked with success again", || backend(&gateway)["source"]["failuresInARow"] == 0);
}

#[test]
fn a_name_that_vanishes_keeps_its_endpoints_for_a_while() {
    let one = named("one");
    let server = DnsServer::start();
    server.set_addresses("web.test", &[ip(1)], 0);
    let gateway = gateway(&dns(&server, &format!("name: web.test, port: {}", one.address().port())));
    assert_eq!(asked(&gateway), "one");
    server.forget("web.test");
    // How long it takes until that is believed is a matter of the schedule's own tests.
    wait_for(&gateway, "denialsInARow", 3);
    assert_eq!(asked(&gateway), "one");
    server.set_addresses("web.test", &[ip(1)], 0);
    eventually("it is there again", || backend(&gateway)["source"]["denialsInARow"] == 0);
}

#[test]
fn a_name_that_nobody_knows_is_503_until_it_is_known() {
    let one = named("one");
    let server = DnsServer::start();
    let gateway = gateway(&dns(&server, &format!("name: web.test, port: {}", one.address().port())));
    assert_eq!(gateway.get("/").status, 503);
    server.set_addresses("web.test", &[ip(1)], 0);
    eventually("it is served", || gateway.get("/").status == 200);
}

#[test]
fn services_have_ports_weights_and_priorities() {
    let origins = [named("a"), named("b"), named("spare")];
    let ports = origins.each_ref().map(|origin| origin.address().port());
    let server = DnsServer::start();
    for host in ["a.test", "b.test", "spare.test"] {
        server.set_addresses(host, &[ip(1)], 60);
    }
    let records: [SrvRecord<'_>; 3] =
        [(10, 30, ports[0], "a.test"), (10, 10, ports[1], "b.test"), (20, 10, ports[2], "spare.test")];
    server.set_services("_http._tcp.web.test", &records, 0);
    let gateway = gateway(&dns(&server, "name: _http._tcp.web.test, type: SRV"));
    let mut expected =
        [(0, 3), (1, 1), (2, 1)].map(|(at, weight)| format!("127.0.0.1:{} {weight}", ports[at]));
    expected.sort();
    let mut found = endpoints(&gateway);
    found.sort();
    assert_eq!(found, expected);
    for _ in 0..40 {
        assert_ne!(asked(&gateway), "spare", "while those of the best priority are there");
    }
    // Where no host of the best priority is there, the next one counts.
    server.forget("a.test");
    server.forget("b.test");
    eventually("the next priority is used", || endpoints(&gateway) == [format!("127.0.0.1:{} 1", ports[2])]);
    assert_eq!(asked(&gateway), "spare");
    assert_eq!(backend(&gateway)["dns"], "SRV _http._tcp.web.test");
}

#[test]
fn an_answer_that_is_too_long_for_a_datagram_comes_over_tcp() {
    let server = DnsServer::start();
    let addresses: Vec<IpAddr> =
        (0..2000_u16).map(|n| Ipv4Addr::new(127, 1, (n >> 8) as u8, n as u8).into()).collect();
    server.set_addresses("many.test", &addresses, 3600);
    let gateway = gateway(&dns(&server, "name: many.test, port: 9"));
    eventually("all of them are there", || backend(&gateway)["source"]["endpoints"] == 2000);
}

#[test]
fn traffic_follows_the_catalog_of_consul() {
    let origins = [named("one"), named("two"), named("three")];
    let addresses = origins.each_ref().map(Origin::address);
    let catalog = ConsulStandIn::start(&addresses[..1]);
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: consul}\nstringData: {token: s3cret}\n";
    let fields = ", tags: [v2, b c], datacenter: dc1, tokenRef: {name: consul}";
    let gateway = gateway(&consul(&catalog, fields).document(secret));
    assert_eq!(asked(&gateway), "one", "the first request has an endpoint");
    catalog.set_weighted(&[(addresses[1], 3), (addresses[2], 1)]);
    let expected = |weights: [(usize, u32); 2]| {
        let mut list = weights.map(|(number, weight)| format!("{} {weight}", addresses[number]));
        list.sort();
        list
    };
    eventually("the others are found", || {
        let mut found = endpoints(&gateway);
        found.sort();
        found == expected([(1, 3), (2, 1)])
    });
    assert_ne!(asked(&gateway), "one");
    let requests = catalog.requests();
    let request = requests.first().expect("it was asked");
    assert_eq!(
        request.target(),
        "/v1/health/service/web?passing=true&tag=v2&tag=b%20c&dc=dc1&index=0&wait=60s"
    );
    assert_eq!(request.head.field("x-consul-token"), Some("s3cret"));
    assert!(!gateway.printed().contains("s3cret"));
    let shown = gateway.admin("/api/backends").text();
    assert!(!shown.contains("s3cret") && shown.contains("web at http://"), "{shown}");
    assert_eq!(backend(&gateway)["source"]["kind"], "Consul");
}

#[test]
fn consul_may_fail_and_may_lose_its_state() {
    let origins = [named("one"), named("two")];
    let addresses = origins.each_ref().map(Origin::address);
    let catalog = ConsulStandIn::start(&addresses[..1]);
    for _ in 0..5 {
        catalog.set(&addresses[..1]);
    }
    let gateway = gateway(&consul(&catalog, ", wait: 1s"));
    assert_eq!(asked(&gateway), "one");
    catalog.fail(Some(500));
    wait_for(&gateway, "failures", 2);
    assert_eq!(asked(&gateway), "one");
    let failure = backend(&gateway)["source"]["failure"].clone();
    assert!(
        failure.as_str().is_some_and(|text| text.contains("500") && text.contains("No cluster leader")),
        "{failure}"
    );
    catalog.fail(None);
    eventually("it is asked with success again", || backend(&gateway)["source"]["failuresInARow"] == 0);
    // The index goes back: the next question begins anew.
    catalog.lose_index();
    catalog.set(&addresses[1..]);
    eventually("the other instance is found", || asked(&gateway) == "two");
    // And a catalog that is empty is not believed at once.
    catalog.set(&[]);
    wait_for(&gateway, "denialsInARow", 1);
    assert_eq!(asked(&gateway), "two");
    drop(catalog);
    wait_for(&gateway, "failuresInARow", 1);
    assert_eq!(asked(&gateway), "two");
}

/// An address at which TLS is spoken, with this certificate; what is asked there is asked of `behind`. It runs until the tests are
/// over.
fn over_tls(behind: SocketAddr, pair: &Pair) -> SocketAddr {
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key");
    let chain = vec![pair.certificate.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let config = Arc::new(config.expect("a certificate and its key"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || pass_on(config, stream, behind));
        }
    });
    address
}

/// One question after the other, and its answer.
fn pass_on(config: Arc<ServerConfig>, tcp: TcpStream, behind: SocketAddr) -> io::Result<()> {
    tcp.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = BufReader::new(StreamOwned::new(connection, tcp));
    let mut behind = BufReader::new(TcpStream::connect(behind)?);
    loop {
        let (question, _) = head(&mut client)?;
        behind.get_mut().write_all(&question)?;
        let (mut answer, length) = head(&mut behind)?;
        let body = answer.len();
        answer.resize(body + length, 0);
        behind.read_exact(&mut answer[body..])?;
        client.get_mut().write_all(&answer)?;
        client.get_mut().flush()?;
    }
}

/// A head, and what its `Content-Length` says.
fn head(from: &mut impl BufRead) -> io::Result<(Vec<u8>, usize)> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    loop {
        let begin = bytes.len();
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&bytes[begin..]).to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            return Ok((bytes, length));
        }
    }
}

#[test]
fn consul_is_asked_over_tls_and_only_who_is_trusted() {
    let origins = [named("one"), named("two")];
    let addresses = origins.each_ref().map(Origin::address);
    let catalog = ConsulStandIn::start(&addresses[..1]);
    let (pair, other) = (Pair::of("server.dc1.consul"), Pair::of("server.dc1.consul"));
    let address = over_tls(catalog.address(), &pair);
    let trusting = |pair: &Pair| {
        let pem = pair.certificate.pem().replace('\n', "\n    ");
        let tls = "hostname: server.dc1.consul, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
        to(&format!("consul: {{address: 'https://{address}', service: web, tls: {{{tls}}}}}")).document(
            &format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n    {pem}\n"
            ),
        )
    };
    let trusted = gateway(&trusting(&pair));
    assert_eq!(asked(&trusted), "one");
    catalog.set(&addresses[1..]);
    eventually("the other is found", || asked(&trusted) == "two");
    assert!(trusted.admin("/api/backends").text().contains("web at https://"));
    let before = catalog.requests().len();
    let wary = gateway(&trusting(&other));
    wait_for(&wary, "failures", 1);
    assert_eq!(wary.get("/").status, 503);
    drop(trusted);
    assert!(catalog.requests().len() <= before + 1, "nothing was asked of who is not trusted");
}
