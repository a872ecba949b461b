//! PROXY headers on the wire: taken from peers that are to send them, and sent to instances that want them.

use crate::connection::Client;
use crate::timer::Timer;
use crate::transport::Transport;
use irongate_config::ProxyProtocolVersion;
use irongate_message::{
    MAX_PROXY_HEADER, ProxiedAddresses, ProxyHeader, ProxyHeaderError, parse_proxy_header,
    write_proxy_binary, write_proxy_line,
};
use irongate_telemetry::Reason;
use irongate_traffic::Time;
use std::net::SocketAddr;
use std::task::Poll;

/// Takes the header that a connection begins with, and nothing of what follows it. `None`: the connection's own addresses
/// hold.
///
/// # Errors
/// Why there is none: the connection is to end.
pub(crate) async fn take(
    transport: &Transport,
    timer: &Timer,
    deadline: Time,
) -> Result<Option<ProxiedAddresses>, Reason> {
    let mut parsed: Result<Option<ProxyHeader>, ProxyHeaderError> = Ok(None);
    let taken = timer.within(deadline, |cx| {
        // On the stack, and only while there is something to look at.
        let mut space = [0; MAX_PROXY_HEADER];
        transport.poll_take(cx, &mut space, |bytes| {
            parsed = parse_proxy_header(bytes);
            match &parsed {
                Ok(None) => None,
                Ok(Some(header)) => Some(header.length),
                // Read, so that closing is no reset.
                Err(_) => Some(bytes.len()),
            }
        })
    });
    match taken.await {
        Err(_) => Err(Reason::new("proxy_header_timeout")),
        Ok(Err(_)) => Err(Reason::new("proxy_header_missing")),
        Ok(Ok(())) => match parsed {
            Ok(header) => Ok(header.and_then(|header| header.addresses)),
            Err(error) => Err(Reason::new(error.reason())),
        },
    }
}

/// Sends a header that says who the client is.
///
/// # Errors
/// The instance takes no bytes.
pub(crate) fn poll_send(
    transport: &Transport,
    cx: &mut std::task::Context<'_>,
    header: &mut &[u8],
) -> Poll<std::io::Result<()>> {
    while !header.is_empty() {
        match transport.poll_write(cx, header) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(sent)) => *header = &header[sent..],
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(()))
}

/// The header for a client; empty if none is wanted. `listening`: the address of the port that the client came to.
pub(crate) fn header(
    version: Option<ProxyProtocolVersion>,
    client: &Client,
    listening: SocketAddr,
) -> Vec<u8> {
    let mut header = Vec::new();
    let addresses = || client.addresses(listening);
    match version {
        None => {}
        Some(ProxyProtocolVersion::V1) => write_proxy_line(&addresses(), &mut header),
        Some(ProxyProtocolVersion::V2) => write_proxy_binary(&addresses(), &mut header),
    }
    header
}
