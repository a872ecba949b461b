//! The kinds that can be written, one file each: their types as users write them, and what the Kubernetes
//! API server would refuse.
//!
//! The types follow the published CRDs (Gateway API v1.6, experimental channel, as far as it is read here)
//! and the core API. They are our own: the community's crate of Gateway API types is at v1.5, and brings a
//! Kubernetes client library and some sixty crates with it.

mod address;
mod backend;
mod backend_policy;
mod backend_reference;
mod backend_tls_policy;
mod config_map;
mod data;
mod duration;
mod endpoint_slice;
mod gateway;
mod gateway_class;
mod gateway_parameters;
mod gateway_tls;
mod grpc_route;
mod http_route;
mod http_route_filter;
mod ignored;
mod listener;
mod listener_set;
mod metadata;
mod namespace;
mod quantity;
mod rate_limit_store;
mod reference_grant;
mod references;
mod route_parts;
mod secret;
mod selector;
mod service;
mod session_persistence;
mod stream_routes;
mod traffic_policy;

pub use backend::{
    Backend, BackendConsul, BackendDns, BackendDnsType, BackendEndpoint, BackendProtocolName, BackendSpec,
    TokenReference,
};
pub use backend_policy::{
    AlgorithmName, BackendLimitFields, BackendPolicy, BackendPolicySpec, BeforeFirstName, EjectionFields,
    GrpcCheckFields, GrpcStatusName, HashFields, HashKeyFields, HashKeyName, HealthCheckFields,
    HttpCheckFields, LatencyOutlierFields, LocalityName, PoolFields, RetryBudgetFields, RetryConditionName,
    RetryFields, StatusRange, SuccessRateFields, TcpCheckFields,
};
pub use backend_reference::{BackendObjectReference, BackendRef, LocalObjectReference};
pub use backend_tls_policy::{
    BackendTlsPolicy, BackendTlsPolicySpec, BackendTlsValidation, SubjectAltName, SubjectAltNameType,
};
pub use config_map::ConfigMap;
pub use duration::GatewayDuration;
pub use endpoint_slice::{AddressType, EndpointConditions, EndpointPort, EndpointSlice, SliceEndpoint};
pub(crate) use endpoint_slice::{SERVICE_LABEL, special};
pub use gateway::{
    AllowedListeners, DefaultScope, Gateway, GatewayAddress, GatewaySpec, Infrastructure, ListenerNamespaces,
};
pub use gateway_class::{GatewayClass, GatewayClassSpec};
pub(crate) use gateway_parameters::parse_network;
pub use gateway_parameters::{GatewayParameters, GatewayParametersSpec, LimitFields, TimeoutFields};
pub use gateway_tls::{
    FrontendTls, FrontendTlsConfig, FrontendTlsPort, FrontendTlsValidation, FrontendValidationMode,
    GatewayBackendTls, GatewayTls,
};
pub use grpc_route::{
    GrpcBackendRef, GrpcMethodMatch, GrpcRoute, GrpcRouteFilter, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec,
};
pub use http_route::{
    HeaderMatch, HttpBackendRef, HttpMethod, HttpRoute, HttpRouteMatch, HttpRouteRule, HttpRouteSpec,
    HttpRouteTimeouts, PathMatch, PathMatchType, QueryParamMatch, Retry, ValueMatchType,
};
pub use http_route_filter::{
    CorsFilter, ExternalAuthFilter, ExternalAuthProtocol, FilterType, ForwardBodyConfig, Fraction,
    GrpcAuthConfig, Header, HeaderModifier, HttpAuthConfig, HttpRouteFilter, PathModifier, PathModifierType,
    RequestMirror, RequestRedirect, UrlRewrite,
};
pub use ignored::IgnoredAny;
pub use listener::{
    AllowedRoutes, Listener, ListenerTls, NamespacesFrom, Protocol, RouteGroupKind, RouteNamespaces, TlsMode,
};
pub use listener_set::{ListenerSet, ListenerSetSpec, ParentGatewayReference};
pub use metadata::{Metadata, Timestamp};
pub use namespace::Namespace;
pub use quantity::Bytes;
pub use rate_limit_store::{
    PasswordReference, RateLimitServiceFields, RateLimitStore, RateLimitStoreSpec, RedisFields,
    StoreFailureName,
};
pub use reference_grant::{GrantFrom, GrantTo, ReferenceGrant, ReferenceGrantSpec};
pub use references::{
    ParametersReference, ParentReference, PolicyTargetReference, Reference, SecretReference,
};
pub(crate) use route_parts::RouteObject;
pub use secret::Secret;
pub use selector::{LabelSelector, SelectorOperator, SelectorRequirement};
pub use service::{
    PortProtocol, PortReference, Service, ServicePort, ServiceSpec, ServiceType, SessionAffinity,
};
pub use session_persistence::{CookieConfig, CookieLifetimeType, SessionPersistence, SessionPersistenceType};
pub(crate) use stream_routes::StreamRouteObject;
pub use stream_routes::{
    StreamBackendRef, StreamRouteRule, StreamRouteSpec, TcpRoute, TlsRoute, TlsRouteSpec, UdpRoute,
};
pub use traffic_policy::{
    BandwidthBounds, BandwidthFields, ClaimFields, ClientKeyFields, CodingName, CompressionFields,
    ConcurrencyFields, ConcurrencyQueueFields, FaultAbortFields, FaultDelayFields, FaultFields, HedgeFields,
    PriorityFields, PriorityName, PriorityRuleFields, RateLimitFields, RateLimitKeyFields,
    RateLimitStoreReference, RequestBodyFields, RequestBufferFields, RuleRetryFields, StrongEtagsName,
    TrafficPolicy, TrafficPolicySpec, TrafficTimeouts,
};

