//! Many streams, large bodies, and connections that fill up or go away.

use super::peers::{Answer, Client, block_on};
use super::{TO_ORIGIN, raw};
use crate::{gateway, gateway_to};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use irongate_testkit::{Gateway, Manifest, Origin, eventually};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// More than any window or buffer on the way.
const LARGE: usize = 3 << 19;

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

/// An origin that sends every body back as it comes, with its trailers.
#[derive(Clone, Copy, Default)]
struct Mirror {
    /// Streams at once that a connection takes.
    streams: Option<u32>,
    /// After so many requests a connection says that it goes.
    requests: Option<usize>,
}

/// A running [`Mirror`].
struct Mirrors {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Mirror {
    fn start(self) -> Mirrors {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let count = connections.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                let accepting = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        count.fetch_add(1, Ordering::Relaxed);
                        tokio::spawn(self.serve(stream));
                    }
                };
                tokio::select! { () = accepting => {}, _ = stopped => {} }
            });
        });
        Mirrors { address, connections, _stop: stop }
    }

    async fn serve(self, stream: TcpStream) {
        let mut builder = h2::server::Builder::new();
        if let Some(streams) = self.streams {
            builder.max_concurrent_streams(streams);
        }
        let Ok(mut connection) = builder.handshake(stream).await else { return };
        let mut served = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(reflect(request, respond));
            served += 1;
            if self.requests == Some(served) {
                connection.graceful_shutdown();
            }
        }
    }
}

async fn reflect(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    match head.uri.path() {
        "/hang" => std::future::pending().await,
        "/hint" => {
            let hint = Response::builder().status(103).header("link", "</a>").body(()).expect("valid");
            respond.send_informational(hint)?;
        }
        "/endless" => {
            let mut stream = respond.send_response(Response::new(()), false)?;
            loop {
                stream.send_data(vec![b'a'; 16_384].into(), false)?;
                stream.reserve_capacity(16_384);
                if std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.is_none() {
                    return Ok(());
                }
            }
        }
        _ => {}
    }
    let mut stream = respond.send_response(Response::new(()), false)?;
    while let Some(data) = body.data().await {
        let mut data = data?;
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let Some(room) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
            let piece = data.split_to(room?.min(data.len()));
            body.flow_control().release_capacity(piece.len())?;
            stream.send_data(piece, false)?;
        }
    }
    stream.send_trailers(body.trailers().await?.unwrap_or_else(HeaderMap::new))
}

fn gateway_to_http2(address: SocketAddr) -> Gateway {
    gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[address]))
}

/// An HTTP/1.1 origin that sends every body back.
fn echoing_bodies() -> Origin {
    Origin::start(|connection| {
        loop {
            let request = connection.request()?;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len()))?;
            connection.send(&request.body)?;
        }
    })
}

#[test]
fn large_bodies_both_ways_in_all_combinations() {
    let (http1, http2) = (echoing_bodies(), Mirror::default().start());
    for gateway in [gateway_to(&http1), gateway_to_http2(http2.address)] {
        let sent = body(LARGE);
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            let answer = client.ask("POST", "/", &[], Some(sent.clone())).await;
            assert!(answer.body == sent, "{} bytes came back", answer.body.len());
        });
        let mut client = gateway.connect();
        for framing in
            [format!("Content-Length: {LARGE}\r\n\r\n"), "Transfer-Encoding: chunked\r\n\r\n".into()]
        {
            let mut bytes = format!("POST / HTTP/1.1\r\nHost: test\r\n{framing}").into_bytes();
            if framing.starts_with('T') {
                for piece in sent.chunks(10_000) {
                    bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                    bytes.extend_from_slice(piece);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            } else {
                bytes.extend_from_slice(&sent);
            }
            // What comes back comes while the rest goes out.
            let sending = client.send_beside(bytes);
            assert!(client.response().body == sent);
            sending.join().expect("no panic").expect("the gateway takes it all");
        }
    }
}

#[test]
fn a_hundred_streams_at_once() {
    let (http1, http2) = (Origin::echoing(), Mirror::default().start());
    for gateway in [gateway_to(&http1), gateway_to_http2(http2.address)] {
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            for _ in 0..3 {
                let mut answers = JoinSet::new();
                for n in 0..100 {
                    answers.spawn(Answer::read(client.begin("POST", "/", &[], Some(body(n * 100))).await));
                }
                while let Some(answer) = answers.join_next().await {
                    assert_eq!(answer.expect("no panic").expect("an answer").status, 200);
                }
            }
        });
    }
    // One for each size of windows; and if three quarters of the streams of one were taken at once, the next.
    let connections = http2.connections.load(Ordering::Relaxed);
    assert!((3..=4).contains(&connections), "{connections}");
}

