//! The endpoint of a new session.

use super::session::{Pass, Session, is_unreachable};
use super::socket::Peer;
use crate::backend::CoreBackend;
use crate::core::Core;
use crate::failure::Failure;
use irongate_telemetry::StreamMetrics;
use irongate_traffic::{Begin, EndpointIndex, Outcome, PickRequest, Time};
use smallvec::SmallVec;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;

/// Endpoints that are tried for one datagram.
const TRIES: usize = 3;

/// Begins a session with a datagram. An endpoint to which no way leads is left for another.
pub(super) fn begin(
    core: &Core,
    backend: &Rc<CoreBackend>,
    metrics: &Arc<StreamMetrics>,
    peer: Peer,
    bytes: &[u8],
    now: Time,
) -> Result<Session, Failure> {
    let mut tried: SmallVec<[EndpointIndex; TRIES]> = SmallVec::new();
    let affinity = backend.affinity_of(peer.client.ip());
    let affinity = affinity.as_ref();
    for _ in 0..TRIES {
        let request = PickRequest { random: core.random(), tried: &tried, replayable: true, affinity };
        let picked = backend.pick(now, &request).ok_or(Failure::NoEndpoint)?;
        if picked.panic {
            backend.metrics.panicked();
        }
        let Some(address) = backend.address(picked.index) else { return Err(Failure::NoEndpoint) };
        let mut load = backend.begin(&picked, now, Begin::Whole);
        match connect(address) {
            Ok(upstream) => {
                let way = (peer, upstream, address);
                let session = Session::new(way, backend.clone(), load, metrics.clone(), now);
                match session.send(bytes, now) {
                    Pass::Done => return Ok(session),
                    Pass::Failed => session.fail(now),
                }
            }
            Err(error) if is_unreachable(&error) => load.end(now, Outcome::Failed),
            Err(error) => {
                // For want of something of our own: another endpoint would fare no better.
                load.end(now, Outcome::Cancelled);
                core.shared.note_unaccepted(&error);
                return Err(Failure::ConnectFailed);
            }
        }
        if !backend.has_other(&tried) {
            break;
        }
        tried.push(picked.index);
    }
    Err(Failure::ConnectFailed)
}

/// A socket that only this endpoint's datagrams come to.
fn connect(address: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    tokio::net::UdpSocket::from_std(socket)
}
