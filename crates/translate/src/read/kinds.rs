//! The kinds that are read.

use super::document::{Candidate, Found, read_object};
use crate::kinds::{
    Backend, BackendPolicy, BackendTlsPolicy, ConfigMap, EndpointSlice, Gateway, GatewayClass,
    GatewayParameters, GrpcRoute, HttpRoute, Kind, ListenerSet, Namespace, RateLimitStore, ReferenceGrant,
    Secret, Service, TcpRoute, TlsRoute, TrafficPolicy, UdpRoute,
};

/// How objects of one kind are read.
pub(crate) struct ReadKind {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    /// Reads one, of that API version.
    pub(super) read: fn(&mut Candidate<'_, '_>, version: &str) -> Found,
}

/// Every kind that is read.
pub(crate) const KINDS: &[ReadKind] = &[
    kind::<GatewayClass>(),
    kind::<Gateway>(),
    kind::<ListenerSet>(),
    kind::<HttpRoute>(),
    kind::<GrpcRoute>(),
    kind::<TlsRoute>(),
    kind::<TcpRoute>(),
    kind::<UdpRoute>(),
    kind::<BackendTlsPolicy>(),
    kind::<ReferenceGrant>(),
    kind::<Service>(),
    kind::<EndpointSlice>(),
    kind::<Namespace>(),
    kind::<Secret>(),
    kind::<ConfigMap>(),
    kind::<Backend>(),
    kind::<BackendPolicy>(),
    kind::<TrafficPolicy>(),
    kind::<RateLimitStore>(),
    kind::<GatewayParameters>(),
];

const fn kind<K: Kind>() -> ReadKind {
    ReadKind { group: K::GROUP, kind: K::KIND, read: read_object::<K> }
}
