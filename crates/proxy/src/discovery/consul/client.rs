//! Asking Consul's HTTP API: one connection, kept from one question to the next.

use crate::discovery::dns::Resolvers;
use crate::tls::peer_configuration;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use irongate_config::ConsulSource;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// How long connecting may take, TLS and all.
const CONNECTING: Duration = Duration::from_secs(5);
/// The longest answer that is read: 10,000 instances have about 10 MB.
const LONGEST: usize = 64 << 20;
/// How much of a refusal is told.
const TOLD: usize = 200;

/// What was answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// `X-Consul-Index`.
    pub(super) index: Option<u64>,
    pub(super) body: Bytes,
}

/// A way to one Consul.
pub(super) struct Client {
    source: Arc<ConsulSource>,
    resolvers: Arc<Resolvers>,
    open: Option<Connection>,
}

/// Dropped, it is closed.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    pub(super) fn new(source: Arc<ConsulSource>, resolvers: Arc<Resolvers>) -> Self {
        Self { source, resolvers, open: None }
    }

    /// Asks for a path; the answer may take so long.
    ///
    /// # Errors
    /// A sentence. The connection is of no use any more.
    pub(super) async fn get(&mut self, path: &str, most: Duration) -> Result<Reply, String> {
        if let Some(kept) = self.open.take().filter(|kept| kept.sender.is_ready())
            && let Ok(reply) = self.exchange(kept, path, most).await
        {
            return Ok(reply);
        }
        // The server may have closed the one that was kept just now: that is no failure of its own.
        let fresh = tokio::time::timeout(CONNECTING, self.connect()).await;
        let fresh = fresh.map_err(|_| format!("{} cannot be reached in time", self.source))??;
        self.exchange(fresh, path, most).await
    }

    async fn exchange(&mut self, mut open: Connection, path: &str, most: Duration) -> Result<Reply, String> {
        let request = request(&self.source, path)?;
        let exchange = async {
            let response =
                open.sender.send_request(request).await.map_err(|error| failed(&self.source, &error))?;
            read(&self.source, response).await
        };
        let reply = tokio::time::timeout(most, exchange).await;
        let reply = reply.map_err(|_| format!("{} did not answer in time", self.source))??;
        self.open = Some(open);
        Ok(reply)
    }

    async fn connect(&self) -> Result<Connection, String> {
        let mut failure = format!("{} has no address", self.source.host);
        for address in self.resolvers.place(&self.source.host, self.source.port).await? {
            match TcpStream::connect(address).await {
                Ok(stream) => return self.begin(stream).await,
                Err(error) => failure = format!("{address} cannot be reached: {error}"),
            }
        }
        Err(failure)
    }

    async fn begin(&self, stream: TcpStream) -> Result<Connection, String> {
        let Some(tls) = &self.source.tls else { return drive(stream).await };
        let (config, name) = peer_configuration(tls)?;
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
        drive(stream.map_err(|error| format!("TLS with {} cannot be begun: {error}", self.source))?).await
    }
}

async fn drive(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection, String> {
    let begun = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = begun.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(async move {
        // What went wrong is told by the request that it ended.
        let _ = connection.await;
    });
    Ok(Connection { sender, driver: driver.abort_handle() })
}

fn request(source: &ConsulSource, path: &str) -> Result<Request<Empty<Bytes>>, String> {
    let host = if source.host.contains(':') { format!("[{}]", source.host) } else { source.host.to_string() };
    let mut request = Request::get(path)
        .header(header::HOST, format!("{host}:{}", source.port))
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = &source.token {
        let mut value = http::HeaderValue::from_bytes(token.expose())
            .map_err(|_| "the token cannot be sent".to_owned())?;
        value.set_sensitive(true);
        request = request.header("x-consul-token", value);
    }
    request.body(Empty::new()).map_err(|error| format!("`{path}` cannot be asked for: {error}"))
}

async fn read(source: &ConsulSource, response: Response<Incoming>) -> Result<Reply, String> {
    let status = response.status();
    let index = response.headers().get("x-consul-index").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| format!("the answer of {source} cannot be read: {error}"))?.to_bytes();
    if status == StatusCode::OK {
        return Ok(Reply { index, body });
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(TOLD)]);
    Err(format!("{source} answers {status}: {}", text.trim().escape_debug()))
}

fn failed(source: &ConsulSource, error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{source} did not answer: {error}{cause}")
}
