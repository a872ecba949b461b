//! What became of each object: the statuses that Gateway API gives it.
//!
//! On Kubernetes they are written back; from files they are shown. Conditions and reasons are the API's own.

use crate::kinds::Text;
use irongate_config::ObjectName;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The statuses of all objects that are ours.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    /// Of each `GatewayClass` with our controller's name.
    pub gateway_classes: BTreeMap<Text, GatewayClassStatus>,
    /// Of each Gateway of such a class.
    pub gateways: BTreeMap<ObjectName, GatewayStatus>,
    /// Of each `ListenerSet` that names such a Gateway.
    pub listener_sets: BTreeMap<ObjectName, ListenerSetStatus>,
    /// Of each `HTTPRoute` that names such a Gateway or set.
    pub http_routes: BTreeMap<ObjectName, RouteStatus>,
    /// Of each `GRPCRoute`, in the same way.
    pub grpc_routes: BTreeMap<ObjectName, RouteStatus>,
    /// Of each `TLSRoute`, in the same way.
    pub tls_routes: BTreeMap<ObjectName, RouteStatus>,
    /// Of each `TCPRoute`, in the same way.
    pub tcp_routes: BTreeMap<ObjectName, RouteStatus>,
    /// Of each `UDPRoute`, in the same way.
    pub udp_routes: BTreeMap<ObjectName, RouteStatus>,
    /// Of each `BackendTLSPolicy` for whose targets requests come through such a Gateway.
    pub backend_tls_policies: BTreeMap<ObjectName, PolicyStatus>,
    /// Of each `TrafficPolicy` for whose targets requests come through such a Gateway.
    pub traffic_policies: BTreeMap<ObjectName, PolicyStatus>,
}

impl Statuses {
    /// Those of the routes of every kind, each with the name of the kind.
    pub fn routes(&self) -> impl Iterator<Item = (&'static str, &BTreeMap<ObjectName, RouteStatus>)> {
        [
            ("HTTPRoute", &self.http_routes),
            ("GRPCRoute", &self.grpc_routes),
            ("TLSRoute", &self.tls_routes),
            ("TCPRoute", &self.tcp_routes),
            ("UDPRoute", &self.udp_routes),
        ]
        .into_iter()
    }
}

/// One condition of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Accepted`, `Programmed`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether it holds.
    pub status: bool,
    /// Why, as Gateway API names it.
    pub reason: &'static str,
    /// Why, in a sentence; may be empty.
    pub message: Cow<'static, str>,
    /// The `metadata.generation` of the object that this is about.
    pub observed_generation: Option<i64>,
}

/// The status of a `GatewayClass`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassStatus {
    /// `Accepted`.
    pub conditions: Vec<Condition>,
}

/// The status of a Gateway.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The addresses on which it listens, each of type `IPAddress`.
    pub addresses: Vec<Text>,
    /// `Accepted`, `Programmed`; `ResolvedRefs` and `InsecureFrontendValidationMode` where there is something to say.
    pub conditions: Vec<Condition>,
    /// One a listener, in the order of the spec.
    pub listeners: Vec<ListenerStatus>,
    /// How many `ListenerSet`s are accepted; `None` where none is allowed and none asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_listener_sets: Option<u32>,
}

/// The status of a `ListenerSet`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetStatus {
    /// `Accepted`, `Programmed`.
    pub conditions: Vec<Condition>,
    /// One a listener, in the order of the spec.
    pub listeners: Vec<ListenerStatus>,
}

/// The status of a listener.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: Text,
    /// The kinds of routes that can attach, of Gateway API's group.
    pub supported_kinds: Vec<&'static str>,
    /// How many are attached.
    pub attached_routes: u32,
    /// `Accepted`, `Programmed`, `ResolvedRefs`, `Conflicted`; `OverlappingTLSConfig` where it holds.
    pub conditions: Vec<Condition>,
}

/// The status of a route.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteStatus {
    /// One a parentRef that names a Gateway of ours or a set of one, in the order of the spec.
    pub parents: Vec<RouteParentStatus>,
}

/// What one parent made of a route.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parentRef, with group and kind.
    pub parent_ref: ParentRefStatus,
    /// Ours.
    pub controller_name: &'static str,
    /// `Accepted`, `ResolvedRefs`; `PartiallyInvalid` where it holds.
    pub conditions: Vec<Condition>,
}

/// The status of a policy.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// One a Gateway of ours through which requests come to its targets, at most 16.
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// What a policy is for the requests of one Gateway.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyAncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentRefStatus,
    /// Ours.
    pub controller_name: &'static str,
    /// `Accepted`, `ResolvedRefs`.
    pub conditions: Vec<Condition>,
}

/// A parentRef as it was declared, with the defaults of group and kind filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRefStatus {
    /// Gateway API's.
    pub group: &'static str,
    /// `Gateway` or `ListenerSet`.
    pub kind: &'static str,
    /// As declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Text>,
    /// As declared.
    pub name: Text,
    /// As declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<Text>,
    /// As declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl Condition {
    pub(crate) fn new(
        kind: &'static str,
        status: bool,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
        observed_generation: Option<i64>,
    ) -> Self {
        Self { kind, status, reason, message: message.into(), observed_generation }
    }

    pub(crate) fn accepted(generation: Option<i64>) -> Self {
        Self::new("Accepted", true, "Accepted", "", generation)
    }

    pub(crate) fn not_accepted(reason: &'static str, message: String, generation: Option<i64>) -> Self {
        Self::new("Accepted", false, reason, message, generation)
    }
}
