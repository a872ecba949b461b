//! A Config and statuses as text that a human can compare.

use irongate_config::{
    AddressFamily, Authorities, Backend, BackendKey, BackendOptions, BackendRef, BackendTarget, BackendTls,
    Certificate, Compression, Config, ConsulSource, Cors, CorsAllowed, CorsOrigin, DnsRecords, DnsSource,
    Endpoints, FieldMatch, Filter, HeaderEdits, Listener, ListenerProtocol, ListenerTls, PathMatch,
    PathRewrite, Priorities, ProxyOptions, RequestMatch, RouteRule, StreamRoute, TrafficOptions, ValueMatch,
};
use irongate_translate::{Condition, ListenerStatus, PolicyField, RulePlace, Statuses};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Writes a line; a `String` takes everything.
macro_rules! line {
    ($out:expr, $($format:tt)*) => {{ let _ = writeln!($out, $($format)*); }};
}

pub(crate) fn config(config: &Config) -> String {
    let mut out = String::new();
    for one in &config.listeners {
        listener(one, &mut out);
    }
    for backend in config.backends.values() {
        self::backend(backend, &mut out);
    }
    out
}

fn listener(listener: &Listener, out: &mut String) {
    let addresses: Vec<String> = listener.addresses.iter().map(ToString::to_string).collect();
    let protocol = match listener.protocol {
        ListenerProtocol::Http => String::new(),
        protocol => format!(" {protocol:?}"),
    };
    line!(out, "listener {}{protocol} on {} for {}", listener.key, addresses.join(" "), listener.hostname);
    if let Some(tls) = &listener.tls {
        listener_tls(tls, out);
    }
    if *listener.options != ProxyOptions::default() {
        let options = &*listener.options;
        let proxies: Vec<String> = options.trusted_proxies.iter().map(ToString::to_string).collect();
        line!(out, "  trusted proxies: [{}]", proxies.join(" "));
        if !options.proxy_protocol_from.is_empty() {
            let peers: Vec<String> = options.proxy_protocol_from.iter().map(ToString::to_string).collect();
            line!(out, "  PROXY protocol from: [{}]", peers.join(" "));
        }
        if options.http3 {
            line!(out, "  HTTP/3");
        }
        line!(out, "  {:?}", options.limits);
        line!(out, "  {:?}", options.timeouts);
    }
    for attached in &listener.routes {
        let hosts: Vec<String> = attached.hostnames.iter().map(ToString::to_string).collect();
        line!(out, "  {} (age {}) for {}", attached.route.key, attached.route.age, hosts.join(" "));
        for (place, one) in attached.route.rules.iter().enumerate() {
            rule(place, one, out);
        }
    }
    for attached in &listener.stream_routes {
        let hosts: Vec<String> = attached.hostnames.iter().map(ToString::to_string).collect();
        stream_route(&attached.route, &hosts.join(" "), out);
    }
}

fn listener_tls(tls: &ListenerTls, out: &mut String) {
    for one in &tls.certificates {
        line!(out, "  {}", certificate(one));
    }
    if let Some(clients) = &tls.clients {
        let invalid = if clients.allows_invalid { ", invalid ones let in" } else { "" };
        line!(out, "  clients validated by {} authorities{invalid}", clients.authorities.len());
    }
}

fn certificate(certificate: &Certificate) -> String {
    let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
    let (chain, names) = (certificate.chain.len(), names.join(" "));
    format!("certificate ({chain} in its chain) for [{names}] until {}", certificate.expires)
}

fn stream_route(route: &StreamRoute, hosts: &str, out: &mut String) {
    let rule = route.rule.as_ref().map(|name| format!(", rule {name}")).unwrap_or_default();
    line!(out, "  {} (age {}) for {hosts}{rule}", route.key, route.age);
    for BackendRef { weight, target, .. } in &route.backends {
        match target {
            BackendTarget::Backend(key) => line!(out, "    weight {weight} to {key}"),
            BackendTarget::Invalid(reason) => line!(out, "    weight {weight} closed {}", reason.as_str()),
        }
    }
}

