//! A check by gRPC's health service (`grpc.health.v1.Health/Check`).

use super::ask::Io;
use super::http::{AGENT, Aborted};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use irongate_traffic::CheckFault;
use std::net::SocketAddr;

/// What a message of the service takes at most.
const MOST_ANSWER: usize = 1024;
/// `SERVING`.
const SERVING: u8 = 1;
/// gRPC's status where an answer says none.
const UNKNOWN: u8 = 2;

pub(super) async fn ask(
    stream: Box<dyn Io>,
    service: &str,
    address: SocketAddr,
    is_secure: bool,
) -> Result<(), CheckFault> {
    let broken = |_| CheckFault::Broken;
    let uri = Uri::builder()
        .scheme(if is_secure { "https" } else { "http" })
        .authority(address.to_string())
        .path_and_query("/grpc.health.v1.Health/Check")
        .build()
        .map_err(|_| CheckFault::Broken)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", AGENT)
        .body(Full::new(question(service)))
        .map_err(|_| CheckFault::Broken)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(broken)?;
    let _connection = Aborted(tokio::spawn(async { drop(connection.await) }));
    let answer = sender.send_request(request).await.map_err(broken)?;
    if answer.status().as_u16() != 200 {
        return Err(CheckFault::Status(answer.status().as_u16()));
    }
    if let Some(code) = code(answer.headers()).filter(|code| *code != 0) {
        return Err(CheckFault::NotServing(code));
    }
    let mut body = answer.into_body();
    let (mut message, mut said): (Vec<u8>, Option<u8>) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| CheckFault::Broken)?;
        message.extend(frame.data_ref().into_iter().flatten());
        said = frame.trailers_ref().and_then(code).or(said);
        if message.len() > MOST_ANSWER {
            return Err(CheckFault::Content);
        }
    }
    match said.unwrap_or(UNKNOWN) {
        0 if is_serving(&message) => Ok(()),
        code => Err(CheckFault::NotServing(code)),
    }
}

/// `HealthCheckRequest` with its prefix: field 1 is the service.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0A);
        let mut left = service.len();
        while left > 0x7F {
            message.push(left as u8 | 0x80);
            left >>= 7;
        }
        message.push(left as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

/// Whether a `HealthCheckResponse` with its prefix says so: field 1 is the status.
fn is_serving(answer: &[u8]) -> bool {
    matches!(answer, [0, _, _, _, _, 0x08, SERVING, ..])
}

fn code(fields: &HeaderMap) -> Option<u8> {
    let value = fields.get("grpc-status")?.to_str().ok()?;
    Some(value.parse().unwrap_or(UNKNOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_service_has_them() {
        assert_eq!(question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(question("a.B")[..], [0, 0, 0, 0, 5, 0x0A, 3, b'a', b'.', b'B']);
        let long = "x".repeat(300);
        assert_eq!(question(&long)[..8], [0, 0, 0, 1, 0x2F, 0x0A, 0xAC, 0x02]);
        assert!(is_serving(&[0, 0, 0, 0, 2, 8, 1]));
        assert!(!is_serving(&[0, 0, 0, 0, 2, 8, 2]) && !is_serving(&[0, 0, 0, 0, 0]));
    }
}
