//! What is cut short by a stop or by a refusal must not look whole, and a reload begins with what it needs.

use crate::{BINARY, GET, OK, gateway_to};
use irongate_testkit::{End, Gate, Gateway, Manifest, Origin, eventually};

#[test]
fn an_answer_that_the_end_of_the_drain_cuts_off_is_reset() {
    let never = Gate::new();
    let held = never.clone();
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        held.wait();
        Ok(())
    });
    let manifest = Manifest::to_origins(&[origin.address()]);
    let mut gateway = Gateway::start_with(BINARY, &manifest, &["--threads", "1", "--drain", "100ms"]);
    // Nothing but the end of the stream tells an HTTP/1.0 client where the answer ends.
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    assert_eq!(client.head().expect("the head comes").status, 200);
    assert_eq!(client.exactly(5).expect("the beginning comes"), b"hello");
    gateway.terminate();
    assert_eq!(client.read_to_end().1, End::Reset);
    gateway.wait_exit();
    never.open();
}

#[test]
fn the_answer_to_a_bad_body_says_that_the_connection_ends() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
    let answer = client.response();
    assert_eq!((answer.status, answer.field("connection")), (400, Some("close")));
}

#[test]
fn a_reload_that_brings_a_name_has_its_addresses_from_the_first_request_on() {
    let (before, after) = (Origin::answering(OK), Origin::answering(OK));
    let gateway = gateway_to(&before);
    let port = after.address().port();
    let named = "apiVersion: irongate.dev/v1alpha1\nkind: Backend\nmetadata: {name: named}\nspec: {dns: {name: localhost, port: PORT}}\n";
    let rule = "- backendRefs: [{group: irongate.dev, kind: Backend, name: named}]";
    let manifest = Manifest::new().route(rule).document(&named.replace("PORT", &port.to_string()));
    gateway.configure(&manifest);
    gateway.reload();
    eventually("the new origin is asked", || {
        assert_eq!(gateway.exchange(GET).status, 200);
        !after.requests().is_empty()
    });
}
