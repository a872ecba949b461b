//! The reference: what [`RouteTable`](super::RouteTable) must find, written as plainly as possible. Slow.

use super::RouteMatch;
use super::compile::{Rank, normal_prefix};
use irongate_config::{AttachedRoute, HostPattern, PathMatch, RequestMatch, ValueMatch};
use irongate_message::{FieldName, Known, RequestHead};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::cmp::Reverse;

/// Looks at every match of every route, and takes the first in precedence of those that the request fits.
#[must_use]
pub fn find(routes: &[AttachedRoute], head: &RequestHead) -> Option<RouteMatch> {
    let mut best: Option<(_, RouteMatch)> = None;
    for (route_index, attached) in routes.iter().enumerate() {
        let Some(host) = most_specific(&attached.hostnames, head.host()) else { continue };
        for (rule_index, rule) in attached.route.rules.iter().enumerate() {
            for (match_index, matched) in rule.matches.iter().enumerate() {
                let Some(matched_prefix) = fits(matched, head) else { continue };
                let place = (route_index, rule_index, match_index);
                let rank = Rank::new(matched, attached.route.age, place);
                let precedence = (Reverse(host.specificity()), path_precedence(&matched.path), rank);
                if best.as_ref().is_none_or(|(found, _)| precedence < *found) {
                    let (route, rule) = (route_index as u32, rule_index as u32);
                    best = Some((precedence, RouteMatch { route, rule, matched_prefix }));
                }
            }
        }
    }
    best.map(|(_, found)| found)
}

fn most_specific<'a>(hostnames: &'a [HostPattern], host: &[u8]) -> Option<&'a HostPattern> {
    let host = str::from_utf8(host).ok()?;
    hostnames.iter().filter(|pattern| pattern.matches(host)).max_by_key(|pattern| pattern.specificity())
}

fn path_precedence(path: &PathMatch) -> (u8, Reverse<usize>) {
    match path {
        PathMatch::Exact(_) => (0, Reverse(0)),
        PathMatch::Regex(pattern) => (1, Reverse(pattern.len())),
        PathMatch::Prefix(prefix) => (2, Reverse(normal_prefix(prefix).len())),
    }
}

/// The length of the prefix that was fitted (0 for the other kinds), if all conditions hold.
fn fits(matched: &RequestMatch, head: &RequestHead) -> Option<usize> {
    let path = head.path();
    let matched_prefix = match &matched.path {
        PathMatch::Exact(exact) => (exact.as_bytes() == path).then_some(0),
        PathMatch::Regex(pattern) => regex_fits(pattern, path).then_some(0),
        PathMatch::Prefix(prefix) => match normal_prefix(prefix).as_bytes() {
            [] => Some(1),
            prefix => path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
                .then_some(prefix.len()),
        },
    }?;
    let holds = matched.method.as_ref().is_none_or(|method| method.as_bytes() == head.method_text())
        && matched.headers.iter().all(|field| {
            header_value(&field.name, head).is_some_and(|value| value_fits(&field.value, &value))
        })
        && matched.query.iter().all(|field| {
            parameters(head)
                .into_iter()
                .find(|(name, _)| name == field.name.as_bytes())
                .is_some_and(|(_, value)| value_fits(&field.value, &value))
        });
    holds.then_some(matched_prefix)
}

/// All lines of the name as one value.
fn header_value(name: &str, head: &RequestHead) -> Option<Vec<u8>> {
    let name = FieldName::new(name).ok()?;
    match name.known() {
        Known::Host => Some(head.authority().to_vec()).filter(|host| !host.is_empty()),
        Known::Upgrade => head.upgrade().map(<[u8]>::to_vec),
        known => {
            let values: Vec<&[u8]> = head.fields.values(&name).collect();
            let separator: &[u8] = if known == Known::Cookie { b"; " } else { b"," };
            (!values.is_empty()).then(|| values.join(separator))
        }
    }
}

fn parameters(head: &RequestHead) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = head.query().unwrap_or_default().split(|&byte| byte == b'&');
    let split = |pair: &[u8]| {
        let mut parts = pair.splitn(2, |&byte| byte == b'=');
        let mut part = || super::query::decode(parts.next().unwrap_or_default()).collect();
        (part(), part())
    };
    pairs.map(split).collect()
}

fn value_fits(condition: &ValueMatch, value: &[u8]) -> bool {
    match condition {
        ValueMatch::Exact(text) => text.as_bytes() == value,
        ValueMatch::Regex(pattern) => regex_fits(pattern, value),
    }
}

fn regex_fits(pattern: &str, text: &[u8]) -> bool {
    let framed = format!(r"\A(?:{pattern})\z");
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    Regex::builder().syntax(syntax).build(&framed).is_ok_and(|regex| regex.is_match(text))
}
