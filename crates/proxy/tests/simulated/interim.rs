//! Interim answers: passed on, and bounded by what the client takes.

use crate::world::{End, Setup};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// What a stream holds here, in bytes, each way.
const PIPE: usize = 16 << 10;
/// As many as an origin may send.
const MOST: usize = 64;

/// An interim answer of about 30 KiB.
fn hint(number: usize) -> String {
    format!("HTTP/1.1 103 Early Hints\r\nX-Number: {number}\r\nX-Fill: {}\r\n\r\n", "a".repeat(30 << 10))
}

fn all_hints() -> String {
    (0..MOST).map(hint).collect()
}

#[test]
fn interim_answers_wait_for_the_client() {
    Setup::capacity(PIPE).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send(GET).await;
        origin.head().await.expect("a request");
        let hints = all_hints();
        let answer = async {
            origin.send(&hints).await;
            origin.send(OK).await;
        };
        let read = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            for number in 0..MOST {
                let hint = client.message().await.expect("an interim answer");
                assert_eq!(hint.field("x-number"), Some(&*number.to_string()));
            }
            assert_eq!(client.message().await.expect("an answer").body, b"ok");
        };
        tokio::join!(answer, read);
        drop(client);
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.assert_at_rest("after interim answers");
    });
}

#[test]
fn what_a_client_does_not_take_of_them_is_bounded() {
    Setup::capacity(PIPE).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send(GET).await;
        origin.head().await.expect("a request");
        let hints = all_hints();
        let sent = origin.try_send_for(Duration::from_secs(1), hints.as_bytes()).await;
        // Both streams, one head that waits to be written, and a buffer that holds the next.
        assert!(sent <= 2 * PIPE + (4 << 10) + (31 << 10) + (64 << 10), "{sent} bytes were taken");
        assert_eq!(world.metric("irongate_requests_in_flight"), 1.0);
        // It is the client who has not moved for too long, and nobody is asked again.
        let (_, end) = origin.rest().await;
        assert_eq!(end, End::Closed);
        assert!(world.elapsed() > Duration::from_secs(60), "{:?}", world.elapsed());
        assert_eq!(world.metric("irongate_request_failures_total"), 1.0);
        assert!(world.gateway.scrape().contains("reason=\"client_stalled\""));
        assert_eq!(client.rest().await.1, End::Reset);
        drop(client);
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.assert_at_rest("after a client that took no interim answers");
    });
}
