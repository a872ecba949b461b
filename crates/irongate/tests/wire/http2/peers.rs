//! An HTTP/2 client and an HTTP/2 origin, both on the `h2` crate.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use irongate_testkit::PATIENCE;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The length of `/large`: far more than any window.
pub(crate) const LARGE: usize = 2 << 20;

/// Runs a future on a runtime of its own, with a deadline.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { timeout(2 * PATIENCE, future).await.expect("an end") })
}

/// A client connection.
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<()>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the gateway accepts");
        let mut builder = h2::client::Builder::new();
        // As browsers do: else one answer that is not read takes the window of all.
        builder.initial_connection_window_size(1 << 20);
        let (requests, connection) = builder.handshake(stream).await.expect("a handshake");
        let driver = tokio::spawn(async {
            let _how_it_ended = connection.await;
        });
        Self { requests, driver }
    }

    fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a valid request")
    }

    /// Asks for a WebSocket by an extended `CONNECT`, once the gateway has said that it takes one.
    pub(crate) async fn websocket(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        super::wait(|| self.requests.is_extended_connect_protocol_enabled()).await;
        let mut request = Self::request("CONNECT", path, fields);
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        self.requests.send_request(request, false).expect("room for a stream")
    }

    /// Sends a request without an end, unless told.
    pub(crate) fn open(&mut self, method: &str, path: &str, end: bool) -> SendStream<Bytes> {
        let request = Self::request(method, path, &[]);
        self.requests.send_request(request, end).expect("room for a stream").1
    }

    /// Sends a whole request; its answer is still to come.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> ResponseFuture {
        let request = Self::request(method, path, fields);
        let mut ready = self.requests.clone().ready().await.expect("room for a stream");
        let (answer, mut stream) = ready.send_request(request, body.is_none()).expect("room for a stream");
        if let Some(body) = body {
            // Refused in the middle of a body: the answer tells why.
            let _refused = stream.send_data(body.into(), true);
        }
        answer
    }

    /// Sends a whole request and reads its answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        Answer::read(self.begin(method, path, fields, body).await).await.expect("an answer")
    }

    /// Waits until the gateway has closed the connection.
    pub(crate) async fn wait_closed(self) {
        drop(self.requests);
        timeout(PATIENCE, self.driver).await.expect("the connection ends").expect("no panic");
    }
}

/// An answer, whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) async fn read(answer: ResponseFuture) -> Result<Self, h2::Error> {
        timeout(PATIENCE, async {
            let (head, mut body) = answer.await?.into_parts();
            let bytes = read_body(&mut body).await?;
            let trailers = body.trailers().await?.map(|trailers| texts(&trailers)).unwrap_or_default();
            Ok(Self { status: head.status.as_u16(), fields: head.headers, body: bytes, trailers })
        })
        .await
        .expect("an answer in time")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

