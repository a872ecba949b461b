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
