//! TLS with origins: whom the gateway trusts, what it shows, and what becomes of requests where that fails.

use crate::certificates::{Authority, accepted, origin};
use crate::world::{Message, Setup, World};
use irongate_config::{Authorities, BackendProtocol, BackendTls, Certificate, SubjectName};
use rustls::{Connection, HandshakeKind, ServerConfig};
use std::sync::Arc;

/// The authority that is trusted, the name that is asked for, and the names of which the certificate has to have one.
fn trusting(authority: &Authority, hostname: &str, names: Vec<SubjectName>) -> BackendTls {
    let authorities = Authorities::These(Arc::new(vec![authority.certificate.clone()]));
    BackendTls { hostname: hostname.into(), names, authorities, certificate: None }
}

fn setup(tls: BackendTls, protocol: BackendProtocol) -> Setup {
    Setup { to_origin: Some((tls, protocol)), ..Setup::default() }
}

/// Sends a request that goes to an origin with this configuration; its answer, and the name that the origin was asked for.
async fn post(world: &World, config: &Arc<ServerConfig>) -> (Message, Option<String>) {
    let (client, origin) = (world.client(), world.tls_origin(accepted(config)));
    // Not sent again once an origin may have seen it.
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await;
    let answer = async {
        if origin.message().await.is_ok() {
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        } else {
            // What it says last.
            let _ = origin.try_send("").await;
        }
        std::future::pending::<()>().await;
    };
    let message = tokio::select! {
        message = client.message() => message.expect("an answer"),
        () = answer => unreachable!("it waits for ever"),
    };
    let name = origin.agreed(|connection| match connection {
        Connection::Server(connection) => connection.server_name().map(str::to_owned),
        Connection::Client(_) => None,
    });
    (message, name)
}

/// How many requests failed for a reason.
fn failed(world: &World, reason: &str) -> f64 {
    world.metric_of("irongate_request_failures_total", &format!("\"{reason}\""))
}

#[test]
fn requests_go_over_tls_and_share_connections() {
    let authority = Authority::new();
    let config = origin(&authority.issue(&["origin.test"]), &["h2", "http/1.1"], None);
    setup(trusting(&authority, "origin.test", Vec::new()), BackendProtocol::Http1).run(async |world| {
        let (client, origin) = (world.client(), world.tls_origin(accepted(&config)));
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            origin.message().await.expect("a request");
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            assert_eq!(client.message().await.expect("an answer").body, b"ok");
        }
        origin.agreed(|tls| assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..])));
        assert_eq!(world.metric("irongate_upstream_connections_opened_total"), 1.0);
        // It closes the connection: the next one resumes the session.
        drop(origin);
        let second = world.tls_origin(accepted(&config));
        client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        second.message().await.expect("a request");
        second.agreed(|tls| assert_eq!(tls.handshake_kind(), Some(HandshakeKind::Resumed)));
    });
}

#[test]
fn a_certificate_has_to_be_for_one_of_the_names() {
    let authority = Authority::new();
    let host = |name: &str| SubjectName::Host(name.into());
    let uri = |name: &str| SubjectName::Uri(name.into());
    let named = |names: &[&str]| authority.issue(names);
    let spiffe = authority.issue_to_uri("spiffe://test/origin");
    let address = || SubjectName::Address([127, 0, 0, 1].into());
    let cases: Vec<(&str, Certificate, Vec<SubjectName>, bool)> = vec![
        ("the host name", named(&["origin.test"]), vec![], true),
        ("by a wildcard", named(&["*.other.test"]), vec![host("a.other.test")], true),
        ("another", named(&["other.test"]), vec![], false),
        ("one of two", named(&["other.test"]), vec![host("a.test"), host("other.test")], true),
        ("the host name does not count then", named(&["origin.test"]), vec![host("other.test")], false),
        ("by a wildcard of ours", named(&["a.other.test"]), vec![host("*.other.test")], true),
        ("one label only", named(&["a.b.other.test"]), vec![host("*.other.test")], false),
        ("the same wildcard", named(&["*.other.test"]), vec![host("*.other.test")], true),
        ("a URI", spiffe.clone(), vec![host("a.test"), uri("spiffe://test/origin")], true),
        ("another URI", spiffe.clone(), vec![uri("spiffe://test/Origin")], false),
        ("a URI is no host", spiffe, vec![], false),
        ("an address", named(&["127.0.0.1"]), vec![address()], true),
        ("no address", named(&["origin.test"]), vec![address()], false),
    ];
    for (case, certificate, names, expected) in cases {
        let tls = trusting(&authority, "origin.test", names);
        setup(tls, BackendProtocol::Http1).run(async |world| {
            let (answer, name) = post(&world, &origin(&certificate, &[], None)).await;
            assert_eq!(answer.is("200"), expected, "{case}: {}", answer.head);
            assert_eq!(name.as_deref(), Some("origin.test"), "{case}");
            assert_eq!(failed(&world, "backend_certificate_name_mismatch") > 0.0, !expected, "{case}");
        });
    }
}

