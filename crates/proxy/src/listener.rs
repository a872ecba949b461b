//! Listening sockets, one a core for each address, and how connections are spread over the cores.

use crate::connection;
use crate::core::{Core, supervised};
use crate::datagram;
use crate::http3::{self, QuicPort};
use crate::live::LiveBackend;
use crate::snapshot::PortId;
use irongate_telemetry::AcceptPause;
use irongate_traffic::EndpointLoad;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;
/// Connections that are taken from a socket's queue before others have their turn.
const ACCEPTED_A_TURN: i32 = 64;

/// The load of the endpoints that a core knows, by backend.
pub(crate) type CoreReport = Vec<(Arc<LiveBackend>, Vec<EndpointLoad>)>;

/// A core's socket of a port.
#[derive(Clone)]
pub(crate) enum ListenSocket {
    /// TCP.
    Stream(Arc<TcpListener>),
    /// UDP.
    Datagram(Arc<UdpSocket>),
    /// UDP, for QUIC; with what its cores share.
    Quic(Arc<UdpSocket>, Arc<QuicPort>),
}

/// What a core is told by others.
pub(crate) enum Command {
    /// Serve what comes here from now on.
    Listen(PortId, ListenSocket),
    /// Accept what has come, then no more.
    Close(PortId),
    /// A connection that another core accepted; it is counted from then on.
    Serve(PortId, TcpStream, SocketAddr, Seat),
    /// Answers end their connections from now on.
    Drain,
    /// Idle connections end now.
    CloseIdle,
    /// Everything ends now.
    Stop,
    /// Tell the load of every endpoint.
    Report(oneshot::Sender<CoreReport>),
    /// Panic.
    #[cfg(test)]
    Panic,
}

/// Opens one socket a core for an address. Another process that listens there is an error; `is_ours`: that we have
/// the port already, on other interfaces, is none.
///
/// # Errors
/// What the system says; nothing stays open then.
pub(crate) fn bind(address: SocketAddr, cores: usize, is_ours: bool) -> io::Result<Vec<TcpListener>> {
    let address = claim(address, |address| bound(address, is_ours))?;
    (0..cores).map(|_| open(address)).collect()
}

/// Makes sure that an address can be had, by a socket that is closed again; `bound` shares the address only if it is
/// ours already. With `SO_REUSEPORT` at once we would share it with another process of the same user. Only bound: a
/// client that came to a socket that is closed again would be reset. Gives the address that is to be taken: where the
/// kernel has no IPv6, all interfaces are those of IPv4.
pub(crate) fn claim(
    address: SocketAddr,
    bound: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> io::Result<SocketAddr> {
    match bound(address) {
        Err(error) if error.raw_os_error() == Some(NO_IPV6) && address.ip().is_unspecified() => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            bound(address).map(|_| address)
        }
        opened => opened.map(|_| address),
    }
}

/// EAFNOSUPPORT: the kernel has no IPv6.
const NO_IPV6: i32 = 97;

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 clients too; a listener on 0.0.0.0 beside it would collide.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Accepted sockets inherit it, which saves a system call a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// How connections are spread: what each core has, and a way to it.
pub(crate) struct Spread {
    pub(crate) cores: Vec<CoreHandle>,
}

/// The way to one core.
pub(crate) struct CoreHandle {
    pub(crate) commands: UnboundedSender<Command>,
    /// Client connections that it serves.
    pub(crate) connections: AtomicUsize,
}

/// A connection on its way to a core, counted there: so that a burst is spread evenly before the others have woken,
/// the bound on connections holds, and a drain waits for it.
pub(crate) struct Seat {
    spread: Arc<Spread>,
    core: usize,
}

