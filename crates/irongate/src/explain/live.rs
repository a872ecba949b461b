//! What a running gateway knows of the endpoints: asked of its admin API.

use super::view::{EndpointView, Explanation};
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the admin API may take, for each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const LONGEST: u64 = 64 << 20;

/// `GET /api/backends`.
///
/// # Errors
/// Nobody answers there, or something else than an admin API does.
pub(super) fn ask(address: SocketAddr) -> anyhow::Result<Value> {
    let about = || format!("the admin API at {address} does not answer; is `irongate run --admin` there?");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(about)?;
    stream.set_read_timeout(Some(PATIENCE)).with_context(about)?;
    stream.set_write_timeout(Some(PATIENCE)).with_context(about)?;
    // HTTP/1.0: the answer ends with its connection, and comes in one piece.
    let request = format!("GET /api/backends HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(about)?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer).with_context(about)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        bail!("the admin API at {address} answers {status} to /api/backends");
    }
    serde_json::from_str(body).with_context(|| format!("what {address} answers is no admin API's"))
}

/// Puts what is known of each endpoint beside it. Endpoints that are found by DNS or Consul are known only to the running gateway.
pub(super) fn add(explanation: &mut Explanation, answer: &Value) {
    let reports = answer["backends"].as_array().map(Vec::as_slice).unwrap_or_default();
    for backend in &mut explanation.backends {
        let Some(report) = reports.iter().find(|report| report["backend"] == backend.backend.as_str()) else {
            continue;
        };
        let endpoints = report["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
        for endpoint in &mut backend.endpoints {
            let live = endpoints.iter().find(|live| live["address"] == endpoint.address.as_str());
            endpoint.live = live.cloned();
        }
        if backend.is_discovered() {
            backend.endpoints = endpoints.iter().map(discovered).collect();
        }
    }
}

fn discovered(live: &Value) -> EndpointView {
    EndpointView {
        address: live["address"].as_str().unwrap_or_default().to_owned(),
        weight: live["weight"].as_u64().and_then(|weight| weight.try_into().ok()).unwrap_or(1),
        live: Some(live.clone()),
    }
}
