//! What the naive matcher says of matches that were not taken.

use super::super::naive::{Candidate, Condition, Criterion, candidates};
use super::{request_head, routes};

/// Each case is a request, the rule that loses (route, rule), and by what it loses to the first in precedence.
#[track_caller]
fn check(list: &[(&str, &[&str])], request: &str, loser: (usize, usize), expected: Criterion) {
    let (routes, head) = (routes(list), request_head(request));
    let all: Vec<Candidate<'_>> = candidates(&routes, &head).filter(Candidate::fits).collect();
    let first = all.iter().find(|one| all.iter().all(|other| one.loses_by(other).is_none()));
    let first = first.expect("something fits");
    let loser = all.iter().find(|one| (one.route, one.rule) == loser).expect("it fits");
    assert_eq!(loser.loses_by(first), Some(expected), "{request}");
}

#[test]
fn the_first_criterion_that_differs_is_told() {
    let one = |a, b| [("*", vec![a, b])];
    for (rules, loser, expected) in [
        (one("=/a", "/a"), 1, Criterion::PathKind),
        (one("/", "/a"), 0, Criterion::PathLength),
        (one("/a", "/a @GET"), 0, Criterion::Method),
        (one("/a x:1", "/a x:1 y:1"), 0, Criterion::Headers),
        (one("/a", "/a ?q=1"), 0, Criterion::Query),
        (one("/a", "/a"), 1, Criterion::Order),
    ] {
        let rules: Vec<(&str, &[&str])> = rules.iter().map(|(hosts, rules)| (*hosts, &rules[..])).collect();
        check(&rules, "GET h/a?q=1 x:1 y:1", (0, loser), expected);
    }
    check(&[("*.h", &["=/a"]), ("x.h", &["/"])], "GET x.h/a", (0, 0), Criterion::Hostname);
    check(&[("*", &["/"]), ("*", &["/"])], "GET x.h/a", (1, 0), Criterion::Age);
}

#[test]
fn every_condition_that_fails_is_told() {
    let routes = routes(&[("a.b", &["/x @PUT h:1 ?q=2"])]);
    let unmet = |request| -> Vec<&str> {
        let head = request_head(request);
        let all = candidates(&routes, &head).flat_map(|one| one.unmet).map(|condition| match condition {
            Condition::Host(_) => "host",
            Condition::Path(_) => "path",
            Condition::Method(_) => "method",
            Condition::Header(_) => "header",
            Condition::Query(_) => "query",
        });
        all.collect()
    };
    assert_eq!(unmet("GET other/"), ["host"]);
    assert_eq!(unmet("GET a.b/"), ["path", "method", "header", "query"]);
    assert_eq!(unmet("PUT a.b/x h:2 h:1"), ["header", "query"]);
    assert_eq!(unmet("PUT a.b/x?q=2 h:1"), [""; 0]);
}
