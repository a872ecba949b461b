//! A gateway with one backend, clients and origins in memory, and what the tests do with them.

use irongate_config::{
    AttachedRoute, Backend, BackendKey, BackendKind, BackendProtocol, BackendRef, BackendTarget, BackendTls,
    Config, Endpoint, Endpoints, Filter, HostPattern, Listener, ListenerKey, ListenerProtocol, ListenerTls,
    Mirror, ObjectName, PathMatch, ProxyOptions, Redirect, RequestMatch, RetryPolicy, Route, RouteKey,
    RouteKind, RouteRule, RouteTimeouts, TrafficOptions,
};
use irongate_proxy::{MemoryGateway, MemoryStream};
use rustls::{ClientConnection, Connection, ServerConnection};
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const PORT: u16 = 80;

/// What a test sets of the configuration. `/moved` is redirected by the gateway itself; all else has a backend.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) options: ProxyOptions,
    pub(crate) timeouts: RouteTimeouts,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) traffic: Option<Arc<TrafficOptions>>,
    /// Whether every request is copied, to the same backend.
    pub(crate) mirrored: bool,
    /// What each direction of a stream holds, in bytes; 0: as it comes.
    pub(crate) capacity: usize,
    /// The listeners that the port has, each with how TLS ends there; none: one, in cleartext.
    pub(crate) secure: Vec<(HostPattern, ListenerTls)>,
    /// The origin speaks HTTP/2, in cleartext.
    pub(crate) http2: bool,
    /// How TLS is begun with the origin, and what is spoken inside.
    pub(crate) to_origin: Option<(BackendTls, BackendProtocol)>,
}

impl Setup {
    pub(crate) fn capacity(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Runs a test on a paused clock.
    pub(crate) fn run(&self, test: impl AsyncFnOnce(World)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime without IO needs nothing from the system");
        runtime.block_on(async {
            let (gateway, problems) = MemoryGateway::new(&self.config());
            assert!(problems.is_empty(), "{problems:?}");
            if self.capacity > 0 {
                gateway.set_capacity(self.capacity);
            }
            let test = test(World { gateway, start: Instant::now() });
            // A day of the paused clock: whoever still waits then waits for ever.
            let done = tokio::time::timeout(Duration::from_secs(24 * 3600), test).await;
            assert!(done.is_ok(), "the test waits for something that never comes");
        });
    }

    fn config(&self) -> Config {
        let name = |text| ObjectName::new("default", text).expect("a valid name");
        let in_cleartext = if self.http2 { BackendProtocol::Http2 } else { BackendProtocol::Http1 };
        let key = BackendKey {
            kind: BackendKind::Service,
            name: name("origin"),
            port: 80,
            protocol: self.to_origin.as_ref().map_or(in_cleartext, |(_, protocol)| *protocol),
            identity: None,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 9000));
        let backend = Backend {
            key: key.clone(),
            endpoints: Endpoints::Static(vec![Endpoint::new(address, 1)]),
            tls: self.to_origin.as_ref().map(|(tls, _)| Arc::new(tls.clone())),
            options: Arc::default(),
        };
        let mirror = Mirror { backend: key.clone(), numerator: 1, denominator: 1 };
        let to_backend = RouteRule {
            matches: vec![RequestMatch::default()],
            backends: vec![BackendRef {
                weight: 1,
                target: BackendTarget::Backend(key.clone()),
                filters: Vec::new(),
                session: None,
            }],
            filters: self.mirrored.then_some(Filter::Mirror(mirror)).into_iter().collect(),
            timeouts: self.timeouts,
            retry: self.retry.clone(),
            traffic: self.traffic.clone(),
            ..RouteRule::default()
        };
        let redirect = Redirect { scheme: None, hostname: None, path: None, port: Some(8080), status: 302 };
        let moved = RouteRule {
            matches: vec![RequestMatch {
                path: PathMatch::Prefix("/moved".into()),
                ..RequestMatch::default()
            }],
            filters: vec![Filter::Redirect(redirect)],
            ..RouteRule::default()
        };
        let route = Route {
            key: RouteKey { kind: RouteKind::Http, name: name("all") },
            age: 0,
            rules: vec![Arc::new(moved), Arc::new(to_backend)],
        };
        let listener = Listener {
            key: ListenerKey { gateway: name("gateway"), set: None, section: "http".into() },
            addresses: vec![SocketAddr::from(([127, 0, 0, 1], PORT))],
            protocol: ListenerProtocol::Http,
            hostname: HostPattern::Any,
            options: Arc::new(self.options.clone()),
            tls: None,
            routes: vec![AttachedRoute { hostnames: vec![HostPattern::Any], route: Arc::new(route) }],
            stream_routes: Vec::new(),
        };
        let secure = self.secure.iter().enumerate().map(|(index, (hostname, tls))| {
            let section: Arc<str> = format!("https-{index}").into();
            Listener {
                key: ListenerKey { section, ..listener.key.clone() },
                protocol: ListenerProtocol::Https,
                hostname: hostname.clone(),
                tls: Some(Arc::new(tls.clone())),
                ..listener.clone()
            }
        });
        let mut listeners: Vec<_> = secure.map(Arc::new).collect();
        if listeners.is_empty() {
            listeners.push(Arc::new(listener));
        }
        Config { listeners, backends: [(key, Arc::new(backend))].into(), limit_stores: Vec::new() }
    }
}

