//! One door for the tests of routing: routes and requests as short texts, looked up in the table and by the
//! naive matcher.
//!
//! A match is words: `=/exact`, `/prefix`, `~pattern`, `@METHOD`, `header:value`, `header:~pattern`,
//! `?name=value`, `?name=~pattern`. Matches of one rule are parted by ` or `. A request is
//! `METHOD host/path?query header:value…`.

mod conformance;
mod losers;
mod precedence;
mod properties;

use super::{RouteMatch, RouteTable, naive};
use irongate_config::{
    AttachedRoute, FieldMatch, HostPattern, ObjectName, PathMatch, RequestMatch, Route, RouteKey, RouteKind,
    RouteRule, ValueMatch,
};
use irongate_message::{HeadLimits, HeadParser, Parsed, RequestHead};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// Counts a look-up of a path or a look at a candidate.
pub(super) fn count_step() {
    STEPS.set(STEPS.get() + 1);
}

/// How many steps a look-up takes.
fn steps(table: &RouteTable, request: &str) -> usize {
    let head = request_head(request);
    STEPS.set(0);
    assert!(table.find(&head).is_some(), "{request}");
    STEPS.get()
}

fn host_pattern(text: &str) -> HostPattern {
    if text == "*" { HostPattern::Any } else { HostPattern::parse(text).expect("a valid pattern") }
}

fn value_match(text: &str) -> ValueMatch {
    match text.strip_prefix('~') {
        Some(pattern) => ValueMatch::Regex(pattern.into()),
        None => ValueMatch::Exact(text.into()),
    }
}

fn request_match(text: &str) -> RequestMatch {
    let mut matched = RequestMatch::default();
    for word in text.split_whitespace() {
        let field = |word: &str, separator| {
            let (name, value) = word.split_once(separator).expect("a name and a value");
            FieldMatch { name: name.into(), value: value_match(value) }
        };
        if let Some(path) = word.strip_prefix('=') {
            matched.path = PathMatch::Exact(path.into());
        } else if let Some(pattern) = word.strip_prefix('~') {
            matched.path = PathMatch::Regex(pattern.into());
        } else if let Some(method) = word.strip_prefix('@') {
            matched.method = Some(method.into());
        } else if let Some(query) = word.strip_prefix('?') {
            matched.query.push(field(query, '='));
        } else if word.starts_with('/') {
            matched.path = PathMatch::Prefix(word.into());
        } else {
            matched.headers.push(field(word, ':'));
        }
    }
    matched
}

/// A route for hosts parted by spaces. Its age is its index in a list made by [`routes`].
fn route<'a>(hosts: &str, rules: impl IntoIterator<Item = &'a str>) -> AttachedRoute {
    let rules = rules.into_iter().map(|rule| {
        let matches = rule.split(" or ").map(request_match).collect();
        Arc::new(RouteRule { matches, ..RouteRule::default() })
    });
    let name = ObjectName::new("default", "route").expect("a valid name");
    let route = Route { key: RouteKey { kind: RouteKind::Http, name }, age: 0, rules: rules.collect() };
    AttachedRoute { hostnames: hosts.split_whitespace().map(host_pattern).collect(), route: Arc::new(route) }
}

fn with_age(attached: AttachedRoute, age: u32) -> AttachedRoute {
    AttachedRoute { route: Arc::new(Route { age, ..(*attached.route).clone() }), ..attached }
}

fn routes(list: &[(&str, &[&str])]) -> Vec<AttachedRoute> {
    let attached = list.iter().zip(0..);
    attached.map(|((hosts, rules), age)| with_age(route(hosts, rules.iter().copied()), age)).collect()
}

fn request_head(text: &str) -> RequestHead {
    let mut words = text.split(' ');
    let method = words.next().expect("a method");
    let target = words.next().expect("a target");
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    let mut input = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for word in words {
        let (name, value) = word.split_once(':').expect("a field");
        input.push_str(&format!("{name}: {value}\r\n"));
    }
    input.push_str("\r\n");
    let mut head = RequestHead::new();
    let parsed = HeadParser::new().request(input.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{input}: {parsed:?}");
    head
}

/// What the table finds, which must be what the naive matcher finds.
fn find(routes: &[AttachedRoute], request: &str) -> Option<RouteMatch> {
    let (table, errors) = RouteTable::compile(routes);
    assert_eq!(errors, [], "{routes:?}");
    let head = request_head(request);
    let found = table.find(&head);
    assert_eq!(found, naive::find(routes, &head), "{request} in {routes:#?}");
    found
}

/// Each case is a request and the route and rule that it belongs to.
fn check(list: &[(&str, &[&str])], cases: &[(&str, Option<(u32, u32)>)]) {
    let routes = routes(list);
    for &(request, expected) in cases {
        let found = find(&routes, request).map(|found| (found.route, found.rule));
        assert_eq!(found, expected, "{request}");
    }
}
