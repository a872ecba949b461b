//! HTTP/1.0 clients and origins.

use crate::gateway_to;
use irongate_testkit::{Origin, ReadError};

#[test]
fn a_client_gets_no_chunks_and_no_interim_answers() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n",
    );
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let answer = client.response();
    assert_eq!(answer.text(), "abcde");
    assert_eq!(answer.interim.len(), 0);
    assert_eq!(answer.field("transfer-encoding"), None);
    assert_eq!(answer.field("connection"), Some("close"), "only the end of the connection ends the body");
    client.expect_end();
}

#[test]
fn a_client_keeps_its_connection_only_if_it_asks() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send("GET /a HTTP/1.0\r\nHost: test\r\nConnection: Keep-Alive\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("GET /a 0", Some("keep-alive")));
    }
    client.send("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().text(), "GET /a 0");
    client.expect_end();
    for request in origin.requests() {
        assert!(request.head.start.ends_with("HTTP/1.1"), "{request:?}");
    }
}

#[test]
fn an_origin_is_named_by_its_address_where_the_client_names_nobody() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange("GET /a HTTP/1.0\r\n\r\n").text(), "GET /a 0");
    let requests = origin.requests();
    let hosts: Vec<_> = requests.iter().map(|request| request.head.field("host")).collect();
    assert_eq!(hosts, [Some(origin.address().to_string().as_str())]);
}

#[test]
fn a_body_of_a_client() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange("POST /a HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").text(), "POST /a 3");
}

#[test]
fn an_expectation_of_a_client_is_ignored() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange("POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("POST /a 3", 0));
}

#[test]
fn an_origin_that_ends_its_body_by_closing() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it")?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let answer = gateway.exchange(format!("GET / {version}\r\nHost: test\r\n\r\n"));
        assert_eq!(answer.text(), "all of it", "{version}");
    }
}

#[test]
fn an_origin_with_a_length() {
    for (answer, connections) in [
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 3),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1),
    ] {
        let origin = Origin::answering(answer);
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        for _ in 0..3 {
            client.send(crate::GET);
            assert_eq!(client.response().text(), "ok", "{answer:?}");
        }
        assert_eq!(origin.records().len(), connections, "{answer:?}");
    }
}

#[test]
fn an_origin_may_not_send_chunks() {
    let origin =
        Origin::answering("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(crate::GET);
    match client.try_response("GET") {
        Ok(answer) => assert_eq!(answer.status, 502),
        Err(error) => assert!(matches!(error, ReadError::Truncated | ReadError::Reset), "{error}"),
    }
}
