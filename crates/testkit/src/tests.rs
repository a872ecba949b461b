//! The helpers against each other, without a gateway between them.

use crate::*;

fn ask(origin: &Origin, request: &str) -> Result<Response, ReadError> {
    let mut client = Client::connect(origin.address());
    client.send(request);
    client.try_response("GET")
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn an_origin_records_what_it_gets_and_a_client_reads_what_it_answers() {
    let origin = Origin::echoing();
    let answer = ask(
        &origin,
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
    );
    let answer = answer.expect("whole");
    assert_eq!((answer.status, answer.text().as_str()), (200, "POST /a 3"));
    let request = origin.only_request();
    assert_eq!((request.field("host"), &request.body[..]), (Some("x"), &b"abc"[..]));
    assert_eq!(request.trailers, [("T".to_owned(), "1".to_owned())]);
    assert!(origin.bytes().starts_with(b"POST /a HTTP/1.1\r\n"));
    assert_eq!(origin.wait_ended(), Some(End::Closed));
}

#[test]
fn broken_answers_are_told_apart() {
    let cases: [(&str, ReadError); 5] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ReadError::Truncated),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", ReadError::Truncated),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            http::malformed("framing fields"),
        ),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", http::malformed("A : b")),
        ("", ReadError::Closed),
    ];
    for (answer, expected) in cases {
        let origin = Origin::start(move |connection| {
            connection.request()?;
            connection.send(answer)?;
            connection.close();
            Ok(())
        });
        assert_eq!(ask(&origin, GET), Err(expected), "{answer:?}");
    }
}

#[test]
fn resets_and_refusals_are_what_they_are_called() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.reset();
        Ok(())
    });
    assert_eq!(ask(&origin, GET), Err(ReadError::Reset));
    let mut stopped = Origin::echoing();
    stopped.stop();
    assert!(Client::try_connect(stopped.address()).is_err());
    assert!(Client::try_connect(SilentPort::refusing().address()).is_err());
    let client = Client::connect(origin.address());
    client.reset();
    eventually("the second connection is accepted", || origin.records().len() == 2);
    assert_eq!(origin.wait_ended(), Some(End::Reset));
    assert_eq!(origin.records()[0].end, Some(End::Script));
}

#[test]
fn interim_answers_are_kept_beside_the_final_one() {
    let origin =
        Origin::answering("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    let answer = ask(&origin, GET).expect("whole");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.interim[0].field("link"), Some("</a>"));
}

#[test]
fn reserved_ports_are_free_and_nobody_elses() {
    let (one, two) = (PortReservation::new(), PortReservation::new());
    assert_ne!(one.address(), two.address());
    for address in [one.address(), one.admin()] {
        assert!(Client::try_connect(address).is_err());
        // As the gateway binds: for itself alone.
        assert!(std::net::TcpListener::bind(address).is_ok());
    }
}

#[test]
fn manifests_are_indented_as_yaml_wants_it() {
    let yaml = Manifest::to_origins(&["127.0.0.1:81".parse().expect("an address")])
        .parameters("timeouts:\n  head: 1s")
        .yaml("127.0.0.1:80".parse().expect("an address"));
    assert!(yaml.contains("\n  rules:\n  - backendRefs: [{name: origin, port: 80}]\n"), "{yaml}");
    assert!(yaml.contains("\nspec:\n  timeouts:\n    head: 1s\n---\n"), "{yaml}");
    assert!(yaml.contains("port: 81, protocol: TCP"), "{yaml}");
}