pub(super) async fn read_body(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn texts(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

#[derive(Default)]
struct Seen {
    fields: Mutex<Vec<(String, String)>>,
    connections: AtomicUsize,
    refused: AtomicUsize,
    requests: AtomicUsize,
    /// Whether it answers nothing.
    is_silent: bool,
    /// Requests that were cancelled while it was silent.
    cancelled: AtomicUsize,
    /// Whether the health service says something else than `SERVING`.
    is_unwell: AtomicBool,
    /// What the health service was asked.
    checks: Mutex<Vec<Vec<u8>>>,
}

/// An origin whose answers depend on the path; see `answer`.
pub(crate) struct Http2Origin {
    address: SocketAddr,
    seen: Arc<Seen>,
    // Dropped, it ends the origin's thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Http2Origin {
    pub(crate) fn start() -> Self {
        Self::start_with(Seen::default())
    }

    /// One that takes requests and never answers.
    pub(crate) fn silent() -> Self {
        Self::start_with(Seen { is_silent: true, ..Seen::default() })
    }

    fn start_with(seen: Seen) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let seen = Arc::new(seen);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shared = seen.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, seen, _stop: stop }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every field of every request so far.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        self.seen.fields.lock().expect("no holder panics").clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }

    /// Requests that were cancelled while it was silent.
    pub(crate) fn cancelled(&self) -> usize {
        self.seen.cancelled.load(Ordering::Relaxed)
    }

    /// What its health service (`grpc.health.v1.Health/Check`) says from now on: `SERVING`, or `NOT_SERVING`.
    pub(crate) fn set_serving(&self, serves: bool) {
        self.seen.is_unwell.store(!serves, Ordering::Relaxed);
    }

    /// The messages that its health service was sent, with their prefixes.
    pub(crate) fn checks(&self) -> Vec<Vec<u8>> {
        self.seen.checks.lock().expect("no holder panics").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, seen: Arc<Seen>) {
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let seen = seen.clone();
        tokio::spawn(async move {
            let handshake = h2::server::Builder::new().enable_connect_protocol().handshake(stream);
            let Ok(mut connection) = handshake.await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                if request.uri().path() == "/goaway" {
                    connection.graceful_shutdown();
                }
                tokio::spawn(answer(request, respond, seen.clone()));
            }
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: Arc<Seen>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    if head.uri.path() == "/grpc.health.v1.Health/Check" {
        let question = read_body(&mut body).await?;
        seen.checks.lock().expect("no holder panics").push(question);
        let status = 1 + u8::from(seen.is_unwell.load(Ordering::Relaxed));
        let answer = Response::builder().header("content-type", "application/grpc");
        let mut stream = respond.send_response(answer.body(()).expect("valid"), false)?;
        stream.send_data(vec![0, 0, 0, 0, 2, 8, status].into(), false)?;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("valid"));
        return stream.send_trailers(trailers);
    }
    seen.fields.lock().expect("no holder panics").extend(texts(&head.headers));
    seen.requests.fetch_add(1, Ordering::Relaxed);
    if seen.is_silent {
        if poll_fn(|cx| respond.poll_reset(cx)).await? == Reason::CANCEL {
            seen.cancelled.fetch_add(1, Ordering::Relaxed);
        }
        return Ok(());
    }
    let path = head.uri.path().to_owned();
    let ok = || Response::builder().status(200);
    match path.as_str() {
        call if call.starts_with("/grpc.") => super::grpc::answer(call, head, body, respond).await?,
        "/chat" => super::websocket::answer(&head, body, respond).await?,
        "/hang" => std::future::pending().await,
        "/reset" => respond.send_reset(Reason::INTERNAL_ERROR),
        "/refused-once" if seen.refused.fetch_add(1, Ordering::Relaxed) == 0 => {
            respond.send_reset(Reason::REFUSED_STREAM);
        }
        "/truncated" => {
            let mut stream = respond.send_response(ok().body(()).expect("valid"), false)?;
            stream.send_data("part".into(), false)?;
            // The part is to be on its way before the reset overtakes it.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        "/empty" => {
            respond.send_response(Response::builder().status(204).body(()).expect("valid"), true)?;
        }
        "/large" => {
            let mut stream = respond.send_response(ok().body(()).expect("valid"), false)?;
            stream.send_data(vec![b'l'; LARGE].into(), true)?;
        }
        _ => {
            let bytes = read_body(&mut body).await?;
            let trailer = body.trailers().await?.and_then(|trailers| trailers.get("x-trailer").cloned());
            let mut builder = ok();
            if let Some(value) = trailer {
                builder = builder.header("x-request-trailer", value);
            }
            let is_head = head.method == http::Method::HEAD;
            let mut stream = respond.send_response(builder.body(()).expect("valid"), is_head)?;
            if !is_head {
                let target = head.uri.path_and_query().map_or("", |target| target.as_str());
                stream.send_data(format!("{} {target} {}", head.method, bytes.len()).into(), false)?;
                let mut trailers = HeaderMap::new();
                trailers.insert("x-trailer", "done".parse().expect("valid"));
                stream.send_trailers(trailers)?;
            }
        }
    }
    Ok(())
}
