//! Listening sockets, one a core for each address, and how connections are spread over the cores.

use crate::connection;
use crate::core::Core;
use crate::live::LiveBackend;
use crate::snapshot::PortId;
use irongate_traffic::EndpointLoad;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

/// The load of the endpoints that a core knows, by backend.
pub(crate) type CoreReport = Vec<(Arc<LiveBackend>, Vec<EndpointLoad>)>;

/// What a core is told by others.
pub(crate) enum Command {
    /// Accept here from now on.
    Listen(PortId, TcpListener),
    /// Accept what has come, then no more.
    Close(PortId),
    /// A connection that another core accepted.
    Serve(PortId, TcpStream, SocketAddr),
    /// Answers end their connections from now on.
    Drain,
    /// Idle connections end now.
    CloseIdle,
    /// Everything ends now.
    Stop,
    /// Tell the load of every endpoint.
    Report(oneshot::Sender<CoreReport>),
}

/// Opens one socket a core for an address. Another process that listens there is an error.
///
/// # Errors
/// What the system says; nothing stays open then.
pub(crate) fn bind(address: SocketAddr, cores: usize) -> io::Result<Vec<TcpListener>> {
    // Without SO_REUSEPORT first: with it we would share the port with another process of the same user.
    let address = match open(address, false) {
        Err(error) if error.raw_os_error() == Some(NO_IPV6) && address.ip().is_unspecified() => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            open(address, false)?;
            address
        }
        opened => {
            opened?;
            address
        }
    };
    (0..cores).map(|_| open(address, true)).collect()
}

/// EAFNOSUPPORT: the kernel has no IPv6. All interfaces are then those of IPv4.
const NO_IPV6: i32 = 97;

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
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
    socket.listen(BACKLOG)?;
    Ok(socket.into())
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

impl Spread {
    /// The core that should have a connection that `mine` accepted: itself, unless it clearly has more than the
    /// least loaded one. The kernel spreads by a hash that knows nothing of load.
    fn target(&self, mine: usize) -> usize {
        let count = |core: &CoreHandle| core.connections.load(Ordering::Relaxed);
        let own = count(&self.cores[mine]);
        let least = self.cores.iter().enumerate().min_by_key(|(_, core)| count(core));
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

/// The accept loops of a core.
#[derive(Default)]
pub(crate) struct Listeners {
    loops: RefCell<HashMap<PortId, Rc<Closing>>>,
}

/// Tells an accept loop to end.
#[derive(Default)]
struct Closing {
    begun: Cell<bool>,
    notify: Notify,
}

impl Closing {
    fn begin(&self) {
        self.begun.set(true);
        self.notify.notify_one();
    }
}

impl Listeners {
    pub(crate) fn listen(&self, core: &Rc<Core>, port: PortId, listener: TcpListener) {
        let closing = Rc::<Closing>::default();
        if let Some(old) = self.loops.borrow_mut().insert(port, closing.clone()) {
            old.begin();
        }
        let core = core.clone();
        tokio::task::spawn_local(async move { accept_loop(core, port, listener, &closing).await });
    }

    /// Ends the port's accept loop, once it has taken what is in its queue.
    pub(crate) fn close(&self, port: PortId) {
        if let Some(closing) = self.loops.borrow_mut().remove(&port) {
            closing.begin();
        }
    }
}

/// Accepts until it is told to close. Errors of one connection end that one; running out of descriptors or of
/// connections makes it wait a little.
async fn accept_loop(core: Rc<Core>, port: PortId, listener: TcpListener, closing: &Closing) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a listening socket could not be registered");
            return;
        }
    };
    let spread = core.shared.spread();
    let mut closed = pin!(closing.notify.notified());
    loop {
        if spread.total() >= core.shared.most_connections {
            core.shared.note_full();
            tokio::time::sleep(Duration::from_millis(10)).await;
            if closing.begun.get() {
                return;
            }
            continue;
        }
        let accepted = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending if closing.begun.get() => Poll::Ready(None),
            Poll::Pending => closed.as_mut().poll(cx).map(|()| None),
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, peer))) => {
                let target = spread.target(core.index);
                if target == core.index {
                    connection::spawn(&core, port, stream.into(), peer);
                } else {
                    hand_over(&spread.cores[target], port, stream, peer);
                }
            }
            Some(Err(error)) if is_of_the_connection(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "accepting failed; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn hand_over(core: &CoreHandle, port: PortId, stream: tokio::net::TcpStream, peer: SocketAddr) {
    // Failing means that the core or the socket is gone, and the connection with it.
    if let Ok(stream) = stream.into_std() {
        let _ = core.commands.send(Command::Serve(port, stream, peer));
    }
}

/// The client went away before it was accepted (accept(2)).
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
