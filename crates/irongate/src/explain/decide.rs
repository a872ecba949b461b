//! From a configuration and a request to an explanation.

use super::backends;
use super::connection::{First, before_request, is_carried};
use super::describe;
use super::destination::destination;
use super::filters::{self, text};
use super::limits;
use super::places::Places;
use super::request::Request;
use super::streams;
use super::view::{
    Explanation, FilterView, Forwarded, ListenerView, OtherListener, OtherMatch, RuleView, Setting, Verdict,
};
use irongate_config::{
    AttachedRoute, Config, Listener, ListenerProtocol, PathMatch, Route, RouteRule, RouteTimeouts, Scheme,
};
use irongate_message::{HeadLimits, RequestHead};
use irongate_traffic::route::naive::{self, Candidate, Condition};
use irongate_traffic::{FilterContext, Filters, HostTable, RouteMatch, RouteTable};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Matches and listeners that are told of, apart from the one that was taken.
const MOST_OTHERS: usize = 10;

/// What would become of a request.
pub(crate) fn explain(request: Request, config: &Config, places: &Places<'_>) -> Explanation {
    let mut explanation = Explanation {
        request,
        verdict: Verdict { outcome: "noListener", status: None, summary: String::new() },
        listener: None,
        other_listeners: Vec::new(),
        rule: None,
        others: Vec::new(),
        more_others: 0,
        filters: Vec::new(),
        forwarded: None,
        timeouts: Vec::new(),
        retry: None,
        retry_position: None,
        session: None,
        policy: Vec::new(),
        limits: Vec::new(),
        backends: Vec::new(),
        parameters: Vec::new(),
    };
    explanation.verdict = decide(&mut explanation, config, *places);
    explanation
}

fn decide(explanation: &mut Explanation, config: &Config, places: Places<'_>) -> Verdict {
    let Some(address) = destination(&explanation.request, config) else {
        return no_listener(explanation, config);
    };
    let protocol = explanation.request.protocol;
    let sharing: Vec<&Arc<Listener>> = config
        .listeners
        .iter()
        .filter(|listener| listener.addresses.contains(&address) && is_carried(listener, protocol))
        .collect();
    let name = explanation.request.server_name.clone();
    let by_name = match before_request(&sharing, protocol, address, &name) {
        First::Request(by_name) => by_name,
        First::Stream(listener) => {
            tell_listeners(explanation, config, &sharing, Some(listener), address, &name);
            return streams::serve(explanation, config, listener, &name, places);
        }
        First::None(verdict) => {
            tell_listeners(explanation, config, &sharing, None, address, &name);
            return verdict;
        }
    };
    request(explanation, config, (&sharing, address), by_name, places)
}

/// What becomes of a request. Over TLS, `by_name` is the listener that the server name chose.
fn request(
    explanation: &mut Explanation,
    config: &Config,
    (sharing, address): (&[&Arc<Listener>], SocketAddr),
    by_name: Option<&Arc<Listener>>,
    places: Places<'_>,
) -> Verdict {
    // As the engine does it: before a host is known, the oldest listener's bounds hold.
    let bounds = sharing.first().map_or_else(HeadLimits::default, |listener| head_limits(listener));
    let mut head = match explanation.request.head(&bounds) {
        Ok(head) => head,
        Err(error) => {
            let summary = format!("the gateway refuses the request: {error}");
            return Verdict { outcome: "refused", status: Some(error.status()), summary };
        }
    };
    let hosts = HostTable::new(sharing.iter().map(|listener| (listener.hostname.clone(), *listener)));
    let chosen = hosts.find(head.host()).copied();
    tell_listeners(explanation, config, sharing, chosen, address, &text(head.host()));
    let Some(listener) = chosen else {
        let summary = format!("no listener on {address} is for the host {}", text(head.host()));
        return Verdict { outcome: "notFound", status: Some(404), summary };
    };
    position_of(explanation, listener, places);
    if let Some(by_name) = by_name
        && head.host() != explanation.request.server_name.as_bytes()
        && !Arc::ptr_eq(by_name, listener)
    {
        let summary = format!(
            "the connection is for the listener {}, and the host for {}: the client has to open another one",
            by_name.key, listener.key
        );
        return Verdict { outcome: "refused", status: Some(421), summary };
    }
    if head.is_connect() || head.is_asterisk() {
        let summary = "CONNECT and OPTIONS * belong to no route".to_owned();
        return Verdict { outcome: "refused", status: None, summary };
    }
    let found = RouteTable::compile(&listener.routes).0.find(&head);
    tell_matches(explanation, &listener.routes, found, &head, places);
    let Some(found) = found else {
        let summary = match listener.routes.len() {
            0 => format!("no route is attached to the listener {}", listener.key),
            _ => format!("no route of the listener {} fits the request", listener.key),
        };
        return Verdict { outcome: "notFound", status: Some(404), summary };
    };
    let route = &listener.routes[found.route as usize].route;
    let chosen = Chosen { listener, route, rule: &route.rules[found.rule as usize] };
    serve(explanation, config, &chosen, (&mut head, found.matched_prefix), address, places)
}