#[test]
fn another_connection_is_opened_when_one_is_full() {
    let origin = Mirror { streams: Some(5), ..Mirror::default() }.start();
    let gateway = gateway_to_http2(origin.address);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        // So that the gateway has read how many streams there may be.
        assert_eq!(client.ask("POST", "/", &[], Some(vec![b'a'])).await.status, 200);
        let mut hanging = Vec::new();
        for _ in 0..12 {
            hanging.push(client.begin("GET", "/hang", &[], None).await);
            assert_eq!(client.ask("POST", "/", &[], Some(vec![b'a'])).await.status, 200);
        }
    });
    // Two streams on one with large windows, and the others on those with smaller ones, five on each.
    assert_eq!(origin.connections.load(Ordering::Relaxed), 4);
}

#[test]
fn connections_that_go_lose_no_request() {
    let origin = Mirror { requests: Some(40), ..Mirror::default() }.start();
    let gateway = gateway_to_http2(origin.address);
    block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let mut client = Client::connect(gateway.address()).await;
            clients.spawn(async move {
                for _ in 0..25 {
                    let mut answers = Vec::new();
                    for _ in 0..8 {
                        answers.push(client.begin("POST", "/", &[], Some(body(2_000))).await);
                    }
                    for answer in answers {
                        let answer = Answer::read(answer).await.expect("an answer");
                        assert_eq!((answer.status, answer.body.len()), (200, 2_000), "{}", answer.text());
                    }
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.expect("every request was answered");
        }
    });
    assert!(origin.connections.load(Ordering::Relaxed) >= 800 / 100, "connections did go");
}

#[test]
fn answers_that_nobody_reads_hold_up_no_other() {
    let origin = Mirror::default().start();
    let gateway = gateway_to_http2(origin.address);
    block_on(async {
        let mut lazy = Client::connect(gateway.address()).await;
        let mut unread = Vec::new();
        for _ in 0..60 {
            let mut answer = lazy.begin("GET", "/endless", &[], None).await;
            std::future::poll_fn(|cx| std::pin::Pin::new(&mut answer).poll(cx))
                .await
                .map(|answer| unread.push(answer))
                .expect("a head");
        }
        let mut other = Client::connect(gateway.address()).await;
        let answer = other.ask("POST", "/", &[], Some(body(LARGE))).await;
        assert_eq!(answer.body.len(), LARGE);
        // Nor do they hold up small ones on their own connection, as far as its window goes.
        assert_eq!(lazy.ask("HEAD", "/", &[], None).await.status, 200);
    });
    assert_eq!(origin.connections.load(Ordering::Relaxed), 3, "one for each size of windows");
}

#[test]
fn interim_answers_pass_from_http2() {
    let origin = Mirror::default().start();
    let gateway = gateway_to_http2(origin.address);
    let answer = gateway.get("/hint");
    assert_eq!((answer.status, answer.interim.len()), (200, 1));
    assert_eq!(answer.interim[0].field("link"), Some("</a>"));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let mut answer = client.begin("GET", "/hint", &[], None).await;
        let hint = std::future::poll_fn(|cx| answer.poll_informational(cx)).await;
        let hint = hint.expect("an interim answer").expect("a well-formed one");
        assert_eq!((hint.status().as_u16(), &hint.headers()["link"]), (103, &"</a>".parse().expect("valid")));
        assert_eq!(Answer::read(answer).await.expect("the final answer").status, 200);
    });
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    block_on(async {
        let value = "a".repeat(8_000);
        let names: Vec<_> = (0..10).map(|n| format!("x-{n}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let mut client = Client::connect(gateway.address()).await;
        let answer = Answer::read(client.begin("GET", "/", &fields, None).await).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
        let many: Vec<_> = (0..300).map(|n| format!("x-{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "a")).collect();
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.ask("GET", "/", &many, None).await.status, 431);
        let long = format!("/{}", "a".repeat(17 << 10));
        assert_eq!(client.ask("GET", &long, &[], None).await.status, 414);
        assert_eq!(origin.bytes(), b"");
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 200, "the connection goes on");
    });
}

#[test]
fn streams_that_are_reset_one_by_one_are_bounded_too() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let reason = raw::slow_resets(gateway.address(), 2_000);
    assert_eq!(reason, Some(u32::from(Reason::ENHANCE_YOUR_CALM)));
    eventually("what was begun has ended", || {
        origin.records().iter().all(|record| record.end.is_some())
            && gateway.metric("irongate_requests_in_flight", &[]) == 0.0
    });
}
