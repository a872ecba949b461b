//! Certificates, reloads, the end, and clients that move, over HTTP/3.

use super::peers::{Answer, Client, presenting, shake_hands, trusting};
use super::{gateway_to, manifest};
use crate::gateway;
use crate::http2::peers::block_on;
use crate::http2::wait;
use crate::tls::Pair;
use irongate_testkit::{Gate, Gateway, Manifest, Origin, PATIENCE, eventually};
use std::net::{SocketAddr, UdpSocket};

/// Whether anybody listens for datagrams there.
fn is_open(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_err()
}

/// Listeners for `a.test` and `b.test` on one port, each with a certificate of its own.
fn two_hosts(address: SocketAddr, [a, b]: [&Pair; 2], origin: &Origin) -> String {
    let manifest = Manifest::to_origins(&[origin.address()])
        .https("[{name: a}]")
        .listener_field("hostname: a.test")
        .parameters("http3: true")
        .document(&a.secret_named("a"))
        .document(&b.secret_named("b"));
    let other = format!(
        "  listeners:\n  - {{name: other, port: {}, protocol: HTTPS, hostname: b.test, tls: {{certificateRefs: [{{name: b}}]}}}}\n",
        address.port()
    );
    manifest.yaml(address).replacen("  listeners:\n", &other, 1)
}

#[test]
fn the_name_that_a_client_asks_for_chooses() {
    let origin = Origin::echoing();
    let pairs = [Pair::of("a.test"), Pair::of("b.test")];
    let gateway = Gateway::start_text(crate::BINARY, &["--threads", "1"], |address| {
        two_hosts(address, [&pairs[0], &pairs[1]], &origin)
    });
    block_on(async {
        for (name, pair) in [("a.test", &pairs[0]), ("b.test", &pairs[1])] {
            let (endpoint, connection) =
                shake_hands(gateway.address(), name, trusting(&[pair])).await.expect("its own certificate");
            let mut client = Client::new(endpoint, connection).await;
            for (host, status) in [("a.test", 200), ("b.test", 200)] {
                let mut stream = client.open_at(host, "GET", "/", &[]).await.expect("a stream");
                stream.finish().await.expect("open");
                let answer = Answer::read(&mut stream).await.expect("an answer");
                let expected = if host == name { status } else { 421 };
                assert_eq!(answer.status, expected, "{host} of a connection for {name}");
            }
        }
        let unknown = shake_hands(gateway.address(), "c.test", trusting(&[&pairs[0]])).await;
        let error = unknown.expect_err("no listener is for it").to_string();
        assert!(error.contains("112"), "unrecognized_name: {error}");
    });
    eventually("it is counted", || gateway.metric("irongate_refusals_total", &["tls_unknown_name"]) > 0.5);
}

#[test]
fn certificates_change_live() {
    let origin = Origin::echoing();
    let (old, new) = (Pair::new(), Pair::new());
    let gateway = gateway(&manifest(&old, &origin));
    block_on(async {
        let mut before = Client::connect(gateway.address(), &old).await;
        assert_eq!(before.get("/").await.status, 200);
        gateway.configure(&manifest(&new, &origin));
        let mut shown = false;
        for _ in 0..1000 {
            shown = shake_hands(gateway.address(), "test", trusting(&[&new])).await.is_ok();
            if shown {
                break;
            }
        }
        assert!(shown, "the new certificate is shown");
        assert_eq!(before.get("/").await.status, 200, "who is connected stays");
    });
}

#[test]
fn a_reload_opens_and_closes() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = gateway(&pair.manifest(&origin));
    assert!(!is_open(gateway.address()), "it is off unless asked for");
    gateway.configure(&manifest(&pair, &origin));
    eventually("it opens", || is_open(gateway.address()));
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        assert_eq!(client.get("/").await.status, 200);
        gateway.configure(&pair.manifest(&origin));
        assert_eq!(client.wait_closed().await, 0x100, "H3_NO_ERROR");
    });
    eventually("it closes", || !is_open(gateway.address()));
    gateway.configure(&manifest(&pair, &origin));
    eventually("it opens again", || is_open(gateway.address()));
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        assert_eq!(client.get("/").await.status, 200);
    });
}

