//! Connections that cannot be accepted at the moment.

use crate::{GET, gateway_to};
use irongate_testkit::{Origin, eventually};

#[test]
fn connections_wait_while_there_are_no_descriptors() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 200);
    gateway.limit_files(Some(2));
    let mut clients: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    eventually("the log says what to do", || gateway.printed().contains("ulimit -n"));
    gateway.limit_files(None);
    for client in &mut clients {
        client.send(GET);
        assert_eq!(client.response().status, 200);
    }
    // Not each time that accepting is tried again.
    assert_eq!(gateway.printed().matches("cannot be accepted").count(), 1);
    assert!(gateway.metric("irongate_accept_pauses_total", &["reason=\"files\""]) > 0.5);
}
