//! The statuses of Gateways, `ListenerSet`s and their listeners.

use super::gateways::{Fault, GatewayNode};
use super::listener_sets::SetNode;
use super::listeners::ListenerNode;
use crate::status::{Condition, GatewayStatus, ListenerSetStatus, ListenerStatus};

/// A Gateway's status, once every route is attached.
pub(super) fn gateway(node: &GatewayNode<'_>) -> GatewayStatus {
    let generation = node.object.generation;
    // One without listeners has nothing to be wrong.
    let is_accepted = node.listeners.is_empty() || node.listeners.iter().any(ListenerNode::is_valid);
    let mut conditions = vec![
        accepted(node.fault.as_ref(), &node.listeners, is_accepted, generation),
        gateway_programmed(node, is_accepted, generation),
    ];
    conditions.extend(gateway_resolved_refs(node, generation));
    if node.is_insecure {
        let message = "Clients without a valid certificate are let in.";
        let kind = "InsecureFrontendValidationMode";
        conditions.push(Condition::new(kind, true, "ConfigurationChanged", message, generation));
    }
    let is_served = node.fault.is_none() && is_accepted;
    let addresses = node.addresses.iter().filter(|_| is_served);
    let asks = node.object.body.spec.allowed_listeners.is_some() || !node.sets.is_empty();
    let attached = node.sets.iter().filter(|set| set.is_attached()).count();
    GatewayStatus {
        addresses: addresses.map(|address| address.to_string().into()).collect(),
        conditions,
        listeners: listener_statuses(&node.listeners, node.fault.is_some(), generation),
        attached_listener_sets: asks.then(|| u32::try_from(attached).unwrap_or(u32::MAX)),
    }
}

/// A set's status, once every route is attached.
pub(super) fn listener_set(node: &SetNode<'_>) -> ListenerSetStatus {
    let generation = node.object.generation;
    let is_accepted = node.listeners.iter().any(ListenerNode::is_valid);
    let programmed = match &node.fault {
        Some(fault) => {
            let reason =
                if fault.reason == "ParentNotAccepted" { "ParentNotProgrammed" } else { fault.reason };
            Condition::new("Programmed", false, reason, fault.message.clone(), generation)
        }
        None if !is_accepted => {
            let message = "No listener is valid.";
            Condition::new("Programmed", false, "ListenersNotValid", message, generation)
        }
        None => programmed(generation),
    };
    ListenerSetStatus {
        conditions: vec![accepted(node.fault.as_ref(), &node.listeners, is_accepted, generation), programmed],
        listeners: listener_statuses(&node.listeners, node.fault.is_some(), generation),
    }
}

fn accepted(
    fault: Option<&Fault>,
    listeners: &[ListenerNode<'_>],
    is_accepted: bool,
    generation: Option<i64>,
) -> Condition {
    let is_whole = |listener: &&ListenerNode<'_>| listener.fault.is_none() && listener.unresolved.is_none();
    let bad = listeners.len() - listeners.iter().filter(is_whole).count();
    match fault {
        Some(fault) => Condition::not_accepted(fault.reason, fault.message.clone(), generation),
        None if bad > 0 => {
            let message = format!("{bad} of {} listeners are not valid", listeners.len());
            Condition::new("Accepted", is_accepted, "ListenersNotValid", message, generation)
        }
        None => Condition::accepted(generation),
    }
}

fn gateway_programmed(node: &GatewayNode<'_>, is_accepted: bool, generation: Option<i64>) -> Condition {
    if node.fault.is_some() || !is_accepted {
        return Condition::new("Programmed", false, "Invalid", "No listener is served.", generation);
    }
    match &node.unusable_address {
        Some(fault) => Condition::new("Programmed", false, fault.reason, fault.message.clone(), generation),
        None => programmed(generation),
    }
}

fn programmed(generation: Option<i64>) -> Condition {
    Condition::new("Programmed", true, "Programmed", "", generation)
}

/// References of a Gateway that belong to no listener, and a summary of its listeners' where some do not resolve.
fn gateway_resolved_refs(node: &GatewayNode<'_>, generation: Option<i64>) -> Option<Condition> {
    if let Some(Err(fault)) = &node.backend_certificate {
        return Some(Condition::new("ResolvedRefs", false, fault.reason, fault.message.clone(), generation));
    }
    let unresolved = node.listeners.iter().filter(|listener| listener.unresolved.is_some()).count();
    if unresolved > 0 {
        let message =
            format!("{unresolved} of {} listeners have references that do not resolve", node.listeners.len());
        return Some(Condition::new("ResolvedRefs", false, "ListenersNotResolved", message, generation));
    }
    node.backend_certificate.as_ref()?;
    Some(Condition::new("ResolvedRefs", true, "ResolvedRefs", "", generation))
}

fn listener_statuses(
    listeners: &[ListenerNode<'_>],
    is_owner_faulty: bool,
    generation: Option<i64>,
) -> Vec<ListenerStatus> {
    let status = |listener: &ListenerNode<'_>| ListenerStatus {
        name: listener.spec.name.clone(),
        supported_kinds: listener.kinds.clone(),
        attached_routes: u32::try_from(listener.routes.len() + listener.stream_routes.len())
            .unwrap_or(u32::MAX),
        conditions: listener_conditions(listener, is_owner_faulty, generation),
    };
    listeners.iter().map(status).collect()
}

fn listener_conditions(
    listener: &ListenerNode<'_>,
    is_owner_faulty: bool,
    generation: Option<i64>,
) -> Vec<Condition> {
    let condition = |kind, status, fault: &Fault| {
        Condition::new(kind, status, fault.reason, fault.message.clone(), generation)
    };
    let conflict = listener.fault.as_ref().filter(|_| listener.is_conflicted);
    let accepted = match &listener.fault {
        Some(fault) => condition("Accepted", false, fault),
        None => Condition::accepted(generation),
    };
    let programmed = match conflict {
        Some(fault) => condition("Programmed", false, fault),
        None if is_owner_faulty || !listener.is_valid() => {
            Condition::new("Programmed", false, "Invalid", "", generation)
        }
        None => programmed(generation),
    };
    let resolved_refs = match &listener.unresolved {
        Some(fault) => condition("ResolvedRefs", false, fault),
        None => Condition::new("ResolvedRefs", true, "ResolvedRefs", "", generation),
    };
    let conflicted = match conflict {
        Some(fault) => condition("Conflicted", true, fault),
        None => Condition::new("Conflicted", false, "NoConflicts", "", generation),
    };
    let mut conditions = vec![accepted, programmed, resolved_refs, conflicted];
    if listener.overlaps {
        let message = "Another listener of the port takes some of the same hosts.";
        let kind = "OverlappingTLSConfig";
        conditions.push(Condition::new(kind, true, "OverlappingHostnames", message, generation));
    }
    conditions
}