impl Seat {
    pub(crate) fn take(spread: &Arc<Spread>, core: usize) -> Self {
        spread.cores[core].connections.fetch_add(1, Ordering::Relaxed);
        Self { spread: spread.clone(), core }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.spread.cores[self.core].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Spread {
    /// The core that should have a connection that `mine` accepted: itself, unless it clearly has more than the
    /// least loaded one. The kernel spreads by a hash that knows nothing of load.
    fn target(&self, mine: usize) -> usize {
        let count = |core: &CoreHandle| core.connections.load(Ordering::Relaxed);
        let own = count(&self.cores[mine]);
        // A core that has ended would take everything, having nothing.
        let running = self.cores.iter().enumerate().filter(|(_, core)| !core.commands.is_closed());
        let least = running.min_by_key(|(_, core)| count(core));
        match least {
            Some((index, core)) if own > count(core) + 1 + count(core) / 8 => index,
            _ => mine,
        }
    }

    /// Client connections on all cores.
    pub(crate) fn total(&self) -> usize {
        self.cores.iter().map(|core| core.connections.load(Ordering::Relaxed)).sum()
    }
}

/// Those who serve the ports of a core.
#[derive(Default)]
pub(crate) struct Listeners {
    loops: RefCell<HashMap<PortId, Rc<Closing>>>,
}

/// Tells whoever serves a port to end.
#[derive(Default)]
pub(crate) struct Closing {
    begun: Cell<bool>,
    notify: Notify,
}

impl Closing {
    fn begin(&self) {
        self.begun.set(true);
        self.notify.notify_one();
    }

    /// Ready when it has begun.
    pub(crate) async fn wait(&self) {
        if !self.begun.get() {
            self.notify.notified().await;
        }
    }
}

impl Listeners {
    pub(crate) fn listen(&self, core: &Rc<Core>, port: PortId, socket: ListenSocket) {
        let closing = Rc::<Closing>::default();
        if let Some(old) = self.loops.borrow_mut().insert(port, closing.clone()) {
            old.begin();
        }
        let core = core.clone();
        let listener = match socket {
            ListenSocket::Stream(listener) => listener,
            ListenSocket::Datagram(socket) => {
                tokio::task::spawn_local(async move {
                    let serving = |core| datagram::serve(core, port, socket.try_clone(), closing.clone());
                    supervised(core, "a port of datagrams", serving).await;
                });
                return;
            }
            ListenSocket::Quic(socket, quic) => {
                tokio::task::spawn_local(async move {
                    let serving =
                        |core| http3::serve(core, port, socket.try_clone(), quic.clone(), closing.clone());
                    supervised(core, "a port of HTTP/3", serving).await;
                });
                return;
            }
        };
        tokio::task::spawn_local(async move {
            let accepting = |core| accept_loop(core, port, listener.try_clone(), closing.clone());
            supervised(core.clone(), "an accept loop", accepting).await;
            empty(&listener, |stream, peer| serve(&core, port, stream, peer)).await;
        });
    }

    /// Ends the serving of a port, once what is in its queue has been taken.
    pub(crate) fn close(&self, port: PortId) {
        if let Some(closing) = self.loops.borrow_mut().remove(&port) {
            closing.begin();
        }
    }
}

/// Serves what a port's socket takes, until it is told to close.
async fn accept_loop(core: Rc<Core>, port: PortId, listener: io::Result<TcpListener>, closing: Rc<Closing>) {
    let spread = core.shared.spread();
    let is_full = || {
        let full = spread.total() >= core.shared.most_connections;
        if full {
            core.shared.note_full();
        }
        full
    };
    match listener.and_then(registered) {
        Ok(listener) => {
            let failed = |error: &io::Error| core.shared.note_unaccepted(error);
            accept(&listener, &closing, is_full, failed, |stream, peer| serve(&core, port, stream, peer))
                .await;
        }
        Err(error) => tracing::error!(%error, "a listening socket could not be registered"),
    }
}

/// A listening socket that the runtime tells of. Its own type would register each connection that it accepts.
fn registered(listener: TcpListener) -> io::Result<AsyncFd<TcpListener>> {
    #[expect(
        deprecated,
        reason = "its doubt is whether a descriptor stays the same, as a TcpListener's does"
    )]
    AsyncFd::with_interest(listener, Interest::READABLE)
}

/// Serves a connection, here or on another core.
fn serve(core: &Rc<Core>, port: PortId, stream: TcpStream, peer: SocketAddr) {
    let spread = core.shared.spread();
    let target = spread.target(core.index);
    if target == core.index {
        connection::spawn(core, port, stream.into(), peer);
    } else {
        hand_over(&spread, target, port, stream, peer);
    }
}

/// Accepts until it is told to close. Errors of one connection end that one; running out of descriptors or of
/// connections makes it wait a little.
async fn accept(
    listener: &AsyncFd<TcpListener>,
    closing: &Closing,
    is_full: impl Fn() -> bool,
    failed: impl Fn(&io::Error),
    mut serve: impl FnMut(TcpStream, SocketAddr),
) {
    let mut closed = pin!(closing.notify.notified());
    let mut turn = 0;
    while !closing.begun.get() {
        if is_full() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        turn = (turn + 1) % ACCEPTED_A_TURN;
        if turn == 0 {
            tokio::task::yield_now().await;
        }
        let accepted = poll_fn(|cx| match poll_accept(cx, listener) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => closed.as_mut().poll(cx).map(|()| None),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, peer))) => serve(stream, peer),
            Some(Err(error)) if is_of_the_connection(&error) => {}
            Some(Err(error)) => {
                failed(&error);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Accepts a connection once there is one.
fn poll_accept(
    cx: &mut Context<'_>,
    listener: &AsyncFd<TcpListener>,
) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
    loop {
        match listener.try_io(Interest::READABLE, accept_one) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            accepted => return Poll::Ready(accepted),
        }
        let _ = ready!(listener.poll_read_ready(cx))?;
    }
}

