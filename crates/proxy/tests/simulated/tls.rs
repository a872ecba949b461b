//! TLS with clients: who is shown what, who is let in, and what is spoken inside.

use crate::certificates::{Authority, connection, shown};
use crate::world::{End, Setup, World, serve};
use irongate_config::{ClientValidation, HostPattern, ListenerTls};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};
use std::sync::Arc;

fn host(text: &str) -> HostPattern {
    HostPattern::parse(text).expect("a pattern")
}

fn secure(listeners: Vec<(HostPattern, ListenerTls)>) -> Setup {
    Setup { secure: listeners, ..Setup::default() }
}

/// Sends a request to a host; the status of its answer.
async fn get(world: &World, config: &Arc<ClientConfig>, name: &str, host: &str) -> Result<String, End> {
    let origin = world.origin();
    let client = world.tls_client(connection(config, name));
    let serve = serve(&origin);
    let ask = async {
        client.try_send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.map_err(|_| End::Reset)?;
        let answer = client.message().await?;
        Ok(answer.head.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    tokio::select! {
        result = ask => result,
        () = serve => Err(End::Closed),
    }
}

#[test]
fn a_request_goes_through() {
    let authority = Authority::new();
    let tls = shown(vec![authority.issue(&["example.com"])]);
    secure(vec![(HostPattern::Any, tls)]).run(async |world| {
        let config = Arc::new(authority.client(&["http/1.1"]));
        let (origin, client) = (world.origin(), world.tls_client(connection(&config, "example.com")));
        client.shake_hands().await.expect("a handshake");
        client.agreed(|tls| {
            assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
            assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
            let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
            assert_eq!(suite, Some(CipherSuite::TLS13_AES_128_GCM_SHA256));
            let group = tls.negotiated_key_exchange_group().map(|group| group.name());
            assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
        });
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
            let request = origin.message().await.expect("a request");
            assert_eq!(request.field("x-forwarded-proto"), Some("https"));
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
            assert_eq!(client.message().await.expect("an answer").body, b"hello");
        }
        assert_eq!(world.metric("irongate_tls_handshakes_total"), 1.0);
    });
}

#[test]
fn the_name_chooses_certificate_and_listener() {
    let (one, other) = (Authority::new(), Authority::new());
    let setup = secure(vec![
        (host("example.com"), shown(vec![one.issue(&["example.com"])])),
        (host("*.example.com"), shown(vec![other.issue(&["*.example.com"]), one.issue(&["a.example.com"])])),
        (HostPattern::Any, shown(vec![other.issue(&["default.test"]), one.issue(&["b.test"])])),
    ]);
    let (of_one, of_other) = (Arc::new(one.client(&[])), Arc::new(other.client(&[])));
    setup.run(async |world| {
        for (config, name) in [
            (&of_one, "example.com"),
            (&of_one, "a.example.com"),
            (&of_other, "x.example.com"),
            (&of_other, "default.test"),
            (&of_one, "b.test"),
        ] {
            assert_eq!(get(&world, config, name, name).await, Ok("200".to_owned()), "{name}");
        }
        // The first where none is for the name; it is for the client to object.
        let refused = get(&world, &of_other, "unknown.test", "unknown.test").await;
        assert!(matches!(&refused, Err(End::Refused(why)) if why.contains("default.test")), "{refused:?}");
    });
}

#[test]
fn the_host_has_to_choose_the_same_listener() {
    let authority = Authority::new();
    let names = ["example.com", "*.example.com", "second.test", "unknown.test"];
    let tls = || shown(vec![authority.issue(&names)]);
    let setup = secure(vec![
        (host("example.com"), tls()),
        (host("*.example.com"), tls()),
        (host("second.test"), tls()),
    ]);
    let cases = [
        ("example.com", "example.com", "200"),
        ("example.com", "Example.COM:443", "200"),
        ("a.example.com", "b.example.com", "200"),
        ("example.com", "a.example.com", "421"),
        ("a.example.com", "example.com", "421"),
        ("second.test", "example.com", "421"),
        ("second.test", "unknown.test", "404"),
    ];
    let config = Arc::new(authority.client(&[]));
    setup.run(async |world| {
        for (name, host, status) in cases {
            assert_eq!(get(&world, &config, name, host).await, Ok(status.to_owned()), "{name}, {host}");
        }
        let refused = get(&world, &config, "unknown.test", "unknown.test").await;
        assert_eq!(refused, Err(End::Refused("AlertReceived(UnrecognisedName)".to_owned())));
    });
}

#[test]
fn of_two_for_a_name_the_one_with_a_curve_is_shown() {
    let authority = Authority::new();
    let rsa = authority.issue_with(&["example.com"], &rcgen::PKCS_RSA_SHA256);
    let curve = authority.issue(&["example.com"]);
    let expected = curve.chain.clone();
    secure(vec![(HostPattern::Any, shown(vec![rsa, curve]))]).run(async |world| {
        let config = Arc::new(authority.client(&[]));
        let client = world.tls_client(connection(&config, "example.com"));
        client.shake_hands().await.expect("a handshake");
        client.agreed(|tls| assert_eq!(tls.peer_certificates(), Some(&*expected)));
    });
}

/// A client's configuration that shows a certificate.
fn with_certificate(server: &Authority, client: &Authority) -> Arc<ClientConfig> {
    let certificate = client.issue(&[]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.certificate.clone()).expect("a good certificate");
    let key = PrivateKeyDer::from_pem_slice(certificate.key.expose()).expect("a key");
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_client_auth_cert(certificate.chain, key).expect("a certificate with its key"))
}