/// Who gets the request.
struct Chosen<'c> {
    listener: &'c Listener,
    route: &'c Route,
    rule: &'c RouteRule,
}

/// Says where the chosen listener was written, and what holds for it.
pub(super) fn position_of(explanation: &mut Explanation, listener: &Listener, places: Places<'_>) {
    if let Some(view) = &mut explanation.listener {
        view.position = places.listener(&listener.key);
    }
    explanation.parameters = places.parameters(&listener.key);
}

/// What the rule does with the request.
fn serve(
    explanation: &mut Explanation,
    config: &Config,
    chosen: &Chosen<'_>,
    (head, matched_prefix): (&mut RequestHead, usize),
    address: SocketAddr,
    places: Places<'_>,
) -> Verdict {
    let &Chosen { listener, route, rule } = chosen;
    explanation.policy = places.traffic_policy(&listener.key, &route.key, rule.place);
    explanation.limits = limits::views(rule);
    let is_tls = listener.protocol == ListenerProtocol::Https;
    let scheme = if is_tls { Scheme::Https } else { Scheme::Http };
    let context = FilterContext { scheme, listener_port: address.port() };
    let views: &mut Vec<FilterView> = &mut explanation.filters;
    let redirection = filters::apply(&rule.filters, "rule", head, matched_prefix, &context, views);
    if let Some(redirection) = redirection {
        let summary = format!("redirected to {}", text(&redirection.location));
        return Verdict { outcome: "redirected", status: Some(redirection.status), summary };
    }
    let query = head.query().map(|query| format!("?{}", text(query))).unwrap_or_default();
    explanation.forwarded = Some(Forwarded {
        method: text(head.method_text()),
        host: text(head.authority()),
        target: format!("{}{query}", text(head.path())),
    });
    for backend in &rule.backends {
        let name = describe::target(&backend.target);
        // Each backend's own filters work on a request that only that backend gets.
        let mut head = match explanation.request.head(&head_limits(listener)) {
            Ok(head) => head,
            Err(_) => break,
        };
        filters::apply(&rule.filters, "rule", &mut head, matched_prefix, &context, &mut Vec::new());
        let prefix = Filters::compile(&rule.filters).prefix_left(matched_prefix);
        filters::apply(&backend.filters, &name, &mut head, prefix, &context, &mut explanation.filters);
    }
    explanation.timeouts = timeouts(chosen, explanation, places);
    if let Some(retry) = retry(chosen, &explanation.policy, places) {
        explanation.retry = Some(retry.value);
        explanation.retry_position = retry.position;
    }
    explanation.session = rule.session.as_deref().map(describe::session);
    explanation.backends = backends::views((&route.key, rule.place), &rule.backends, config, places);
    backends::verdict(&explanation.backends)
}

