//! Listening sockets for datagrams. An answer leaves from the address that its client spoke to.

use crate::listener::claim;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};
use tokio::io::Interest;

/// The longest datagram.
pub(super) const LONGEST: usize = 64 << 10;

/// Opens one socket a core for an address, as [`listener::bind`](crate::listener::bind) does.
///
/// # Errors
/// What the system says; nothing stays open then.
pub(crate) fn bind(address: SocketAddr, cores: usize, is_ours: bool) -> io::Result<Vec<UdpSocket>> {
    let address = claim(address, |address| bound(address, is_ours))?;
    (0..cores).map(|_| Ok(bound(address, true)?.into())).collect()
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if address.ip().is_unspecified() {
        // Each datagram then tells which of our addresses it came to.
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
        }
    }
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Between whom datagrams pass: what a session is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// The client.
    pub(super) client: SocketAddr,
    /// Which of our addresses it spoke to, where the socket has several.
    local: Option<IpAddr>,
}

/// A listening socket of one core.
pub(super) struct Listening {
    socket: tokio::net::UdpSocket,
    /// What is received and passed on at once: nothing stays in it.
    space: RefCell<Space>,
}

struct Space {
    bytes: Box<[u8]>,
    control: Vec<u8>,
}

impl Listening {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let space =
            Space { bytes: vec![0; LONGEST].into(), control: nix::cmsg_space!(in6_pktinfo, in_pktinfo) };
        Ok(Self { socket: tokio::net::UdpSocket::from_std(socket)?, space: RefCell::new(space) })
    }

    /// Receives a datagram and has it passed on.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        pass: impl FnOnce(Peer, &[u8]),
    ) -> Poll<io::Result<()>> {
        let mut space = self.space.borrow_mut();
        let Space { bytes, control } = &mut *space;
        let (peer, length) = loop {
            match self.socket.try_io(Interest::READABLE, || self.receive(bytes, control)) {
                Ok((Some(peer), length)) => break (peer, length),
                // Of no family that we listen for.
                Ok((None, _)) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.socket.poll_recv_ready(cx))?;
        };
        pass(peer, &bytes[..length]);
        Poll::Ready(Ok(()))
    }

    fn receive(&self, bytes: &mut [u8], control: &mut [u8]) -> io::Result<(Option<Peer>, usize)> {
        let mut parts = [IoSliceMut::new(bytes)];
        let received = recvmsg::<SockaddrStorage>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(control),
            MsgFlags::MSG_DONTWAIT,
        )?;
        let local = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into()),
            _ => None,
        });
        let peer = received.address.and_then(address).map(|client| Peer { client, local });
        Ok((peer, received.bytes))
    }

    /// Sends an answer.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` where the kernel has no room: it is not waited for.
    pub(super) fn send(&self, peer: &Peer, bytes: &[u8]) -> io::Result<()> {
        let to = SockaddrStorage::from(peer.client);
        let parts = [IoSlice::new(bytes)];
        let send = |messages: &[ControlMessage<'_>]| {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            loop {
                match sendmsg(self.socket.as_raw_fd(), &parts, messages, flags, Some(&to)) {
                    Err(Errno::EINTR) => {}
                    sent => return Ok(sent.map(|_| ())?),
                }
            }
        };
        match peer.local {
            None => send(&[]),
            Some(IpAddr::V4(local)) => {
                let from = in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
                let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: in_addr { s_addr: 0 } };
                send(&[ControlMessage::Ipv4PacketInfo(&info)])
            }
            Some(IpAddr::V6(local)) => {
                // The interface is that of the client, where its address has one.
                let index = if let SocketAddr::V6(client) = peer.client { client.scope_id() } else { 0 };
                let info =
                    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: local.octets() }, ipi6_ifindex: index };
                send(&[ControlMessage::Ipv6PacketInfo(&info)])
            }
        }
    }

    /// Room for an answer that is passed on at once.
    pub(super) fn with_space<R>(&self, with: impl FnOnce(&mut [u8]) -> R) -> R {
        with(&mut self.space.borrow_mut().bytes)
    }
}

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    let four = || storage.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    let six = || storage.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into());
    four().or_else(six)
}
