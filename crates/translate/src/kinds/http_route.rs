//! `HTTPRoute`: which request goes where, and what is done to it on the way.

mod check;

use super::http_route_filter::HttpRouteFilter;
use super::route_parts::RouteObject;
use super::{
    BackendRef, GATEWAY_GROUP, GatewayDuration, IgnoredAny, Kind, ParentReference, SessionPersistence, Text,
};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{ObjectName, RouteKind};
use schemars::JsonSchema;
use serde::Deserialize;

/// An `HTTPRoute`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct HttpRoute {
    /// What is wanted.
    pub spec: HttpRouteSpec,
}

/// What is wanted of an `HTTPRoute`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// Where it attaches.
    #[serde(default)]
    pub parent_refs: Vec<ParentReference>,
    /// The hosts that it is for; all where none is written.
    #[serde(default)]
    pub hostnames: Vec<Text>,
    /// Its rules; one that fits every request and has no backend where none is written.
    #[serde(default = "default_rules")]
    pub rules: Vec<HttpRouteRule>,
    /// Attachment without a parentRef; not offered.
    pub use_default_gateways: Option<IgnoredAny>,
}

fn default_rules() -> Vec<HttpRouteRule> {
    vec![HttpRouteRule::default()]
}

/// One rule.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteRule {
    /// Its name, unique in the route.
    pub name: Option<Text>,
    /// A request fits if it fits one of them; every request where none is written.
    pub matches: Vec<HttpRouteMatch>,
    /// What is done to requests and answers.
    pub filters: Vec<HttpRouteFilter>,
    /// Where requests go.
    pub backend_refs: Vec<HttpBackendRef>,
    /// How long things may take.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// What is tried again.
    pub retry: Option<Retry>,
    /// Requests of one session to one instance.
    pub session_persistence: Option<Box<SessionPersistence>>,
}

/// Conditions on a request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteMatch {
    /// On the path; prefix `/` where none is written.
    pub path: Option<PathMatch>,
    /// On header fields.
    pub headers: Vec<HeaderMatch>,
    /// On query parameters.
    pub query_params: Vec<QueryParamMatch>,
    /// On the method.
    pub method: Option<HttpMethod>,
}

/// A condition on the path.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PathMatch {
    /// How it is compared.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "PathPrefix"))]
    pub kind: PathMatchType,
    /// With what; `/` where none is written.
    pub value: Option<Text>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum PathMatchType {
    /// The whole path.
    Exact,
    /// Its first elements.
    #[default]
    PathPrefix,
    /// A regular expression that fits all of it.
    RegularExpression,
}

/// A condition on a header field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct HeaderMatch {
    /// How its value is compared.
    #[serde(rename = "type", default)]
    #[schemars(extend("default" = "Exact"))]
    pub kind: ValueMatchType,
    /// The field's name.
    pub name: Text,
    /// With what its value is compared.
    pub value: Text,
}

/// A condition on a query parameter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct QueryParamMatch {
    /// How its value is compared.
    #[serde(rename = "type", default)]
    #[schemars(extend("default" = "Exact"))]
    pub kind: ValueMatchType,
    /// The parameter's name.
    pub name: Text,
    /// With what its value is compared.
    pub value: Text,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum ValueMatchType {
    /// The whole value.
    #[default]
    Exact,
    /// A regular expression that fits all of it.
    RegularExpression,
}

/// A method that can be matched.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "RFC 9110 section 9.3 and RFC 5789 say what each is")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

impl HttpMethod {
    /// The method as it is on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
        }
    }
}

/// One of a rule's backends.
pub type HttpBackendRef = BackendRef<HttpRouteFilter>;

/// A rule's timeouts; zero switches one off.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteTimeouts {
    /// For the whole exchange.
    pub request: Option<GatewayDuration>,
    /// For one try.
    pub backend_request: Option<GatewayDuration>,
}

/// What is tried again (GEP-1731).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Retry {
    /// Statuses.
    #[serde(default)]
    pub codes: Vec<u16>,
    /// How many more tries.
    pub attempts: Option<u32>,
    /// The least wait before another.
    pub backoff: Option<GatewayDuration>,
}

impl Kind for HttpRoute {
    const KIND: &'static str = "HTTPRoute";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.http_routes
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        check::spec(&self.spec, &at.field("spec"), checks);
    }
}

impl RouteObject for HttpRoute {
    const ROUTE_KIND: RouteKind = RouteKind::Http;

    fn parent_refs(&self) -> &[ParentReference] {
        &self.spec.parent_refs
    }

    fn hostnames(&self) -> &[Text] {
        &self.spec.hostnames
    }
}