#[test]
fn what_is_wrong_with_an_origin_is_named() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let names = &["origin.test"];
    let good = authority.issue(names);
    let (past, future) =
        (authority.issue_between(names, 2000, 2001), authority.issue_between(names, 2100, 2101));
    let (http1, http2) = (BackendProtocol::Http1, BackendProtocol::Http2);
    let cases = [
        ("backend_certificate_expired", http1, origin(&past, &[], None)),
        ("backend_certificate_not_yet_valid", http1, origin(&future, &[], None)),
        ("backend_certificate_unknown_issuer", http1, origin(&stranger.issue(names), &[], None)),
        ("backend_refuses_certificate", http1, origin(&good, &[], Some(&stranger))),
        ("backend_tls_without_http2", http2, origin(&good, &[], None)),
        ("backend_tls_without_protocol", http2, origin(&good, &["http/1.1"], None)),
    ];
    for (reason, protocol, config) in cases {
        setup(trusting(&authority, "origin.test", Vec::new()), protocol).run(async |world| {
            let (answer, _) = post(&world, &config).await;
            assert!(answer.is("502"), "{reason}: {}", answer.head);
            assert_eq!(failed(&world, reason), 1.0, "{reason}: {}", world.gateway.scrape());
        });
    }
}

#[test]
fn an_origin_that_is_out_for_its_certificate_says_so() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let config = origin(&stranger.issue(&["origin.test"]), &[], None);
    setup(trusting(&authority, "origin.test", Vec::new()), BackendProtocol::Http1).run(async |world| {
        // Whether it is tried again or left to the probe in the background.
        for _ in 0..2 {
            assert!(post(&world, &config).await.0.is("502"));
        }
        assert_eq!(failed(&world, "backend_certificate_unknown_issuer"), 2.0);
    });
}

#[test]
fn cleartext_and_ends_are_told_apart() {
    let authority = Authority::new();
    let cases = [("HTTP/1.1 400 Bad Request\r\n\r\n", "backend_speaks_no_tls"), ("", "backend_tls_closed")];
    for (bytes, reason) in cases {
        setup(trusting(&authority, "origin.test", Vec::new()), BackendProtocol::Http1).run(async |world| {
            let (client, origin) = (world.client(), world.fresh_origin());
            origin.send(bytes).await;
            origin.shutdown();
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert!(client.message().await.expect("an answer").is("502"));
            assert_eq!(failed(&world, reason), 1.0, "{reason}");
        });
    }
}

#[test]
fn our_certificate_is_shown() {
    let (authority, ours) = (Authority::new(), Authority::new());
    let config = origin(&authority.issue(&["origin.test"]), &[], Some(&ours));
    let certificate = Some(Arc::new(ours.issue(&["gateway.test"])));
    let tls = BackendTls { certificate, ..trusting(&authority, "origin.test", Vec::new()) };
    setup(tls, BackendProtocol::Http1).run(async |world| {
        assert!(post(&world, &config).await.0.is("200"));
    });
}
