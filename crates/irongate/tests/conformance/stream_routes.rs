//! `TCPRoute` and `UDPRoute`. The instances speak HTTP behind a TCP listener too: its bytes are passed on like any others.
#![allow(non_snake_case, reason = "named as the suite names them")]

use crate::cases::get;
use crate::{Conformance, Listening};
use irongate_testkit::{Client, End, eventually};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

impl Listening<'_> {
    /// Whether a connection ends without a byte.
    fn closes(&self) -> bool {
        let mut client = Client::connect(self.address);
        let _refused_early = client.try_send("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
        // An instance that is reached after all answers, and ends when its client does.
        client.finish();
        let (bytes, end) = client.read_to_end();
        bytes.is_empty() && matches!(end, End::Closed | End::Reset)
    }

    /// Which Service answers a new client's datagram, without its namespace; `None`: nobody does.
    fn datagram(&self, tries: usize) -> Option<String> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        socket.connect(self.address).expect("a way");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("not zero");
        let mut space = [0; 1500];
        (0..tries).find_map(|_| {
            let _refused = socket.send(b"who");
            let length = socket.recv(&mut space).ok()?;
            let text = String::from_utf8_lossy(&space[..length]);
            text.split('/').nth(1).map(str::to_owned)
        })
    }

    #[track_caller]
    fn answers_datagrams(&self, service: &str) {
        assert_eq!(self.datagram(200).as_deref(), Some(service));
    }
}

#[test]
fn TCPRouteMultipleRoutesAttachment() {
    let conformance = Conformance::start("TCPRouteMultipleRoutesAttachment");
    conformance.at("gateway-tcproute", 8080).check((0..100).map(|_| get("/").to("tcp-backend-v1")));
    assert!(conformance.requests_of("tcp-backend-v2").is_empty());
}

#[test]
fn TCPRouteWeightedRouting() {
    let conformance = Conformance::start("TCPRouteWeightedRouting");
    conformance.at("gateway-tcproute", 8080).check((0..500).map(|_| get("/")));
    let count = |service: &str| conformance.requests_of(service).len();
    let (first, second) = (count("tcp-backend-v1"), count("tcp-backend-v2"));
    // The suite allows a twentieth of all either way; here it is six standard deviations.
    assert!((289..=411).contains(&first) && first + second == 500, "{first} and {second}");
    assert_eq!(count("tcp-backend-v3"), 0);
}

#[test]
fn TCPRouteParentRefAttachAll() {
    let conformance = Conformance::start("TCPRouteParentRefAttachAll");
    for port in 8081..=8084 {
        conformance.at("gateway-tcproute-many", port).check([get("/").to("tcp-backend-v1")]);
    }
}

#[test]
fn TCPRouteParentRefPortAndSectionName() {
    let conformance = Conformance::start("TCPRouteParentRefPortAndSectionName");
    for (port, service) in [(8081, "tcp-backend-v1"), (8082, "tcp-backend-v2"), (8083, "tcp-backend-v3")] {
        conformance.at("gateway-tcproute-many", port).check([get("/").to(service)]);
    }
    assert!(conformance.at("gateway-tcproute-many", 8084).closes());
}

#[test]
fn TCPRouteInvalidBackendRefNonexistent() {
    let conformance = Conformance::start("TCPRouteInvalidBackendRefNonexistent");
    assert!(conformance.at("gateway-tcproute", 8080).closes());
}

#[test]
fn TCPRouteInvalidCrossNamespaceBackendRef() {
    let conformance = Conformance::start("TCPRouteInvalidCrossNamespaceBackendRef");
    assert!(conformance.at("gateway-tcproute", 8080).closes());
}

#[test]
fn TCPRouteReferenceGrant() {
    let mut conformance = Conformance::start("TCPRouteReferenceGrant");
    conformance.at("gateway-tcproute", 8080).check([get("/").to("tcp-backend-app")]);
    conformance.change("TCPRouteReferenceGrant-deleted");
    let listening = conformance.at("gateway-tcproute", 8080);
    eventually("nothing is passed on any more", || listening.closes());
}

#[test]
fn UDPRoute() {
    Conformance::start("UDPRoute").at("udp-gateway", 5300).answers_datagrams("coredns");
}

#[test]
fn UDPRouteMultipleRoutesAttachment() {
    let conformance = Conformance::start("UDPRouteMultipleRoutesAttachment");
    for _ in 0..50 {
        conformance.at("gateway-udproute", 8080).answers_datagrams("udp-backend-v1");
    }
}

#[test]
fn UDPRouteWeightedRouting() {
    let conformance = Conformance::start("UDPRouteWeightedRouting");
    let listening = conformance.at("gateway-udproute", 8080);
    let all: Vec<String> = (0..500).map(|_| listening.datagram(200).expect("an answer")).collect();
    let count = |service: &str| all.iter().filter(|name| *name == service).count();
    let (first, second) = (count("udp-backend-v1"), count("udp-backend-v2"));
    assert!((289..=411).contains(&first) && first + second == 500, "{first} and {second}");
}

#[test]
fn UDPRouteParentRefAttachAllListeners() {
    let conformance = Conformance::start("UDPRouteParentRefAttachAllListeners");
    for port in 8081..=8084 {
        conformance.at("gateway-udproute-many", port).answers_datagrams("udp-backend-v1");
    }
}

#[test]
fn UDPRouteParentRefPortAndSectionName() {
    let conformance = Conformance::start("UDPRouteParentRefPortAndSectionName");
    for (port, service) in [(8081, "udp-backend-v1"), (8082, "udp-backend-v2"), (8083, "udp-backend-v3")] {
        conformance.at("gateway-udproute-many", port).answers_datagrams(service);
    }
    assert_eq!(conformance.at("gateway-udproute-many", 8084).datagram(3), None);
}

#[test]
fn UDPRouteInvalidBackendRefNonexistent() {
    let conformance = Conformance::start("UDPRouteInvalidBackendRefNonexistent");
    assert_eq!(conformance.at("gateway-udproute", 8080).datagram(3), None);
}

#[test]
fn UDPRouteInvalidCrossNamespaceBackendRef() {
    let conformance = Conformance::start("UDPRouteInvalidCrossNamespaceBackendRef");
    assert_eq!(conformance.at("gateway-udproute", 8080).datagram(3), None);
}

#[test]
fn UDPRouteReferenceGrant() {
    let mut conformance = Conformance::start("UDPRouteReferenceGrant");
    conformance.at("gateway-udproute", 8080).answers_datagrams("udp-backend-app");
    conformance.change("UDPRouteReferenceGrant-deleted");
    let listening = conformance.at("gateway-udproute", 8080);
    eventually("nothing is passed on any more", || listening.datagram(1).is_none());
}