#[test]
fn clients_are_validated() {
    let (server, trusted, stranger) = (Authority::new(), Authority::new(), Authority::new());
    let without = Arc::new(server.client(&[]));
    let (good, bad) = (with_certificate(&server, &trusted), with_certificate(&server, &stranger));
    for (allows_invalid, expected) in [(false, [false, false, true]), (true, [true, true, true])] {
        let authorities: Vec<CertificateDer<'static>> =
            vec![Authority::new().certificate, trusted.certificate.clone()];
        let clients = Some(Arc::new(ClientValidation { authorities, allows_invalid }));
        let tls = ListenerTls { clients, ..shown(vec![server.issue(&["example.com"])]) };
        secure(vec![(HostPattern::Any, tls)]).run(async |world| {
            for (config, expected) in [&without, &bad, &good].into_iter().zip(expected) {
                let answer = get(&world, config, "example.com", "example.com").await;
                assert_eq!(answer.is_ok(), expected, "{allows_invalid}: {answer:?}");
            }
            assert_eq!(world.metric("irongate_refusals_total"), if allows_invalid { 0.0 } else { 2.0 });
        });
    }
}

#[test]
fn sessions_are_resumed_by_their_own_listener_only() {
    let authority = Authority::new();
    let certificate = authority.issue(&["one.test", "two.test"]);
    let clients = Some(Arc::new(ClientValidation {
        authorities: vec![authority.certificate.clone()],
        allows_invalid: true,
    }));
    let strict = ListenerTls { clients, ..shown(vec![certificate.clone()]) };
    let setup = secure(vec![(host("one.test"), shown(vec![certificate])), (host("two.test"), strict)]);
    setup.run(async |world| {
        let config = Arc::new(authority.client(&[]));
        let kind = async |name: &str| {
            let client = world.tls_client(connection(&config, name));
            let origin = world.origin();
            client.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")).await;
            tokio::select! {
                answer = client.message() => drop(answer.expect("an answer")),
                () = serve(&origin) => {}
            }
            client.agreed(|tls| tls.handshake_kind())
        };
        assert_eq!(kind("one.test").await, Some(HandshakeKind::Full));
        assert_eq!(kind("one.test").await, Some(HandshakeKind::Resumed));
        assert_eq!(kind("two.test").await, Some(HandshakeKind::Full));
        assert_eq!(kind("two.test").await, Some(HandshakeKind::Resumed));
    });
}
