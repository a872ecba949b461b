//! `cors`: cross-origin resource sharing.

use crate::checks::{Checks, header_name};
use crate::kinds::Text;
use crate::yaml::path::At;
use irongate_config::CorsOrigin;
use schemars::JsonSchema;
use serde::Deserialize;

/// `cors`: which pages of other origins may use a route (GEP-1767).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorsFilter {
    /// Origins: `https://example.com`, `http://*.example.com:8080`, or `*` alone.
    #[serde(default)]
    pub allow_origins: Vec<Text>,
    /// Whether requests with cookies and the like are allowed.
    pub allow_credentials: Option<bool>,
    /// Methods, or `*` alone.
    #[serde(default)]
    pub allow_methods: Vec<Text>,
    /// Names of request fields, or `*` alone.
    #[serde(default)]
    pub allow_headers: Vec<Text>,
    /// Names of answer fields, or `*`.
    #[serde(default)]
    pub expose_headers: Vec<Text>,
    /// How long a browser may remember a preflight's answer, in seconds.
    #[serde(default = "default_max_age")]
    pub max_age: i32,
}

fn default_max_age() -> i32 {
    5
}

/// What `allowMethods` may hold besides `*`.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

pub(super) fn check(cors: &CorsFilter, at: &At<'_>, checks: &mut Checks) {
    let origins = at.field("allowOrigins");
    check_list(&cors.allow_origins, 64, &origins, checks);
    check_wildcard(&cors.allow_origins, &origins, checks);
    for (index, origin) in cors.allow_origins.iter().enumerate() {
        checks.at_most_bytes(&origins.index(index), origin, 253);
        if let Err(error) = CorsOrigin::parse(origin) {
            let message = format!("`{origin}` {error}");
            checks.invalid(
                &origins.index(index),
                message,
                "Write it as `https://example.com`, or `*` for all.",
            );
        }
    }
    let methods = at.field("allowMethods");
    check_list(&cors.allow_methods, 9, &methods, checks);
    check_wildcard(&cors.allow_methods, &methods, checks);
    for (index, method) in cors.allow_methods.iter().enumerate() {
        if &**method != "*" && !METHODS.contains(&&**method) {
            let message = format!("`{method}` is none of {} and `*`", METHODS.join(", "));
            checks.invalid(&methods.index(index), message, "Methods are written in upper case.");
        }
    }
    let headers = at.field("allowHeaders");
    check_wildcard(&cors.allow_headers, &headers, checks);
    let exposed = at.field("exposeHeaders");
    for (names, at) in [(&cors.allow_headers, &headers), (&cors.expose_headers, &exposed)] {
        check_list(names, 64, at, checks);
        for (index, name) in names.iter().enumerate() {
            header_name(name, &at.index(index), checks);
        }
    }
    let exposes_all = cors.expose_headers.iter().position(|name| &**name == "*");
    if let Some(index) = exposes_all.filter(|_| cors.allow_credentials == Some(true)) {
        let message =
            "`*` is left out of answers, since it would be a plain name where credentials are allowed";
        checks.warn(&exposed.index(index), "Ignored", message, "Name the fields.");
    }
    if cors.max_age < 1 {
        checks.invalid(&at.field("maxAge"), "must be at least 1", "");
    }
}

/// A set of so many items.
fn check_list(items: &[Text], most: usize, at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, items.len(), most);
    checks.unique_items(at, items.iter().map(|item| &**item));
}

fn check_wildcard(items: &[Text], at: &At<'_>, checks: &mut Checks) {
    if items.len() > 1 && items.iter().any(|item| &**item == "*") {
        checks.invalid(at, "has `*` beside other items", "`*` stands alone.");
    }
}
