//! Connections to an origin over HTTP/2: when one is opened, how long it is used, and how it is found dead.

use crate::world::{Peer, Setup, World, turns};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use irongate_proxy::MemoryStream;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;

/// What happened on one connection, as its origin sees it.
#[derive(Default)]
struct Seen {
    requests: Cell<usize>,
    /// Nothing is read or written any more: the machine has gone without a word.
    frozen: Cell<bool>,
    /// The answers to `/body`, whose ends are still to come.
    open: RefCell<Vec<SendStream<Bytes>>>,
    /// The requests for `/hang`.
    hanging: RefCell<Vec<SendResponse<Bytes>>>,
}

/// An origin's side of one connection.
struct Origin {
    seen: Rc<Seen>,
    task: JoinHandle<()>,
}

impl Origin {
    /// Speaks HTTP/2 on the connection that the gateway opens next, with so many streams at once.
    fn next(world: &World, streams: u32) -> Self {
        let seen = Rc::<Seen>::default();
        let io = Io { stream: world.gateway.fresh(), seen: seen.clone() };
        let task = tokio::task::spawn_local({
            let seen = seen.clone();
            async move {
                let handshake = Builder::new().max_concurrent_streams(streams).handshake(io);
                let Ok(mut connection) = handshake.await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    seen.requests.set(seen.requests.get() + 1);
                    answer(&seen, &request, respond);
                }
            }
        });
        Self { seen, task }
    }

    fn requests(&self) -> usize {
        self.seen.requests.get()
    }
}

fn answer(seen: &Seen, request: &Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut answer = |ended| respond.send_response(Response::new(()), ended).expect("the stream is open");
    match request.uri().path() {
        "/hang" => seen.hanging.borrow_mut().push(respond),
        "/body" => seen.open.borrow_mut().push(answer(false)),
        _ => drop(answer(true)),
    }
}

/// A stream in memory that may freeze.
struct Io {
    stream: MemoryStream,
    seen: Rc<Seen>,
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.seen.frozen.get() {
            return Poll::Pending;
        }
        let length = ready!(self.stream.poll_read(cx, into.initialize_unfilled()))?;
        into.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.seen.frozen.get() { Poll::Pending } else { self.stream.poll_write(cx, bytes) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.shutdown();
        Poll::Ready(Ok(()))
    }
}

fn setup() -> Setup {
    Setup { http2: true, ..Setup::default() }
}

async fn begin(world: &World, target: &str) -> Peer {
    let client = world.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    turns(100).await;
    client
}

/// The status of the answer to a request of a client of its own.
async fn get(world: &World, target: &str) -> String {
    let head = begin(world, target).await.head().await.expect("an answer");
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Lets seconds go by, in each of which the gateway looks after its connections.
async fn pass(world: &World, seconds: u64) {
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.gateway.tidy();
    }
}

#[test]
fn the_next_connection_is_opened_before_the_first_is_full() {
    setup().run(async |world| {
        let first = Origin::next(&world, 8);
        // So that the gateway knows how many streams there may be.
        assert_eq!(get(&world, "/").await, "200");
        let second = world.gateway.fresh();
        let second = Peer::new(second);
        let mut clients = Vec::new();
        for _ in 0..6 {
            clients.push(begin(&world, "/hang").await);
        }
        assert!(second.is_quiet().await, "three quarters of the room are taken, and no more is wanted");
        clients.push(begin(&world, "/hang").await);
        assert!(!second.is_quiet().await, "the next is opened");
        assert_eq!(first.requests(), 8, "and the request went where there was room");
    });
}