#[test]
fn what_runs_is_finished_when_it_ends() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.request()?;
            gate.wait();
            connection
                .send(format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "a".repeat(300_000)))?;
            connection.until_end()
        }
    });
    let (mut gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut busy = Client::connect(gateway.address(), &pair).await;
        let idle = Client::connect(gateway.address(), &pair).await;
        let mut stream = busy.open("GET", "/", &[]).await.expect("a stream");
        stream.finish().await.expect("open");
        wait(|| origin.requests().len() == 1).await;
        gateway.terminate();
        assert_eq!(idle.wait_closed().await, 0x100, "H3_NO_ERROR");
        assert!(gateway.is_running(), "it waits for what runs");
        gate.open();
        let answer = Answer::read(&mut stream).await.expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, 300_000));
        drop(stream);
        assert_eq!(busy.wait_closed().await, 0x100, "H3_NO_ERROR");
    });
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn clients_that_move_keep_their_connection() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    // The kernel gives the datagrams of a new address to any core.
    let gateway = Gateway::start_with(crate::BINARY, &manifest(&pair, &origin), &["--threads", "4"]);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        for number in 0..12 {
            let answer = client.get(&format!("/{number}")).await;
            assert_eq!(answer.text(), format!("GET /{number} 0"));
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            client.endpoint.rebind(socket).expect("the same client elsewhere");
        }
    });
    assert!(gateway.metric("irongate_connections_total", &[]) < 1.5);
}

/// The Gateway's `tls.frontend` that lets in clients with a certificate of this authority alone.
fn validating(address: SocketAddr, pair: &Pair, authority: &Pair, origin: &Origin) -> String {
    let authorities = authority.certificate.pem().replace('\n', "\n    ");
    let text = manifest(pair, origin)
        .document(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: authority}}\ndata:\n  ca.crt: |\n    {authorities}\n"
        ))
        .yaml(address);
    let frontend = "  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: authority}]}}}}\n";
    text.replacen("  listeners:\n", &format!("{frontend}  listeners:\n"), 1)
}

#[test]
fn clients_are_asked_for_a_certificate() {
    let origin = Origin::echoing();
    let (pair, known, unknown) = (Pair::new(), Pair::of("client"), Pair::of("stranger"));
    let gateway = Gateway::start_text(crate::BINARY, &["--threads", "1"], |address| {
        validating(address, &pair, &known, &origin)
    });
    block_on(async {
        let hands = shake_hands(gateway.address(), "test", presenting(&pair, &known)).await;
        let (endpoint, connection) = hands.expect("it is let in");
        let mut client = Client::new(endpoint, connection).await;
        assert_eq!(client.get("/").await.status, 200);
        for config in [trusting(&[&pair]), presenting(&pair, &unknown)] {
            // A client may be done before the gateway has looked: it learns of it then.
            if let Ok((_endpoint, connection)) = shake_hands(gateway.address(), "test", config).await {
                let error = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("an end");
                assert!(matches!(error, quinn::ConnectionError::ConnectionClosed(_)), "{error}");
            }
        }
    });
    for reason in ["tls_client_certificate_missing", "tls_client_certificate_unknown_issuer"] {
        eventually(reason, || gateway.metric("irongate_refusals_total", &[reason]) > 0.5);
    }
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn proxies_that_would_say_who_the_client_is_cannot() {
    let origin = Origin::echoing();
    let pair = Pair::new();
    let manifest = manifest(&pair, &origin).parameters("http3: true\nproxyProtocolFrom: [127.0.0.0/8]");
    let gateway = gateway(&manifest);
    block_on(async {
        let refused = shake_hands(gateway.address(), "test", trusting(&[&pair])).await;
        assert!(matches!(refused, Err(quinn::ConnectionError::ConnectionClosed(_))), "{refused:?}");
    });
    eventually("it is counted", || {
        gateway.metric("irongate_refusals_total", &["proxy_header_missing"]) > 0.5
    });
}
