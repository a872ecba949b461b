//! Addresses that were to be listened on and could not be opened.

use crate::place::Place;
use irongate_config::{ListenerKey, Problem, Severity};
use std::io;
use std::net::SocketAddr;

/// An address that a listener wants and that could not be opened. It is tried again each second.
#[derive(Clone, Debug)]
pub struct Unopened {
    /// Whose it is; of listeners that share an address the first.
    pub listener: ListenerKey,
    /// The address.
    pub address: SocketAddr,
    /// Why. It has no position: where listeners are written is not known here.
    pub problem: Problem,
}

impl Unopened {
    pub(super) fn new(listener: ListenerKey, place: Place, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "Another program listens there: stop it, or choose another port.",
            io::ErrorKind::PermissionDenied => "Ports below 1024 need the capability CAP_NET_BIND_SERVICE.",
            io::ErrorKind::AddrNotAvailable => {
                "No interface of this machine has the address: see `ip address`."
            }
            _ => "It is tried again each second.",
        };
        let resource = match &listener.set {
            Some(set) => format!("ListenerSet {set}"),
            None => format!("Gateway {}", listener.gateway),
        };
        let problem = Problem {
            severity: Severity::Error,
            position: None,
            resource,
            field: format!("listener {}", listener.section),
            reason: "PortUnavailable",
            message: format!("cannot listen on {place}: {error}."),
            advice: advice.to_owned(),
        };
        Self { listener, address: place.address, problem }
    }
}
