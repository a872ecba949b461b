//! Where a request comes to.

use super::connection::is_carried;
use super::request::Request;
use irongate_config::Config;
use std::net::{IpAddr, SocketAddr};

/// The socket that the request comes to: that of the address in the URL, else one for all interfaces, else any.
pub(super) fn destination(request: &Request, config: &Config) -> Option<SocketAddr> {
    let listeners = config.listeners.iter().filter(|listener| is_carried(listener, request.protocol));
    let addresses = listeners.flat_map(|listener| &listener.addresses);
    let mut addresses: Vec<SocketAddr> =
        addresses.filter(|address| address.port() == request.port).copied().collect();
    addresses.sort_unstable();
    let is_for_all = |address: &&SocketAddr| {
        address.ip().is_unspecified() && request.address.is_none_or(|ip| is_reached(address.ip(), ip))
    };
    let exact = addresses.iter().find(|address| request.address == Some(address.ip()));
    let found = exact.or_else(|| addresses.iter().find(is_for_all));
    match request.address {
        Some(_) => found.copied(),
        None => found.or(addresses.first()).copied(),
    }
}

/// Whether a socket for all interfaces of its family takes connections to an address.
fn is_reached(all: IpAddr, address: IpAddr) -> bool {
    all.is_ipv6() || address.is_ipv4()
}
