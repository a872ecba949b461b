//! However and whenever a peer goes away: counts come back, and no broken connection is left in the pool.

use crate::world::{Peer, Setup, World, for_turns, serve, turns};
use std::time::Duration;

/// Who goes away in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Client,
    Origin,
}

/// What it does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Closes,
    Resets,
}

/// An exchange, so small in its streams that it takes many turns.
#[derive(Clone, Copy)]
struct Exchange {
    name: &'static str,
    request: &'static str,
    answer: &'static str,
    /// The client's last word, once it has the answer's head.
    then: &'static str,
}

const EXCHANGES: &[Exchange] = &[
    Exchange {
        name: "GET",
        request: "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        then: "",
    },
    Exchange {
        name: "POST",
        request: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n\
            0123456789012345678901234567890123456789",
        answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n\
            0123456789012345678901234567890123456789\r\n0\r\n\r\n",
        then: "",
    },
    Exchange {
        name: "PUT in chunks",
        request: "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
            14\r\n01234567890123456789\r\n0\r\nX-T: 1\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        then: "",
    },
    Exchange {
        name: "a tunnel",
        request: "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nwelcome",
        then: "so long",
    },
    Exchange {
        name: "refused",
        request: "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
        answer: "",
        then: "more and more",
    },
    Exchange {
        name: "redirected, with a body",
        request: "POST /moved HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\n\
            0123456789012345678901234567890123456789",
        answer: "",
        then: "GET /moved HTTP/1.1\r\nHost: h\r\n\r\n",
    },
];

/// The body of the request that comes after the exchange, and its answer.
const NEXT: &[u8] = b"next";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The client's part, to its end.
async fn call(client: &Peer, exchange: Exchange) {
    let upload = async {
        let _ = client.try_send(exchange.request).await;
    };
    let download = async {
        if client.message().await.is_ok() && !exchange.then.is_empty() {
            let _ = client.try_send(exchange.then).await;
            let _ = client.take(7).await;
        }
    };
    tokio::join!(upload, download);
}

/// The origin's part.
async fn answer(origin: &Peer, exchange: Exchange) {
    let Ok(request) = origin.message().await else { return };
    if request.body == NEXT {
        let _ = origin.try_send(OK).await;
    } else if origin.try_send(exchange.answer).await.is_ok() {
        let _ = origin.take(exchange.then.len()).await;
    }
}

/// Plays an exchange in which somebody goes away after so many turns. Whether it was over by then.
fn cut(exchange: Exchange, who: Who, how: How, after: usize) -> bool {
    let context = format!("{}: the {who:?} {how:?} after {after} turns", exchange.name);
    let mut over = false;
    Setup::capacity(16).run(async |world| {
        // Lies under the other in the pool: a broken one would be taken first.
        let spare = world.origin();
        let spare = tokio::task::spawn_local(async move { serve(&spare).await });
        let (origin, client) = (world.origin(), world.client());
        over = match who {
            Who::Client => {
                let origin = tokio::task::spawn_local(async move {
                    answer(&origin, exchange).await;
                    // Once the exchange was whole its connection is used again.
                    serve(&origin).await;
                });
                let over =
                    cut_off(after, client, how, async move |client| call(client, exchange).await).await;
                next(&world, &context).await;
                origin.abort();
                over
            }
            Who::Origin => {
                let caller = tokio::task::spawn_local(async move {
                    call(&client, exchange).await;
                    drop(client);
                });
                let over =
                    cut_off(after, origin, how, async move |origin| answer(origin, exchange).await).await;
                next(&world, &context).await;
                // The call ends by itself, well or badly; its connection may have to linger.
                let ended = tokio::time::timeout(Duration::from_secs(80), caller).await;
                assert!(ended.is_ok(), "{context}: the client waits for ever");
                over
            }
        };
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.assert_at_rest(&context);
        spare.abort();
    });
    over
}

/// Plays a peer's part for so many turns; then it goes away. Whether the part was over by then.
async fn cut_off(after: usize, peer: Peer, how: How, part: impl AsyncFnOnce(&Peer) + 'static) -> bool {
    // In a task of its own, which has its turn after each of the gateway's.
    let played = tokio::task::spawn_local(async move {
        let over = for_turns(after, part(&peer)).await;
        match how {
            How::Closes => drop(peer),
            How::Resets => peer.reset(),
        }
        over
    });
    let over = played.await.expect("the part does not panic");
    turns(20).await;
    over
}

/// The next request, which could not be sent twice, is answered.
async fn next(world: &World, context: &str) {
    let client = world.client();
    client.send([b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", NEXT].concat()).await;
    let answer = client.message().await;
    assert!(answer.as_ref().is_ok_and(|answer| answer.is("200")), "{context}: the next request: {answer:?}");
}

#[test]
fn clients_may_go_away_at_any_moment() {
    for exchange in EXCHANGES {
        for how in [How::Closes, How::Resets] {
            let over = (0..1000).find(|&after| cut(*exchange, Who::Client, how, after));
            assert!(over.is_some_and(|turns| turns > 5), "{}: {over:?}", exchange.name);
        }
    }
}

#[test]
fn origins_may_go_away_at_any_moment() {
    for exchange in EXCHANGES.iter().filter(|exchange| !exchange.answer.is_empty()) {
        for how in [How::Closes, How::Resets] {
            let over = (0..1000).find(|&after| cut(*exchange, Who::Origin, how, after));
            assert!(over.is_some_and(|turns| turns > 5), "{}: {over:?}", exchange.name);
        }
    }
}
