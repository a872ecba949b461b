//! Back pressure, both directions at once, answers that come early, ends of one direction.

use crate::world::{End, Peer, Setup, World, pattern, serve, turns};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
const MUCH: usize = 100 << 20;

/// What a stream holds here, in bytes, each way.
const PIPE: usize = 32 << 10;
/// Two pipes, the largest buffer, and what waits to be written.
const BOUND: usize = 2 * PIPE + (256 << 10) + (32 << 10);

async fn tunnel(world: &World) -> (Peer, Peer) {
    let (origin, client) = (world.origin(), world.client());
    client.send(UPGRADE).await;
    origin.head().await.expect("a request");
    origin.send(SWITCHING).await;
    assert!(client.head().await.expect("an answer").starts_with("HTTP/1.1 101 "));
    (client, origin)
}

#[test]
fn an_answer_that_nobody_reads_is_not_read_either() {
    let check = |name: &str, request: &str, answer: &str| {
        Setup::capacity(PIPE).run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(request).await;
            origin.head().await.expect("a request");
            origin.send(answer).await;
            let taken = origin.flood(MUCH).await;
            assert!(taken <= BOUND, "{name}: {taken} bytes are on their way");
            // Once it is read it goes on.
            let some = 1 << 20;
            let head = client.head().await.expect("an answer");
            let (more, read) = tokio::join!(origin.try_send(pattern(some)), client.take(taken + some));
            more.expect("all of it is taken");
            assert!(read.is_ok(), "{name}: {head}");
        });
    };
    let old = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
    let known = format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n");
    let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MUCH:x}\r\n");
    let until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    check("a length", GET, &known);
    check("chunks", GET, &chunk);
    check("chunks for an old client", old, &chunk);
    check("until the end", GET, until_close);
    check("until the end for an old client", old, until_close);
}

#[test]
fn a_body_that_the_origin_does_not_read_is_not_read_either() {
    let check = |name: &str, framing: &str| {
        Setup::capacity(PIPE).run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(format!("PUT / HTTP/1.1\r\nHost: h\r\n{framing}")).await;
            let taken = client.flood(MUCH).await;
            assert!(taken <= BOUND + (64 << 10), "{name}: {taken} bytes are on their way");
            let some = 1 << 20;
            origin.head().await.expect("a request");
            let (more, read) = tokio::join!(client.try_send(pattern(some)), origin.take(taken + some));
            more.expect("all of it is taken");
            assert!(read.is_ok(), "{name}");
        });
    };
    check("a length", &format!("Content-Length: {MUCH}\r\n\r\n"));
    check("chunks", &format!("Transfer-Encoding: chunked\r\n\r\n{MUCH:x}\r\n"));
}

#[test]
fn tunnels_hold_back_both_ways() {
    Setup::capacity(PIPE).run(async |world| {
        let (client, origin) = tunnel(&world).await;
        let (upward, downward) = tokio::join!(client.flood(MUCH), origin.flood(MUCH));
        assert!(upward <= BOUND && downward <= BOUND, "{upward}, {downward} bytes are on their way");
    });
}

/// What is pipelined behind a request that waits is not read without bound.
#[test]
fn requests_that_wait_are_held_back() {
    Setup::capacity(PIPE).run(async |world| {
        let (_origin, client) = (world.origin(), world.client());
        client.send(GET).await;
        let taken = client.flood(MUCH).await;
        assert!(taken <= BOUND, "{taken} bytes wait");
    });
}