/// A running gateway.
pub(crate) struct World {
    pub(crate) gateway: MemoryGateway,
    start: Instant,
}

impl World {
    pub(crate) fn client(&self) -> Peer {
        Peer::new(self.gateway.connect(PORT))
    }

    /// A client that speaks TLS.
    pub(crate) fn tls_client(&self, connection: ClientConnection) -> Peer {
        Peer { tls: Some(RefCell::new(connection.into())), ..self.client() }
    }

    /// An origin on a connection in the pool; the one that was made last is used first.
    pub(crate) fn origin(&self) -> Peer {
        Peer::new(self.gateway.origin().expect("the backend has an endpoint that is ready"))
    }

    /// An origin on the connection that is opened next.
    pub(crate) fn fresh_origin(&self) -> Peer {
        Peer::new(self.gateway.fresh())
    }

    /// The same where the origin speaks TLS.
    pub(crate) fn tls_origin(&self, connection: ServerConnection) -> Peer {
        Peer { tls: Some(RefCell::new(connection.into())), ..self.fresh_origin() }
    }

    /// How long the world has been there.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The sum of a metric's series.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_of(name, "")
    }

    /// The same of those series whose labels hold a text.
    pub(crate) fn metric_of(&self, name: &str, label: &str) -> f64 {
        let text = self.gateway.scrape();
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let values = text
            .lines()
            .filter(|line| line.contains(label))
            .filter(of_name)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// Nothing is counted as under way any more.
    pub(crate) fn assert_at_rest(&self, context: impl fmt::Display) {
        assert_eq!(self.gateway.pending(), 0, "{context}: load");
        assert_eq!(self.gateway.connections(), 0, "{context}: connections");
        for gauge in ["irongate_requests_in_flight", "irongate_connections_active"] {
            assert_eq!(self.metric(gauge), 0.0, "{context}: {gauge}");
        }
        let open = self.metric("irongate_upstream_connections_active");
        let idle = self.metric("irongate_upstream_connections_idle");
        assert_eq!(open, idle, "{context}: every connection to an origin that is left is idle");
    }
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    /// TLS has failed.
    Refused(String),
}

/// What a connection over TLS has to send.
fn written(tls: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes).expect("memory takes it");
    }
    bytes
}

/// A client or an origin.
pub(crate) struct Peer {
    stream: MemoryStream,
    /// What was read and not taken.
    received: RefCell<Vec<u8>>,
    tls: Option<RefCell<Connection>>,
}

