//! An explanation for people: the answer first, then the way to it.

use super::view::{BackendView, EndpointView, Explanation, RuleView, Setting};
use crate::output::Style;
use irongate_config::Position;
use serde_json::Value;
use std::fmt::Write as _;

/// Writes a line. Writing to a string does not fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {{ let _infallible = writeln!($text, $($argument)*); }};
}

pub(super) fn render(explanation: &Explanation, style: Style) -> String {
    let mut text = String::new();
    let verdict = &explanation.verdict;
    let status = verdict.status.map(|status| format!("{status}: ")).unwrap_or_default();
    let answer = format!("{status}{}", verdict.summary);
    let answer = match verdict.outcome {
        "forwarded" | "redirected" => style.green(&answer),
        _ => style.red(&answer),
    };
    line!(text, "{answer}");
    listeners(&mut text, explanation, style);
    rules(&mut text, explanation, style);
    filters(&mut text, explanation, style);
    if let Some(forwarded) = &explanation.forwarded {
        heading(&mut text, "Sent to the backend", style);
        line!(text, "  {} {}, Host: {}", forwarded.method, forwarded.target, forwarded.host);
    }
    if !explanation.timeouts.is_empty() {
        let timeouts = explanation
            .timeouts
            .iter()
            .map(|one| format!("{} {}{}", one.field, one.value, in_brackets(one.position.as_ref())));
        line!(text, "  timeouts: {}", timeouts.collect::<Vec<_>>().join(", "));
    }
    if let Some(retry) = &explanation.retry {
        line!(text, "  tries: {retry}{}", in_brackets(explanation.retry_position.as_ref()));
    }
    if let Some(session) = &explanation.session {
        line!(text, "  session: {session}");
    }
    if !explanation.policy.is_empty() {
        heading(&mut text, "TrafficPolicy", style);
        settings(&mut text, &explanation.policy, style);
    }
    limits(&mut text, explanation);
    let is_stream = explanation.forwarded.is_none();
    for backend in &explanation.backends {
        one_backend(&mut text, backend, is_stream, style);
    }
    if !explanation.parameters.is_empty() {
        heading(&mut text, "GatewayParameters", style);
        settings(&mut text, &explanation.parameters, style);
    }
    text
}

fn limits(text: &mut String, explanation: &Explanation) {
    for limit in &explanation.limits {
        let dry = if limit.dry_run { " (dry run)" } else { "" };
        line!(text, "  limit {}{dry}: {}", limit.name, limit.summary);
        if let Some(store) = &limit.store {
            let (address, on_failure) = (&store.address, store.on_failure);
            line!(
                text,
                "    counted by RateLimitStore {} at {address}; while it is away: {on_failure}",
                store.store
            );
        }
    }
}

fn in_brackets(position: Option<&Position>) -> String {
    position.map(|position| format!(" ({}:{})", position.file, position.line)).unwrap_or_default()
}

fn heading(text: &mut String, title: &str, style: Style) {
    line!(text, "\n{}", style.bold(title));
}

fn listeners(text: &mut String, explanation: &Explanation, style: Style) {
    if explanation.listener.is_none() && explanation.other_listeners.is_empty() {
        return;
    }
    heading(text, "Listener", style);
    if let Some(listener) = &explanation.listener {
        let place = place(listener.position.as_ref(), style);
        let also = if listener.http3 { ", HTTP/3 too" } else { "" };
        let (name, address, hostname) = (&listener.listener, &listener.address, &listener.hostname);
        line!(text, "  {name} on {address}, hostname {hostname}{also}{place}");
        line!(text, "    {}", listener.why);
    }
    for other in &explanation.other_listeners {
        let addresses = other.addresses.join(", ");
        let note =
            format!("not {} on {addresses}, hostname {}: {}", other.listener, other.hostname, other.why);
        line!(text, "  {}", style.dim(&note));
    }
}