#[test]
fn both_directions_move_at_once() {
    let check = |name: &str, capacity: usize, framing: &str, length: usize, raw: &[u8]| {
        Setup::capacity(capacity).run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            let upload = async {
                client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n")).await;
                client.send(raw).await;
            };
            // Sends back what it gets, as it comes.
            let echo = async {
                origin.head().await.expect("a request");
                origin.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
                let mut left = length;
                while left > 0 {
                    let piece = left.min(64);
                    let bytes = origin.take(piece).await.expect("more of the body");
                    origin.send(bytes).await;
                    left -= piece;
                }
            };
            let all = async { tokio::join!(upload, echo, client.message()).2 };
            let answer = tokio::time::timeout(Duration::from_secs(30), all).await;
            let answer = answer.unwrap_or_else(|_| panic!("{name}: stuck")).expect("an answer");
            assert_eq!(answer.body, pattern(answer.body.len()), "{name}");
            assert_eq!(answer.field("connection"), None, "{name}: the connection goes on");
            assert!(answer.body.len() >= 100_000, "{name}");
        });
    };
    let length = 300_000;
    for capacity in [1 << 10, 64 << 10] {
        let framing = format!("Content-Length: {length}");
        check("a length", capacity, &framing, length, &pattern(length));
    }
    // One chunk that is larger than all that is held on the way is framed anew; the origin unframes it.
    Setup::capacity(1 << 10).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        let body = pattern(length);
        let upload = async {
            client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            for piece in body.chunks(5_000) {
                client.send(format!("{:x}\r\n", piece.len())).await;
                client.send([piece, b"\r\n"].concat()).await;
            }
            client.send("0\r\n\r\n").await;
        };
        let exchange = async { tokio::join!(upload, client.message()).1.expect("an answer") };
        tokio::select! {
            answer = exchange => assert_eq!(answer.body, body),
            () = serve(&origin) => panic!("the origin's connection ended"),
        }
    });
}

#[test]
fn an_answer_may_come_before_the_body() {
    let check = |name: &str, length: usize, sent_first: usize, goes_on: bool| {
        Setup::default().run(async |world| {
            let other = world.origin();
            let origin = world.origin();
            let client = world.client();
            let body = pattern(length);
            client.send(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")).await;
            client.send(&body[..sent_first]).await;
            origin.head().await.expect("a request");
            origin.send("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch").await;
            let answer = client.message().await.expect("an answer");
            assert!(answer.is("413"), "{name}: {}", answer.head);
            assert_eq!(answer.body, b"much", "{name}");
            let says_close = answer.field("connection") == Some("close");
            assert_eq!(says_close, !goes_on, "{name}: {}", answer.head);
            // The request on the origin's connection was not whole: it is not used again.
            assert_eq!(origin.rest().await.1, End::Closed, "{name}");
            let _ = client.try_send(&body[sent_first..]).await;
            let _ = client.try_send(GET).await;
            if goes_on {
                other.head().await.expect("the next request");
                other.send("HTTP/1.1 204 No Content\r\n\r\n").await;
                assert!(client.message().await.expect("the next answer").is("204"), "{name}");
            } else {
                assert_eq!(client.rest().await, (Vec::new(), End::Closed), "{name}");
            }
            drop(client);
            tokio::time::sleep(Duration::from_secs(10)).await;
            world.assert_at_rest(name);
        });
    };
    check("the rest is short", 1_000, 500, true);
    check("nothing was sent yet", 1_000, 0, true);
    check("the rest is long", 10 << 20, 500, false);
}

/// The origin answers, and closes, while the client is still sending.
#[test]
fn an_early_answer_reaches_a_client_that_is_sending() {
    Setup::capacity(PIPE).run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        let upload = async {
            client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10485760\r\n\r\n").await;
            let _ = client.try_send(pattern(10 << 20)).await;
        };
        let refuse = async {
            origin.head().await.expect("a request");
            origin.send("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmuch").await;
            drop(origin);
        };
        let ((), (), answer) = tokio::join!(upload, refuse, client.message());
        assert_eq!(answer.expect("an answer").body, b"much");
    });
}

#[test]
fn bytes_behind_an_upgrade_wait_for_the_answer() {
    let early = "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    let ask = async |world: &World| {
        let (other, origin, client) = (world.origin(), world.origin(), world.client());
        client.send([UPGRADE, early].concat()).await;
        origin.head().await.expect("a request");
        turns(10).await;
        assert!(origin.is_quiet().await, "what came early waits");
        (other, origin, client)
    };
    Setup::default().run(async |world| {
        let (_other, origin, _client) = ask(&world).await;
        origin.send(SWITCHING).await;
        assert_eq!(origin.take(early.len()).await.expect("the tunnel's bytes"), early.as_bytes());
    });
    Setup::default().run(async |world| {
        let (_other, origin, client) = ask(&world).await;
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await;
        assert_eq!(client.message().await.expect("an answer").body, b"no");
        assert!(origin.head().await.expect("the next request").starts_with("GET /next "));
    });
}

