//! TCP: connections are passed on as they come.

use crate::BINARY;
use crate::layer4::Layer4;
use irongate_testkit::{Client, End, Gate, Gateway, Origin, Script, SilentPort, eventually};

/// A gateway on one data thread.
#[track_caller]
fn gateway(manifest: &Layer4) -> Gateway {
    gateway_with(manifest, &["--threads", "1"])
}

#[track_caller]
fn gateway_with(manifest: &Layer4, arguments: &[&str]) -> Gateway {
    Gateway::start_text(BINARY, arguments, |address| manifest.yaml(address))
}

#[track_caller]
fn gateway_to(origin: &Origin) -> Gateway {
    gateway(&Layer4::to("TCP", &[origin.address()]))
}

/// Sends back each four bytes, in brackets, until the client ends.
fn echo() -> impl Script {
    |connection: &mut irongate_testkit::Connection| {
        while let Ok(bytes) = connection.exactly(4) {
            connection.send([b"<", &bytes[..], b">"].concat())?;
        }
        Ok(())
    }
}

/// Says its name and closes.
fn named(name: &'static str) -> Origin {
    Origin::start(move |connection| {
        connection.send(name)?;
        connection.until_end()
    })
}

/// Whose instance a new connection comes to; empty if nobody's.
fn asked(gateway: &Gateway) -> String {
    let mut client = gateway.connect();
    client.finish();
    String::from_utf8_lossy(&client.read_to_end().0).into_owned()
}

#[test]
fn bytes_go_both_ways_and_each_end_is_passed_on() {
    let origin = Origin::start(echo());
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for bytes in ["\0\u{1}\r\n", "GET ", "last"] {
        client.send(bytes);
        assert_eq!(client.exactly(6).expect("an echo"), [b"<", bytes.as_bytes(), b">"].concat());
    }
    client.finish();
    assert_eq!(client.expect_end(), End::Closed);
    assert_eq!(origin.wait_ended(), Some(End::Closed));
    let labels =
        ["listener=\"default/gw/l4\"", "route=\"default/route\"", "backend=\"Service default/b0:53 tcp\""];
    eventually("it is counted", || gateway.metric("irongate_stream_duration_seconds_count", &labels) > 0.5);
    for (name, value) in [
        ("irongate_streams_total", 1.0),
        ("irongate_streams_active", 0.0),
        ("irongate_stream_received_bytes_total", 12.0),
        ("irongate_stream_sent_bytes_total", 18.0),
        ("irongate_stream_failures_total", 0.0),
        ("irongate_upstream_connections_opened_total", 1.0),
    ] {
        let found = gateway.metric(name, &labels[if name.contains("upstream") { 2.. } else { 0.. }]);
        assert!((found - value).abs() < 0.5, "{name}: {found}");
    }
}

#[test]
fn the_origin_may_speak_first_and_end_first() {
    let origin = Origin::start(|connection| {
        connection.send("220 ready")?;
        connection.finish();
        connection.exactly(10)?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let (bytes, end) = client.read_to_end();
    assert_eq!((bytes.as_slice(), end), (&b"220 ready"[..], End::Closed));
    client.send("0123456789");
    client.finish();
    assert_eq!(origin.wait_ended(), Some(End::Closed));
    assert_eq!(origin.bytes(), b"0123456789");
}

#[test]
fn much_passes_both_ways_through_little_memory() {
    const LENGTH: usize = 16 << 20;
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            // Nothing is read before the client has long sent what it can.
            gate.wait();
            for _ in 0..LENGTH / 65536 {
                let bytes = connection.exactly(65536)?;
                connection.send(bytes)?;
            }
            Ok(())
        }
    });
    let gateway = gateway_to(&origin);
    let before = gateway.resident();
    let mut client = gateway.connect();
    let bytes: Vec<u8> = (0..LENGTH).map(|index| (index / 7) as u8).collect();
    let sending = client.send_beside(bytes.clone());
    eventually("the connection is there", || !origin.records().is_empty());
    gate.open();
    assert!(client.exactly(LENGTH).expect("all of it") == bytes, "other bytes");
    sending.join().expect("no panic").expect("the gateway takes it all");
    let grown = gateway.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
fn resets_are_passed_on() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.send("part")?;
            if connection.number() == 1 {
                return connection.exactly(1).map(|_| ());
            }
            gate.wait();
            connection.reset();
            Ok(())
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    assert_eq!(client.exactly(4).expect("bytes"), b"part");
    gate.open();
    assert_eq!(client.expect_end(), End::Reset, "what was cut short must not look whole");
    let mut client = gateway.connect();
    assert_eq!(client.exactly(4).expect("bytes"), b"part");
    client.reset();
    assert_eq!(origin.wait_ended(), Some(End::Reset));
}

#[test]
fn backends_are_drawn_by_weight() {
    let (one, other, none) = (named("one"), named("other"), named("none"));
    let manifest = Layer4::new("TCP")
        .backend(3, &[one.address()])
        .backend(1, &[other.address()])
        .backend(0, &[none.address()]);
    let gateway = gateway(&manifest);
    let all: Vec<String> = (0..400).map(|_| asked(&gateway)).collect();
    let ones = all.iter().filter(|name| *name == "one").count();
    let others = all.iter().filter(|name| *name == "other").count();
    assert_eq!(ones + others, 400);
    // Six standard deviations of a fair draw.
    assert!((248..=352).contains(&ones), "{ones} of 400, and not about 300");
}

