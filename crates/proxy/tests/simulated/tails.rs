//! What comes after an answer: bodies that nobody read, the lingering close, the end of the process.

use crate::world::{End, Peer, Setup, pattern, serve};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// The client goes on sending after its connection was ended; gives for how long that was taken, and how much.
async fn sends_on(
    world: &crate::world::World,
    client: &Peer,
    piece: usize,
    every: Duration,
) -> (Duration, usize) {
    let begun = world.elapsed();
    let mut sent = 0;
    while client.try_send(vec![b'x'; piece]).await.is_ok() {
        sent += piece;
        tokio::time::sleep(every).await;
        assert!(world.elapsed() < begun + Duration::from_secs(600), "taken for ever");
    }
    (world.elapsed() - begun, sent)
}

#[test]
fn a_lingering_close_is_bounded_by_time_and_by_bytes() {
    let check = |name: &str, piece: usize, every: Duration, least: Duration, most: usize| {
        Setup::default().run(async |world| {
            let client = world.client();
            client.send("NONSENSE\r\n\r\n").await;
            let (answer, end) = client.rest().await;
            assert!(answer.starts_with(b"HTTP/1.1 400 "), "{name}");
            assert_eq!(end, End::Closed, "{name}");
            let (lasted, sent) = sends_on(&world, &client, piece, every).await;
            assert!(lasted >= least && lasted <= Duration::from_millis(2100), "{name}: {lasted:?}");
            assert!(sent <= most, "{name}: {sent} bytes");
            drop(client);
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.assert_at_rest(name);
        });
    };
    let (tenth, no_time) = (Duration::from_millis(100), Duration::ZERO);
    check("slowly", 1, tenth, Duration::from_secs(2), 25);
    check("quickly", 64 << 10, no_time, no_time, (1 << 20) + (320 << 10));
}

/// A request that we answer ourselves, with a body that nobody reads, and another request behind it.
#[test]
fn the_rest_of_a_body_is_read_if_it_is_short() {
    let check = |name: &str, framing: &str, body: &[u8], goes_on: bool| {
        Setup::default().run(async |world| {
            let origin = world.origin();
            let client = world.client();
            let upload = async {
                let head = format!("POST /moved HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
                // Where the connection ends, the gateway stops reading.
                let _ = client.try_send(head).await;
                let _ = client.try_send(body).await;
                let _ = client.try_send(GET).await;
            };
            let answers = async {
                let first = client.message().await.expect("an answer");
                assert!(first.is("302"), "{name}: {}", first.head);
                let second = client.message().await;
                match second {
                    Ok(second) => assert!(goes_on && second.is("200"), "{name}: {}", second.head),
                    Err(end) => assert!(!goes_on, "{name}: {end:?} after the answer"),
                }
            };
            let both = async { tokio::join!(upload, answers) };
            tokio::select! { _ = both => {}, () = serve(&origin) => {} }
            drop(client);
            tokio::time::sleep(Duration::from_secs(10)).await;
            world.assert_at_rest(name);
        });
    };
    let length = |length: usize| format!("Content-Length: {length}");
    let chunked = "Transfer-Encoding: chunked";
    check("short", &length(10), b"0123456789", true);
    check("as much as is drained", &length(256 << 10), &pattern(256 << 10), true);
    check("too much", &length((256 << 10) + 1), &pattern((256 << 10) + 1), false);
    check("chunks", chunked, b"5\r\nhello\r\n0\r\n\r\n", true);
    let mut long = b"100000\r\n".to_vec();
    long.extend(pattern(1 << 20));
    long.extend(b"\r\n0\r\n\r\n");
    check("long chunks", chunked, &long, false);
    check("broken chunks", chunked, b"5\r\nhello!", false);
}

#[test]
fn a_body_that_does_not_end_is_not_waited_for() {
    Setup::default().run(async |world| {
        let client = world.client();
        client.send("POST /moved HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n01234").await;
        assert!(client.message().await.expect("an answer").is("302"));
        assert_eq!(client.rest().await.1, End::Closed);
        let lasted = world.elapsed();
        assert!(lasted >= Duration::from_secs(5) && lasted < Duration::from_secs(6), "{lasted:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.assert_at_rest("after the lingering");
    });
}

#[test]
fn when_idle_connections_are_closed_what_runs_is_finished() {
    Setup::default().run(async |world| {
        let origin = world.origin();
        let (fresh, idle, busy, reading) = (world.client(), world.client(), world.client(), world.client());
        idle.send("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert!(idle.message().await.expect("an answer").is("302"));
        busy.send(GET).await;
        origin.head().await.expect("a request");
        reading.send("GET /moved HT").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.gateway.close_idle();
        for client in [&fresh, &idle] {
            assert_eq!(client.rest().await, (Vec::new(), End::Closed));
        }
        assert_eq!(world.elapsed(), Duration::from_secs(1), "at once");
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        reading.send("TP/1.1\r\nHost: h\r\n\r\n").await;
        for client in [&busy, &reading] {
            let answer = client.message().await.expect("an answer");
            assert_eq!(answer.field("connection"), Some("close"), "{}", answer.head);
            assert_eq!(client.rest().await, (Vec::new(), End::Closed));
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.assert_at_rest("drained");
    });
}
