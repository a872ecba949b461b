//! `/api/backends`: what was configured, and what the balancer thinks of each endpoint.

mod health;

use super::{Page, certificate, seconds};
use irongate_config::{
    Algorithm, Authorities, Backend, BackendProtocol, BackendTls, Config, Endpoints, HashKey, Hashing,
    Locality, ProxyProtocolVersion, SessionCarrier, SessionPersistence,
};
use irongate_proxy::{BackendReport, EndpointReport, SourceReport};
use irongate_telemetry::{EndpointLabels, EndpointReading};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(crate) fn backends(
    config: &Config,
    reports: &[BackendReport],
    counted: &BTreeMap<EndpointLabels, EndpointReading>,
    page: Page,
) -> Value {
    let reports: HashMap<&str, &BackendReport> = reports.iter().map(|one| (&*one.backend, one)).collect();
    page.of(
        "backends",
        config.backends.values().map(|backend| {
            let name = backend.key.to_string();
            let report = reports.get(name.as_str());
            let endpoints: Vec<Value> = report
                .into_iter()
                .flat_map(|report| report.endpoints.iter().map(|one| endpoint(&report.backend, one, counted)))
                .collect();
            one(&name, backend, report.map(|report| &report.source), &endpoints)
        }),
    )
}

fn one(name: &str, backend: &Backend, report: Option<&SourceReport>, endpoints: &[Value]) -> Value {
    let options = &backend.options;
    json!({
        "backend": name,
        "protocol": protocol(backend.key.protocol),
        "tls": backend.tls.as_deref().map(tls),
        "dns": match &backend.endpoints {
            Endpoints::Dns(dns) => Some(dns.to_string()),
            Endpoints::Consul(_) | Endpoints::Static(_) => None,
        },
        "consul": match &backend.endpoints {
            Endpoints::Consul(consul) => Some(consul.to_string()),
            Endpoints::Dns(_) | Endpoints::Static(_) => None,
        },
        "options": {
            "algorithm": algorithm(options.algorithm),
            "hash": options.algorithm.is_hashed().then(|| hash(&options.hashing)),
            "locality": locality(options.locality),
            "sessionPersistence": options.session.as_deref().map(session),
            "connectTimeoutSeconds": options.connect_timeout.map(seconds),
            "proxyProtocol": options.proxy_protocol.map(|version| match version {
                ProxyProtocolVersion::V1 => "V1",
                ProxyProtocolVersion::V2 => "V2",
            }),
            "pool": {
                "idleTimeoutSeconds": seconds(options.pool.idle_timeout),
                "maxIdle": options.pool.max_idle,
            },
            "healthChecks": options.health_checks.as_ref().map(health::checks),
            "limits": health::limits(&options.limits),
            "concurrency": options.concurrency.as_ref().map(health::concurrency),
            "retry": options.retry.as_ref().map(health::retry),
            "ejection": health::ejection(&options.ejection),
            "retryBudget": {
                "percent": options.retry_budget.percent,
                "intervalSeconds": seconds(options.retry_budget.interval),
                "minPerSecond": options.retry_budget.min_per_second,
            },
        },
        "source": report.map(source),
        "endpoints": endpoints,
    })
}

fn protocol(protocol: BackendProtocol) -> &'static str {
    match protocol {
        BackendProtocol::Http1 => "HTTP1",
        BackendProtocol::Http2 => "HTTP2",
        BackendProtocol::Tcp => "TCP",
        BackendProtocol::Udp => "UDP",
    }
}

fn source(source: &SourceReport) -> Value {
    json!({
        "kind": source.kind,
        "place": source.place,
        "endpoints": source.endpoints,
        "updates": source.updates,
        "confirmations": source.confirmations,
        "failures": source.failures,
        "failuresInARow": source.failures_in_a_row,
        "denialsInARow": source.denials_in_a_row,
        "answerSeconds": source.last_answer.map(seconds),
        "failureSeconds": source.last_failure.as_ref().map(|(ago, _)| seconds(*ago)),
        "failure": source.last_failure.as_ref().map(|(_, text)| text),
        "nextSeconds": source.next.map(seconds),
        "remark": source.remark,
    })
}

fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::PeakEwma => "PeakEwma",
        Algorithm::LeastRequest => "LeastRequest",
        Algorithm::RoundRobin => "RoundRobin",
        Algorithm::Random => "Random",
        Algorithm::RingHash => "RingHash",
        Algorithm::Maglev => "Maglev",
    }
}

fn locality(locality: Locality) -> &'static str {
    match locality {
        Locality::PreferLocal => "PreferLocal",
        Locality::Any => "Any",
    }
}

fn hash(hashing: &Hashing) -> Value {
    let key = |key: &HashKey| match key {
        HashKey::Header(name) => format!("Header {name}"),
        HashKey::Cookie(name) => format!("Cookie {name}"),
        HashKey::QueryParameter(name) => format!("QueryParameter {name}"),
        HashKey::SourceAddress => "SourceAddress".to_owned(),
    };
    json!({
        "keys": hashing.keys.iter().map(key).collect::<Vec<_>>(),
        "maxLoadPercent": hashing.max_load,
    })
}

pub(super) fn session(session: &SessionPersistence) -> Value {
    json!({
        "sessionName": &*session.name,
        "type": match session.carrier {
            SessionCarrier::Cookie { .. } => "Cookie",
            SessionCarrier::Header => "Header",
        },
        "absoluteTimeoutSeconds": session.absolute_timeout.map(seconds),
        "idleTimeoutSeconds": session.idle_timeout.map(seconds),
    })
}

fn tls(tls: &BackendTls) -> Value {
    json!({
        "hostname": &*tls.hostname,
        "subjectAltNames": tls.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        // `null`: those of the system.
        "authorities": match &tls.authorities {
            Authorities::System => None,
            Authorities::These(authorities) => Some(authorities.len()),
        },
        "certificate": tls.certificate.as_deref().map(certificate),
    })
}

fn endpoint(
    backend: &Arc<str>,
    report: &EndpointReport,
    counted: &BTreeMap<EndpointLabels, EndpointReading>,
) -> Value {
    let labels = EndpointLabels { backend: backend.clone(), address: report.address };
    let counted = counted.get(&labels);
    let health = &report.health;
    json!({
        "address": report.address.to_string(),
        "weight": report.weight,
        "local": report.is_near,
        "priority": report.priority,
        "health": health.health.as_str(),
        "healthSeconds": seconds(report.since),
        "cause": health.cause.text(),
        "failuresInARow": health.streak,
        "ejectionsInARow": health.ejections,
        "doubt": health.doubt,
        "estimateMilliseconds": seconds(report.estimate) * 1000.0,
        "pending": report.pending,
        "requests": counted.map_or(0, |counted| counted.attempts),
        "failures": counted.map_or(0, |counted| counted.failures),
    })
}