use crate::checks::{Checks, names};
use crate::resources::{Object, Resources};
use crate::yaml::Node;
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;

/// A text that is shared, not copied, on its way into the Config.
pub type Text = Arc<str>;

/// Gateway API's group.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// Our own group.
pub const IRONGATE_GROUP: &str = "irongate.dev";
/// The group of `EndpointSlice`.
pub const DISCOVERY_GROUP: &str = "discovery.k8s.io";
/// The group of `Service`, `Namespace`, `Secret` and `ConfigMap`.
pub const CORE_GROUP: &str = "";
/// The controller name of the `GatewayClass`es that are ours.
pub const CONTROLLER_NAME: &str = "irongate.dev/gateway";
/// The `GatewayClass` that exists even where no file declares it.
pub const DEFAULT_CLASS: &str = "irongate";

/// What reading needs to know of a kind.
pub(crate) trait Kind: DeserializeOwned + JsonSchema + fmt::Debug + Send + Sync + 'static {
    const KIND: &'static str;
    const GROUP: &'static str;
    const VERSIONS: &'static [&'static str];
    /// Problems of it quote no values.
    const IS_SECRET: bool = false;
    /// [`ObjectName`], or a plain name for kinds without a namespace.
    type Name: KindName + 'static;

    /// The name of an object from its metadata; kinds with narrower rules check them here.
    fn name(namespace: Option<&str>, name: &str) -> Result<Self::Name, NameProblem> {
        Self::Name::new(namespace, name)
    }

    /// What the API server would refuse, and what it would let pass but nobody can have meant.
    fn check(&self, _at: &At<'_>, _checks: &mut Checks) {}

    /// What stands for an object that cannot be used and has no former version, where leaving it out would be less safe.
    fn stand_in(_node: &Node<'_>) -> Option<Self> {
        None
    }

    /// Where its objects are kept.
    fn list(resources: &mut Resources) -> &mut Vec<Object<Self, Self::Name>>;
}

/// The name of an object: with a namespace or without.
pub(crate) trait KindName:
    Sized + Clone + Eq + std::hash::Hash + fmt::Display + fmt::Debug + Send + Sync
{
    fn new(namespace: Option<&str>, name: &str) -> Result<Self, NameProblem>;
}

/// Why a name is none, and which of the two fields is meant.
pub(crate) struct NameProblem {
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

impl NameProblem {
    /// A problem of a field, if something is wrong there.
    pub(crate) fn check(field: &'static str, fault: Option<&str>) -> Result<(), Self> {
        fault.map_or(Ok(()), |fault| Err(Self { field, message: fault.into() }))
    }
}

impl KindName for ObjectName {
    fn new(namespace: Option<&str>, name: &str) -> Result<Self, NameProblem> {
        let namespace = namespace.unwrap_or("default");
        NameProblem::check("namespace", names::label(namespace))?;
        NameProblem::check("name", names::subdomain(name))?;
        Self::new(namespace, name).map_err(|error| NameProblem { field: "name", message: error.to_string() })
    }
}

impl KindName for Text {
    fn new(namespace: Option<&str>, name: &str) -> Result<Self, NameProblem> {
        if namespace.is_some() {
            let message = "is given, but objects of this kind have none".into();
            return Err(NameProblem { field: "namespace", message });
        }
        NameProblem::check("name", names::subdomain(name))?;
        Ok(name.into())
    }
}
