//! The table finds what the naive matcher finds, for routes and requests from alphabets so small that nearly
//! everything collides.

use super::{find, route, with_age};
use irongate_config::AttachedRoute;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn host() -> impl Strategy<Value = &'static str> {
    select(&["*", "*.com", "*.a.com", "*.b.a.com", "a.com", "b.a.com", "c.b.a.com"][..])
}

/// Up to three elements, some of them empty.
fn path() -> impl Strategy<Value = String> {
    vec(select(&["a", "b", "ab", ""][..]), 1..4).prop_map(|elements| format!("/{}", elements.join("/")))
}

fn path_match() -> impl Strategy<Value = String> {
    let patterns: &[&str] =
        &["/a.*", "/b.*", "/.*b", "/[a-b]", "/a/.+", "(/a)+", ".*", "/(a|ab)/.*", "/ab|/b", "//.*"];
    prop_oneof![
        3 => path(),
        2 => path().prop_map(|path| format!("={path}")),
        2 => select(patterns).prop_map(|pattern| format!("~{pattern}")),
    ]
}

/// A match as [`super::request_match`] reads it.
fn one_match() -> impl Strategy<Value = String> {
    let method = option::of(select(&["@GET", "@PUT"][..]));
    let value = || select(&["1", "2", "1,2", "~[12]", "~1.*", "~.*2"][..]);
    let headers = (option::of(value()), option::of(value()));
    let query = (option::of(value()), option::of(value()));
    (path_match(), method, headers, query).prop_map(|(path, method, headers, query)| {
        let mut text = format!("{path} {}", method.unwrap_or_default());
        let fields = [(" x:", headers.0), (" y:", headers.1), (" ?p=", query.0), (" ?q=", query.1)];
        for (name, value) in fields {
            // Every second condition at most, so that a good part of the requests fits something.
            if let Some(value) = value {
                text.push_str(name);
                text.push_str(value);
            }
        }
        text
    })
}

fn attached() -> impl Strategy<Value = AttachedRoute> {
    let rule = vec(one_match(), 1..3).prop_map(|matches| matches.join(" or "));
    (vec(host(), 1..4), vec(rule, 1..4), 0_u32..4).prop_map(|(hosts, rules, age)| {
        with_age(route(&hosts.join(" "), rules.iter().map(|rule| &**rule)), age)
    })
}

/// A request as [`super::request_head`] reads it.
fn request() -> impl Strategy<Value = String> {
    let host = select(&["com", "a.com", "b.a.com", "c.b.a.com", "d.c.b.a.com", "x.com", "b.a.com:80"][..]);
    let field = (select(&["x", "X", "y"][..]), select(&["1", "2", "12", "1,2"][..]));
    let parameter = (select(&["p", "%70", "q", "P"][..]), select(&["=1", "=2", "=%31", "=1,2", "=", ""][..]));
    let method = select(&["GET", "PUT", "get"][..]);
    (method, host, path(), vec(parameter, 0..4), vec(field, 0..4)).prop_map(
        |(method, host, path, parameters, fields)| {
            let pairs: Vec<String> =
                parameters.iter().map(|(name, value)| format!("{name}{value}")).collect();
            let fields: String = fields.iter().map(|(name, value)| format!(" {name}:{value}")).collect();
            let mark = if pairs.is_empty() { "" } else { "?" };
            format!("{method} {host}{path}{mark}{}{fields}", pairs.join("&"))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_table_agrees_with_the_naive_matcher(
        routes in vec(attached(), 0..8),
        requests in vec(request(), 1..12),
    ) {
        for request in requests {
            find(&routes, &request);
        }
    }
}
