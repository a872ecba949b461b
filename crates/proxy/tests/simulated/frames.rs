//! Clients over HTTP/2 by hand: one that says all that RFC 9113 allows, in any order and in pieces of any size, and holds the
//! gateway to it; and one that says anything.

use crate::world::{Peer, Setup, World, turns};
use client::{Client, REQUEST};
use irongate_message::http2::frame::{FrameHeader, Kind, flags, write_headers, write_settings_ack};
use irongate_message::http2::hpack::Encoder;
use std::time::Duration;

mod client;

/// Conversations of each kind, told apart by their seeds.
const CONVERSATIONS: u64 = 60;
/// Steps of one.
const STEPS: usize = 80;

/// An origin that answers with what it got, some of it in a chunk with trailers behind it.
async fn serve(origin: &Peer) {
    while let Ok(request) = origin.message().await {
        let body = if request.body.is_empty() { b"hello".to_vec() } else { request.body.clone() };
        let length = body.len();
        let (head, tail) = match request.field("x-new") {
            Some(_) => (format!("Transfer-Encoding: chunked\r\n\r\n{length:x}"), "\r\n0\r\nX-Sum: 1\r\n\r\n"),
            None => (format!("Content-Length: {length}\r\n"), ""),
        };
        let answer = [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n", &body, tail.as_bytes()].concat();
        if origin.try_send(&answer).await.is_err() {
            return;
        }
    }
}

/// Origins for as many connections as the gateway may open.
fn serve_all(world: &World) {
    for _ in 0..200 {
        let origin = world.fresh_origin();
        tokio::task::spawn_local(async move { serve(&origin).await });
    }
}

async fn assert_unharmed(world: &World, seed: u64) {
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.metric("irongate_panics_total"), 0.0, "seed {seed}");
    world.assert_at_rest(format_args!("seed {seed}"));
}

#[test]
fn whatever_a_client_may_say_is_answered() {
    for seed in 0..CONVERSATIONS {
        let mut rng = fastrand::Rng::with_seed(seed);
        // The smallest hold less than a frame.
        let capacity = [100, 5_000, 64 << 10][rng.usize(..3)];
        Setup::capacity(capacity).run(async |world| {
            serve_all(&world);
            let mut client = Client::open(&world, rng, seed).await;
            for _ in 0..STEPS {
                client.step().await;
            }
            client.finish().await;
            drop(client);
            assert_unharmed(&world, seed).await;
        });
    }
}

#[test]
fn trailers_say_that_a_table_has_become_smaller() {
    // Some of these clients begin with a small one.
    for seed in 0..10 {
        Setup::default().run(async |world| {
            serve_all(&world);
            let mut client = Client::open(&world, fastrand::Rng::with_seed(seed), seed).await;
            client.shrink_table_before_trailers().await;
            client.finish().await;
            drop(client);
            assert_unharmed(&world, seed).await;
        });
    }
}

/// A frame that may be right, wrong by itself, or wrong where it comes.
fn anything(rng: &mut fastrand::Rng, last: &mut u32, out: &mut Vec<u8>) {
    let stream = match rng.u8(..8) {
        0 => 0,
        1 => rng.u32(..20),
        2 => rng.u32(..),
        _ => last.wrapping_sub(2 * rng.u32(..3)) & (u32::MAX >> 1),
    };
    match rng.u8(..10) {
        0..4 => {
            *last = last.wrapping_add(2);
            let most = if rng.u8(..4) == 0 { rng.usize(1..30) } else { 16_384 };
            let broken = rng.u8(..20) == 0;
            write_headers(out, *last, rng.bool(), most, |out| {
                let path: &[u8] = if rng.bool() { b"/moved" } else { b"/" };
                REQUEST.iter().for_each(|(name, value)| Encoder::field(out, name, value));
                Encoder::field(out, b":path", path);
                if rng.u8(..4) == 0 {
                    let fields =
                        [&b"te"[..], b"content-length", b"connection", b":path", b"X", b"cookie", b"expect"];
                    Encoder::field(
                        out,
                        fields[rng.usize(..7)],
                        [&b"1"[..], b"trailers", b"100-continue"][rng.usize(..3)],
                    );
                }
                if broken {
                    out.extend((0..rng.usize(1..6)).map(|_| rng.u8(..)));
                }
            });
        }
        4 => write_settings_ack(out),
        kind => {
            let kind = if kind < 9 { Kind(rng.u8(..11)) } else { Kind::DATA };
            // Most kinds have one length.
            let length = match rng.u8(..4) {
                0 => rng.u32(..40),
                _ => [4, 5, 8, 6, 4][rng.usize(..5)],
            };
            let flags =
                if rng.bool() { rng.u8(..) } else { rng.u8(..) & (flags::END_STREAM | flags::END_HEADERS) };
            FrameHeader { length, kind, flags, stream }.write(out);
            out.extend((0..length).map(|_| if rng.bool() { 0 } else { rng.u8(..) }));
        }
    }
}

#[test]
fn whatever_else_a_client_says_does_no_harm() {
    for seed in 0..4 * CONVERSATIONS {
        let mut rng = fastrand::Rng::with_seed(seed);
        Setup::default().run(async |world| {
            serve_all(&world);
            let client = world.client();
            let mut out = irongate_message::http2::frame::PREFACE.to_vec();
            FrameHeader { length: 0, kind: Kind::SETTINGS, flags: 0, stream: 0 }.write(&mut out);
            // The stream that was opened last.
            let mut last = u32::MAX;
            for _ in 0..rng.usize(1..STEPS) {
                anything(&mut rng, &mut last, &mut out);
                if rng.bool() {
                    let piece = rng.usize(1..=out.len());
                    // It may have ended the connection.
                    let sent = client.try_send_for(Duration::from_millis(1), &out[..piece]).await;
                    out.drain(..sent);
                    turns(rng.usize(..20)).await;
                }
            }
            if rng.bool() {
                client.shutdown();
            }
            let rest = tokio::time::timeout(Duration::from_secs(1000), client.rest()).await;
            assert!(rest.is_ok(), "seed {seed}: a connection whose client does nothing any more has to end");
            drop(client);
            assert_unharmed(&world, seed).await;
        });
    }
}
