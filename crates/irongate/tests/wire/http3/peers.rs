//! An HTTP/3 client, on `h3` and `quinn` as they come.

use crate::tls::Pair;
use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::{Code, StreamError};
use http::{HeaderMap, Request};
use irongate_testkit::PATIENCE;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint};
use rustls::RootCertStore;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(super) type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// A client connection.
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) connection: quinn::Connection,
    requests: SendRequest<h3_quinn::OpenStreams, Bytes>,
    driver: JoinHandle<()>,
}

/// What a client trusts, and that it speaks HTTP/3.
pub(super) fn trusting(pairs: &[&Pair]) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.certificate.der().clone()).expect("a good certificate");
    }
    let mut config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    config
}

/// The same for one that shows a certificate itself.
pub(super) fn presenting(trusted: &Pair, own: &Pair) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.certificate.der().clone()).expect("a good certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.key.serialize_der()).expect("a key");
    let chain = vec![own.certificate.der().clone()];
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let mut config = builder.with_client_auth_cert(chain, key).expect("a pair");
    config.alpn_protocols = vec![b"h3".to_vec()];
    config
}

/// Shakes hands.
pub(super) async fn shake_hands(
    address: SocketAddr,
    name: &str,
    config: rustls::ClientConfig,
) -> Result<(Endpoint, quinn::Connection), ConnectionError> {
    let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
    let config = QuicClientConfig::try_from(config).expect("a suite for QUIC");
    let connecting = endpoint.connect_with(ClientConfig::new(Arc::new(config)), address, name);
    let connection = timeout(PATIENCE, connecting.expect("a good name")).await.expect("an end")?;
    Ok((endpoint, connection))
}

impl Client {
    pub(super) async fn connect(address: SocketAddr, pair: &Pair) -> Self {
        let hands = shake_hands(address, "test", trusting(&[pair])).await;
        let (endpoint, connection) = hands.expect("the gateway accepts");
        Self::new(endpoint, connection).await
    }

    pub(super) async fn new(endpoint: Endpoint, connection: quinn::Connection) -> Self {
        let (mut driver, requests) = h3::client::new(h3_quinn::Connection::new(connection.clone()))
            .await
            .expect("control streams open");
        let driver = tokio::spawn(async move {
            let _how_it_ended = std::future::poll_fn(|cx| driver.poll_close(cx)).await;
        });
        Self { endpoint, connection, requests, driver }
    }

    /// Begins a request.
    pub(super) async fn open(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Stream, StreamError> {
        self.open_at("test", method, path, fields).await
    }

    /// The same for another host.
    pub(super) async fn open_at(
        &mut self,
        host: &str,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Stream, StreamError> {
        let mut request = Request::builder().method(method).uri(format!("https://{host}{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a valid request");
        timeout(PATIENCE, self.requests.send_request(request)).await.expect("room for a stream")
    }

    /// Sends a whole request and reads its answer.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Answer {
        let mut stream = self.open(method, path, fields).await.expect("a stream");
        if let Some(body) = body {
            // Refused in the middle of a body: the answer tells why.
            let _refused = timeout(PATIENCE, stream.send_data(body.into())).await.expect("an end");
        }
        let _refused = stream.finish().await;
        Answer::read(&mut stream).await.expect("an answer")
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[], None).await
    }

    /// Waits until the gateway has closed the connection; gives the code.
    pub(super) async fn wait_closed(self) -> u64 {
        let closed = timeout(PATIENCE, self.connection.closed()).await.expect("the connection ends");
        self.driver.abort();
        code_of(&closed)
    }
}

/// The code with which the other side closed.
#[track_caller]
pub(super) fn code_of(closed: &ConnectionError) -> u64 {
    match closed {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => unreachable!("not closed by the application: {other}"),
    }
}

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    fields: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, String)>,
}

impl Answer {
    pub(super) async fn read(stream: &mut Stream) -> Result<Self, StreamError> {
        timeout(PATIENCE, async {
            let mut head = stream.recv_response().await?;
            while head.status().is_informational() {
                head = stream.recv_response().await?;
            }
            let mut body = Vec::new();
            while let Some(mut data) = stream.recv_data().await? {
                body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
            }
            let trailers = stream.recv_trailers().await?;
            let text = |value: &http::HeaderValue| value.to_str().expect("ASCII").to_owned();
            let trailers = trailers.iter().flatten().map(|(name, value)| (name.to_string(), text(value)));
            let trailers = trailers.collect();
            let (parts, ()) = head.into_parts();
            Ok(Self { status: parts.status.as_u16(), fields: parts.headers, body, trailers })
        })
        .await
        .expect("an answer in time")
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

/// The code with which a stream was ended.
#[track_caller]
pub(super) fn reset_code(error: &StreamError) -> Code {
    match error {
        StreamError::RemoteTerminate { code, .. } => *code,
        other => unreachable!("the stream was not reset: {other}"),
    }
}
