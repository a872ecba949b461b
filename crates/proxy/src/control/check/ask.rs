//! One check: a connection, a question, an answer.

use super::{grpc, http};
use crate::tls::ClientPlan;
use irongate_config::{BackendProtocol, HealthCheck, HealthChecks};
use irongate_traffic::CheckFault;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A stream to an instance.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Asks an instance, over TLS where requests do.
///
/// # Errors
/// How the check failed.
pub(super) async fn ask(
    checks: &HealthChecks,
    address: SocketAddr,
    plan: Option<Arc<ClientPlan>>,
    protocol: BackendProtocol,
) -> Result<(), CheckFault> {
    let mut connected = false;
    let asking = async {
        let over_http2 = match checks.check {
            HealthCheck::Grpc { .. } => true,
            HealthCheck::Http(_) | HealthCheck::Tcp { .. } => protocol == BackendProtocol::Http2,
        };
        let stream = TcpStream::connect(address).await.map_err(|_| CheckFault::Connect)?;
        let is_secure = plan.is_some();
        let stream: Box<dyn Io> = match plan {
            None => Box::new(stream),
            Some(plan) => {
                let protocols: &[&[u8]] = match (&checks.check, over_http2) {
                    (HealthCheck::Tcp { .. }, _) => &[],
                    (_, true) => &[b"h2"],
                    (_, false) => &[b"http/1.1"],
                };
                Box::new(plan.begin_check(stream, protocols).await.map_err(|_| CheckFault::Connect)?)
            }
        };
        connected = true;
        match &checks.check {
            HealthCheck::Http(check) => http::ask(stream, check, address, over_http2, is_secure).await,
            HealthCheck::Grpc { service } => grpc::ask(stream, service, address, is_secure).await,
            HealthCheck::Tcp { send, expect } => bytes(stream, send, expect).await,
        }
    };
    match tokio::time::timeout(checks.timeout, asking).await {
        Ok(result) => result,
        Err(_) if connected => Err(CheckFault::Timeout),
        Err(_) => Err(CheckFault::Connect),
    }
}

/// Sends bytes and expects others.
async fn bytes(mut stream: Box<dyn Io>, send: &[u8], expect: &[u8]) -> Result<(), CheckFault> {
    stream.write_all(send).await.map_err(|_| CheckFault::Broken)?;
    stream.flush().await.map_err(|_| CheckFault::Broken)?;
    let mut found = vec![0; expect.len()];
    stream.read_exact(&mut found).await.map_err(|_| CheckFault::Broken)?;
    if found == expect { Ok(()) } else { Err(CheckFault::Content) }
}