/// Accepts the next connection in the queue. Its socket does not block, and the runtime is not told of it.
fn accept_one(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    // A socket that is gone already may have no peer (accept(2)).
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((socket.into(), peer))
}

/// Accepts what waits in the queue. The kernel is asked directly: a runtime that has not looked at the socket yet, or
/// that makes a task take turns, says that nothing waits, and what is not accepted here is reset.
async fn empty(listener: &TcpListener, mut serve: impl FnMut(TcpStream, SocketAddr)) {
    for count in 1..=BACKLOG {
        match accept_one(listener) {
            Ok((stream, peer)) => serve(stream, peer),
            Err(error) if is_of_the_connection(&error) => {}
            Err(_) => return,
        }
        if count % ACCEPTED_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn hand_over(spread: &Arc<Spread>, target: usize, port: PortId, stream: TcpStream, peer: SocketAddr) {
    let seat = Seat::take(spread, target);
    // Failing means that the core is gone, and the connection with it.
    let _ = spread.cores[target].commands.send(Command::Serve(port, stream, peer, seat));
}

/// What to do where accepting fails for want of something (accept(2)).
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(EMFILE) => {
            "raise the limit on the process's open files: `ulimit -n`, or LimitNOFILE= of its service"
        }
        Some(ENFILE) => "raise the limit on the system's open files: `sysctl fs.file-max`",
        Some(ENOMEM | ENOBUFS) => "the kernel is out of memory for sockets: see `sysctl net.ipv4.tcp_mem`",
        _ => "they are tried again",
    }
}

/// The same for metrics.
pub(crate) fn pause(error: &io::Error) -> AcceptPause {
    match error.raw_os_error() {
        Some(EMFILE | ENFILE) => AcceptPause::Files,
        _ => AcceptPause::System,
    }
}

const ENOMEM: i32 = 12;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOBUFS: i32 = 105;

/// The client went away before it was accepted (accept(2)).
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// More than a task may accept in one turn of tokio's.
    const WAITING: usize = 300;

    #[test]
    fn a_socket_that_closes_takes_what_is_in_its_queue() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = open((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
            let address = listener.local_addr().expect("its address");
            let clients: Vec<_> =
                (0..WAITING).map(|_| TcpStream::connect(address).expect("the queue has room")).collect();
            let mut accepted = 0;
            empty(&listener, |_, _| accepted += 1).await;
            assert_eq!(accepted, clients.len());
        });
    }

    #[test]
    fn what_is_out_of_something_says_what_to_do() {
        for (code, part) in
            [(EMFILE, "ulimit -n"), (ENFILE, "fs.file-max"), (ENOBUFS, "memory"), (1, "tried again")]
        {
            let error = io::Error::from_raw_os_error(code);
            assert!(advice(&error).contains(part), "{error}: {}", advice(&error));
        }
    }

    #[test]
    fn a_port_is_shared_with_ourselves_only() {
        let listener = open((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        let port = listener.local_addr().expect("its address").port();
        let all = (Ipv4Addr::UNSPECIFIED, port).into();
        assert_eq!(bind(all, 2, false).expect_err("it is taken").kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind(all, 2, true).expect("both are ours").len(), 2);
    }

    fn core() -> CoreHandle {
        let (commands, receiver) = tokio::sync::mpsc::unbounded_channel();
        // Kept: the core runs.
        std::mem::forget(receiver);
        CoreHandle { commands, connections: AtomicUsize::new(0) }
    }

    #[test]
    fn connections_count_from_the_moment_they_are_handed_over() {
        let spread = Arc::new(Spread { cores: vec![core(), core()] });
        // A burst that one core accepts before the other has woken.
        let seats: Vec<_> = (0..100).map(|_| Seat::take(&spread, spread.target(0))).collect();
        let counts: Vec<_> =
            spread.cores.iter().map(|core| core.connections.load(Ordering::Relaxed)).collect();
        assert!(counts.iter().all(|count| (40..=60).contains(count)), "{counts:?}");
        drop(seats);
        assert_eq!(spread.total(), 0);
    }

    #[test]
    fn a_core_that_has_ended_is_given_nothing() {
        let (commands, _) = tokio::sync::mpsc::unbounded_channel();
        let ended = CoreHandle { commands, connections: AtomicUsize::new(0) };
        let spread = Arc::new(Spread { cores: vec![core(), ended] });
        let _seats: Vec<_> = (0..10).map(|_| Seat::take(&spread, 0)).collect();
        assert_eq!(spread.target(0), 0);
    }
}
