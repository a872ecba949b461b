//! HTTP/2 over TLS, agreed on by ALPN, and how a connection ends.

use super::raw::{
    Connection, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Outcome, PING, await_outcome,
    await_outcome_of, encode,
};
use crate::{BINARY, OK, gateway_to};
use base64::prelude::{BASE64_STANDARD, Engine};
use irongate_testkit::{Gate, Gateway, Origin, PATIENCE, eventually};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The hosts of the two listeners.
const HOSTS: [&str; 2] = ["one.test", "two.test"];

/// Two listeners on a port, each for one host, with a certificate and an origin of its own.
struct Hosts {
    gateway: Gateway,
    roots: RootCertStore,
}

impl Hosts {
    fn start(origins: [&Origin; 2]) -> Self {
        let mut roots = RootCertStore::empty();
        let mut documents = String::new();
        for (host, origin) in HOSTS.into_iter().zip(origins) {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![host.to_owned()]).expect("a valid name");
            let certificate = params.self_signed(&key).expect("a certificate");
            roots.add(certificate.der().clone()).expect("a good certificate");
            documents += &of_host(host, origin.address(), &certificate.pem(), &key.serialize_pem());
        }
        let gateway = Gateway::start_text(BINARY, &["--threads", "1"], |listen| {
            let listener = |host: &str| {
                let port = listen.port();
                format!(
                    "  - {{name: '{host}', hostname: '{host}', port: {port}, protocol: HTTPS, tls: {{certificateRefs: [{{name: '{host}'}}]}}}}\n"
                )
            };
            format!(
                "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\nspec:\n  gatewayClassName: irongate\n  \
                 addresses: [{{value: {}}}]\n  listeners:\n{}{}{documents}",
                listen.ip(),
                listener(HOSTS[0]),
                listener(HOSTS[1])
            )
        });
        Self { gateway, roots }
    }

    /// A connection that asks for a name, with HTTP/2 begun inside.
    fn connect(&self, name: &str) -> Connection<Stream> {
        let mut config =
            ClientConfig::builder().with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("complete");
        let stream = TcpStream::connect(self.gateway.address()).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("PATIENCE is not zero");
        let mut stream = StreamOwned::new(connection, stream);
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
        Connection::over(stream)
    }
}

/// The route, Service and Secret of a host.
fn of_host(host: &str, origin: SocketAddr, certificate: &str, key: &str) -> String {
    let encode = |text: &str| BASE64_STANDARD.encode(text);
    let service = host.replace('.', "-");
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {host}}}\n\
         spec: {{parentRefs: [{{name: gw, sectionName: '{host}'}}], rules: [{{backendRefs: [{{name: {service}, port: 80}}]}}]}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {host}}}\ntype: kubernetes.io/tls\n\
         data: {{tls.crt: {}, tls.key: {}}}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {service}}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {service}-1, labels: {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\n\
         ports: [{{name: http, port: {}}}]\nendpoints: [{{addresses: ['{}']}}]\n",
        encode(certificate),
        encode(key),
        origin.port(),
        origin.ip()
    )
}

/// Asks for a host on a stream; what becomes of it.
fn get(connection: &mut Connection<Stream>, stream: u32, host: &str) -> Outcome {
    let head = encode(&[(":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/")]);
    connection.send(HEADERS, END_HEADERS | END_STREAM, stream, &head);
    await_outcome_of(connection, stream)
}

#[test]
fn the_name_of_tls_says_which_hosts_a_connection_is_for() {
    let origins = [Origin::echoing(), Origin::echoing()];
    let hosts = Hosts::start([&origins[0], &origins[1]]);
    for (index, own, other) in [(0, HOSTS[0], HOSTS[1]), (1, HOSTS[1], HOSTS[0])] {
        let before = origins[1 - index].bytes().len();
        let mut connection = hosts.connect(own);
        assert_eq!(get(&mut connection, 1, own), Outcome::Status(200));
        assert_eq!(get(&mut connection, 3, other), Outcome::Status(421), "misdirected (RFC 9110 §15.5.20)");
        assert_eq!(get(&mut connection, 5, own), Outcome::Status(200), "the connection goes on");
        assert_eq!(origins[1 - index].bytes().len(), before, "nothing of it reached the other's origin");
    }
    for (host, origin) in HOSTS.iter().zip(&origins) {
        let requests = origin.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(
                (request.field("host"), request.field("x-forwarded-proto")),
                (Some(*host), Some("https"))
            );
        }
    }
}

#[test]
fn an_extended_connect_is_a_websocket() {
    let origin = Origin::start(|connection| {
        let head = connection.head()?;
        assert_eq!((head.start.as_str(), head.field("upgrade")), ("GET /chat HTTP/1.1", Some("websocket")));
        connection.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n",
        )?;
        let bytes = connection.exactly(4)?;
        connection.send(&bytes)?;
        connection.until_end()
    });
    let other = Origin::answering(OK);
    let hosts = Hosts::start([&origin, &other]);
    let mut connection = hosts.connect(HOSTS[0]);
    let head = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", HOSTS[0]),
        (":path", "/chat"),
        ("sec-websocket-version", "13"),
    ];
    connection.send(HEADERS, END_HEADERS, 1, &encode(&head));
    assert_eq!(await_outcome(&mut connection), Outcome::Status(200));
    connection.send(DATA, 0, 1, b"ping");
    let mut echo = Vec::new();
    while echo.len() < 4 {
        match connection.frame().expect("the connection goes on") {
            (DATA, _, 1, payload) => echo.extend(payload),
            (GOAWAY, ..) => panic!("the connection ends"),
            _ => {}
        }
    }
    assert_eq!(echo, b"ping");
}

#[test]
fn a_drain_takes_two_steps() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.request()?;
            gate.wait();
            connection.send(OK)
        }
    });
    let mut gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    let head = encode(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")]);
    connection.send(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    eventually("the first request is there", || origin.requests().len() == 1);
    gateway.terminate();
    // First: open no more streams, and any that are on their way are served (RFC 9113 §6.8).
    assert_eq!(goaway(&mut connection), (0x7fff_ffff, 0));
    connection.send(HEADERS, END_HEADERS | END_STREAM, 3, &head);
    let asked = loop {
        if let (PING, 0, _, payload) = connection.frame().expect("the connection goes on") {
            break payload;
        }
    };
    connection.send(PING, 1, 0, &asked);
    // Then, since the client has heard it: these were the last.
    assert_eq!(goaway(&mut connection), (3, 0));
    gate.open();
    let mut answered = [false; 2];
    while let Some((kind, _, stream, _)) = connection.frame() {
        if kind == HEADERS {
            answered[usize::from(stream == 3)] = true;
        }
    }
    assert_eq!(answered, [true, true], "both were answered before the end");
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

/// Waits for a GOAWAY; the last stream that it names, and its code.
fn goaway(connection: &mut Connection) -> (u32, u32) {
    loop {
        let (kind, _, _, payload) = connection.frame().expect("the connection goes on");
        if kind == GOAWAY {
            let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
            return (number(0), number(4));
        }
    }
}