#[test]
fn requests_go_on_where_the_next_connection_cannot_be_opened() {
    setup().run(async |world| {
        let first = Origin::next(&world, 8);
        assert_eq!(get(&world, "/").await, "200");
        let mut clients = Vec::new();
        // No connection is there for the gateway to open: in this world the task that wants one panics.
        for _ in 0..8 {
            clients.push(begin(&world, "/hang").await);
        }
        assert_eq!(first.requests(), 9);
        first.seen.hanging.borrow_mut().drain(..).for_each(|mut respond| {
            respond.send_response(Response::new(()), true).expect("the stream is open");
        });
        for client in clients {
            assert!(client.head().await.expect("an answer").starts_with("HTTP/1.1 200"));
        }
    });
}

#[test]
fn an_old_connection_takes_no_more_and_ends_with_its_last_request() {
    setup().run(async |world| {
        let (first, second) = (Origin::next(&world, 100), Origin::next(&world, 100));
        let client = begin(&world, "/body").await;
        client.head().await.expect("the head of an answer");
        let mut minutes = 0;
        while second.requests() == 0 {
            minutes += 1;
            assert!(minutes <= 13, "it grows older than it may");
            pass(&world, 60).await;
            // It is not idle, and nor is the answer that is under way.
            first.seen.open.borrow_mut()[0].send_data("x".into(), false).expect("the stream is open");
            assert_eq!(get(&world, "/").await, "200");
        }
        assert!(minutes >= 10, "it is used for ten minutes at least, not {minutes}");
        assert_eq!(first.requests(), minutes, "one of them came before the first minute");
        pass(&world, 60).await;
        assert!(!first.task.is_finished(), "a request is under way");
        first.seen.open.borrow_mut().pop().expect("the one").send_data("end".into(), true).expect("open");
        let mut body = String::new();
        while !body.ends_with("0\r\n\r\n") {
            body.push_str(&String::from_utf8(client.take(1).await.expect("all of it")).expect("ASCII"));
        }
        assert!(body.contains("end"), "{body}");
        pass(&world, 2).await;
        assert!(first.task.is_finished(), "the connection ends with its last request");
        assert_eq!((get(&world, "/").await.as_str(), second.requests()), ("200", 2));
    });
}

#[test]
fn a_connection_whose_origin_has_gone_without_a_word_is_found_dead() {
    setup().run(async |world| {
        let (first, second) = (Origin::next(&world, 100), Origin::next(&world, 100));
        // For a while it answers what it is asked by PING, and nothing else.
        let slow = begin(&world, "/hang").await;
        pass(&world, 25).await;
        first.seen.frozen.set(true);
        let lost = begin(&world, "/hang").await;
        // It is asked again after at most 10 seconds, and after 5 more there is doubt.
        pass(&world, 17).await;
        assert_eq!(get(&world, "/").await, "200");
        assert_eq!((first.requests(), second.requests()), (1, 1), "new requests go elsewhere");
        pass(&world, 15).await;
        for client in [slow, lost] {
            // A GET is sent again.
            assert!(client.is_quiet().await);
        }
        assert_eq!(second.requests(), 3, "those that were lost were sent again");
    });
}

#[test]
fn requests_that_keep_coming_do_not_hide_that_the_origin_has_gone() {
    setup().run(async |world| {
        let (first, second) = (Origin::next(&world, 100), Origin::next(&world, 100));
        assert_eq!(get(&world, "/").await, "200");
        first.seen.frozen.set(true);
        let mut clients = Vec::new();
        for _ in 0..17 {
            clients.push(begin(&world, "/hang").await);
            pass(&world, 1).await;
        }
        assert_eq!(get(&world, "/").await, "200");
        assert_eq!(first.requests(), 1);
        assert!(second.requests() > 0, "new requests go elsewhere");
    });
}

#[test]
fn a_connection_whose_origin_answers_pings_is_kept() {
    setup().run(async |world| {
        let (first, second) = (Origin::next(&world, 100), Origin::next(&world, 100));
        let client = begin(&world, "/hang").await;
        pass(&world, 100).await;
        let head = client.head().await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 504"), "{head}");
        assert_eq!(get(&world, "/").await, "200");
        assert_eq!((first.requests(), second.requests()), (2, 0));
    });
}
