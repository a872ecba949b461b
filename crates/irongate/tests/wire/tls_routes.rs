//! `TLSRoute`: connections of TLS by the name that is asked for, passed through as they come. What ends at the gateway is proved
//! by `examples/tls-passthrough`, with a real client.

use crate::BINARY;
use irongate_testkit::{End, Gateway, Origin, eventually};
use std::fmt::Write;
use std::net::SocketAddr;

/// Hosts of routes, each with its origin; those of the second listener have `other.example` in their names.
fn yaml(listen: SocketAddr, routes: &[(&str, SocketAddr)]) -> String {
    let mut text = format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\nspec:\n  gatewayClassName: irongate\n  \
         addresses: [{{value: {}}}]\n  infrastructure: {{parametersRef: {{group: irongate.dev, kind: GatewayParameters, name: test}}}}\n  \
         listeners:\n  - {{name: tls, port: {port}, protocol: TLS, hostname: '*.example', tls: {{mode: Passthrough}}}}\n\
         ---\napiVersion: irongate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: test}}\nspec: {{timeouts: {{head: 300ms}}}}\n",
        listen.ip(),
        port = listen.port()
    );
    for (number, (host, origin)) in routes.iter().enumerate() {
        let _infallible = write!(
            text,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {{name: r{number}}}\n\
             spec: {{parentRefs: [{{name: gw}}], hostnames: ['{host}'], rules: [{{backendRefs: [{{name: s{number}, port: 443}}]}}]}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{number}}}\nspec: {{ports: [{{name: tls, port: 443}}]}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: s{number}-1, labels: {{kubernetes.io/service-name: s{number}}}}}\naddressType: IPv4\n\
             ports: [{{name: tls, port: {}}}]\nendpoints: [{{addresses: ['{}']}}]\n",
            origin.port(),
            origin.ip()
        );
    }
    text
}

#[track_caller]
fn gateway(routes: &[(&str, SocketAddr)]) -> Gateway {
    Gateway::start_text(BINARY, &["--threads", "1"], |address| yaml(address, routes))
}

/// A part with its length before it, in so many bytes.
fn sized(bytes: usize, part: &[u8]) -> Vec<u8> {
    let length = (part.len() as u32).to_be_bytes();
    [&length[4 - bytes..], part].concat()
}

/// A ClientHello (RFC 8446 §4.1.2) that asks for a name, with so much padding.
fn hello(name: Option<&str>, padding: usize) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, body: Vec<u8>| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(sized(2, &body));
    };
    if let Some(name) = name {
        extension(0, sized(2, &[&[0][..], &sized(2, name.as_bytes())].concat()));
    }
    extension(43, sized(1, &[3, 4]));
    extension(10, sized(2, &[0, 29]));
    extension(13, sized(2, &[4, 3]));
    extension(51, sized(2, &[&[0, 29][..], &sized(2, &[7; 32])].concat()));
    extension(21, vec![0; padding]);
    let body = [
        &[3, 3][..],
        &[9; 32],
        &sized(1, &[]),
        &sized(2, &[0x13, 0x01]),
        &sized(1, &[0]),
        &sized(2, &extensions),
    ]
    .concat();
    [&[1][..], &sized(3, &body)].concat()
}

/// The message in records of at most so many bytes.
fn records(message: &[u8], most: usize) -> Vec<u8> {
    message.chunks(most).flat_map(|part| [&[22, 3, 1][..], &sized(2, part)].concat()).collect()
}

/// Answers the first bytes with its name.
fn named(name: &'static str) -> Origin {
    Origin::start(move |connection| {
        connection.exactly(5)?;
        connection.send(name)?;
        connection.until_end()
    })
}

#[test]
fn the_name_chooses_and_every_byte_is_passed_on() {
    let (exact, wild) = (named("exact"), named("wild"));
    let gateway = gateway(&[("*.a.example", wild.address()), ("one.a.example", exact.address())]);
    for (name, origin, answer) in [
        ("one.a.example", &exact, "exact"),
        ("ONE.A.example", &exact, "exact"),
        ("two.a.example", &wild, "wild"),
        ("x.two.a.example", &wild, "wild"),
    ] {
        for (padding, most, piece) in [(0, 16384, 16384), (0, 3, 1), (6000, 16384, 700), (6000, 500, 100)] {
            let mut bytes = records(&hello(Some(name), padding), most);
            bytes.extend(b"\x14\x03\x03\0\x01\x01and what follows");
            let mut client = gateway.connect();
            client.send_pieces(bytes.chunks(piece)).expect("it is read");
            assert_eq!(client.exactly(answer.len()).expect("an answer"), answer.as_bytes(), "{name}");
            client.finish();
            origin.wait_ended();
            let record = origin.records().pop().expect("a connection");
            assert!(record.bytes == bytes, "{name}: other bytes than the client's came to the origin");
        }
    }
}

#[test]
fn what_nobody_wants_is_closed_without_a_word() {
    let origin = named("a");
    let gateway = gateway(&[("a.example", origin.address())]);
    let whole = |name| records(&hello(name, 0), 16384);
    let mut garbled = whole(Some("a.example"));
    garbled[5] = 2;
    for (what, bytes) in [
        ("a name without a route", whole(Some("b.example"))),
        ("a name without a listener", whole(Some("a.test"))),
        ("no name", whole(None)),
        ("another message", garbled),
        ("no TLS", b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec()),
        ("a hello without an end", records(&[1, 0xff, 0xff, 0xff], 16384)),
        ("half a hello", whole(Some("a.example"))[..60].to_vec()),
        ("nothing", Vec::new()),
        ("a hello that is too large", records(&[&[1, 2, 0, 0][..], &[0; 100_000]].concat(), 16384)),
    ] {
        let mut client = gateway.connect();
        let _refused_early = client.try_send(&bytes);
        client.expect_end();
        assert!(origin.records().is_empty(), "{what}");
    }
    let mut client = gateway.connect();
    client.send(whole(Some("b.example")));
    assert_eq!(client.expect_end(), End::Closed);
    eventually("refusals are counted", || {
        gateway.metric("irongate_refusals_total", &["reason=\"tls_unknown_name\""]) > 3.5
    });
}

#[test]
fn a_route_without_an_instance_is_a_plain_close() {
    let gateway = Gateway::start_text(BINARY, &["--threads", "1"], |address| {
        yaml(address, &[("a.example", ([127, 0, 0, 1], 9).into())])
            .replace("name: s0, port: 443", "name: none, port: 443")
    });
    let mut client = gateway.connect();
    client.send(records(&hello(Some("a.example"), 0), 16384));
    assert_eq!(client.expect_end(), End::Closed);
    eventually("it is counted", || {
        gateway.metric("irongate_stream_failures_total", &["reason=\"backend_not_found\""]) > 0.5
    });
}