fn rule(place: usize, rule: &RouteRule, out: &mut String) {
    line!(out, "    rule {place}{}", rule.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default());
    for one in &rule.matches {
        line!(out, "      match {}", request_match(one));
    }
    for one in &rule.filters {
        line!(out, "      filter {}", filter(one));
    }
    if rule.backends.is_empty() && !rule.filters.iter().any(|filter| matches!(filter, Filter::Redirect(_))) {
        line!(out, "      500");
    }
    for BackendRef { weight, target, filters, session } in &rule.backends {
        let target = match target {
            BackendTarget::Backend(key) => key.to_string(),
            BackendTarget::Invalid(reason) => format!("500 {}", reason.as_str()),
        };
        line!(out, "      weight {weight} to {target}");
        for one in filters {
            line!(out, "        filter {}", filter(one));
        }
        if let Some(session) = session {
            line!(out, "        {session:?}");
        }
    }
    if let Some(session) = &rule.session {
        line!(out, "      {session:?}");
    }
    if let Some(timeout) = rule.timeouts.request {
        line!(out, "      request timeout {timeout:?}");
    }
    if let Some(timeout) = rule.timeouts.backend_request {
        line!(out, "      backend request timeout {timeout:?}");
    }
    if let Some(traffic) = &rule.traffic {
        traffic_options(traffic, out);
    }
    if let Some(retry) = &rule.retry {
        line!(out, "      retry {} times on {:?}, backoff {:?}", retry.attempts, retry.codes, retry.backoff);
    }
}

fn traffic_options(options: &TrafficOptions, out: &mut String) {
    let TrafficOptions {
        rate_limits,
        faults,
        concurrency,
        priorities,
        hedge_after,
        max_request_body,
        compression,
        request_buffer,
        request_bandwidth,
        response_bandwidth,
    } = options;
    for limit in rate_limits {
        line!(out, "      {limit:?}");
    }
    for fault in faults {
        line!(out, "      {fault:?}");
    }
    if let Some(concurrency) = concurrency {
        line!(out, "      {concurrency:?}");
    }
    if *priorities != Priorities::default() {
        line!(out, "      {priorities:?}");
    }
    if let Some(after) = hedge_after {
        line!(out, "      another attempt besides after {after:?}");
    }
    if let Some(most) = max_request_body {
        line!(out, "      request bodies of at most {most} bytes");
    }
    if let Some(buffer) = request_buffer {
        line!(out, "      {buffer:?}");
    }
    for (direction, bandwidth) in [("request", request_bandwidth), ("response", response_bandwidth)] {
        if let Some(bandwidth) = bandwidth {
            line!(out, "      {direction} {bandwidth:?}");
        }
    }
    if let Some(compression) = compression {
        let types: Vec<_> = compression.types.iter().map(ToString::to_string).collect();
        let Compression { scope, codings, min_size, weaken_etags, .. } = compression;
        line!(
            out,
            "      compression {codings:?} from {min_size} bytes, weaken_etags {weaken_etags}, scope {scope}"
        );
        line!(out, "        of {}", types.join(" "));
    }
}

fn request_match(one: &RequestMatch) -> String {
    let mut text = match &one.path {
        PathMatch::Exact(path) => format!("path = {path}"),
        PathMatch::Prefix(path) => format!("path in {path}"),
        PathMatch::Regex(path) => format!("path ~ {path}"),
    };
    if let Some(method) = &one.method {
        let _ = write!(text, ", method {method}");
    }
    for (kind, fields) in [("header", &one.headers), ("query", &one.query)] {
        for FieldMatch { name, value } in fields {
            let _ = match value {
                ValueMatch::Exact(value) => write!(text, ", {kind} {name} = {value}"),
                ValueMatch::Regex(value) => write!(text, ", {kind} {name} ~ {value}"),
            };
        }
    }
    text
}

