//! One core's part of a port of QUIC: whom it lets in, and how it ends.

use super::connection;
use super::ids::{Ids, QuicPort};
use super::socket::CoreSocket;
use crate::connection::Client;
use crate::core::Core;
use crate::listener::{Closing, Seat};
use crate::snapshot::{PortFacts, PortId};
use crate::tls::{QuicCrypto, QuicHandshake, quic_reason};
use irongate_telemetry::{Panicked, Reason};
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Handshakes under way on a core from which on a client has to show first that its address is its own (RFC 9000 §8.1.2).
const RETRY_FROM: usize = 64;
/// And from which on no others begin: clients try again by themselves.
const MOST_HANDSHAKES: usize = 1024;
/// What a client may send ahead on one stream, and on all, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 768 << 10;
/// What it may have on its way to it, in bytes, until it says that it has it.
const SEND_WINDOW: u64 = 512 << 10;
/// Streams of other kinds: control, two of QPACK's, and some that mean nothing.
const CONTROL_STREAMS: u32 = 8;
/// Datagrams that are kept of connections that are not begun yet, in bytes: of one, and of all.
const BUFFERED: u64 = 16 << 10;
const BUFFERED_IN_ALL: u64 = 4 << 20;
/// How long the connections of a port that closes may go on; until then the address cannot be taken anew.
const LEAVE: Duration = Duration::from_secs(30);

/// One core's part of a port.
struct Port {
    core: Rc<Core>,
    id: PortId,
    crypto: Arc<QuicCrypto>,
    /// What was made for which facts.
    config: RefCell<Option<(Arc<PortFacts>, Arc<ServerConfig>)>>,
    handshakes: Cell<usize>,
    /// The port closes.
    leaving: Rc<Cell<bool>>,
}

/// Serves a port until it is told to close; then its connections until they have ended.
pub(crate) async fn serve(
    core: Rc<Core>,
    id: PortId,
    socket: io::Result<UdpSocket>,
    shared: Arc<QuicPort>,
    closing: Rc<Closing>,
) {
    let crypto = QuicCrypto::new(core.shared.clone(), id);
    let port = Rc::new(Port {
        core,
        id,
        crypto,
        config: RefCell::default(),
        handshakes: Cell::new(0),
        leaving: Rc::default(),
    });
    let endpoint = match socket.and_then(|socket| port.endpoint(socket, shared)) {
        Ok(endpoint) => endpoint,
        Err(error) => return tracing::error!(%error, "a socket for HTTP/3 could not be registered"),
    };
    let mut closed = pin!(closing.wait());
    loop {
        let mut accepting = pin!(endpoint.accept());
        let incoming = poll_fn(|cx| match closed.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => accepting.as_mut().poll(cx),
        });
        match incoming.await {
            Some(incoming) => port.let_in(incoming),
            None => break,
        }
    }
    port.close(&endpoint).await;
}

impl Port {
    fn endpoint(&self, socket: UdpSocket, shared: Arc<QuicPort>) -> io::Result<Endpoint> {
        let core = self.core.index;
        let mut config = EndpointConfig::default();
        let ids = shared.clone();
        config.cid_generator(move || Box::new(Ids { port: ids.clone(), core: core as u16 }));
        let socket = CoreSocket::new(socket, shared, core)?;
        let server = ServerConfig::with_crypto(self.crypto.clone());
        let server = bounded(server);
        Endpoint::new_with_abstract_socket(config, Some(server), socket, Arc::new(TokioRuntime))
    }

    /// Lets a client in, has it show its address first, or does neither.
    fn let_in(self: &Rc<Self>, incoming: Incoming) {
        let shared = &self.core.shared;
        let under_way = self.handshakes.get();
        if shared.spread().total() >= shared.most_connections {
            shared.note_full();
            return incoming.ignore();
        }
        if under_way >= RETRY_FROM && !incoming.remote_address_validated() {
            // Failing means that it has shown its address, which was just looked at.
            let _ = incoming.retry();
            return;
        }
        if under_way >= MOST_HANDSHAKES {
            return incoming.ignore();
        }
        let view = self.core.view();
        let Some(plan) = view.port(self.id) else { return incoming.refuse() };
        let facts = plan.facts.clone();
        if facts.options.expects_proxy_header(incoming.remote_address().ip()) {
            // There is no such header in QUIC, and without one nobody knows who the client is.
            let metrics = self.core.metrics.listener(&facts.label);
            metrics.refused(Reason::new("proxy_header_missing"));
            return incoming.refuse();
        }
        let port = facts.address.port();
        let local = || incoming.local_ip().map(|address| SocketAddr::new(address, port));
        let client = Client::accepted(&self.core, &view, self.id, plan, incoming.remote_address(), local);
        drop(view);
        self.handshakes.set(under_way + 1);
        let handshake = Handshake(self.clone());
        tokio::task::spawn_local(Box::pin(begin(handshake, client, facts, incoming)));
    }

