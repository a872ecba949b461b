//! PROXY headers: taken from peers that are to send one and from nobody else, and sent to instances that want one.

use crate::layer4::Layer4;
use crate::{BINARY, OK, gateway};
use irongate_testkit::{Client, Connection, End, Gateway, Manifest, Origin, ReadError, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const LINE: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
/// The same, as version 2 has it, with three bytes that say nothing.
const BINARY_HEADER: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb\x04\0\0";
/// A health check of the proxy's own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// A gateway that takes headers from these peers.
#[track_caller]
fn taking(from: &str, more: &str, origin: &Origin) -> Gateway {
    gateway(
        &Manifest::to_origins(&[origin.address()])
            .parameters(&format!("proxyProtocolFrom: [{from}]\n{more}")),
    )
}

#[test]
fn the_address_of_a_header_is_the_clients() {
    let origin = Origin::answering(OK);
    let gateway = taking("127.0.0.0/8", "", &origin);
    let six = "PROXY TCP6 2001:db8::7 ::1 1 2\r\n";
    for (header, client) in [
        (LINE.as_bytes(), "192.0.2.7"),
        (BINARY_HEADER, "192.0.2.7"),
        (six.as_bytes(), "2001:db8::7"),
        (LOCAL, "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ] {
        let mut connection = gateway.connect();
        connection.send([header, GET.as_bytes()].concat());
        assert_eq!(connection.response().status, 200);
        // It holds for all of the connection.
        connection.send(GET);
        assert_eq!(connection.response().status, 200);
        let requests = origin.requests();
        for request in &requests[requests.len() - 2..] {
            assert_eq!(request.field("x-forwarded-for"), Some(client), "{}", header.escape_ascii());
        }
    }
}

#[test]
fn a_header_may_come_in_pieces() {
    let origin = Origin::answering(OK);
    let gateway = taking("127.0.0.1", "", &origin);
    for header in [LINE.as_bytes(), BINARY_HEADER] {
        let mut client = gateway.connect();
        client.send_pieces(header.chunks(1)).expect("the gateway reads it");
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    assert!(origin.requests().iter().all(|request| request.field("x-forwarded-for") == Some("192.0.2.7")));
}

#[test]
fn who_has_to_send_a_header_and_does_not_is_refused() {
    let origin = Origin::answering(OK);
    let gateway = taking("127.0.0.0/8", "timeouts: {head: 200ms}", &origin);
    let long = "PROXY UNKNOWN ".to_owned() + &"x".repeat(200);
    for (bytes, reason) in [
        (GET, "missing"),
        ("\u{16}\u{3}\u{1}", "missing"),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "malformed"),
        (&long, "too_long"),
        ("PROXY TCP4 1.2.3.4", "timeout"),
        ("", "timeout"),
    ] {
        let labels = format!("reason=\"proxy_header_{reason}\"");
        let before = gateway.metric("irongate_refusals_total", &[&labels]);
        let mut client = gateway.connect();
        client.send(bytes);
        let end = client.expect_end();
        if !matches!(reason, "timeout") {
            assert_eq!(end, End::Closed, "{bytes:?}");
        }
        eventually("it is counted", || gateway.metric("irongate_refusals_total", &[&labels]) > before + 0.5);
    }
    // One that ends in the middle is not waited for.
    let mut client = gateway.connect();
    client.send("PROXY TCP4 1.2.3.4");
    client.finish();
    client.expect_end();
    assert!(origin.bytes().is_empty());
}

#[test]
fn of_other_peers_no_header_is_taken() {
    let origin = Origin::answering(OK);
    let gateway = taking("192.0.2.0/24", "", &origin);
    let answer = gateway.exchange(format!("{LINE}{GET}"));
    assert_eq!(answer.status, 400);
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn trust_is_in_the_client_and_not_in_who_tells_of_it() {
    let origin = Origin::answering(OK);
    let gateway = taking("127.0.0.0/8", "trustedProxies: [192.0.2.0/24]", &origin);
    let request = "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    for (client, seen) in [("192.0.2.7", "203.0.113.9, 192.0.2.7"), ("198.51.100.7", "198.51.100.7")] {
        let mut connection = gateway.connect();
        connection.send(format!("PROXY TCP4 {client} 127.0.0.1 1 2\r\n{request}"));
        assert_eq!(connection.response().status, 200);
        let fields: Vec<String> = origin
            .requests()
            .last()
            .expect("it came")
            .head
            .values("x-forwarded-for")
            .map(str::to_owned)
            .collect();
        assert_eq!(fields.join(", "), seen);
    }
}

fn policy(version: &str) -> String {
    format!(
        "---\napiVersion: irongate.dev/v1alpha1\nkind: BackendPolicy\nmetadata: {{name: p}}\nspec:\n  \
         targetRefs: [{{group: '', kind: Service, name: b0}}]\n  proxyProtocol: {version}\n"
    )
}

/// Reads a header of version 1, and gives it.
fn line(connection: &mut Connection) -> Result<String, ReadError> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(connection.exactly(1)?);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[test]
fn an_instance_is_told_who_the_client_is() {
    let origin = Origin::start(|connection| {
        // It speaks first, once it knows.
        let line = line(connection)?;
        connection.send(line)?;
        connection.exactly(4)?;
        Ok(())
    });
    let manifest = Layer4::to("TCP", &[origin.address()]);
    for (parameters, header) in [("", ""), ("{proxyProtocolFrom: [127.0.0.1]}", LINE)] {
        let manifest = manifest.clone().parameters(parameters);
        let gateway = Gateway::start_text(BINARY, &["--threads", "1"], |address| {
            manifest.yaml(address) + &policy("V1")
        });
        let mut client = gateway.connect();
        client.send(header);
        let expected = if header.is_empty() {
            let (own, to) = (client.local_address(), gateway.address());
            format!("PROXY TCP4 {} {} {} {}\r\n", own.ip(), to.ip(), own.port(), to.port())
        } else {
            LINE.to_owned()
        };
        let told = client.exactly(expected.len()).expect("it is told");
        assert_eq!(String::from_utf8_lossy(&told), expected);
        client.send("more");
        client.expect_end();
    }
}

#[test]
fn version_2_is_binary_and_tells_the_address_of_a_wildcard_listener() {
    let origin = Origin::start(|connection| {
        let header = connection.exactly(28)?;
        connection.send(header)
    });
    let manifest = Layer4::to("TCP", &[origin.address()]).everywhere();
    let gateway =
        Gateway::start_text(BINARY, &["--threads", "1"], |address| manifest.yaml(address) + &policy("V2"));
    let to = ([127, 0, 0, 3], gateway.address().port()).into();
    let mut client = Client::connect(to);
    let header = client.exactly(28).expect("it is told");
    assert_eq!(header[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(header[16..24], [127, 0, 0, 1, 127, 0, 0, 3]);
    assert_eq!(header[24..26], client.local_address().port().to_be_bytes());
    assert_eq!(header[26..28], gateway.address().port().to_be_bytes());
}

/// Reads a header before the first request, and tells of it in each answer.
fn telling() -> Origin {
    Origin::start(|connection| {
        let line = line(connection)?;
        let told = line.trim_end().to_owned();
        loop {
            connection.request()?;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()))?;
        }
    })
}

#[test]
fn over_http_a_connection_belongs_to_one_client() {
    let origin = telling();
    let policy = policy("V1").replace("name: b0", "name: origin");
    let gateway =
        gateway(&Manifest::to_origins(&[origin.address()]).document(policy.trim_start_matches("---\n")));
    let mut clients: Vec<Client> = (0..3).map(|_| gateway.connect()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(GET);
            let own = client.local_address();
            let to = gateway.address();
            let told = format!("PROXY TCP4 {} {} {} {}", own.ip(), to.ip(), own.port(), to.port());
            assert_eq!(client.response().text(), told);
        }
    }
    assert_eq!(origin.records().len(), 3, "each client's connection is used again, by that client");
}
