//! Requests sent without waiting for answers: all are answered, in order, each with its own body.

use crate::{GET, gateway_to};
use irongate_testkit::Origin;

#[test]
fn many_at_once_are_answered_in_order() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let count = 100;
    let requests: String = (0..count).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
    client.send(requests);
    for n in 0..count {
        assert_eq!(client.response().text(), format!("GET /{n} 0"));
    }
    assert!(client.is_quiet());
}

#[test]
fn bodies_between_them_keep_their_bounds() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    let round = "POST /l HTTP/1.1\r\nHost: test\r\nContent-Length: 39\r\n\r\nGET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n\
                 POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n\
                 HEAD /h HTTP/1.1\r\nHost: test\r\n\r\n\
                 \r\nGET /g HTTP/1.1\r\nHost: test\r\n\r\n\
                 PUT /z HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n";
    client.send(round.repeat(20));
    for _ in 0..20 {
        assert_eq!(client.response().text(), "POST /l 39");
        assert_eq!(client.response().text(), "POST /c 5");
        let head = client.try_response("HEAD").expect("a head");
        assert_eq!(head.field("content-length"), Some("9"));
        assert_eq!(client.response().text(), "GET /g 0");
        assert_eq!(client.response().text(), "PUT /z 0");
    }
    assert!(!origin.requests().iter().any(|request| request.target() == "/evil"));
}

#[test]
fn nothing_is_served_after_connection_close() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: test\r\n\r\n\
         GET /2 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n\
         GET /3 HTTP/1.1\r\nHost: test\r\n\r\n",
    );
    assert_eq!(client.response().text(), "GET /1 0");
    let last = client.response();
    assert_eq!((last.text().as_str(), last.field("connection")), ("GET /2 0", Some("close")));
    client.expect_end();
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn a_refused_one_ends_the_connection_after_the_answers_before_it() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(format!("{GET}{GET}GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{GET}"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 400);
    client.expect_end();
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn our_own_answers_take_their_turn() {
    let origin = Origin::echoing();
    let manifest = irongate_testkit::Manifest::new()
        .route("- matches: [{path: {value: /a}}]\n  backendRefs: [{name: origin, port: 80}]")
        .service("origin", &[origin.address()]);
    let gateway = crate::gateway(&manifest);
    let mut client = gateway.connect();
    let post = "POST /none HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody";
    let get = "GET /a HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(format!("{get}{post}{get}{post}{post}{get}"));
    for status in [200, 404, 200, 404, 404, 200] {
        assert_eq!(client.response().status, status);
    }
}