fn rules(text: &mut String, explanation: &Explanation, style: Style) {
    if explanation.rule.is_none() && explanation.others.is_empty() {
        return;
    }
    heading(text, "Rule", style);
    if let Some(rule) = &explanation.rule {
        line!(text, "  {}{}", named(rule), place(rule.position.as_ref(), style));
        line!(text, "    {}", rule.conditions);
    }
    for other in &explanation.others {
        line!(text, "  not {}{}", named(&other.rule), place(other.rule.position.as_ref(), style));
        line!(text, "    {}", style.dim(&other.rule.conditions));
        let fits = if other.fits { "fits too, but " } else { "" };
        line!(text, "    {fits}{}", other.why.join("; "));
    }
    if explanation.more_others > 0 {
        line!(text, "  and {} matches more, farther off", explanation.more_others);
    }
}

fn named(rule: &RuleView) -> String {
    let name = rule.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{} rules[{}]{name} matches[{}]", rule.route, rule.rule, rule.request_match)
}

fn place(position: Option<&Position>, style: Style) -> String {
    position.map(|at| style.dim(&format!("  {}:{}", at.file, at.line))).unwrap_or_default()
}

fn filters(text: &mut String, explanation: &Explanation, style: Style) {
    if explanation.filters.is_empty() {
        return;
    }
    heading(text, "Filters", style);
    for filter in &explanation.filters {
        let of = if filter.of == "rule" { String::new() } else { format!(" of {}", filter.of) };
        let mut effects: Vec<String> = filter.note.iter().cloned().collect();
        for change in &filter.changes {
            effects.push(match (&change.from, &change.to) {
                (Some(from), Some(to)) => format!("{} {from} becomes {to}", change.what),
                (Some(from), None) => format!("removes {}: {from}", change.what),
                (None, to) => format!("{}: {}", change.what, to.as_deref().unwrap_or_default()),
            });
        }
        let effects = if effects.is_empty() { "changes nothing here".to_owned() } else { effects.join(", ") };
        line!(text, "  {}{of}: {effects}", filter.kind);
    }
}

fn one_backend(text: &mut String, backend: &BackendView, is_stream: bool, style: Style) {
    let (error, unavailable) =
        if is_stream { ("closed", "closed") } else { ("answered with 500", "answered with 503") };
    heading(text, &format!("{} ({:.0} %)", backend.backend, backend.share), style);
    if let Some(reason) = backend.invalid {
        let names = backend.reference.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        line!(text, "  {}", style.red(&format!("its share is {error}: {reason}{names}")));
        return;
    }
    if let Some(name) = &backend.tls {
        line!(text, "  over TLS, to {name}");
    }
    if let Some(dns) = &backend.dns {
        line!(text, "  looked up: {dns}");
    }
    if let Some(consul) = &backend.consul {
        line!(text, "  asked of Consul: {consul}");
    }
    if backend.endpoints.is_empty() && !backend.is_discovered() {
        line!(text, "  {}", style.red(&format!("no endpoint: its share is {unavailable}")));
    }
    for endpoint in &backend.endpoints {
        line!(text, "  {}", one_endpoint(endpoint));
    }
    if backend.more_endpoints > 0 {
        line!(text, "  and {} endpoints more", backend.more_endpoints);
    }
    settings(text, &backend.policy, style);
}

fn one_endpoint(endpoint: &EndpointView) -> String {
    let weight = if endpoint.weight == 1 { String::new() } else { format!(" weight {}", endpoint.weight) };
    let Some(live) = &endpoint.live else { return format!("{}{weight}", endpoint.address) };
    let number = |field: &str| live[field].as_f64().unwrap_or_default();
    let health = live["health"].as_str().unwrap_or("unknown");
    let cause = match &live["cause"] {
        Value::String(cause) => format!(" ({cause})"),
        _ => String::new(),
    };
    format!(
        "{}{weight}  {health}{cause} for {:.0} s, estimate {:.1} ms, {} pending, {} requests, {} failures",
        endpoint.address,
        number("healthSeconds"),
        number("estimateMilliseconds"),
        number("pending"),
        number("requests"),
        number("failures"),
    )
}

fn settings(text: &mut String, settings: &[Setting], style: Style) {
    for setting in settings {
        let from = setting.from.as_deref().unwrap_or("default");
        line!(
            text,
            "  {}: {}  {from}{}",
            setting.field,
            setting.value,
            place(setting.position.as_ref(), style)
        );
        for other in &setting.overridden {
            let from = other.from.as_deref().unwrap_or_default();
            line!(text, "    not {}  {from}{}", other.value, place(other.position.as_ref(), style));
        }
    }
}
