//! One whole exchange through a core of the proxy, over streams in memory: everything but the kernel.

use crate::Case;
use crate::routes::{self, attached};
use irongate_config::{
    Backend, BackendKey, BackendKind, BackendProtocol, BackendRef, BackendTarget, Config, Endpoint,
    Endpoints, HostPattern, Listener, ListenerKey, ListenerProtocol, ObjectName,
};
use irongate_proxy::{MemoryGateway, MemoryStream};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) const CASES: &[Case] = &[
    Case { name: "exchange/get/1-kib", times: 1000, prepare: || prepare(1024, 0, &[REQUEST.to_vec()]) },
    Case { name: "exchange/get/64-kib", times: 200, prepare: || prepare(64 << 10, 0, &[REQUEST.to_vec()]) },
    // The same requests, which one route takes, or ten thousand.
    Case { name: ONE_ROUTE, times: 1000, prepare: || prepare(1024, 0, &spread()) },
    Case { name: MANY_ROUTES, times: 1000, prepare: || prepare(1024, MANY, &spread()) },
];

/// What the exchanges over many routes are compared with by `cargo xtask instructions`.
const ONE_ROUTE: &str = "exchange/routes/1";
const MANY_ROUTES: &str = "exchange/routes/10000";
const MANY: usize = 10_000;

/// Requests spread over ten thousand routes, half by host, half by prefix.
fn spread() -> Vec<Vec<u8>> {
    (0..routes::REQUESTS).map(|turn| routes::request(turn, MANY).into_bytes()).collect()
}

const PORT: u16 = 80;
const REQUEST: &[u8] = b"GET /shop/item?id=7 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench/1.0\r\n\
    Accept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n";

/// A request and its answer on connections that are open already; with so many routes beside the one for everything.
/// The requests have their turns.
fn prepare(body: usize, routes: usize, requests: &[Vec<u8>]) -> Box<dyn FnMut()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime without IO needs nothing from the system");
    let (gateway, client, origin) = runtime.block_on(async {
        let (gateway, problems) = MemoryGateway::new(&config(routes));
        assert!(problems.is_empty(), "{problems:?}");
        let origin = gateway.origin().expect("the backend has an endpoint");
        let client = gateway.connect(PORT);
        (gateway, client, origin)
    });
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + body, b'x');
    let (mut client, mut origin) = (End::new(client), End::new(origin));
    let requests = requests.to_vec();
    let mut turn = 0;
    let mut exchange = move || {
        let _alive = &gateway;
        turn = (turn + 1) % requests.len();
        runtime.block_on(async {
            write(&client.stream, &requests[turn]).await;
            read_until(&mut origin, |text| text.ends_with(b"\r\n\r\n")).await;
            write(&origin.stream, &answer).await;
            read_until(&mut client, |text| text.len() > body && text.ends_with(b"x")).await;
        });
    };
    // What a route's first request costs, its counters above all, stays out of the figure.
    (0..routes::REQUESTS).for_each(|_| exchange());
    Box::new(exchange)
}

/// A peer of the proxy, with memory of its own that is used again, so that it costs little itself.
struct End {
    stream: MemoryStream,
    text: Vec<u8>,
    space: Vec<u8>,
}

impl End {
    fn new(stream: MemoryStream) -> Self {
        Self { stream, text: Vec::with_capacity(128 << 10), space: vec![0; 128 << 10] }
    }
}

async fn write(stream: &MemoryStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| stream.poll_write(cx, bytes)).await.expect("the other end is open");
        bytes = &bytes[written..];
    }
}

async fn read_until(end: &mut End, is_whole: impl Fn(&[u8]) -> bool) {
    let End { stream, text, space } = end;
    text.clear();
    while !is_whole(text) {
        let read = poll_fn(|cx| stream.poll_read(cx, space)).await.expect("the other end is open");
        assert!(read > 0, "the stream ended");
        text.extend_from_slice(&space[..read]);
    }
}

/// One listener, one route for everything and so many others, one backend with one endpoint.
fn config(routes: usize) -> Config {
    let name = |text| ObjectName::new("default", text).expect("a valid name");
    let key = BackendKey {
        kind: BackendKind::Service,
        name: name("origin"),
        port: 80,
        protocol: BackendProtocol::Http1,
        identity: None,
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 9000));
    let backend = Backend {
        key: key.clone(),
        endpoints: Endpoints::Static(vec![Endpoint::new(address, 1)]),
        tls: None,
        options: Arc::default(),
    };
    let target = BackendTarget::Backend(key.clone());
    let backends = vec![BackendRef { weight: 1, target, filters: Vec::new(), session: None }];
    let listener = Listener {
        key: ListenerKey { gateway: name("gateway"), set: None, section: "http".into() },
        addresses: vec![SocketAddr::from(([127, 0, 0, 1], PORT))],
        protocol: ListenerProtocol::Http,
        hostname: HostPattern::Any,
        options: Arc::default(),
        tls: None,
        routes: attached(routes, &backends),
        stream_routes: Vec::new(),
    };
    Config {
        listeners: vec![Arc::new(listener)],
        backends: [(key, Arc::new(backend))].into(),
        limit_stores: Vec::new(),
    }
}
