//! Which rule takes a request.

use super::check;
use crate::cases::{get, request};

#[test]
fn simple_same_namespace() {
    check("HTTPRouteSimpleSameNamespace", [get("/").to("infra-backend-v1")]);
}

#[test]
fn matches() {
    check(
        "HTTPRouteExactPathMatching",
        [
            get("/one").to("infra-backend-v1"),
            get("/two").to("infra-backend-v2"),
            get("/").status(404),
            get("/one/example").status(404),
            get("/two/").status(404),
            get("/Two").status(404),
        ],
    );
    check(
        "HTTPRouteMatching",
        [
            get("/").to("infra-backend-v1"),
            get("/example").to("infra-backend-v1"),
            get("/").field("Version", "one").to("infra-backend-v1"),
            get("/v2").to("infra-backend-v2"),
            get("/v2/").to("infra-backend-v2"),
            get("/v2/example").to("infra-backend-v2"),
            get("/").field("Version", "two").to("infra-backend-v2"),
            get("/v2example").to("infra-backend-v1"),
            get("/foo/v2/example").to("infra-backend-v1"),
        ],
    );
    check(
        "HTTPRoutePathMatchOrder",
        [
            get("/match/exact/one").to("infra-backend-v2"),
            get("/match/exact").to("infra-backend-v3"),
            get("/match").to("infra-backend-v3"),
            get("/match/prefix/one/any").to("infra-backend-v1"),
            get("/match/prefix/any").to("infra-backend-v1"),
            get("/match/any").to("infra-backend-v3"),
            get("/match/exact/one/two").to("infra-backend-v1"),
        ],
    );
    check(
        "HTTPRouteNamedRule",
        [get("/named").to("infra-backend-v1"), get("/unnamed").to("infra-backend-v2")],
    );
}

#[test]
fn header_matching() {
    let with =
        |fields: &[(&str, &str)]| fields.iter().fold(get("/"), |case, (name, value)| case.field(name, value));
    check(
        "HTTPRouteHeaderMatching",
        [
            with(&[("Version", "one")]).to("infra-backend-v1"),
            with(&[("Version", "two")]).to("infra-backend-v2"),
            with(&[("Version", "two"), ("Color", "orange")]).to("infra-backend-v1"),
            with(&[("Color", "orange")]).status(404),
            with(&[("Some-Other-Header", "one")]).status(404),
            with(&[("Color", "blue")]).to("infra-backend-v1"),
            with(&[("Color", "green")]).to("infra-backend-v1"),
            with(&[("Color", "red")]).to("infra-backend-v2"),
            with(&[("Color", "yellow")]).to("infra-backend-v2"),
            with(&[("Color", "purple")]).status(404),
        ],
    );
}

#[test]
fn method_matching() {
    check(
        "HTTPRouteMethodMatching",
        [
            request("POST", "/").to("infra-backend-v1"),
            get("/").to("infra-backend-v2"),
            request("HEAD", "/").status(404),
            get("/path1").to("infra-backend-v1"),
            request("PUT", "/").field("version", "one").to("infra-backend-v2"),
            request("POST", "/path2").field("version", "two").to("infra-backend-v3"),
            request("PATCH", "/path3").to("infra-backend-v1"),
            request("DELETE", "/path4").field("version", "three").to("infra-backend-v1"),
            request("PUT", "/").status(404),
            request("DELETE", "/path4").status(404),
            request("PATCH", "/path5").to("infra-backend-v2"),
            get("/path5").field("version", "four").to("infra-backend-v1"),
            request("PATCH", "/").field("version", "four").to("infra-backend-v3"),
        ],
    );
}

#[test]
fn query_param_matching() {
    check(
        "HTTPRouteQueryParamMatching",
        [
            get("/?animal=whale").to("infra-backend-v1"),
            get("/?animal=dolphin").to("infra-backend-v2"),
            get("/?animal=whale&otherparam=irrelevant").to("infra-backend-v1"),
            get("/?animal=dolphin&color=yellow").to("infra-backend-v2"),
            get("/?animal=dolphin&color=blue").to("infra-backend-v3"),
            get("/?ANIMAL=Whale").to("infra-backend-v3"),
            get("/?animal=whale&animal=dolphin").to("infra-backend-v1"),
            get("/").status(404),
            get("/?animal=dog").status(404),
            get("/?whaledolphin").status(404),
            get("/path1?animal=whale").to("infra-backend-v1"),
            get("/?animal=whale").field("version", "one").to("infra-backend-v2"),
            get("/path2?animal=whale").field("version", "two").to("infra-backend-v3"),
            get("/path3?animal=shark").to("infra-backend-v1"),
            get("/path4").field("version", "three").to("infra-backend-v1"),
            get("/path3?animal=fish").status(404),
            get("/path5?animal=hydra").to("infra-backend-v3"),
            get("/path5?animal=other").to("infra-backend-v1"),
        ],
    );
}

#[test]
fn matching_across_routes() {
    check(
        "HTTPRouteMatchingAcrossRoutes",
        [
            get("/").to("infra-backend-v1"),
            get("/example").to("infra-backend-v1"),
            get("/").host("example.net").to("infra-backend-v1"),
            get("/example").field("Version", "one").to("infra-backend-v1"),
            get("/v2").to("infra-backend-v2"),
            get("/v2example").to("infra-backend-v1"),
            get("/").host("example.net").field("Version", "two").to("infra-backend-v1"),
            get("/v2/example").to("infra-backend-v2"),
            get("/").field("Version", "two").to("infra-backend-v2"),
            get("/").host("example.org").status(404),
        ],
    );
}
