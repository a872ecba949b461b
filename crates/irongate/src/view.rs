//! Problems and statuses as JSON, for `irongate check` and the admin API. Both are documented in `docs/admin.md`:
//! fields are added, never renamed.

use irongate_config::{ListenerKey, ObjectName, Problem, Severity};
use irongate_translate::{Condition, Resources, Statuses};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One problem.
pub(crate) fn problem(problem: &Problem) -> Value {
    let position = problem.position.as_ref();
    json!({
        "severity": severity(problem.severity),
        "file": position.map(|position| &*position.file),
        "line": position.map(|position| position.line),
        "column": position.map(|position| position.column),
        "resource": problem.resource,
        "field": problem.field,
        "reason": problem.reason,
        "message": problem.message,
        "advice": problem.advice,
    })
}

/// `error` or `warning`.
pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// What became of each object that is ours, and where it was written.
pub(crate) fn statuses(statuses: &Statuses, resources: &Resources) -> Value {
    let places = resources.documents_by_object();
    let of_kind = |kind: &'static str| {
        let places = &places;
        move |(name, status): (&ObjectName, Value)| {
            let mut value = placed(status, places.get(&format!("{kind} {name}")));
            value["namespace"] = name.namespace().into();
            value["name"] = name.name().into();
            value
        }
    };
    let classes = statuses.gateway_classes.iter().map(|(name, status)| {
        let mut value = placed(value_of(status), places.get(&format!("GatewayClass {name}")));
        value["name"] = json!(&**name);
        value
    });
    fn list<S: Serialize>(
        statuses: &BTreeMap<ObjectName, S>,
        named: impl Fn((&ObjectName, Value)) -> Value,
    ) -> Vec<Value> {
        statuses.iter().map(|(name, status)| named((name, value_of(status)))).collect()
    }
    json!({
        "gatewayClasses": classes.collect::<Vec<_>>(),
        "gateways": list(&statuses.gateways, of_kind("Gateway")),
        "listenerSets": list(&statuses.listener_sets, of_kind("ListenerSet")),
        "httpRoutes": list(&statuses.http_routes, of_kind("HTTPRoute")),
        "grpcRoutes": list(&statuses.grpc_routes, of_kind("GRPCRoute")),
        "tlsRoutes": list(&statuses.tls_routes, of_kind("TLSRoute")),
        "tcpRoutes": list(&statuses.tcp_routes, of_kind("TCPRoute")),
        "udpRoutes": list(&statuses.udp_routes, of_kind("UDPRoute")),
        "backendTlsPolicies": list(&statuses.backend_tls_policies, of_kind("BackendTLSPolicy")),
        "trafficPolicies": list(&statuses.traffic_policies, of_kind("TrafficPolicy")),
    })
}

/// A status with the place of its object.
fn placed(mut status: Value, place: Option<&(&str, u32)>) -> Value {
    status["file"] = json!(place.map(|(file, _)| file));
    status["line"] = json!(place.map(|(_, line)| line));
    status
}

/// Marks a listener, of whose addresses one could not be opened, as not programmed; and what it is written in, where nothing of that
/// is programmed any more.
pub(crate) fn not_programmed(statuses: &mut Value, listener: &ListenerKey, problem: &Problem) {
    let (list, name) = match &listener.set {
        Some(set) => ("listenerSets", set),
        None => ("gateways", &listener.gateway),
    };
    let owners = statuses[list].as_array_mut().into_iter().flatten();
    let is_owner =
        |owner: &&mut Value| owner["namespace"] == name.namespace() && owner["name"] == name.name();
    let Some(owner) = { owners }.find(is_owner) else { return };
    let message = format!("{} {}", problem.message, problem.advice);
    let Some(listeners) = owner["listeners"].as_array_mut() else { return };
    if let Some(one) = listeners.iter_mut().find(|one| one["name"] == *listener.section) {
        mark(one, problem.reason, &message);
    }
    let is_programmed = |one: &Value| {
        let conditions = one["conditions"].as_array().into_iter().flatten();
        { conditions }.any(|condition| condition["type"] == "Programmed" && condition["status"] == true)
    };
    if !listeners.iter().any(is_programmed) {
        mark(owner, "AddressNotUsable", &message);
    }
}

/// Sets the condition `Programmed` to false.
fn mark(object: &mut Value, reason: &str, message: &str) {
    for condition in object["conditions"].as_array_mut().into_iter().flatten() {
        if condition["type"] == "Programmed" {
            condition["status"] = false.into();
            condition["reason"] = reason.into();
            condition["message"] = message.into();
        }
    }
}

fn value_of(status: &impl Serialize) -> Value {
    serde_json::to_value(status).expect("statuses are texts, numbers and lists of them")
}

/// The condition by which an object, or a part of it, is not served.
pub(crate) fn refusal(conditions: &[Condition]) -> Option<&Condition> {
    let decides = |condition: &&Condition| matches!(condition.kind, "Accepted" | "Programmed");
    conditions.iter().filter(decides).find(|condition| !condition.status)
}