/// A request or an answer as a peer saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Message {
    /// The first line, without the version.
    pub(crate) fn is(&self, start: &str) -> bool {
        self.head.strip_prefix("HTTP/1.1 ").unwrap_or(&self.head).starts_with(start)
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Peer {
    pub(crate) fn new(stream: MemoryStream) -> Self {
        Self { stream, received: RefCell::default(), tls: None }
    }

    /// Bounds what one read on this end, and one on the gateway's, gives; 0: no bound.
    pub(crate) fn in_pieces(&self, read: usize, written: usize) {
        if read > 0 {
            self.stream.read_in_pieces(read);
        }
        if written > 0 {
            self.stream.write_in_pieces(written);
        }
    }

    /// Writes all of it.
    pub(crate) async fn try_send(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let bytes = bytes.as_ref();
        let Some(tls) = &self.tls else { return self.send_plain(bytes).await };
        tls.borrow_mut().writer().write_all(bytes)?;
        let encrypted = written(&mut tls.borrow_mut());
        self.send_plain(&encrypted).await
    }

    async fn send_plain(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| self.stream.poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// The same, where the gateway has to take it.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the gateway still reads");
    }

    /// Writes up to so many bytes, as long as any of them are taken within a second; gives how many were.
    pub(crate) async fn flood(&self, most: usize) -> usize {
        let bytes = vec![b'x'; 64 << 10];
        let mut sent = 0;
        while sent < most {
            let piece = &bytes[..bytes.len().min(most - sent)];
            let write = poll_fn(|cx| self.stream.poll_write(cx, piece));
            match tokio::time::timeout(Duration::from_millis(1), write).await {
                Ok(Ok(written)) => sent += written,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        sent
    }

    /// Writes as much as is taken while no piece waits longer than so; gives how much that was.
    pub(crate) async fn try_send_for(&self, patience: Duration, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let write = poll_fn(|cx| self.stream.poll_write(cx, &bytes[sent..]));
            match tokio::time::timeout(patience, write).await {
                Ok(Ok(written)) => sent += written,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        sent
    }

    /// Reads once, into what was received. The end is an error.
    async fn read(&self) -> Result<(), End> {
        let Some(tls) = &self.tls else {
            let bytes = self.read_plain().await?;
            self.received.borrow_mut().extend(bytes);
            return Ok(());
        };
        loop {
            let words = written(&mut tls.borrow_mut());
            // Failing means that the gateway is gone, which reading tells.
            let _ = self.send_plain(&words).await;
            let mut plain = Vec::new();
            match tls.borrow_mut().reader().read_to_end(&mut plain) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && plain.is_empty() => {}
                _ if !plain.is_empty() => {
                    self.received.borrow_mut().extend(plain);
                    return Ok(());
                }
                Ok(_) => return Err(End::Closed),
                Err(_) => return Err(End::Reset),
            }
            let bytes = self.read_plain().await;
            let mut bytes = &*bytes?;
            while !bytes.is_empty() {
                tls.borrow_mut().read_tls(&mut bytes).map_err(|_| End::Reset)?;
                let processed = tls.borrow_mut().process_new_packets();
                processed.map_err(|error| End::Refused(format!("{error:?}")))?;
            }
        }
    }

    /// What was agreed on.
    pub(crate) fn agreed<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.tls.as_ref().expect("it speaks TLS").borrow())
    }

    /// Has the handshake done, and looks how that ends.
    pub(crate) async fn shake_hands(&self) -> Result<(), End> {
        while self.agreed(|connection| connection.is_handshaking()) {
            tokio::select! {
                read = self.read() => return read,
                () = async { while self.agreed(|connection| connection.is_handshaking()) { tokio::task::yield_now().await } } => {}
            }
        }
        let words = written(&mut self.tls.as_ref().expect("it speaks TLS").borrow_mut());
        self.send_plain(&words).await.map_err(|_| End::Reset)
    }

    async fn read_plain(&self) -> Result<Vec<u8>, End> {
        poll_fn(|cx| {
            let mut space = [0; 16 << 10];
            self.stream.poll_read(cx, &mut space).map(|read| match read {
                Ok(0) => Err(End::Closed),
                Ok(length) => Ok(space[..length].to_vec()),
                Err(_) => Err(End::Reset),
            })
        })
        .await
    }

    /// Takes so many bytes.
    pub(crate) async fn take(&self, length: usize) -> Result<Vec<u8>, End> {
        while self.received.borrow().len() < length {
            self.read().await?;
        }
        Ok(self.received.borrow_mut().drain(..length).collect())
    }

    /// Takes everything up to the first `end`, and that.
    async fn through(&self, end: &[u8]) -> Result<String, End> {
        loop {
            let place = self.received.borrow().windows(end.len()).position(|window| window == end);
            if let Some(place) = place {
                let bytes = self.take(place + end.len()).await?;
                return Ok(String::from_utf8(bytes).expect("heads are text here"));
            }
            self.read().await?;
        }
    }

    /// Takes a head, its blank line with it.
    pub(crate) async fn head(&self) -> Result<String, End> {
        self.through(b"\r\n\r\n").await
    }

    /// Takes a message.
    pub(crate) async fn message(&self) -> Result<Message, End> {
        let head = self.head().await?;
        let mut message = Message { head, body: Vec::new(), trailers: String::new() };
        if message.field("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.through(b"\r\n").await?;
                let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's size");
                if size == 0 {
                    break;
                }
                let chunk = self.take(size + 2).await?;
                message.body.extend_from_slice(&chunk[..size]);
            }
            loop {
                let line = self.through(b"\r\n").await?;
                if line == "\r\n" {
                    break;
                }
                message.trailers.push_str(&line);
            }
        } else if let Some(length) = message.field("content-length") {
            message.body = self.take(length.parse().expect("a length")).await?;
        }
        Ok(message)
    }

    /// Takes the rest, to the end.
    pub(crate) async fn rest(&self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.read().await {
                return (self.received.take(), end);
            }
        }
    }

    /// Whether something could be read now.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.received.borrow().is_empty()
            && poll_fn(|cx| std::task::Poll::Ready(self.stream.poll_readable(cx).is_pending())).await
    }

    /// Ends this direction; the other goes on.
    pub(crate) fn shutdown(&self) {
        self.stream.shutdown();
    }

    pub(crate) fn reset(&self) {
        self.stream.reset();
    }

    /// Lets the gateway panic when it reads next.
    pub(crate) fn poison(&self) {
        self.stream.poison();
    }
}

/// An origin that answers every request with its own body, or with `hello` if it has none.
pub(crate) async fn serve(origin: &Peer) {
    while let Ok(request) = origin.message().await {
        let body = if request.body.is_empty() { b"hello".to_vec() } else { request.body };
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(&body);
        if origin.try_send(&answer).await.is_err() {
            return;
        }
    }
}

/// Lets every task that can go on do so, this many times.
pub(crate) async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Polls once a turn of the runtime; gives up after so many. Whether it was finished.
pub(crate) async fn for_turns(count: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    let mut left = count;
    poll_fn(|cx| {
        if left == 0 {
            return std::task::Poll::Ready(false);
        }
        left -= 1;
        cx.waker().wake_by_ref();
        future.as_mut().poll(cx).map(|()| true)
    })
    .await
}

/// Bytes of which no two stretches are alike.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index ^ (index >> 8) ^ (index >> 16).wrapping_mul(31)) as u8).collect()
}