fn filter(filter: &Filter) -> String {
    let path = |path: &Option<PathRewrite>| match path {
        None => String::new(),
        Some(PathRewrite::Full(path)) => format!(" path {path}"),
        Some(PathRewrite::Prefix(path)) => format!(" prefix {path}"),
    };
    let host = |host: &Option<Arc<str>>| host.as_ref().map(|h| format!(" host {h}")).unwrap_or_default();
    match filter {
        Filter::RequestHeaders(edits) => format!("request headers{}", header_edits(edits)),
        Filter::ResponseHeaders(edits) => format!("response headers{}", header_edits(edits)),
        Filter::Redirect(redirect) => {
            let scheme =
                redirect.scheme.map(|scheme| format!(" scheme {}", scheme.as_str())).unwrap_or_default();
            let port = redirect.port.map(|port| format!(" port {port}")).unwrap_or_default();
            let (host, path) = (host(&redirect.hostname), path(&redirect.path));
            format!("redirect {}{scheme}{host}{port}{path}", redirect.status)
        }
        Filter::Rewrite(rewrite) => format!("rewrite{}{}", host(&rewrite.hostname), path(&rewrite.path)),
        Filter::Mirror(mirror) => {
            format!("mirror {} of {} to {}", mirror.numerator, mirror.denominator, mirror.backend)
        }
        Filter::Cors(policy) => cors(policy),
    }
}

fn cors(cors: &Cors) -> String {
    let origins: Vec<String> = cors
        .origins
        .iter()
        .map(|origin| match origin {
            CorsOrigin::Any => "*".to_owned(),
            CorsOrigin::Of { scheme, host, port } => format!("{}://{host}:{port}", scheme.as_str()),
        })
        .collect();
    let allowed = |allowed: &CorsAllowed| match allowed {
        CorsAllowed::Any => "*".to_owned(),
        CorsAllowed::Only(names) => names.join(" "),
    };
    format!(
        "cors origins [{}]{} methods [{}] headers [{}] expose [{}] for {} s",
        origins.join(" "),
        if cors.credentials { " with credentials" } else { "" },
        allowed(&cors.methods),
        allowed(&cors.headers),
        cors.expose.join(" "),
        cors.max_age
    )
}

fn header_edits(edits: &HeaderEdits) -> String {
    let mut text = String::new();
    for (verb, pairs) in [("set", &edits.set), ("add", &edits.add)] {
        for (name, value) in pairs {
            let _ = write!(text, ", {verb} {name}: {value}");
        }
    }
    for name in &edits.remove {
        let _ = write!(text, ", remove {name}");
    }
    text
}

fn backend(backend: &Backend, out: &mut String) {
    line!(out, "backend {} {:?}", backend.key, backend.key.protocol);
    if *backend.options != BackendOptions::default() {
        line!(out, "  {:?}", backend.options);
    }
    if let Some(tls) = &backend.tls {
        backend_tls(tls, out);
    }
    match &backend.endpoints {
        Endpoints::Dns(dns) => {
            let default = DnsSource::addresses(&dns.name, 0);
            line!(out, "  dns {dns}");
            if (dns.min_refresh, dns.max_refresh) != (default.min_refresh, default.max_refresh) {
                line!(out, "    refreshed after {:?} to {:?}", dns.min_refresh, dns.max_refresh);
            }
            if !dns.servers.is_empty() {
                line!(out, "    servers {:?}", dns.servers);
            }
            if let DnsRecords::Addresses {
                family: family @ (AddressFamily::V4 | AddressFamily::V6), ..
            } = dns.records
            {
                line!(out, "    {family:?} alone");
            }
        }
        Endpoints::Consul(consul) => {
            line!(out, "  consul {consul}");
            let ConsulSource { tags, datacenter, includes_warning, token, wait, .. } = &**consul;
            line!(
                out,
                "    tags {tags:?}, datacenter {datacenter:?}, with warnings {includes_warning}, wait {wait:?}"
            );
            if let Some(token) = token {
                line!(out, "    token of {} bytes", token.len());
            }
            if let Some(tls) = &consul.tls {
                backend_tls(tls, out);
            }
        }
        Endpoints::Static(endpoints) => {
            for endpoint in endpoints {
                let mut place = String::new();
                if !endpoint.zones.is_empty() {
                    let _ = write!(place, " for {}", endpoint.zones.join(" "));
                }
                if endpoint.priority > 0 {
                    let _ = write!(place, " priority {}", endpoint.priority);
                }
                line!(out, "  {} weight {}{place}", endpoint.address, endpoint.weight);
            }
        }
    }
}

fn backend_tls(tls: &BackendTls, out: &mut String) {
    let names: Vec<String> = tls.names.iter().map(ToString::to_string).collect();
    let authorities = match &tls.authorities {
        Authorities::System => "those of the system".to_owned(),
        Authorities::These(list) => list.len().to_string(),
    };
    line!(out, "  TLS to {}, names [{}], authorities: {authorities}", tls.hostname, names.join(" "));
    if let Some(own) = &tls.certificate {
        line!(out, "    as {}", certificate(own));
    }
}