#[test]
fn an_instance_that_is_dead_is_not_felt() {
    let (refusing, good) = (SilentPort::refusing(), named("good"));
    let gateway = gateway(&Layer4::to("TCP", &[refusing.address(), good.address()]));
    for _ in 0..50 {
        assert_eq!(asked(&gateway), "good");
    }
    let backends = gateway.admin("/api/backends").text();
    assert!(backends.contains("unreachable"), "{backends}");
}

#[test]
fn what_leads_nowhere_is_closed_and_counted() {
    let refusing = SilentPort::refusing();
    let dead = gateway(&Layer4::to("TCP", &[refusing.address()]));
    let without = gateway(&Layer4::to("TCP", &[]));
    for (gateway, reason) in [(&dead, "connect_failed"), (&without, "no_endpoint")] {
        let mut client = gateway.connect();
        assert_eq!(client.expect_end(), End::Closed, "{reason}");
        let reason = format!("reason=\"{reason}\"");
        eventually("it is counted", || gateway.metric("irongate_stream_failures_total", &[&reason]) > 0.5);
    }
}

#[test]
fn an_unresolved_reference_costs_its_share() {
    let good = named("good");
    let manifest = Layer4::new("TCP").backend(1, &[good.address()]).backend(1, &[]);
    let broken =
        move |address| manifest.yaml(address).replace("{name: b1, port: 53", "{name: missing, port: 53");
    let gateway = Gateway::start_text(BINARY, &["--threads", "1"], broken);
    let all: Vec<String> = (0..200).map(|_| asked(&gateway)).collect();
    let served = all.iter().filter(|name| *name == "good").count();
    assert!(all.iter().all(|name| name == "good" || name.is_empty()));
    assert!((55..=145).contains(&served), "{served} of 200, and not about half");
}

#[test]
fn a_connection_on_which_nothing_moves_is_closed() {
    let origin = Origin::start(|connection| connection.until_end());
    let manifest = Layer4::to("TCP", &[origin.address()]).parameters("{timeouts: {tunnelIdle: 200ms}}");
    let gateway = gateway(&manifest);
    let mut client = gateway.connect();
    client.send("a");
    assert_eq!(client.expect_end(), End::Closed);
    assert_eq!(origin.wait_ended(), Some(End::Closed));
    eventually("it is counted", || {
        gateway.metric("irongate_stream_failures_total", &["reason=\"tunnel_idle\""]) > 0.5
    });
}

#[test]
fn a_drain_waits_for_connections_and_has_an_end() {
    for bound in [None, Some("300ms")] {
        let origin = Origin::start(echo());
        let manifest = Layer4::to("TCP", &[origin.address()]);
        let arguments = ["--threads", "1", "--drain", bound.unwrap_or("30s")];
        let mut gateway = gateway_with(&manifest, &arguments);
        let mut client = gateway.connect();
        client.send("1234");
        assert_eq!(client.exactly(6).expect("an echo"), b"<1234>");
        gateway.terminate();
        eventually("new connections are refused", || Client::try_connect(gateway.address()).is_err());
        if bound.is_some() {
            assert_eq!(client.expect_end(), End::Reset, "it was not over");
        } else {
            client.send("5678");
            assert_eq!(client.exactly(6).expect("an echo"), b"<5678>");
            client.finish();
            assert_eq!(client.expect_end(), End::Closed);
        }
        assert_eq!(gateway.wait_exit().code(), Some(0));
    }
}

#[test]
fn connections_outlive_what_changes() {
    let (before, after) = (Origin::start(echo()), named("after"));
    let manifest = Layer4::to("TCP", &[before.address()]);
    let gateway = gateway(&manifest);
    let mut client = gateway.connect();
    let mut echo = |bytes: &str| {
        client.send(bytes);
        assert_eq!(client.exactly(6).expect("an echo"), format!("<{bytes}>").into_bytes());
    };
    echo("1111");
    gateway.configure_text(&Layer4::to("TCP", &[after.address()]).yaml(gateway.address()));
    eventually("the new instance is asked", || asked(&gateway) == "after");
    echo("2222");
    gateway.configure_text("# nothing\n");
    eventually("the listener closes", || Client::try_connect(gateway.address()).is_err());
    echo("3333");
}

#[test]
fn connections_spread_over_instances_by_load() {
    let origins: Vec<Origin> = (0..4).map(|_| Origin::start(echo())).collect();
    let addresses: Vec<_> = origins.iter().map(Origin::address).collect();
    let gateway = gateway(&Layer4::to("TCP", &addresses));
    let mut clients: Vec<Client> = (0..80).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("1234");
        assert_eq!(client.exactly(6).expect("an echo"), b"<1234>");
    }
    let counts: Vec<usize> = origins.iter().map(|origin| origin.records().len()).collect();
    // Open connections count as load: none has more than twice its share, none less than a fourth.
    assert!(counts.iter().all(|count| (5..=40).contains(count)), "{counts:?}");
}
