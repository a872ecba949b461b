//! Connection ids that tell to which core a connection belongs.
//!
//! An id is six random bytes and the core's number, hidden under a keyed hash of them: nobody else can tell whether two ids
//! are of one connection, or of one core (RFC 9000 §5.1).

use quinn::{ConnectionId, ConnectionIdGenerator};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The length of our ids, in bytes.
const LENGTH: usize = 8;
const RANDOM: usize = 6;
/// Datagrams on their way from one core to another; beyond it they are lost, as datagrams may be.
const PASSED_ON: usize = 256;

/// What the cores of one port of QUIC share.
pub(crate) struct QuicPort {
    key: RandomState,
    pub(super) cores: Vec<Mailbox>,
}

/// What other cores pass on to one.
pub(super) struct Mailbox {
    pub(super) sender: Sender<Datagram>,
    /// Locked by its own core alone, which never waits for it.
    pub(super) receiver: Mutex<Receiver<Datagram>>,
}

/// A datagram that came to the wrong core.
pub(super) struct Datagram {
    pub(super) bytes: Box<[u8]>,
    pub(super) from: SocketAddr,
    pub(super) ecn: Option<quinn::udp::EcnCodepoint>,
    pub(super) to: Option<IpAddr>,
}

impl QuicPort {
    pub(crate) fn new(cores: usize) -> Arc<Self> {
        let mailbox = |_| {
            let (sender, receiver) = channel(PASSED_ON);
            Mailbox { sender, receiver: Mutex::new(receiver) }
        };
        Arc::new(Self { key: RandomState::new(), cores: (0..cores).map(mailbox).collect() })
    }

    /// The core that a datagram is for, if it tells: one of a connection that is established (RFC 9000 §17.3). Those
    /// before name an id that the client chose.
    pub(super) fn core_of(&self, datagram: &[u8]) -> Option<usize> {
        let (&[first, ref id @ ..], _) = datagram.split_first_chunk::<{ 1 + LENGTH }>()?;
        const LONG_HEADER: u8 = 0x80;
        if first & LONG_HEADER != 0 { None } else { self.core_in(id) }
    }

    fn core_in(&self, id: &[u8]) -> Option<usize> {
        let (random, &[high, low]) = id.split_first_chunk::<RANDOM>()? else { return None };
        let core = usize::from(u16::from_be_bytes([high, low]) ^ self.mask(random));
        (core < self.cores.len()).then_some(core)
    }

    fn mask(&self, random: &[u8; RANDOM]) -> u16 {
        // The lower bits; the others are not needed.
        self.key.hash_one(random) as u16
    }
}

/// Makes the ids of one core's connections.
pub(super) struct Ids {
    pub(super) port: Arc<QuicPort>,
    pub(super) core: u16,
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut random = [0; RANDOM];
        aws_lc_rs::rand::fill(&mut random).expect("the system's random numbers do not end");
        let [high, low] = (self.core ^ self.port.mask(&random)).to_be_bytes();
        let [a, b, c, d, e, f] = random;
        ConnectionId::new(&[a, b, c, d, e, f, high, low])
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), quinn_proto::InvalidCid> {
        self.port.core_in(id).map(|_| ()).ok_or(quinn_proto::InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_tells_its_core_and_nothing_else_does() {
        let port = QuicPort::new(3);
        for core in 0..3_u16 {
            let id = Ids { port: port.clone(), core }.generate_cid();
            let mut datagram = [&[0x40], &id[..], &[7; 20]].concat();
            assert_eq!(port.core_of(&datagram), Some(usize::from(core)));
            datagram[0] |= 0x80;
            assert_eq!(port.core_of(&datagram), None, "the client chose the id");
            assert_eq!(port.core_of(&datagram[..LENGTH]), None, "too short for one");
        }
        let found = (0..1000_u64).filter(|number| {
            let text = [&[0x40], &number.to_be_bytes()[..]].concat();
            port.core_of(&text).is_some()
        });
        assert!(found.count() < 10, "ids that are not ours are of no core");
    }

    #[test]
    fn ids_of_one_core_differ() {
        let mut ids = Ids { port: QuicPort::new(1), core: 0 };
        let made: std::collections::HashSet<_> = (0..100).map(|_| ids.generate_cid().to_vec()).collect();
        assert_eq!(made.len(), 100);
    }
}
