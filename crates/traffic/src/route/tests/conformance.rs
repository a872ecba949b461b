//! What the tests of the official conformance suite of these names ask of routing.
#![allow(non_snake_case)]

use super::check;

#[test]
fn HTTPRouteMatching() {
    let rules: &[&str] = &["/ or version:one", "/v2 or version:two"];
    check(
        &[("*", rules)],
        &[
            ("GET a/", Some((0, 0))),
            ("GET a/example", Some((0, 0))),
            ("GET a/ Version:one", Some((0, 0))),
            ("GET a/v2", Some((0, 1))),
            ("GET a/v2/", Some((0, 1))),
            ("GET a/v2/example", Some((0, 1))),
            ("GET a/ Version:two", Some((0, 1))),
            ("GET a/v2example", Some((0, 0))),
            ("GET a/foo/v2/example", Some((0, 0))),
            ("GET a/V2", Some((0, 0))),
        ],
    );
}

#[test]
fn HTTPRouteMatchingAcrossRoutes() {
    check(
        &[("example.com example.net", &["/ or version:one"]), ("example.com", &["/v2 or version:two"])],
        &[
            ("GET example.com/", Some((0, 0))),
            ("GET example.com/example", Some((0, 0))),
            ("GET example.net/example", Some((0, 0))),
            ("GET example.com/example version:one", Some((0, 0))),
            ("GET example.com/v2", Some((1, 0))),
            ("GET example.com/v2example", Some((0, 0))),
            ("GET example.com/foo/v2/example", Some((0, 0))),
            ("GET example.com/ version:two", Some((1, 0))),
            ("GET example.net/v2", Some((0, 0))),
            ("GET example.net/ version:two", Some((0, 0))),
            ("GET example.org/", None),
        ],
    );
}

#[test]
fn HTTPRouteExactPathMatching() {
    check(
        &[("*", &["=/one", "=/two"])],
        &[
            ("GET a/one", Some((0, 0))),
            ("GET a/two", Some((0, 1))),
            ("GET a/one?x=1", Some((0, 0))),
            ("GET a/", None),
            ("GET a/one/example", None),
            ("GET a/two/", None),
            ("GET a/Two", None),
        ],
    );
}

#[test]
fn HTTPRoutePathMatchOrder() {
    let rules: &[&str] = &[
        "/match",
        "=/match/exact",
        "/match/prefix/",
        "/match/prefix/one",
        "=/match/exact/one",
        "/match/any",
    ];
    let mut reversed = rules.to_vec();
    reversed.reverse();
    for (rules, turn) in [(rules, false), (&reversed, true)] {
        let rule = |rule: u32| Some((0, if turn { 5 - rule } else { rule }));
        check(
            &[("*", rules)],
            &[
                ("GET a/match/exact/one", rule(4)),
                ("GET a/match/exact", rule(1)),
                ("GET a/match", rule(0)),
                ("GET a/match/prefix/one/any", rule(3)),
                ("GET a/match/prefix/any", rule(2)),
                ("GET a/match/any", rule(5)),
                ("GET a/match/exactly", rule(0)),
                ("GET a/", None),
            ],
        );
    }
}

#[test]
fn HTTPRouteHeaderMatching() {
    check(
        &[(
            "*",
            &[
                "version:one",
                "version:two",
                "version:two color:orange",
                "color:blue or color:green",
                "color:red or color:yellow",
            ],
        )],
        &[
            ("GET a/ Version:one", Some((0, 0))),
            ("GET a/ Version:two", Some((0, 1))),
            ("GET a/ Version:two Color:orange", Some((0, 2))),
            ("GET a/ Color:blue", Some((0, 3))),
            ("GET a/ Color:green", Some((0, 3))),
            ("GET a/ Color:red", Some((0, 4))),
            ("GET a/ Color:yellow", Some((0, 4))),
            ("GET a/ Version:two Color:blue", Some((0, 1))),
            ("GET a/ Color:purple", None),
            ("GET a/ Color:Blue", None),
            ("GET a/", None),
        ],
    );
}

