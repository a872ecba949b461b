//! What must hold for every configuration that was read, however bad.

use irongate_config::{
    Backend, BackendRef, BackendTarget, Config, DnsRecords, Endpoints, Filter, HeaderEdits, PathMatch, PathRewrite,
    Problem, RequestMatch, RouteRule,
};
use std::collections::HashSet;

/// Every problem has a place in the sources, which are named `0.yaml`, `1.yaml`, …, and says something.
pub fn check_problems(problems: &[Problem], texts: &[&str]) {
    for problem in problems {
        assert!(!problem.message.is_empty() && !problem.reason.is_empty(), "{problem:?}");
        // Only the count of those that are not told has none.
        let Some(position) = &problem.position else {
            assert_eq!(problem.reason, "TooMany");
            continue;
        };
        let number: usize =
            position.file.strip_suffix(".yaml").and_then(|number| number.parse().ok()).expect("a source");
        // A carriage return alone is a line end of YAML, too.
        let lines = texts[number].replace("\r\n", "\n").split(['\n', '\r']).count();
        assert!((1..=lines + 1).contains(&(position.line as usize)) && position.column > 0, "{problem}");
        assert!(problem.to_string().len() < 16 << 10, "a problem is a sentence: {}", problem.message.len());
    }
}

/// What the types of a Config promise beyond themselves.
pub fn check_config(config: &Config) {
    let mut keys = HashSet::new();
    for listener in &config.listeners {
        assert!(keys.insert(&listener.key), "{} is there twice", listener.key);
        assert!(
            !listener.addresses.is_empty() && listener.addresses.iter().all(|address| address.port() != 0)
        );
        let mut routes = HashSet::new();
        for attached in &listener.routes {
            assert!(routes.insert(&attached.route.key), "{} is attached twice", attached.route.key);
            assert!(!attached.hostnames.is_empty());
            for rule in &attached.route.rules {
                check_rule(rule, config);
            }
        }
    }
    for (key, backend) in &config.backends {
        assert_eq!(key, &backend.key);
        check_backend(backend);
    }
}

fn check_rule(rule: &RouteRule, config: &Config) {
    assert!(!rule.matches.is_empty());
    rule.matches.iter().for_each(check_match);
    rule.filters.iter().for_each(check_filter);
    for BackendRef { weight, target, filters, .. } in &rule.backends {
        assert!(*weight <= 1_000_000);
        filters.iter().for_each(check_filter);
        if let BackendTarget::Backend(key) = target {
            assert!(config.backends.contains_key(key), "{key} is not there");
        }
    }
    if let Some(retry) = &rule.retry {
        assert!(retry.codes.iter().all(|code| (400..=599).contains(code)), "{:?}", retry.codes);
    }
}

fn check_match(one: &RequestMatch) {
    match &one.path {
        PathMatch::Exact(path) => assert!(path.starts_with('/')),
        PathMatch::Prefix(path) => {
            assert!(path.starts_with('/') && (path.len() == 1 || !path.ends_with('/')))
        }
        PathMatch::Regex(_) => {}
    }
    for (fields, is_header) in [(&one.headers, true), (&one.query, false)] {
        let mut names = HashSet::new();
        for field in fields {
            assert!(names.insert(&field.name), "{} is matched twice", field.name);
            assert!(
                !is_header
                    || is_field_name(&field.name) && !field.name.bytes().any(|b| b.is_ascii_uppercase())
            );
        }
    }
}

fn check_filter(filter: &Filter) {
    match filter {
        Filter::RequestHeaders(edits) | Filter::ResponseHeaders(edits) => check_edits(edits),
        Filter::Redirect(redirect) => {
            assert!(matches!(redirect.status, 301 | 302 | 303 | 307 | 308));
            assert!(redirect.port != Some(0));
            redirect.path.iter().for_each(check_rewrite);
        }
        Filter::Rewrite(rewrite) => rewrite.path.iter().for_each(check_rewrite),
        #[allow(unreachable_patterns, reason = "more kinds of filters may come")]
        _ => {}
    }
}

fn check_rewrite(path: &PathRewrite) {
    let (PathRewrite::Full(path) | PathRewrite::Prefix(path)) = path;
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{path:?}");
}

fn check_edits(edits: &HeaderEdits) {
    let pairs = || edits.set.iter().chain(&edits.add);
    assert!(pairs().map(|(name, _)| name).chain(&edits.remove).all(|name| is_field_name(name)));
    let is_value = |value: &str| value.bytes().all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f));
    assert!(pairs().all(|(_, value)| is_value(value)), "{edits:?}");
}

fn is_field_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn check_backend(backend: &Backend) {
    match &backend.endpoints {
        Endpoints::Static(endpoints) => {
            assert!(endpoints.is_sorted_by(|a, b| a.address < b.address), "{endpoints:?}");
            assert!(endpoints.iter().all(|one| one.weight > 0 && one.address.port() != 0), "{endpoints:?}");
        }
        Endpoints::Dns(dns) => {
            let has_port = !matches!(dns.records, DnsRecords::Addresses { port: 0, .. });
            assert!(!dns.name.is_empty() && has_port && dns.min_refresh <= dns.max_refresh, "{}", backend.key);
        }
        Endpoints::Consul(consul) => {
            assert!(!consul.host.is_empty() && consul.port != 0 && !consul.service.is_empty(), "{}", backend.key);
        }
    }
}