/// The timeouts, each with who says it: the rule or a `TrafficPolicy`, or for the last one `GatewayParameters`.
fn timeouts(chosen: &Chosen<'_>, explanation: &Explanation, places: Places<'_>) -> Vec<Setting> {
    let Explanation { parameters, policy, .. } = explanation;
    let of_rule = |name: &str, timeout: Option<Duration>| {
        let value = match timeout {
            None => "not set".to_owned(),
            Some(timeout) if timeout.is_zero() => "switched off".to_owned(),
            Some(timeout) => describe::duration(timeout),
        };
        let field = format!("timeouts.{name}");
        let setting = Setting { field: name.to_owned(), value, ..Setting::default() };
        if let Some(said) = policy.iter().find(|said| said.field == field) {
            return Setting { from: said.from.clone(), position: said.position.clone(), ..setting };
        }
        if timeout.is_some() { said_by_rule(setting, chosen, &field, places) } else { setting }
    };
    let RouteTimeouts { request, backend_request } = chosen.rule.timeouts;
    let by_parameters = parameters.iter().find(|setting| setting.field == "timeouts.response");
    let response = Setting {
        field: "response".to_owned(),
        value: describe::duration(chosen.listener.options.timeouts.response),
        from: by_parameters.and_then(|setting| setting.from.clone()),
        position: by_parameters.and_then(|setting| setting.position.clone()),
        overridden: Vec::new(),
    };
    vec![of_rule("request", request), of_rule("backendRequest", backend_request), response]
}

fn retry(chosen: &Chosen<'_>, policy: &[Setting], places: Places<'_>) -> Option<Setting> {
    let retry = chosen.rule.retry.as_ref()?;
    let codes: Vec<String> = retry.codes.iter().map(ToString::to_string).collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" on {}", codes.join(", ")) };
    let value = format!("{} more{codes}", retry.attempts);
    let setting = Setting { field: "retry".to_owned(), value, ..Setting::default() };
    if let Some(said) = policy.iter().find(|said| said.field.starts_with("retry.")) {
        return Some(Setting { from: said.from.clone(), position: said.position.clone(), ..setting });
    }
    Some(said_by_rule(setting, chosen, "retry", places))
}

fn said_by_rule(setting: Setting, chosen: &Chosen<'_>, field: &str, places: Places<'_>) -> Setting {
    let position = places.rule_field(&chosen.route.key, chosen.rule.place, field);
    Setting { from: Some(chosen.route.key.to_string()), position, ..setting }
}

fn head_limits(listener: &Listener) -> HeadLimits {
    let limits = &listener.options.limits;
    HeadLimits { bytes: limits.head_bytes, fields: limits.head_fields, target: limits.target_bytes }
}

fn no_listener(explanation: &mut Explanation, config: &Config) -> Verdict {
    let port = explanation.request.port;
    explanation.other_listeners = config
        .listeners
        .iter()
        .take(MOST_OTHERS)
        .map(|listener| {
            let why = if listener.addresses.iter().any(|address| address.port() == port) {
                "listens on another address".to_owned()
            } else {
                "listens on another port".to_owned()
            };
            other_listener(listener, why)
        })
        .collect();
    let summary = match explanation.request.address {
        Some(address) => format!("no listener is on {address}, port {port}: connecting fails"),
        None => format!("no listener is on port {port}: connecting fails"),
    };
    Verdict { outcome: "noListener", status: None, summary }
}

fn tell_listeners(
    explanation: &mut Explanation,
    config: &Config,
    sharing: &[&Arc<Listener>],
    chosen: Option<&Arc<Listener>>,
    address: SocketAddr,
    host: &str,
) {
    if let Some(listener) = chosen {
        let is_named = !matches!(listener.protocol, ListenerProtocol::Tcp | ListenerProtocol::Udp);
        let why = match sharing.len() {
            _ if !is_named => format!("the one on {address}"),
            1 => format!("the only one on {address}; {} fits its hostname", shown(host)),
            count => {
                format!("its hostname is the most specific of {count} on {address} for {}", shown(host))
            }
        };
        explanation.listener = Some(ListenerView {
            listener: listener.key.to_string(),
            address: address.to_string(),
            hostname: listener.hostname.to_string(),
            http3: listener.options.http3 && listener.protocol == ListenerProtocol::Https,
            position: None,
            why,
        });
    }
    let is_chosen = |listener: &Arc<Listener>| chosen.is_some_and(|chosen| Arc::ptr_eq(chosen, listener));
    let on_address = sharing.iter().filter(|listener| !is_chosen(listener)).map(|listener| {
        let fits = listener.hostname.matches(host);
        let why = if fits { "its hostname is less specific" } else { "its hostname does not fit" };
        other_listener(listener, why.to_owned())
    });
    let elsewhere = config.listeners.iter().filter(|listener| {
        !listener.addresses.contains(&address)
            && listener.addresses.iter().any(|other| other.port() == address.port())
    });
    let elsewhere = elsewhere.map(|listener| other_listener(listener, "listens on another address".into()));
    explanation.other_listeners = on_address.chain(elsewhere).take(MOST_OTHERS).collect();
}