#[test]
fn HTTPRouteMethodMatching() {
    check(
        &[(
            "*",
            &[
                "@POST",
                "@GET",
                "/path1 @GET",
                "version:one @PUT",
                "/path2 version:two @POST",
                "/path3",
                "@PATCH",
                "version:four @DELETE or /path5",
                "/path5 @PATCH",
                "/path5 version:five",
            ],
        )],
        &[
            ("POST a/", Some((0, 0))),
            ("GET a/", Some((0, 1))),
            ("HEAD a/", None),
            ("GET a/path1", Some((0, 2))),
            ("PUT a/ version:one", Some((0, 3))),
            ("POST a/path2 version:two", Some((0, 4))),
            ("PATCH a/path3", Some((0, 5))),
            ("PATCH a/", Some((0, 6))),
            ("DELETE a/ version:four", Some((0, 7))),
            ("DELETE a/", None),
            ("PATCH a/path5 version:five", Some((0, 8))),
            ("GET a/path5 version:five", Some((0, 9))),
            ("GET a/path5", Some((0, 7))),
        ],
    );
}

#[test]
fn HTTPRouteQueryParamMatching() {
    check(
        &[(
            "*",
            &[
                "?animal=whale",
                "?animal=dolphin",
                "?animal=dolphin ?color=blue",
                "?ANIMAL=Whale",
                "/path1 ?animal=whale",
                "version:one ?animal=whale",
                "/path5 ?animal=hydra",
                "/path5 version:five",
            ],
        )],
        &[
            ("GET a/?animal=whale", Some((0, 0))),
            ("GET a/?animal=dolphin", Some((0, 1))),
            ("GET a/?animal=whale&otherparam=irrelevant", Some((0, 0))),
            ("GET a/?animal=dolphin&color=blue", Some((0, 2))),
            ("GET a/?color=blue&animal=dolphin&x", Some((0, 2))),
            ("GET a/?ANIMAL=Whale", Some((0, 3))),
            ("GET a/?animal=whale&ANIMAL=Whale", Some((0, 0))),
            ("GET a/path1?animal=whale", Some((0, 4))),
            ("GET a/?animal=whale version:one", Some((0, 5))),
            ("GET a/path5?animal=hydra version:five", Some((0, 7))),
            ("GET a/?animal=shark", None),
            ("GET a/?animal=Whale", None),
            ("GET a/?color=blue", None),
            ("GET a/", None),
            ("GET a/?animal=shark&animal=whale", None),
        ],
    );
}

/// The intersections themselves are made by translation; here they are given.
#[test]
fn HTTPRouteHostnameIntersection() {
    check(
        &[
            ("very.specific.com", &["/s1"]),
            ("foo.specific.com *.wildcard.io foo.wildcard.io", &["/s2"]),
            ("*.anotherwildcard.io", &["/s3"]),
        ],
        &[
            ("GET very.specific.com/s1", Some((0, 0))),
            ("GET very.specific.com:1234/s1", Some((0, 0))),
            ("GET VERY.specific.com/s1", Some((0, 0))),
            ("GET non.matching.com/s1", None),
            ("GET very.specific.com/non-matching-prefix", None),
            ("GET foo.wildcard.io/s2", Some((1, 0))),
            ("GET bar.wildcard.io/s2", Some((1, 0))),
            ("GET foo.bar.wildcard.io/s2", Some((1, 0))),
            ("GET wildcard.io/s2", None),
            ("GET one.anotherwildcard.io/s3", Some((2, 0))),
            ("GET one.two.three.anotherwildcard.io:80/s3", Some((2, 0))),
            ("GET anotherwildcard.io/s3", None),
        ],
    );
}

/// The listener is chosen by a `HostTable` of its own; these are the routes of the one for `*.foo.com`.
#[test]
fn HTTPRouteListenerHostnameMatching() {
    check(
        &[("*.foo.com", &["/"]), ("bar.foo.com", &["/"])],
        &[
            ("GET bar.foo.com/", Some((1, 0))),
            ("GET baz.foo.com/", Some((0, 0))),
            ("GET multiple.prefixes.foo.com/", Some((0, 0))),
            ("GET foo.com/", None),
            ("GET no.matching.host/", None),
        ],
    );
}
