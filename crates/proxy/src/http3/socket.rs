//! A core's socket of a port of QUIC: what comes to it for another core's connections is passed on.

use super::ids::{Datagram, QuicPort};
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;

/// The socket, as quinn sees it.
pub(super) struct CoreSocket {
    socket: tokio::net::UdpSocket,
    state: UdpSocketState,
    port: Arc<QuicPort>,
    core: usize,
}

impl CoreSocket {
    pub(super) fn new(socket: UdpSocket, port: Arc<QuicPort>, core: usize) -> io::Result<Arc<Self>> {
        let state = UdpSocketState::new((&socket).into())?;
        let socket = tokio::net::UdpSocket::from_std(socket)?;
        Ok(Arc::new(Self { socket, state, port, core }))
    }

    /// Takes what other cores have passed on; how many buffers it filled.
    fn take_passed_on(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> usize {
        let mailbox = &self.port.cores[self.core];
        let mut receiver = mailbox.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let mut filled = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Poll::Ready(Some(datagram)) = receiver.poll_recv(cx) else { break };
            let Some(space) = buffer.get_mut(..datagram.bytes.len()) else { continue };
            space.copy_from_slice(&datagram.bytes);
            *meta = RecvMeta {
                addr: datagram.from,
                len: datagram.bytes.len(),
                stride: datagram.bytes.len(),
                ecn: datagram.ecn,
                dst_ip: datagram.to,
            };
            filled += 1;
        }
        filled
    }

    /// Keeps of a buffer's datagrams those that are this core's, and passes on the others.
    fn sort(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let is_other = |datagram: &[u8]| self.port.core_of(datagram).filter(|&core| core != self.core);
        let stride = meta.stride.max(1);
        let all = &buffer[..meta.len.min(buffer.len())];
        if !all.chunks(stride).any(|datagram| is_other(datagram).is_some()) {
            return;
        }
        let (mut kept, mut at) = (0, 0);
        while at < meta.len {
            let end = (at + stride).min(meta.len);
            match is_other(&buffer[at..end]) {
                None => {
                    buffer.copy_within(at..end, kept);
                    kept += end - at;
                }
                Some(core) => {
                    let bytes = buffer[at..end].into();
                    let datagram = Datagram { bytes, from: meta.addr, ecn: meta.ecn, to: meta.dst_ip };
                    // Failing means that the other core cannot keep up: datagrams may be lost.
                    let _ = self.port.cores[core].sender.try_send(datagram);
                }
            }
            at = end;
        }
        meta.len = kept;
    }
}

impl AsyncUdpSocket for CoreSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_io(Interest::WRITABLE, || self.state.send((&self.socket).into(), transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let passed_on = self.take_passed_on(cx, buffers, metas);
        if passed_on > 0 {
            return Poll::Ready(Ok(passed_on));
        }
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            let receive = || self.state.recv((&self.socket).into(), buffers, metas);
            if let Ok(count) = self.socket.try_io(Interest::READABLE, receive) {
                buffers.iter_mut().zip(metas).take(count).for_each(|(buffer, meta)| self.sort(buffer, meta));
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

impl fmt::Debug for CoreSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreSocket").field("socket", &self.socket).field("core", &self.core).finish()
    }
}

/// Waits for room in the socket's queue, for one of its connections: each is woken.
struct Poller {
    socket: Arc<CoreSocket>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, waiting } = &mut *self;
        let future = waiting.get_or_insert_with(|| {
            let socket = socket.clone();
            Box::pin(async move { socket.socket.writable().await })
        });
        let ready = ready!(future.as_mut().poll(cx));
        *waiting = None;
        Poll::Ready(ready)
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("socket", &self.socket).finish_non_exhaustive()
    }
}
