//! Each rule of precedence by itself, and what makes a look-up cheap.

use super::{check, find, request_head, route, routes, steps, with_age};
use crate::route::{MatchError, PatternError, RouteTable};
use irongate_config::AttachedRoute;
use std::sync::Arc;

#[test]
fn the_more_specific_hostname_comes_before_everything() {
    check(
        &[
            ("*", &["=/exact @GET x:1 ?q=1"]),
            ("*.com", &["=/exact @GET x:1"]),
            ("*.example.com", &["=/exact"]),
            ("a.example.com", &["/"]),
        ],
        &[
            ("GET a.example.com/exact?q=1 x:1", Some((3, 0))),
            ("GET b.example.com/exact?q=1 x:1", Some((2, 0))),
            ("GET b.com/exact?q=1 x:1", Some((1, 0))),
            ("GET com/exact?q=1 x:1", Some((0, 0))),
        ],
    );
}

#[test]
fn less_specific_hostnames_are_tried_where_the_others_fit_not() {
    check(
        &[("*", &["/"]), ("*.example.com", &["/b"]), ("a.example.com", &["/a"])],
        &[
            ("GET a.example.com/a", Some((2, 0))),
            ("GET a.example.com/b", Some((1, 0))),
            ("GET a.example.com/c", Some((0, 0))),
        ],
    );
}

#[test]
fn kinds_of_paths_come_in_order() {
    check(
        &[("*", &["/a/b", "~/a/.*", "~/a/[b]", "=/a/b", "/a", "/"])],
        &[
            ("GET h/a/b", Some((0, 3))),
            ("GET h/a/bc", Some((0, 1))),
            ("GET h/a", Some((0, 4))),
            ("GET h/b", Some((0, 5))),
        ],
    );
    // The longer pattern, also where it is the later one.
    check(&[("*", &["~/a.*", "~/a/[a-z]+"])], &[("GET h/a/b", Some((0, 1))), ("GET h/a", Some((0, 0)))]);
}

#[test]
fn what_fails_falls_back_to_the_next() {
    check(
        &[("*", &["=/a/b/c x:1", "~/a/b/.* x:2", "/a/b/c x:3", "/a/b x:4", "/a x:5", "/ x:6"])],
        &[
            ("GET h/a/b/c x:1", Some((0, 0))),
            ("GET h/a/b/c x:2", Some((0, 1))),
            ("GET h/a/b/c x:3", Some((0, 2))),
            ("GET h/a/b/c x:4", Some((0, 3))),
            ("GET h/a/b/c x:5", Some((0, 4))),
            ("GET h/a/b/c x:6", Some((0, 5))),
            ("GET h/a/b/c x:7", None),
        ],
    );
}

#[test]
fn patterns_of_one_length_are_ordered_by_their_conditions() {
    check(
        &[("*", &["~/a.*", "~/.*b @GET", "~/..* x:1 y:1", "~/.+ x:1"])],
        &[
            ("GET h/ab x:1 y:1", Some((0, 1))),
            ("PUT h/ab x:1 y:1", Some((0, 2))),
            ("PUT h/ab x:1", Some((0, 0))),
            ("PUT h/xb x:1 y:1", Some((0, 2))),
            ("PUT h/xb x:1", Some((0, 3))),
        ],
    );
}

#[test]
fn conditions_come_in_order() {
    check(
        &[("*", &["/", "?a=1", "?a=1 ?b=1", "x:1", "x:1 ?a=1", "x:1 y:1", "@GET", "@GET x:1"])],
        &[
            ("PUT h/", Some((0, 0))),
            ("PUT h/?a=1", Some((0, 1))),
            ("PUT h/?a=1&b=1", Some((0, 2))),
            ("PUT h/?c=1&b=1 x:1", Some((0, 3))),
            ("PUT h/?a=1&b=1 x:1", Some((0, 4))),
            ("PUT h/?a=1 x:1 y:1", Some((0, 5))),
            ("GET h/?a=1", Some((0, 6))),
            ("GET h/ x:1 y:1", Some((0, 7))),
        ],
    );
}

