//! The backends of a rule: shares, policies, endpoints.

use super::describe;
use super::places::Places;
use super::view::{BackendView, EndpointView, Verdict};
use irongate_config::{BackendProtocol, BackendRef, BackendTarget, Config, Endpoints, RouteKey};

/// Endpoints of one backend that are listed.
const MOST_ENDPOINTS: usize = 20;

/// Views of the backends of a route's rule.
pub(super) fn views(
    (route, rule): (&RouteKey, usize),
    backends: &[BackendRef],
    config: &Config,
    places: Places<'_>,
) -> Vec<BackendView> {
    let sum: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
    let view = |(number, backend): (usize, &BackendRef)| {
        let mut view = BackendView {
            backend: describe::target(&backend.target),
            weight: backend.weight,
            share: if sum == 0 { 0.0 } else { f64::from(backend.weight) * 100.0 / sum as f64 },
            reference: None,
            invalid: None,
            protocol: None,
            tls: None,
            dns: None,
            consul: None,
            endpoints: Vec::new(),
            more_endpoints: 0,
            policy: Vec::new(),
        };
        match &backend.target {
            BackendTarget::Invalid(reason) => {
                view.invalid = Some(reason.as_str());
                view.reference = places.backend_name(route, rule, number);
            }
            BackendTarget::Backend(key) => {
                view.policy = places.policy(key);
                if let Some(backend) = config.backends.get(key) {
                    describe_endpoints(&mut view, backend);
                }
            }
        }
        view
    };
    backends.iter().enumerate().map(view).collect()
}

fn describe_endpoints(view: &mut BackendView, backend: &irongate_config::Backend) {
    view.protocol = Some(match backend.key.protocol {
        BackendProtocol::Http1 => "HTTP1",
        BackendProtocol::Http2 => "HTTP2",
        BackendProtocol::Tcp => "TCP",
        BackendProtocol::Udp => "UDP",
    });
    view.tls = backend.tls.as_ref().map(|tls| tls.hostname.to_string());
    match &backend.endpoints {
        Endpoints::Dns(dns) => view.dns = Some(dns.to_string()),
        Endpoints::Consul(consul) => view.consul = Some(consul.to_string()),
        Endpoints::Static(endpoints) => {
            view.more_endpoints = endpoints.len().saturating_sub(MOST_ENDPOINTS);
            let endpoints = endpoints.iter().take(MOST_ENDPOINTS).map(|endpoint| EndpointView {
                address: endpoint.address.to_string(),
                weight: endpoint.weight,
                live: None,
            });
            view.endpoints = endpoints.collect();
        }
    }
}

/// What the client gets, as far as it depends on backends.
pub(super) fn verdict(backends: &[BackendView]) -> Verdict {
    let failed = |status, summary: &str| Verdict {
        outcome: "failed",
        status: Some(status),
        summary: summary.to_owned(),
    };
    let drawn: Vec<&BackendView> = backends.iter().filter(|backend| backend.weight > 0).collect();
    let is_empty = |backend: &&BackendView| backend.endpoints.is_empty() && !backend.is_discovered();
    if drawn.is_empty() {
        return failed(500, "the rule has no backend that gets requests");
    }
    if drawn.iter().all(|backend| backend.invalid.is_some()) {
        return failed(500, "no backend of the rule resolves");
    }
    if drawn.iter().all(|backend| backend.invalid.is_none() && is_empty(backend)) {
        return failed(503, "no backend of the rule has an endpoint");
    }
    let names: Vec<&str> = drawn.iter().map(|backend| backend.backend.as_str()).collect();
    let mut summary = format!("forwarded to {}", names.join(" or "));
    if drawn.iter().any(|backend| backend.invalid.is_some() || is_empty(backend)) {
        summary.push_str("; the share of those that do not resolve or have no endpoint fails");
    }
    Verdict { outcome: "forwarded", status: None, summary }
}

/// What becomes of a connection or a datagram, as far as it depends on backends. `how` ends the sentence.
pub(super) fn stream_verdict(backends: &[BackendView], how: &str) -> Verdict {
    let closed = |why: &str| Verdict { outcome: "closed", status: None, summary: format!("closed: {why}") };
    let drawn: Vec<&BackendView> = backends.iter().filter(|backend| backend.weight > 0).collect();
    let is_empty = |backend: &&BackendView| backend.endpoints.is_empty() && !backend.is_discovered();
    if drawn.iter().all(|backend| backend.invalid.is_some()) {
        return closed("no backend of the route resolves");
    }
    if drawn.iter().all(|backend| backend.invalid.is_some() || is_empty(backend)) {
        return closed("no backend of the route has an endpoint");
    }
    let names: Vec<&str> = drawn.iter().map(|backend| backend.backend.as_str()).collect();
    let summary = format!("passed on to {}{how}", names.join(" or "));
    Verdict { outcome: "forwarded", status: None, summary }
}