#[test]
fn one_direction_of_a_tunnel_may_end_before_the_other() {
    Setup::default().run(async |world| {
        let (client, origin) = tunnel(&world).await;
        client.send("last words").await;
        client.shutdown();
        assert_eq!(origin.rest().await, (b"last words".to_vec(), End::Closed));
        origin.send("an answer").await;
        drop(origin);
        assert_eq!(client.rest().await, (b"an answer".to_vec(), End::Closed));
        drop(client);
        turns(10).await;
        world.assert_at_rest("the client ended first");
    });
    Setup::default().run(async |world| {
        let (client, origin) = tunnel(&world).await;
        origin.send("last words").await;
        origin.shutdown();
        assert_eq!(client.rest().await, (b"last words".to_vec(), End::Closed));
        client.send("an answer").await;
        drop(client);
        assert_eq!(origin.rest().await, (b"an answer".to_vec(), End::Closed));
        turns(10).await;
        world.assert_at_rest("the origin ended first");
    });
}

#[test]
fn an_origin_may_end_its_direction_with_its_answer() {
    Setup::default().run(async |world| {
        let (other, origin, client) = (world.origin(), world.origin(), world.client());
        client.send(GET).await;
        origin.head().await.expect("a request");
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        origin.shutdown();
        assert_eq!(client.message().await.expect("an answer").body, b"ok");
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").await;
        other.head().await.expect("the next request, on another connection");
    });
}

#[test]
fn what_is_cut_off_is_not_passed_off_as_whole() {
    let check = |name: &str, request: &str, answer: &str, expected: End| {
        Setup::default().run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            client.send(request).await;
            origin.head().await.expect("a request");
            origin.send(answer).await;
            drop(origin);
            let (answer, end) = client.rest().await;
            assert_eq!(end, expected, "{name}");
            assert!(!answer.ends_with(b"0\r\n\r\n"), "{name}: no last chunk");
            drop(client);
            turns(10).await;
            world.assert_at_rest(name);
        });
    };
    let old = "GET / HTTP/1.0\r\nHost: h\r\n\r\n";
    let known = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n";
    let until_close = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n01234";
    check("a length", GET, known, End::Closed);
    check("chunks", GET, chunks, End::Closed);
    check("a length for an old client", old, known, End::Closed);
    check("chunks for an old client", old, chunks, End::Reset);
    check("the end is the end", old, until_close, End::Closed);
}

/// A request's worth of answers that nobody waits for must not keep the core from the others.
#[test]
fn pipelined_requests_leave_the_others_their_turn() {
    Setup::default().run(async |world| {
        let (busy, other) = (world.client(), world.client());
        busy.send("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n".repeat(300)).await;
        other.send("GET /moved HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert!(other.message().await.expect("an answer").is("302"));
        let mut before = 0;
        while !busy.is_quiet().await {
            assert!(busy.message().await.expect("an answer").is("302"));
            before += 1;
            assert!(before <= 2 * 16, "{before} answers before the other's");
        }
        for index in before..300 {
            let answer = busy.message().await;
            assert!(answer.is_ok_and(|answer| answer.is("302")), "answer {index}");
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let check = |name: &str, count: usize, request: fn(usize) -> Vec<u8>, body: fn(usize) -> Vec<u8>| {
        Setup::default().run(async |world| {
            let (origin, client) = (world.origin(), world.client());
            let all: Vec<u8> = (0..count).flat_map(request).collect();
            let exchange = async {
                let answers = async {
                    for index in 0..count {
                        let answer = client.message().await.expect("an answer");
                        assert_eq!(answer.body, body(index), "{name}: answer {index}");
                    }
                };
                tokio::join!(client.send(&all), answers);
            };
            tokio::select! {
                () = exchange => {}
                () = serve(&origin) => panic!("{name}: the origin's connection ended"),
            }
            assert_eq!(world.metric("irongate_upstream_connections_opened_total"), 1.0, "{name}");
            drop(client);
            turns(10).await;
            world.assert_at_rest(name);
        });
    };
    let with_length = |index: usize| {
        let body = pattern(1 + index * 501);
        let head = format!("POST /{index} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    };
    let in_chunks = |index: usize| {
        let body = pattern(1 + index * 501);
        let head = format!(
            "POST /{index} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
            body.len()
        );
        [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
    };
    check("without bodies", 50, |_| GET.into(), |_| b"hello".to_vec());
    check("lengths", 50, with_length, |index| pattern(1 + index * 501));
    check("chunks", 50, in_chunks, |index| pattern(1 + index * 501));
}
