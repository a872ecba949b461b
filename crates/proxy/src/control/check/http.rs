//! A check by a request of HTTP.

use super::ask::Io;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use irongate_config::HttpCheck;
use irongate_traffic::CheckFault;
use std::net::SocketAddr;
use tokio::task::JoinHandle;

/// How much of an answer's body is looked at.
const MOST_BODY: usize = 64 << 10;
/// Who asks.
pub(super) const AGENT: &str = "irongate-health-check";

/// A task that ends with its owner.
pub(super) struct Aborted(pub(super) JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn ask(
    stream: Box<dyn Io>,
    check: &HttpCheck,
    address: SocketAddr,
    over_http2: bool,
    is_secure: bool,
) -> Result<(), CheckFault> {
    let host = check.host.as_deref().map_or_else(|| address.to_string(), str::to_owned);
    let broken = |_| CheckFault::Broken;
    let request = Request::builder().method(&*check.method).header("user-agent", AGENT);
    let stream = TokioIo::new(stream);
    if over_http2 {
        let uri = Uri::builder()
            .scheme(if is_secure { "https" } else { "http" })
            .authority(host)
            .path_and_query(&*check.path)
            .build()
            .map_err(|_| CheckFault::Broken)?;
        let request = request.uri(uri).body(Empty::<Bytes>::new()).map_err(|_| CheckFault::Broken)?;
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), stream).await.map_err(broken)?;
        let _connection = Aborted(tokio::spawn(async { drop(connection.await) }));
        return judge(check, sender.send_request(request).await.map_err(broken)?).await;
    }
    let request = request.uri(&*check.path).header("host", host).header("connection", "close");
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| CheckFault::Broken)?;
    let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
    let _connection = Aborted(tokio::spawn(async { drop(connection.await) }));
    judge(check, sender.send_request(request).await.map_err(broken)?).await
}

/// Whether an answer is as it should be.
async fn judge(check: &HttpCheck, answer: Response<Incoming>) -> Result<(), CheckFault> {
    let status = answer.status().as_u16();
    if !check.statuses.iter().any(|range| range.contains(&status)) {
        return Err(CheckFault::Status(status));
    }
    let Some(text) = check.body.as_deref() else { return Ok(()) };
    let mut body = answer.into_body();
    let mut found: Vec<u8> = Vec::new();
    while found.len() < MOST_BODY
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|_| CheckFault::Broken)?;
        found.extend(frame.data_ref().into_iter().flatten());
        let text = text.as_bytes();
        let end = found.len().min(MOST_BODY);
        if found[..end].windows(text.len()).any(|part| part == text) {
            return Ok(());
        }
    }
    Err(CheckFault::Content)
}
