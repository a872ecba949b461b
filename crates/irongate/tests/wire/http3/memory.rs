//! What a connection over HTTP/3 costs that has had a request and waits for the next.

use super::manifest;
use super::peers::Client;
use crate::http2::peers::block_on;
use crate::http2::wait;
use crate::tls::Pair;
use irongate_testkit::{Gateway, Origin};
use std::cell::Cell;

/// The bound for each, with a margin for builds that are not optimised.
const MOST: usize = 128 << 10;

/// `IRONGATE` names another binary to be measured, and `CONNECTIONS` says how many there are; what each costs is printed.
#[test]
fn an_idle_connection_costs_little() {
    let count = std::env::var("CONNECTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(100);
    let binary = std::env::var("IRONGATE").unwrap_or_else(|_| crate::BINARY.to_owned());
    let origin = Origin::echoing();
    let pair = Pair::new();
    let gateway = Gateway::start_with(&binary, &manifest(&pair, &origin), &["--threads", "1"]);
    block_on(async {
        let mut idle = Vec::new();
        // The first fill what all of them share.
        for _ in 0..50 {
            idle.push(asked(&gateway, &pair).await);
        }
        let before = settled(&gateway).await;
        for _ in 0..count {
            idle.push(asked(&gateway, &pair).await);
        }
        let each = settled(&gateway).await.saturating_sub(before) / count;
        println!("{count} connections over HTTP/3 that wait: {:.1} KiB each", each as f64 / 1024.0);
        assert_eq!(gateway.metric("irongate_connections_active", &[]), idle.len() as f64);
        assert!(each < MOST, "{each} bytes each");
    });
}

async fn asked(gateway: &Gateway, pair: &Pair) -> Client {
    let mut client = Client::connect(gateway.address(), pair).await;
    assert_eq!(client.get("/").await.status, 200);
    client
}

/// The memory once it stays as it is.
async fn settled(gateway: &Gateway) -> usize {
    let (last, times) = (Cell::new(0), Cell::new(0));
    wait(|| {
        let now = gateway.resident();
        times.set(if now == last.replace(now) { times.get() + 1 } else { 0 });
        times.get() > 50
    })
    .await;
    last.get()
}
