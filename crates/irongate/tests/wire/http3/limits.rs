//! What there may be over HTTP/3, as over HTTP/2: streams at once, lengths of heads and targets, bodies that nobody takes.

use super::bounds::{POST, frame, head};
use super::gateway_to;
use super::peers::Client;
use crate::OK;
use crate::http2::peers::block_on;
use crate::http2::wait;
use irongate_testkit::{Gate, Origin, PATIENCE};
use quinn::VarInt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;

#[test]
fn no_more_streams_than_there_may_be() {
    let origin = Origin::start(|connection| connection.until_end());
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let client = Client::connect(gateway.address(), &pair).await;
        let mut open = Vec::new();
        for _ in 0..100 {
            let stream = timeout(PATIENCE, client.connection.open_bi()).await.expect("room");
            let (mut send, receive) = stream.expect("a stream");
            send.write_all(&head(&super::bounds::GET)).await.expect("open");
            send.finish().expect("open");
            open.push((send, receive));
        }
        wait(|| gateway.metric("irongate_requests_in_flight", &[]) == 100.0).await;
        let mut next = pin!(client.connection.open_bi());
        let more = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_ready())).await;
        assert!(!more, "one more than there may be");
        // Those that end make room, which is told for more than an eighth of all at once.
        for (mut send, mut receive) in open.drain(..20) {
            let _finished = send.reset(VarInt::from_u32(0x10c));
            receive.stop(VarInt::from_u32(0x10c)).expect("open");
        }
        timeout(PATIENCE, next).await.expect("room").expect("a stream");
    });
}

#[test]
fn heads_and_targets_that_are_too_long_are_refused() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    let names: Vec<String> = (0..300).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "a")).collect();
    let long = format!("/{}", "a".repeat(17 << 10));
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        assert_eq!(client.ask("GET", "/", &many, None).await.status, 431, "fields");
        assert_eq!(client.ask("GET", &long, &[], None).await.status, 414, "a target");
        assert_eq!(origin.bytes(), b"");
        assert_eq!(client.get("/").await.status, 200, "the connection goes on");
    });
}

#[test]
fn a_body_that_nobody_reads_is_held_back() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            let head = connection.head()?;
            if head.start.starts_with("POST") {
                connection.stuck(&gate);
                return connection.until_end();
            }
            connection.send(OK)
        }
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let (mut send, _receive) = client.connection.open_bi().await.expect("a stream");
        send.write_all(&head(&POST)).await.expect("open");
        let piece = frame(0, &[b'a'; 16_000]);
        let mut sent = 0;
        while timeout(Duration::from_millis(500), send.write_all(&piece)).await.is_ok() {
            sent += piece.len();
            assert!(sent < 64 << 20, "the window never closes");
        }
        // What the kernel's buffers towards the origin take is part of it.
        assert!(sent < 16 << 20, "{sent} bytes were taken for an origin that reads none");
        assert_eq!(client.get("/other").await.text(), "ok", "others go on");
    });
    gate.open();
}