/// Who says which field of which backend.
pub(crate) fn policies(policies: &BTreeMap<BackendKey, Vec<PolicyField>>) -> String {
    let mut out = String::new();
    for (backend, fields) in policies {
        line!(out, "{backend}");
        policy_fields(fields, &mut out);
    }
    out
}

/// Who says which field of which rule.
pub(crate) fn traffic_policies(policies: &BTreeMap<RulePlace, Arc<Vec<PolicyField>>>) -> String {
    let mut out = String::new();
    for (place, fields) in policies {
        line!(out, "{} rules[{}] on {}", place.route, place.rule, place.listener);
        policy_fields(fields, &mut out);
    }
    out
}

fn policy_fields(fields: &[PolicyField], out: &mut String) {
    for PolicyField { field, policy, overridden } in fields {
        let names: Vec<String> = overridden.iter().map(ToString::to_string).collect();
        let over = if names.is_empty() { String::new() } else { format!(", over {}", names.join(", ")) };
        line!(out, "  {field}: {policy}{over}");
    }
}

pub(crate) fn statuses(statuses: &Statuses) -> String {
    let mut out = String::new();
    for (name, status) in &statuses.gateway_classes {
        line!(out, "GatewayClass {name}");
        conditions(&status.conditions, "  ", &mut out);
    }
    for (name, status) in &statuses.gateways {
        let addresses: String = status.addresses.iter().map(|address| format!(" {address}")).collect();
        line!(out, "Gateway {name} at{}", if addresses.is_empty() { " no address" } else { &addresses });
        if let Some(sets) = status.attached_listener_sets {
            line!(out, "  {sets} ListenerSets");
        }
        conditions(&status.conditions, "  ", &mut out);
        listeners(&status.listeners, &mut out);
    }
    for (name, status) in &statuses.listener_sets {
        line!(out, "ListenerSet {name}");
        conditions(&status.conditions, "  ", &mut out);
        listeners(&status.listeners, &mut out);
    }
    let routes = statuses.routes().flat_map(|(kind, list)| list.iter().map(move |one| (kind, one)));
    for (kind, (name, status)) in routes {
        line!(out, "{kind} {name}");
        for parent in &status.parents {
            let reference = &parent.parent_ref;
            let mut text = format!("{}/{} ", reference.group, reference.kind);
            if let Some(namespace) = &reference.namespace {
                let _ = write!(text, "{namespace}/");
            }
            text.push_str(&reference.name);
            if let Some(section) = &reference.section_name {
                let _ = write!(text, " section {section}");
            }
            if let Some(port) = reference.port {
                let _ = write!(text, " port {port}");
            }
            line!(out, "  parent {text}");
            conditions(&parent.conditions, "    ", &mut out);
        }
    }
    let tls = statuses.backend_tls_policies.iter().map(|one| ("BackendTLSPolicy", one));
    let traffic = statuses.traffic_policies.iter().map(|one| ("TrafficPolicy", one));
    for (kind, (name, status)) in tls.chain(traffic) {
        line!(out, "{kind} {name}");
        for ancestor in &status.ancestors {
            let gateway = &ancestor.ancestor_ref;
            let namespace = gateway.namespace.as_deref().unwrap_or_default();
            line!(out, "  ancestor {}/{} {namespace}/{}", gateway.group, gateway.kind, gateway.name);
            conditions(&ancestor.conditions, "    ", &mut out);
        }
    }
    out
}

fn listeners(listeners: &[ListenerStatus], out: &mut String) {
    for listener in listeners {
        let kinds = listener.supported_kinds.join(" ");
        line!(out, "  listener {}: {} routes, kinds [{kinds}]", listener.name, listener.attached_routes);
        conditions(&listener.conditions, "    ", out);
    }
}

fn conditions(conditions: &[Condition], indent: &str, out: &mut String) {
    for condition in conditions {
        let status = if condition.status { "True" } else { "False" };
        let generation = condition.observed_generation.map(|n| format!(" @{n}")).unwrap_or_default();
        let message =
            if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
        line!(out, "{indent}{}={status}/{}{generation}{message}", condition.kind, condition.reason);
    }
}
