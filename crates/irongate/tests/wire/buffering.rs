//! Bodies of requests that are read whole before an origin gets anything of them.

use crate::gateway;
use crate::http2::peers::{self, block_on};
use irongate_testkit::{Manifest, Origin, eventually};

const POLICY: &str = "
apiVersion: irongate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: buffered}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: route-0}]
  requestBuffer: {maxSize: 100k, timeout: 60s}
";

#[test]
fn slow_clients_keep_no_origin_busy() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(POLICY));
    let mut clients: Vec<_> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("POST /slow HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    }
    eventually("all of them are being read", || gateway.metric("irongate_requests_in_flight", &[]) >= 20.0);
    assert_eq!(gateway.get("/quick").text(), "GET /quick 0");
    assert_eq!(origin.requests().len(), 1, "nothing came of the others");
    for client in &mut clients {
        client.send("2\r\nde\r\n0\r\n\r\n");
        assert_eq!(client.response().text(), "POST /slow 5");
    }
    let lengths: Vec<_> =
        origin.requests().iter().map(|one| one.field("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths.iter().filter(|length| length.as_deref() == Some("5")).count(), 20, "{lengths:?}");
}

#[test]
fn over_http2() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::to_origins(&[origin.address()]).document(POLICY));
    block_on(async {
        let mut client = peers::Client::connect(gateway.address()).await;
        let answer = client.ask("POST", "/a", &[], Some(vec![b'a'; 100_000])).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "POST /a 100000"));
        let answer = client.ask("POST", "/a", &[], Some(vec![b'a'; 100_001])).await;
        assert_eq!(answer.status, 413);
        let answer = client.ask("GET", "/b", &[], None).await;
        assert_eq!(answer.text(), "GET /b 0");
    });
    let lengths: Vec<_> =
        origin.requests().iter().map(|one| one.field("content-length").map(str::to_owned)).collect();
    assert_eq!(lengths, [Some("100000".to_owned()), None]);
}
