//! The reference: what [`RouteTable`](super::RouteTable) must find, written as plainly as possible, and what it says
//! of each match that was not found. Slow.

use super::RouteMatch;
use super::compile::{Rank, normal_prefix, pattern_weight};
use irongate_config::{AttachedRoute, FieldMatch, HostPattern, PathMatch, RequestMatch, ValueMatch};
use irongate_message::{FieldName, Known, RequestHead};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::cmp::Reverse;

/// Looks at every match of every route, and takes the first in precedence of those that the request fits.
#[must_use]
pub fn find(routes: &[AttachedRoute], head: &RequestHead) -> Option<RouteMatch> {
    let fitting = candidates(routes, head).filter(Candidate::fits);
    let first = fitting.min_by_key(|candidate| candidate.precedence)?;
    Some(RouteMatch {
        route: first.route as u32,
        rule: first.rule as u32,
        matched_prefix: first.matched_prefix,
    })
}

/// One match of one rule, held against a request.
#[derive(Clone, Debug)]
pub struct Candidate<'r> {
    /// The route: its index in the slice.
    pub route: usize,
    /// The rule: its index in the route.
    pub rule: usize,
    /// The match: its index in the rule.
    pub request_match: usize,
    /// What the request does not meet, in the order host, path, method, header fields, query. Where the host fails,
    /// nothing else is looked at.
    pub unmet: Vec<Condition<'r>>,
    matched_prefix: usize,
    precedence: Precedence,
}

/// A condition of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'r> {
    /// One of the route's hostnames.
    Host(&'r [HostPattern]),
    /// The path.
    Path(&'r PathMatch),
    /// The method.
    Method(&'r str),
    /// A header field.
    Header(&'r FieldMatch),
    /// A query parameter.
    Query(&'r FieldMatch),
}

/// What decides between two matches that both fit, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The more specific hostname.
    Hostname,
    /// An exact path before a pattern, and that before a prefix.
    PathKind,
    /// The longer pattern or prefix.
    PathLength,
    /// A condition on the method.
    Method,
    /// More conditions on header fields.
    Headers,
    /// More conditions on query parameters.
    Query,
    /// The older route.
    Age,
    /// What is written first.
    Order,
}

/// The place of a match among all that fit a request: the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Precedence {
    host: Reverse<(u8, usize)>,
    path_kind: u8,
    path_length: Reverse<usize>,
    rank: Rank,
}

impl Candidate<'_> {
    /// Whether the request meets every condition.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.unmet.is_empty()
    }

    /// What puts `self` behind another match of the same listener, if both fit; `None` if it is not behind.
    #[must_use]
    pub fn loses_by(&self, other: &Self) -> Option<Criterion> {
        let (own, other) = (&self.precedence, &other.precedence);
        if own <= other {
            return None;
        }
        let (rank, other_rank) = (&own.rank, &other.rank);
        let criteria = [
            (own.host != other.host, Criterion::Hostname),
            (own.path_kind != other.path_kind, Criterion::PathKind),
            (own.path_length != other.path_length, Criterion::PathLength),
            (rank.any_method != other_rank.any_method, Criterion::Method),
            (rank.headers != other_rank.headers, Criterion::Headers),
            (rank.query != other_rank.query, Criterion::Query),
            (rank.age != other_rank.age, Criterion::Age),
        ];
        let decided = criteria.into_iter().find(|(differs, _)| *differs);
        Some(decided.map_or(Criterion::Order, |(_, criterion)| criterion))
    }
}

/// Every match of every route, in the order of the slice.
pub fn candidates<'r>(
    routes: &'r [AttachedRoute],
    head: &'r RequestHead,
) -> impl Iterator<Item = Candidate<'r>> {
    routes.iter().enumerate().flat_map(move |(route, attached)| {
        attached.route.rules.iter().enumerate().flat_map(move |(rule, one)| {
            one.matches.iter().enumerate().map(move |(request_match, matched)| {
                candidate(attached, matched, (route, rule, request_match), head)
            })
        })
    })
}

fn candidate<'r>(
    attached: &'r AttachedRoute,
    matched: &'r RequestMatch,
    place: (usize, usize, usize),
    head: &RequestHead,
) -> Candidate<'r> {
    let host = most_specific(&attached.hostnames, head.host());
    let (unmet, matched_prefix) = match host {
        None => (vec![Condition::Host(&attached.hostnames)], 0),
        Some(_) => unmet(matched, head),
    };
    let (path_kind, path_length) = path_precedence(&matched.path);
    let (route, rule, request_match) = place;
    let rank = Rank::new(matched, attached.route.age, place);
    let host = Reverse(host.map_or((0, 0), HostPattern::specificity));
    let precedence = Precedence { host, path_kind, path_length, rank };
    Candidate { route, rule, request_match, unmet, matched_prefix, precedence }
}

fn most_specific<'a>(hostnames: &'a [HostPattern], host: &[u8]) -> Option<&'a HostPattern> {
    let host = str::from_utf8(host).ok()?;
    hostnames.iter().filter(|pattern| pattern.matches(host)).max_by_key(|pattern| pattern.specificity())
}

fn path_precedence(path: &PathMatch) -> (u8, Reverse<usize>) {
    match path {
        PathMatch::Exact(_) => (0, Reverse(0)),
        PathMatch::Regex(pattern) => (1, Reverse(pattern_weight(pattern))),
        PathMatch::Prefix(prefix) => (2, Reverse(normal_prefix(prefix).len())),
    }
}

/// The conditions that do not hold, and the length of the prefix that was fitted (0 for the other kinds).
fn unmet<'r>(matched: &'r RequestMatch, head: &RequestHead) -> (Vec<Condition<'r>>, usize) {
    let prefix = matched_prefix(&matched.path, head.path());
    let mut unmet = Vec::new();
    if prefix.is_none() {
        unmet.push(Condition::Path(&matched.path));
    }
    let method = matched.method.as_deref();
    unmet.extend(method.filter(|method| method.as_bytes() != head.method_text()).map(Condition::Method));
    let header = |field: &&FieldMatch| {
        !header_value(&field.name, head).is_some_and(|value| value_fits(&field.value, &value))
    };
    unmet.extend(matched.headers.iter().filter(header).map(Condition::Header));
    let query = |field: &&FieldMatch| {
        let mut parameters = parameters(head).into_iter();
        let first = parameters.find(|(name, _)| name == field.name.as_bytes());
        !first.is_some_and(|(_, value)| value_fits(&field.value, &value))
    };
    unmet.extend(matched.query.iter().filter(query).map(Condition::Query));
    (unmet, prefix.unwrap_or_default())
}

/// The length of the prefix that was fitted (0 for the other kinds), if the path fits.
fn matched_prefix(matched: &PathMatch, path: &[u8]) -> Option<usize> {
    match matched {
        PathMatch::Exact(exact) => (exact.as_bytes() == path).then_some(0),
        PathMatch::Regex(pattern) => regex_fits(pattern, path).then_some(0),
        PathMatch::Prefix(prefix) => match normal_prefix(prefix).as_bytes() {
            [] => Some(1),
            prefix => path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
                .then_some(prefix.len()),
        },
    }
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
