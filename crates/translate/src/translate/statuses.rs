//! The statuses of Gateways and their listeners.

use super::gateways::{GatewayNode, ListenerNode};
use crate::status::{Condition, GatewayStatus, ListenerStatus};

/// A Gateway's status, once every route is attached.
pub(super) fn gateway(node: &GatewayNode<'_>) -> GatewayStatus {
    let generation = node.object.generation;
    let is_served = is_served(node);
    let bad = node.listeners.iter().filter(|listener| is_invalid(listener)).count();
    let accepted = match &node.fault {
        Some(fault) => Condition::not_accepted(fault.reason, fault.message.clone(), generation),
        None if bad > 0 => {
            let message = format!("{bad} of {} listeners are not valid", node.listeners.len());
            Condition::new("Accepted", is_served, "ListenersNotValid", message, generation)
        }
        None => Condition::accepted(generation),
    };
    let programmed = if is_served {
        Condition::new("Programmed", true, "Programmed", "", generation)
    } else {
        Condition::new("Programmed", false, "Invalid", "No listener is served.", generation)
    };
    let addresses = node.addresses.iter().filter(|_| is_served);
    GatewayStatus {
        addresses: addresses.map(|address| address.to_string().into()).collect(),
        conditions: vec![accepted, programmed],
        listeners: node
            .listeners
            .iter()
            .map(|listener| listener_status(listener, node.fault.is_some(), generation))
            .collect(),
    }
}

/// Whether anything of a Gateway is served. One without listeners has nothing to be wrong.
fn is_served(node: &GatewayNode<'_>) -> bool {
    node.fault.is_none()
        && (node.listeners.is_empty() || node.listeners.iter().any(|listener| listener.fault.is_none()))
}

/// Whether a listener counts as not valid for its Gateway.
fn is_invalid(listener: &ListenerNode<'_>) -> bool {
    listener.fault.is_some() || listener.has_invalid_kinds
}

fn listener_status(
    listener: &ListenerNode<'_>,
    is_gateway_faulty: bool,
    generation: Option<i64>,
) -> ListenerStatus {
    let (accepted, conflicted) = match &listener.fault {
        None => (Condition::accepted(generation), None),
        Some(fault) => {
            let accepted = Condition::not_accepted(fault.reason, fault.message.clone(), generation);
            (accepted, listener.is_conflicted.then_some(fault))
        }
    };
    let programmed = match &listener.fault {
        Some(fault) if listener.is_conflicted => {
            Condition::new("Programmed", false, fault.reason, fault.message.clone(), generation)
        }
        None if !is_gateway_faulty => Condition::new("Programmed", true, "Programmed", "", generation),
        _ => Condition::new("Programmed", false, "Invalid", "", generation),
    };
    let resolved_refs = if listener.has_invalid_kinds {
        let message = "Routes of some of the kinds cannot attach here.";
        Condition::new("ResolvedRefs", false, "InvalidRouteKinds", message, generation)
    } else {
        Condition::new("ResolvedRefs", true, "ResolvedRefs", "", generation)
    };
    let conflicted = match conflicted {
        Some(fault) => Condition::new("Conflicted", true, fault.reason, fault.message.clone(), generation),
        None => Condition::new("Conflicted", false, "NoConflicts", "", generation),
    };
    ListenerStatus {
        name: listener.spec.name.clone(),
        supported_kinds: listener.kinds.clone(),
        attached_routes: u32::try_from(listener.routes.len()).unwrap_or(u32::MAX),
        conditions: vec![accepted, programmed, resolved_refs, conflicted],
    }
}
