//! Connections: who is let in, and how long they may stay.

use crate::api::{self, Admin, Reach};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;

/// How many connections may be open. One more closes the oldest, so that connections that do nothing never
/// keep a liveness probe out.
const CONNECTIONS: usize = 64;
/// How long a head may take, and how long a connection may be idle: longer than between two scrapes of most.
const HEAD_TIMEOUT: Duration = Duration::from_secs(65);
/// After this long a connection answers the request at hand and closes.
const AGE: Duration = Duration::from_secs(300);
/// How long a request at hand may take once its connection is to close.
const GRACE: Duration = Duration::from_secs(5);
/// Heads longer than this are refused with 431. hyper takes no less than 8 KiB.
const HEAD_BYTES: usize = 16 << 10;
/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the admin API until `shutdown` is over; then finishes the requests at hand, within five seconds. Runs
/// on any tokio runtime with IO and time.
pub async fn serve(listener: TcpListener, admin: Admin, shutdown: impl Future<Output = ()>) {
    let router = api::router(admin);
    let (closing, closed) = watch::channel(());
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin: accepting failed; trying again");
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let local = stream.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let reach = if local { Reach::Loopback } else { Reach::Network };
        open.push_back(tokio::spawn(connection(stream, router(reach), closed.clone())));
    }
    drop((listener, closing));
    for connection in open {
        // Each is over within `GRACE` by itself; a failed one has been logged.
        let _ = connection.await;
    }
}

/// One connection, to its end.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    mut closing: watch::Receiver<()>,
) {
    let service = TowerToHyperService::new(router);
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let result = tokio::select! {
        result = &mut serving => result,
        () = aged(&mut closing) => {
            serving.as_mut().graceful_shutdown();
            time::timeout(GRACE, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "admin: a connection broke");
    }
}

/// Until the connection is old, or the server is to stop (the sender is gone).
async fn aged(closing: &mut watch::Receiver<()>) {
    tokio::select! {
        () = time::sleep(AGE) => {}
        _ = closing.changed() => {}
    }
}

#[cfg(test)]
mod tests;