#[test]
fn between_equals_the_oldest_route_and_the_first_rule_win() {
    let ages = |ages: [u32; 3]| -> Vec<AttachedRoute> {
        ages.map(|age| with_age(route("*", ["/", "/", "/a x:1 or /a"]), age)).into()
    };
    for (list, expected) in [([0, 1, 2], 0), ([2, 1, 0], 2), ([5, 3, 9], 1)] {
        let found = find(&ages(list), "GET h/").expect("a route");
        assert_eq!((found.route, found.rule), (expected, 0));
        let found = find(&ages(list), "GET h/a").expect("a route");
        assert_eq!((found.route, found.rule, found.matched_prefix), (expected, 2, 2));
    }
}

#[test]
fn the_matched_prefix_is_told() {
    for (rule, request, expected) in [
        ("/", "GET h/a", 1),
        ("/", "GET h/", 1),
        ("/a", "GET h/a/b", 2),
        ("/a/", "GET h/a/b", 2),
        ("/a/b", "GET h/a/b", 4),
        ("/a", "GET h/a//b", 2),
        ("=/a", "GET h/a", 0),
        ("~/.*", "GET h/a", 0),
    ] {
        let found = find(&routes(&[("*", &[rule])]), request).expect("a route");
        assert_eq!(found.matched_prefix, expected, "{rule} {request}");
    }
}

/// Beyond 63 elements depths are no longer told apart.
#[test]
fn deep_prefixes_are_found() {
    let deep = |depth: usize| "/a".repeat(depth);
    let rules = [62, 63, 64, 70].map(deep);
    let list = routes(&[("*", &rules.each_ref().map(|rule| &**rule))]);
    for (depth, expected) in [
        (61, None),
        (62, Some(0)),
        (63, Some(1)),
        (64, Some(2)),
        (69, Some(2)),
        (70, Some(3)),
        (2000, Some(3)),
    ] {
        for tail in ["", "/", "/b"] {
            let found = find(&list, &format!("GET h{}{tail}", deep(depth))).map(|found| found.rule);
            assert_eq!(found, expected, "{depth}{tail}");
        }
        // Not at the end of an element: `find` compares with the naive matcher.
        find(&list, &format!("GET h{}b", deep(depth)));
    }
}

#[test]
fn lines_of_one_name_are_one_value() {
    check(
        &[("*", &["x:1,2", "x:1", "x:~2(,3)+", "cookie:~a=1;.b=2"])],
        &[
            ("GET h/ x:1", Some((0, 1))),
            ("GET h/ x:1 x:2", Some((0, 0))),
            ("GET h/ x:1,2", Some((0, 0))),
            ("GET h/ x:1 x:3", None),
            ("GET h/ x:2 x:1", None),
            ("GET h/ X:2 x:3 x:3", Some((0, 2))),
            ("GET h/ cookie:a=1 cookie:b=2", Some((0, 3))),
        ],
    );
}

#[test]
fn host_and_upgrade_are_fields_too() {
    check(
        &[("*", &["host:~h(:8.*)?", "upgrade:websocket"])],
        &[
            ("GET h/", Some((0, 0))),
            ("GET h:8080/", Some((0, 0))),
            ("GET g/ connection:upgrade upgrade:websocket", Some((0, 1))),
            ("GET g/ upgrade:websocket", None),
        ],
    );
}

#[test]
fn parameters_are_read_as_backends_read_them() {
    check(
        &[("*", &["?name=a=b", "?name=~[0-9]+", "?a[]=1"])],
        &[
            ("GET h/?na%6De=%31", Some((0, 1))),
            ("GET h/?name=a%3Db", Some((0, 0))),
            ("GET h/?name=x&name=1", None),
            ("GET h/?a%5B%5D=1", Some((0, 2))),
            ("GET h/?a[]=1", Some((0, 2))),
        ],
    );
}

#[test]
fn no_routes_and_no_matches_find_nothing() {
    check(&[], &[("GET h/", None)]);
    let list = routes(&[("*", &["=/a"])]);
    assert!(RouteTable::compile(&list).0.find(&request_head("GET h/b")).is_none());
}

