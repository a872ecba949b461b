//! The whole binary on real sockets, between raw clients and scripted origins that record every byte.
//!
//! One test binary, so that it links once; a module an area. Nothing here knows how the gateway is built: the
//! expectations come from the RFCs and from what the project promises.

mod accepting;
mod admin;
mod balancing;
mod bandwidth;
mod broken;
mod buffering;
mod compression;
mod concurrency;
mod cors;
mod datagrams;
mod dates;
mod discovery;
mod drain;
mod early_answers;
mod filters;
mod forwarding;
mod framing;
mod health;
mod hedging;
mod http1_0;
mod http2;
mod http3;
mod interrupted;
mod layer4;
mod mirrors;
mod mutations;
mod paths;
mod pipelining;
mod policies;
mod pool;
mod proxy_headers;
mod rate_limit_services;
mod rate_limits;
mod refusals;
mod reload;
mod resets;
mod retries;
mod splits;
mod streams;
mod timeouts;
mod tls;
mod tls_changes;
mod tls_routes;
mod upgrades;

use irongate_testkit::{Gate, Gateway, Manifest, Origin};
use std::sync::Arc;

/// The binary under test.
const BINARY: &str = env!("CARGO_BIN_EXE_irongate");

/// A plain request that every test may use as its well-behaved one.
const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// A small, whole answer.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gateway on one data thread with this configuration.
#[track_caller]
fn gateway(manifest: &Manifest) -> Gateway {
    Gateway::start(BINARY, manifest)
}

/// A gateway on one data thread that sends everything to one origin.
#[track_caller]
fn gateway_to(origin: &Origin) -> Gateway {
    gateway(&Manifest::to_origins(&[origin.address()]))
}

/// An origin that answers nobody before the gate is open.
fn gated(gate: &Arc<Gate>) -> Origin {
    let gate = gate.clone();
    Origin::start(move |connection| {
        loop {
            connection.request()?;
            gate.wait();
            connection.send(OK)?;
        }
    })
}

/// Asserts that nothing came to the origin, ever: a well-behaved request is sent through the gateway, and it has to
/// be the first thing that the origin sees. The gateway must have one data thread, which makes the order certain.
#[track_caller]
fn assert_untouched(gateway: &Gateway, origin: &Origin, what: &str) {
    let answer = gateway.get("/untouched");
    assert_eq!(answer.status, 200, "{what}: the gateway still serves");
    let seen = origin.bytes();
    let lines = String::from_utf8_lossy(&seen);
    assert!(lines.starts_with("GET /untouched HTTP/1.1\r\n"), "{what}: bytes reached the origin: {lines}");
    assert_eq!(origin.requests().len(), 1, "{what}: {:#?}", origin.requests());
}