    /// How connections are begun, for a port's facts.
    fn config(&self, facts: &Arc<PortFacts>) -> Arc<ServerConfig> {
        let mut known = self.config.borrow_mut();
        if let Some((of, config)) = &*known
            && Arc::ptr_eq(of, facts)
        {
            return config.clone();
        }
        let mut config = ServerConfig::with_crypto(self.crypto.clone());
        config.transport_config(Arc::new(transport(facts)));
        let config = Arc::new(config);
        *known = Some((facts.clone(), config.clone()));
        config
    }

    /// The port closes: clients are told, and have a while to get their answers.
    async fn close(&self, endpoint: &Endpoint) {
        // The drain waits for this.
        let _seat = Seat::take(&self.core.shared.spread(), self.core.index);
        endpoint.set_server_config(None);
        self.leaving.set(true);
        self.core.timers.wake_all();
        let timer = self.core.timers.timer();
        let mut idle = pin!(endpoint.wait_idle());
        let until = self.core.now().after(LEAVE);
        let _ = timer.within(until, |cx| idle.as_mut().poll(cx)).await;
        endpoint.close(VarInt::from_u32(0x100), b"the listener is gone");
    }
}

/// What is bounded of connections that are not begun yet.
fn bounded(mut config: ServerConfig) -> ServerConfig {
    config
        .max_incoming(MOST_HANDSHAKES)
        .incoming_buffer_size(BUFFERED)
        .incoming_buffer_size_total(BUFFERED_IN_ALL);
    config
}

/// The bounds of a connection.
fn transport(facts: &PortFacts) -> TransportConfig {
    let options = &facts.options;
    let mut config = TransportConfig::default();
    let idle = IdleTimeout::try_from(options.timeouts.http2_idle).ok();
    config
        .max_concurrent_bidi_streams(options.limits.streams.max(1).into())
        .max_concurrent_uni_streams(CONTROL_STREAMS.into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(idle);
    config
}

/// A handshake that is under way.
struct Handshake(Rc<Port>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.handshakes.set(self.0.handshakes.get() - 1);
    }
}

/// Shakes hands with a client, and serves it.
async fn begin(handshake: Handshake, mut client: Client, facts: Arc<PortFacts>, incoming: Incoming) {
    let core = client.core.clone();
    let _watch = core.watch(Panicked::Connection);
    let leaving = handshake.0.leaving.clone();
    let shaken = shake_hands(&handshake, &client, &facts, incoming).await;
    drop(handshake);
    match shaken {
        Ok(connection) => {
            client.metrics.shook_hands(false);
            let data = connection.handshake_data().and_then(|data| data.downcast::<QuicHandshake>().ok());
            // Without it nothing could be asked of requests; every connection that is established has it.
            let Some(handshake) = data else { return };
            client.tls = Some(Rc::new(handshake.into_tls()));
            Box::pin(connection::serve(client, facts, connection, leaving)).await;
        }
        Err(None) => {}
        Err(Some(refusal)) => {
            client.metrics.refused(Reason::new(refusal));
            core.shared.note_handshake(refusal, &client.text, &facts.label);
        }
    }
}

/// # Errors
/// Why the connection is over, as a stable token; `None`: nobody wanted anything.
async fn shake_hands(
    handshake: &Handshake,
    client: &Client,
    facts: &Arc<PortFacts>,
    incoming: Incoming,
) -> Result<quinn::Connection, Option<&'static str>> {
    let core = &client.core;
    let timer = core.timers.timer();
    let deadline = core.now().after(facts.options.timeouts.head);
    let mut place = pin!(core.handshakes.place());
    timer.within(deadline, |cx| place.as_mut().poll(cx)).await.map_err(|_| Some("tls_overload"))?;
    let config = handshake.0.config(facts);
    let mut connecting = incoming.accept_with(config).map_err(|error| quic_reason(&error))?;
    match timer.within(deadline, |cx| std::pin::Pin::new(&mut connecting).poll(cx)).await {
        Ok(connected) => connected.map_err(|error| quic_reason(&error)),
        Err(_) => Err(Some("tls_timeout")),
    }
}