#[test]
fn a_bad_match_is_left_out_and_told() {
    let rules: &[&str] = &["/", "~/a( or ~/ok/.*", "x:~[ or ?q=~a{999}{9999}", "name:x or =/last"];
    let mut list = routes(&[("a.com b.com", rules)]);
    let bad = &mut Arc::make_mut(&mut Arc::make_mut(&mut list[0].route).rules[3]).matches[0];
    bad.headers[0].name = "bad name".into();

    let (table, errors) = RouteTable::compile(&list);
    let told: Vec<_> = errors.iter().map(|error| (error.rule, error.request_match)).collect();
    assert_eq!(told, [(1, 0), (2, 0), (2, 1), (3, 0)]);
    assert!(matches!(errors[2].reason, MatchError::Pattern { reason: PatternError::TooLarge, .. }));
    assert!(matches!(errors[3].reason, MatchError::FieldName(_)));
    assert!(errors[0].to_string().starts_with("HTTPRoute default/route: rules[1].matches[0]: the pattern"));
    for (request, rule) in [("GET a.com/a", 0), ("GET b.com/ok/x", 1), ("GET b.com/last", 3)] {
        assert_eq!(table.find(&request_head(request)).map(|found| found.rule), Some(rule), "{request}");
    }
}

#[test]
fn patterns_together_have_a_bound() {
    // 60 KiB or so each, so that a listener has room for about a thousand.
    let rules: Vec<String> = (0..2000).map(|number| format!("~/{number}/[a-z]{{1,900}}")).collect();
    let (table, errors) = RouteTable::compile(&[route("*", rules.iter().map(String::as_str))]);
    assert!(!errors.is_empty() && errors.len() < rules.len());
    assert!(
        errors.iter().all(|error| {
            matches!(error.reason, MatchError::Pattern { reason: PatternError::NoRoom, .. })
        })
    );
    let lost: Vec<usize> = errors.iter().map(|error| error.rule).collect();
    for rule in [0, 1, 500, 1000, 1999] {
        let found = table.find(&request_head(&format!("GET h/{rule}/abc"))).map(|found| found.rule as usize);
        assert_eq!(found, (!lost.contains(&rule)).then_some(rule));
    }
}

/// Steps are look-ups of a path and looks at a candidate: what costs instructions.
#[test]
fn the_cost_does_not_grow_with_the_number_of_routes() {
    let table = |count: usize| {
        let list: Vec<AttachedRoute> = (0..count)
            .flat_map(|number| {
                let prefix = format!("/service-{number}/v1");
                let exact = format!("=/page-{number}");
                let pattern = format!("~/item-{number}/[0-9]+");
                let host = format!("host-{number}.example.com *.{number}.example.com");
                [route("shop.example.com", [&*prefix, &*exact, &*pattern]), route(&host, ["/"])]
            })
            .collect();
        let (table, errors) = RouteTable::compile(&list);
        assert_eq!(errors, []);
        table
    };
    let (few, many) = (table(10), table(2000));
    for request in [
        "GET shop.example.com/service-7/v1/orders/4711",
        "GET shop.example.com/page-7",
        "GET shop.example.com/item-7/42",
        "GET host-7.example.com/x/y/z",
        "GET a.b.7.example.com/x",
    ] {
        assert_eq!(steps(&few, request), steps(&many, request), "{request}");
        assert!(steps(&few, request) <= 5, "{request} takes {} steps", steps(&few, request));
    }
    let (one, errors) = RouteTable::compile(&[route("*", ["/"])]);
    assert_eq!((errors.len(), steps(&one, "GET h/a/b/c")), (0, 1));
}

#[test]
fn all_cores_share_one_table() {
    fn shared<T: Send + Sync>() {}
    shared::<RouteTable>();
    shared::<crate::Filters>();
    shared::<crate::HostTable<u32>>();
    shared::<crate::WeightedChoice>();
}

#[test]
fn the_service_of_a_call_decides_before_its_method() {
    let rules = ["~/[^/]+/SayHelloToEverybody", "~/a/[^/]+", "=/a/Say", "~/[^/]+/Say", "/"];
    check(
        &[("*", &rules)],
        &[
            ("POST h/a/SayHelloToEverybody", Some((0, 1))),
            ("POST h/a/Say", Some((0, 2))),
            ("POST h/b/SayHelloToEverybody", Some((0, 0))),
            ("POST h/b/Say", Some((0, 3))),
            ("POST h/b/Other", Some((0, 4))),
        ],
    );
}