fn shown(host: &str) -> String {
    if host.is_empty() { "a request without a host".to_owned() } else { host.to_owned() }
}

fn other_listener(listener: &Listener, why: String) -> OtherListener {
    OtherListener {
        listener: listener.key.to_string(),
        addresses: listener.addresses.iter().map(ToString::to_string).collect(),
        hostname: listener.hostname.to_string(),
        why,
    }
}

/// The rule that was found, and the nearest of the matches that were not taken.
fn tell_matches(
    explanation: &mut Explanation,
    routes: &[AttachedRoute],
    found: Option<RouteMatch>,
    head: &RequestHead,
    places: Places<'_>,
) {
    let mut candidates: Vec<Candidate<'_>> = naive::candidates(routes, head).collect();
    let is_found = |candidate: &Candidate<'_>| {
        found.is_some_and(|found| {
            (candidate.route, candidate.rule) == (found.route as usize, found.rule as usize)
        }) && candidate.fits()
    };
    // Of the rule's matches that fit, the one that no other beats.
    let taken = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| is_found(candidate))
        .reduce(|best, other| if best.1.loses_by(other.1).is_some() { other } else { best })
        .map(|(index, _)| index);
    let taken = taken.map(|index| candidates.remove(index));
    explanation.rule = taken.as_ref().map(|taken| rule_view(routes, taken, places));
    // The sort keeps the order of precedence by age and place among those that are equally near.
    candidates.sort_by_cached_key(|candidate| distance(candidate, head));
    explanation.more_others = candidates.len().saturating_sub(MOST_OTHERS);
    for candidate in candidates.iter().take(MOST_OTHERS) {
        let criterion =
            taken.as_ref().and_then(|taken| candidate.loses_by(taken)).filter(|_| candidate.fits());
        let why = match criterion {
            Some(criterion) => vec![describe::criterion(criterion).to_owned()],
            None => candidate.unmet.iter().map(|condition| describe::unmet(condition, head)).collect(),
        };
        explanation.others.push(OtherMatch {
            rule: rule_view(routes, candidate, places),
            fits: candidate.fits(),
            criterion: criterion.map(describe::criterion_name),
            why,
        });
    }
}

/// How far a match is from the request: those that fit first, then those for the path, then those for a path with
/// the same beginning, then those for other hosts.
fn distance(candidate: &Candidate<'_>, head: &RequestHead) -> (u8, std::cmp::Reverse<usize>, usize) {
    let (mut class, mut common) = (0, 0);
    for condition in &candidate.unmet {
        match condition {
            Condition::Host(_) => class = 3,
            Condition::Path(PathMatch::Exact(path) | PathMatch::Prefix(path)) => {
                class = 2;
                common = path.bytes().zip(head.path()).take_while(|(a, b)| a == *b).count();
            }
            Condition::Path(PathMatch::Regex(_)) => class = 2,
            Condition::Method(_) | Condition::Header(_) | Condition::Query(_) => class = class.max(1),
        }
    }
    (class, std::cmp::Reverse(common), candidate.unmet.len())
}

fn rule_view(routes: &[AttachedRoute], candidate: &Candidate<'_>, places: Places<'_>) -> RuleView {
    let route = &routes[candidate.route].route;
    let rule = &route.rules[candidate.rule];
    RuleView {
        route: route.key.to_string(),
        rule: rule.place,
        name: rule.name.as_deref().map(ToOwned::to_owned),
        request_match: candidate.request_match,
        conditions: describe::request_match(&rule.matches[candidate.request_match]),
        position: places.rule(&route.key, rule.place, candidate.request_match),
    }
}
