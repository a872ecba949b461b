//! Compressed answers: what the origin sent is at hand when it pauses, what breaks off does not look whole, and neither
//! memory nor the core is taken by one of them.

use crate::world::{End, Peer, Setup, World, pattern};
use irongate_config::{Compression, ContentCoding, TrafficOptions};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Compresses by one coding.
fn setup(coding: ContentCoding) -> Setup {
    let codings = vec![(coding, coding.usual_level())];
    let compression = Compression { codings, scope: "default/p".into(), ..Compression::default() };
    let options = TrafficOptions { compression: Some(compression), ..TrafficOptions::default() };
    Setup { traffic: Some(Arc::new(options)), ..Setup::default() }
}

fn get(coding: ContentCoding, version: &str) -> String {
    format!("GET / {version}\r\nHost: h\r\nAccept-Encoding: {}\r\n\r\n", coding.as_str())
}

/// What can be read of a body that is not whole yet.
fn readable(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
    let mut decoder: Box<dyn Read + '_> = match coding {
        ContentCoding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
        ContentCoding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
        ContentCoding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).expect("a decoder")),
    };
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        all.extend_from_slice(&piece[..length]);
    }
    all
}

/// Takes a chunk of a body.
async fn chunk(client: &Peer) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.take(1).await.expect("a chunk's size"));
    }
    let text = String::from_utf8(line).expect("a chunk's size");
    let size = usize::from_str_radix(text.trim_end(), 16).expect("a chunk's size");
    let mut chunk = client.take(size + 2).await.expect("a chunk");
    chunk.truncate(size);
    chunk
}

#[test]
fn events_are_passed_on_as_they_come() {
    for coding in ContentCoding::ALL {
        setup(coding).run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(get(coding, "HTTP/1.1")).await;
            origin.head().await.expect("a request");
            origin.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let head = client.head().await.expect("an answer");
            assert!(head.contains(&format!("Content-Encoding: {}\r\n", coding.as_str())), "{head}");
            let (mut sent, mut seen) = (Vec::new(), Vec::new());
            for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
                sent.extend_from_slice(event.as_bytes());
                origin.send(format!("{:x}\r\n{event}\r\n", event.len())).await;
                // The origin says nothing more until the client has all of it.
                while readable(coding, &seen) != sent {
                    seen.extend(chunk(&client).await);
                }
            }
            assert!(world.elapsed() < Duration::from_secs(1), "{coding:?}: nothing waits for a timer");
        });
    }
}

#[test]
fn what_breaks_off_does_not_look_whole() {
    const FRAMINGS: [&str; 2] = ["Content-Length: 50000", "Transfer-Encoding: chunked"];
    for coding in ContentCoding::ALL {
        for (version, end) in [("HTTP/1.1", End::Closed), ("HTTP/1.0", End::Reset)] {
            for framing in FRAMINGS {
                setup(coding).run(async |world| {
                    let (origin, client) = (world.origin(), world.client());
                    client.send(get(coding, version)).await;
                    origin.head().await.expect("a request");
                    origin
                        .send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n"))
                        .await;
                    let body = if framing.starts_with("Content") {
                        "some of it".to_owned()
                    } else {
                        "a\r\nsome of it\r\n".to_owned()
                    };
                    origin.send(body).await;
                    client.head().await.expect("an answer");
                    drop(origin);
                    let (bytes, ended) = client.rest().await;
                    assert_eq!(ended, end, "{coding:?} {version} {framing}");
                    assert!(!bytes.ends_with(b"0\r\n\r\n"), "{coding:?} {version} {framing}");
                    assert_eq!(world.metric_of("irongate_request_failures_total", "answer_truncated"), 1.0);
                    drop(client);
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    world.assert_at_rest(format!("{coding:?} {version} {framing}"));
                });
            }
        }
    }
}

/// Asks for an answer that never ends and reads nothing of it; gives how much the origin could send.
async fn stall(world: &World, coding: ContentCoding, most: usize) -> (Peer, Peer, usize) {
    let (origin, client) = (world.fresh_origin(), world.client());
    client.send(get(coding, "HTTP/1.1")).await;
    origin.head().await.expect("a request");
    origin.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n").await;
    let body = pattern(256 << 10);
    let taken = origin.try_send_for(Duration::from_millis(1), &body[..most.min(body.len())]).await;
    (origin, client, taken)
}

#[test]
fn a_client_that_does_not_read_stops_the_reading() {
    for coding in ContentCoding::ALL {
        Setup { capacity: 32 << 10, ..setup(coding) }.run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(get(coding, "HTTP/1.1")).await;
            origin.head().await.expect("a request");
            origin.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n").await;
            // Of noise as much goes out as comes in.
            let mut state = 1_u64;
            let noise = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            });
            let body: Vec<u8> = noise.take(4 << 20).collect();
            let taken = origin.try_send_for(Duration::from_millis(1), &body).await;
            assert!(taken < 1 << 20, "{coding:?}: {taken} bytes are on their way");
            client.head().await.expect("an answer");
            let reading = async {
                let mut seen = Vec::new();
                loop {
                    let piece = chunk(&client).await;
                    if piece.is_empty() {
                        return seen;
                    }
                    seen.extend(piece);
                }
            };
            let sending = async {
                origin.send(&body[taken..]).await;
                origin.shutdown();
            };
            let (seen, ()) = tokio::join!(reading, sending);
            assert!(readable(coding, &seen) == body, "{coding:?}: once it is read it goes on");
        });
    }
}

#[test]
fn a_large_answer_does_not_keep_the_core() {
    Setup { capacity: 16 << 20, ..setup(ContentCoding::Gzip) }.run(async |world| {
        let (large, small) = (world.fresh_origin(), world.client());
        let client = world.client();
        client.send(get(ContentCoding::Gzip, "HTTP/1.1")).await;
        large.head().await.expect("a request");
        let body = pattern(8 << 20);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        large.send([head.as_bytes(), &body].concat()).await;
        // Another one is served meanwhile.
        let other = world.fresh_origin();
        small.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        other.head().await.expect("a request");
        other.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(small.message().await.expect("an answer").body, b"ok");
        assert_eq!(world.metric("irongate_requests_in_flight"), 1.0, "the large one is not through");
        let answer = client.message().await.expect("an answer");
        assert!(readable(ContentCoding::Gzip, &answer.body) == body);
        assert_eq!(world.metric_of("irongate_compression_bytes_total", "before"), (8 << 20) as f64);
    });
}

#[test]
fn without_memory_answers_go_as_they_are() {
    let coding = ContentCoding::Gzip;
    Setup { capacity: 4 << 10, ..setup(coding) }.run(async |world| {
        let mut stalled = Vec::new();
        while world.metric_of("irongate_compressed_answers_total", "left") == 0.0 {
            assert!(stalled.len() < 1000, "memory is bounded");
            stalled.push(stall(&world, coding, 1 << 10).await);
        }
        let (_, client, _) = stalled.last().expect("one was left as it is");
        let head = client.head().await.expect("an answer");
        assert!(!head.contains("Content-Encoding") && head.contains("Vary: Accept-Encoding"), "{head}");
        stalled.clear();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (_, client, _) = stall(&world, coding, 1 << 10).await;
        let head = client.head().await.expect("an answer");
        assert!(head.contains("Content-Encoding: gzip"), "what was given back is used again: {head}");
    });
}
