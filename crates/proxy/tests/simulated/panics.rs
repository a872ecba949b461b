//! A panic costs one connection.

use crate::world::{Setup, serve};
use std::time::Duration;

#[test]
fn a_panic_in_one_connection_leaves_the_others_alone() {
    Setup::default().run(async |world| {
        let (unlucky, other) = (world.client(), world.client());
        other.send("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert!(other.message().await.expect("an answer").is("302"));
        // No connection is in the pool, and the runtime has no IO driver: connecting panics.
        unlucky.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        let (answer, _) = unlucky.rest().await;
        assert!(answer.is_empty(), "nothing comes of it");
        drop(unlucky);
        assert_eq!(world.metric("irongate_panics_total"), 1.0);
        assert_eq!(world.gateway.connections(), 1);
        assert_eq!(world.gateway.pending(), 0);
        let origin = world.origin();
        let exchange = async {
            other.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            assert_eq!(other.message().await.expect("an answer").body, b"hello");
        };
        tokio::select! { () = exchange => {}, () = serve(&origin) => {} }
        drop(other);
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.assert_at_rest("after a panic");
    });
}

/// Which connection a panic comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    Client,
    /// The pool's.
    Origin,
    FreshOrigin,
}

/// How far the exchange has come by then.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    Asked,
    HalfAnswered,
    HalfUploaded,
}

fn panic_in_an_exchange(from: From, when: When) {
    Setup::default().run(async |world| {
        let origin = if let From::FreshOrigin = from { world.fresh_origin() } else { world.origin() };
        let client = world.client();
        match when {
            When::HalfUploaded => {
                client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345").await
            }
            When::Asked | When::HalfAnswered => client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await,
        }
        origin.head().await.expect("a request");
        if when == When::HalfAnswered {
            origin.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await;
            client.head().await.expect("an answer");
        }
        match from {
            From::Client => client.poison(),
            From::Origin | From::FreshOrigin => origin.poison(),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let context = format!("a panic at the {from:?}, {when:?}");
        assert_eq!(world.metric("irongate_panics_total"), 1.0, "{context}");
        assert_eq!(world.metric("irongate_upstream_connections_opened_total"), 1.0, "{context}");
        assert_eq!(world.metric("irongate_upstream_connections_active"), 0.0, "{context}");
        world.assert_at_rest(context);
    });
}

#[test]
fn a_panic_in_an_exchange_gives_back_every_count() {
    for from in [From::Client, From::Origin, From::FreshOrigin] {
        for when in [When::Asked, When::HalfAnswered, When::HalfUploaded] {
            panic_in_an_exchange(from, when);
        }
    }
}
