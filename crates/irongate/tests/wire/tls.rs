//! TLS on real sockets: what hostile and unlucky clients cost, and that changes of certificates cost nobody anything.

use crate::{GET, OK, gateway};
use base64::prelude::{BASE64_STANDARD, Engine};
use irongate_testkit::{Gateway, Manifest, Origin, PATIENCE, eventually};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, version};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A certificate that signs itself, with its key, both PEM.
pub(crate) struct Pair {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::of("test")
    }

    pub(crate) fn of(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a valid name");
        Self { certificate: params.self_signed(&key).expect("a certificate"), key }
    }

    fn secret(&self) -> String {
        self.secret_named("pair")
    }

    pub(crate) fn secret_named(&self, name: &str) -> String {
        let encode = |text: String| BASE64_STANDARD.encode(text);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\n\
             data: {{tls.crt: {}, tls.key: {}}}\n",
            encode(self.certificate.pem()),
            encode(self.key.serialize_pem())
        )
    }

    pub(crate) fn manifest(&self, origin: &Origin) -> Manifest {
        Manifest::to_origins(&[origin.address()]).https("[{name: pair}]").document(&self.secret())
    }
}

/// A client that trusts these certificates.
fn trusting(pairs: &[&Pair]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        let der: CertificateDer<'static> = pair.certificate.der().clone();
        roots.add(der).expect("a good certificate");
    }
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(gateway: &Gateway, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let stream = TcpStream::connect_timeout(&gateway.address(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("test").expect("a name");
    let connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// One request and its answer, which is the last one of its connection.
fn ask(stream: &mut Stream) -> io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A request over HTTP/1.1 on a connection of its own, and the whole answer.
#[track_caller]
pub(crate) fn get(gateway: &Gateway, pair: &Pair, method: &str, target: &str) -> String {
    let mut stream = connect(gateway, &trusting(&[pair])).expect("open");
    let request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a whole answer");
    answer
}

#[test]
fn handshakes_end_before_a_request_begins() {
    let origin = Origin::answering(OK);
    let pair = Pair::new();
    // Longer than anybody waits: an end of the connection is no end of the handshake.
    let gateway = gateway(&pair.manifest(&origin).parameters("timeouts: {head: 600s}"));
    for version in [&version::TLS12, &version::TLS13] {
        let mut roots = RootCertStore::empty();
        roots.add(pair.certificate.der().clone()).expect("a good certificate");
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = connect(&gateway, &config).expect("open");
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).expect("what the gateway says");
            }
            let answer = ask(&mut stream).expect("a whole answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert_eq!(stream.conn.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn sessions_are_resumed_on_every_core() {
    let origin = Origin::answering(OK);
    let pair = Pair::new();
    let gateway = Gateway::start_with(crate::BINARY, &pair.manifest(&origin), &["--threads", "2"]);
    let config = trusting(&[&pair]);
    for number in 0..16 {
        let mut stream = connect(&gateway, &config).expect("open");
        let answer = ask(&mut stream).expect("a whole answer, with its end");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let kind = if number == 0 { HandshakeKind::Full } else { HandshakeKind::Resumed };
        assert_eq!(stream.conn.handshake_kind(), Some(kind), "{number}");
    }
    assert!(gateway.metric("irongate_tls_handshakes_total", &["resumed"]) > 14.5);
}

#[test]
fn certificates_change_without_a_failed_handshake() {
    let origin = Origin::answering(OK);
    let pairs: Vec<_> = (0..4).map(|_| Pair::new()).collect();
    let gateway = gateway(&pairs[0].manifest(&origin));
    let config = trusting(&pairs.iter().collect::<Vec<_>>());
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let load = || {
            while !over.load(Ordering::Relaxed) {
                let answer = connect(&gateway, &config).and_then(|mut stream| ask(&mut stream));
                let answer = answer.expect("no handshake fails");
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                asked.fetch_add(1, Ordering::Relaxed);
            }
        };
        let threads = [scope.spawn(load), scope.spawn(load)];
        for pair in &pairs[1..] {
            gateway.configure(&pair.manifest(&origin));
            let of_pair = trusting(&[pair]);
            eventually("the new certificate is shown", || {
                connect(&gateway, &of_pair).and_then(|mut stream| ask(&mut stream)).is_ok()
            });
        }
        over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().expect("nothing failed");
        }
    });
    assert!(asked.load(Ordering::Relaxed) > 0);
}

/// What a client sends first.
fn hello() -> Vec<u8> {
    let pair = Pair::new();
    let name = ServerName::try_from("test").expect("a name");
    let mut connection = ClientConnection::new(trusting(&[&pair]), name).expect("complete");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("memory takes it");
    bytes
}

#[test]
fn half_open_handshakes_end_and_hold_nobody_up() {
    let origin = Origin::answering(OK);
    let pair = Pair::new();
    let gateway = gateway(&pair.manifest(&origin).parameters("timeouts: {head: 3s}"));
    let hello = hello();
    let mut clients: Vec<_> = (0..60)
        .map(|number| {
            let mut client = gateway.connect();
            // Nothing, a part, or all of it.
            client.send(&hello[..hello.len() * (number % 3) / 2]);
            client
        })
        .collect();
    let config = trusting(&[&pair]);
    let answer = connect(&gateway, &config).and_then(|mut stream| ask(&mut stream));
    assert!(answer.expect("others are served").starts_with("HTTP/1.1 200"));
    for client in &mut clients {
        client.read_to_end();
    }
    eventually("all are counted", || gateway.metric("irongate_refusals_total", &["tls_timeout"]) > 59.5);
}

#[test]
fn what_is_no_tls_is_closed() {
    let origin = Origin::answering(OK);
    let pair = Pair::new();
    let gateway = gateway(&pair.manifest(&origin));
    for (sent, reason) in [(GET.as_bytes().to_vec(), "tls_malformed"), (vec![22; 20_000], "tls_malformed")] {
        let before = gateway.metric("irongate_refusals_total", &[reason]);
        let mut client = gateway.connect();
        let _closed_already = client.try_send(&sent);
        client.read_to_end();
        eventually(reason, || gateway.metric("irongate_refusals_total", &[reason]) > before);
    }
    assert!(origin.bytes().is_empty(), "nothing of it reached the origin");
}

#[test]
fn a_record_that_is_cut_short_is_no_request() {
    let origin = Origin::answering(OK);
    let pair = Pair::new();
    let gateway = gateway(&pair.manifest(&origin));
    let mut stream = connect(&gateway, &trusting(&[&pair])).expect("open");
    stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    stream.conn.writer().write_all(GET.as_bytes()).expect("memory takes it");
    let mut bytes = Vec::new();
    stream.conn.write_tls(&mut bytes).expect("memory takes it");
    stream.sock.write_all(&bytes[..bytes.len() - 1]).expect("open");
    stream.sock.shutdown(std::net::Shutdown::Write).expect("open");
    let mut rest = Vec::new();
    // How it ends does not matter.
    let _ = stream.sock.read_to_end(&mut rest);
    assert!(origin.bytes().is_empty(), "nothing of it reached the origin");
}

#[test]
fn answers_larger_than_many_records_are_whole() {
    let body = "0123456789abcdef".repeat(64 << 10);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let origin = Origin::answering(answer);
    let pair = Pair::new();
    let gateway = gateway(&pair.manifest(&origin));
    for _ in 0..3 {
        let mut stream = connect(&gateway, &trusting(&[&pair])).expect("open");
        let answer = ask(&mut stream).expect("a whole answer");
        assert!(answer.ends_with(&body), "{} bytes", answer.len());
    }
}
