//! Limits that a service counts by Envoy's protocol, a stand-in here: it writes and reads the messages byte by byte, so that it
//! shares nothing with the gateway's.

use super::{BINARY, GET, OK};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use irongate_testkit::{Gateway, Manifest, Origin, eventually};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// A service that lets the same descriptors pass twice, and refuses them then.
struct ServiceStandIn {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    // Dropped, it ends the service's thread.
    _stop: tokio::sync::oneshot::Sender<()>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Well,
    Silent,
    Resets,
    /// With a status of gRPC in place of an answer.
    Unavailable,
    /// With bytes that are no message.
    Garbled,
}

#[derive(Default)]
struct State {
    mood: Mood,
    counts: HashMap<Vec<u8>, u32>,
    calls: Vec<(HeaderMap, String, Vec<u8>)>,
    accepted: usize,
}

impl ServiceStandIn {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket can be non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::<Mutex<State>>::default();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, _stop: stop }
    }

    fn be(&self, mood: Mood) {
        self.state.lock().expect("no holder panics").mood = mood;
    }

    fn calls(&self) -> Vec<(HeaderMap, String, Vec<u8>)> {
        self.state.lock().expect("no holder panics").calls.clone()
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().expect("no holder panics").accepted += 1;
        let state = state.clone();
        tokio::spawn(async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(answer(request, respond, state.clone()));
            }
        });
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, state: Arc<Mutex<State>>) {
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        message.extend_from_slice(&piece);
    }
    let (mood, count) = {
        let mut state = state.lock().expect("no holder panics");
        state.calls.push((head.headers, head.uri.path().to_owned(), message.clone()));
        let mood = state.mood;
        let count = state.counts.entry(message).or_default();
        *count += 1;
        (mood, *count)
    };
    let mut fields = HeaderMap::new();
    let status = match mood {
        Mood::Silent => return std::future::pending().await,
        Mood::Resets => return respond.send_reset(Reason::INTERNAL_ERROR),
        Mood::Unavailable => "14",
        Mood::Well | Mood::Garbled => "0",
    };
    fields.insert("grpc-status", status.parse().expect("a value"));
    let head =
        Response::builder().status(200).header("content-type", "application/grpc").body(()).expect("a head");
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    let is_over = count > 2;
    let message = match mood {
        Mood::Garbled => Bytes::from_static(b"\0\0\0\0\x03abc"),
        _ => message_of(is_over),
    };
    let _ = stream.send_data(message, false);
    let _ = stream.send_trailers(fields);
}

/// `overall_code`, one status (`code`, `current_limit`: 2 a minute, `duration_until_reset`: 7 s), and a field for the answer.
fn message_of(is_over: bool) -> Bytes {
    let code = if is_over { 2 } else { 1 };
    let mut message =
        vec![0x08, code, 0x12, 0x0c, 0x08, code, 0x12, 0x04, 0x08, 2, 0x10, 2, 0x22, 0x02, 0x08, 7];
    // response_headers_to_add = 3: {key = 1: "x-plan", value = 2: "gold"}.
    message.extend_from_slice(b"\x1a\x0e\x0a\x06x-plan\x12\x04gold");
    let mut frame = vec![0, 0, 0, 0, message.len() as u8];
    frame.extend(message);
    frame.into()
}

fn manifest(origin: &Origin, service: SocketAddr, more: &str, limits: &str) -> Manifest {
    Manifest::to_origins(&[origin.address()])
        .document(&format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: RateLimitStore\nmetadata: {{name: limits}}\n\
             spec: {{service: {{address: 'http://{service}', domain: shop}}{more}}}\n"
        ))
        .document(&format!(
            "apiVersion: irongate.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: limits}}\nspec:\n  \
             targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: route-0}}]\n  rateLimits:\n{limits}"
        ))
}

const BY_PLAN: &str =
    "  - {name: plan, store: {name: limits}, key: [{client: {}}, {header: x-plan, entry: plan}]}\n";

fn origin() -> Origin {
    Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send(OK)?;
        }
    })
}

fn ask(gateway: &Gateway, fields: &str) -> u16 {
    gateway.exchange(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n")).status
}

fn is_up(gateway: &Gateway) -> bool {
    gateway.metric("irongate_limit_store_up", &[]) == 1.0
}

#[test]
fn the_service_decides_by_descriptors() {
    let (origin, service) = (origin(), ServiceStandIn::start());
    let gateway = Gateway::start(BINARY, &manifest(&origin, service.address, ", timeout: 1s", BY_PLAN));
    let gold = "X-Plan: gold\r\n";
    let first = gateway.exchange(format!("GET / HTTP/1.1\r\nHost: test\r\n{gold}\r\n"));
    assert_eq!((first.status, first.field("x-plan")), (200, Some("gold")), "what the service adds is told");
    assert_eq!([ask(&gateway, gold), ask(&gateway, "X-Plan: red\r\n")], [200, 200]);
    let refused = gateway.exchange(format!("GET / HTTP/1.1\r\nHost: test\r\n{gold}\r\n"));
    assert_eq!(refused.status, 429);
    let fields = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-plan"];
    let told = fields.map(|name| refused.field(name).unwrap_or_default());
    assert_eq!(told, ["7", "2, 2;w=60", "0", "7", "gold"]);
    assert_eq!(refused.field("ratelimit"), None, "the numbers are not ours");
    // Without a part nobody is asked.
    assert_eq!([ask(&gateway, ""), ask(&gateway, ""), ask(&gateway, "")], [200; 3]);
    let calls = service.calls();
    assert_eq!(calls.len(), 4);
    let (fields, path, message) = &calls[0];
    assert_eq!(path, "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit");
    assert_eq!(fields["content-type"], "application/grpc");
    assert_eq!(fields["grpc-timeout"], "1000000u");
    let expected = b"\x0a\x04shop\x12\x2b\x0a\x1b\x0a\x0eremote_address\x12\x09127.0.0.1\x0a\x0c\x0a\x04plan\x12\x04gold\x18\x01";
    let whole = [&[0, 0, 0, 0, expected.len() as u8][..], &expected[..]].concat();
    assert_eq!(message.escape_ascii().to_string(), whole.escape_ascii().to_string());
    assert_eq!(gateway.metric("irongate_rate_limited_total", &["limit=\"plan\"", "refused"]), 1.0);
}

#[test]
fn a_caller_of_grpc_is_told_in_its_own_way() {
    let (origin, service) = (origin(), ServiceStandIn::start());
    let limits = "  - {name: all, store: {name: limits}}\n";
    let gateway = Gateway::start(BINARY, &manifest(&origin, service.address, ", timeout: 1s", limits));
    assert_eq!([ask(&gateway, ""), ask(&gateway, "")], [200, 200]);
    let answer = super::http2::peers::block_on(async {
        let mut client = super::http2::peers::Client::connect(gateway.address()).await;
        let fields = [("content-type", "application/grpc"), ("te", "trailers")];
        client.ask("POST", "/shop.Cart/Add", &fields, Some(Vec::new())).await
    });
    assert_eq!((answer.status, answer.field("grpc-status")), (200, Some("8")));
    assert_eq!(answer.field("retry-after"), Some("7"));
}

#[test]
fn a_service_that_fails_stops_nobody() {
    for (mood, on_failure, expected) in [
        (Mood::Silent, "Local", 200),
        (Mood::Silent, "Deny", 503),
        (Mood::Resets, "Allow", 200),
        (Mood::Unavailable, "Deny", 503),
        (Mood::Garbled, "Allow", 200),
    ] {
        let (origin, service) = (origin(), ServiceStandIn::start());
        let more = format!(", timeout: 100ms, onFailure: {on_failure}");
        let limits = "  - {name: all, store: {name: limits}}\n";
        let gateway = Gateway::start(BINARY, &manifest(&origin, service.address, &more, limits));
        assert!(is_up(&gateway));
        service.be(mood);
        for _ in 0..8 {
            assert_eq!(gateway.exchange(GET).status, expected, "{on_failure}");
        }
        let asked = gateway.metric("irongate_limit_store_unanswered_total", &["reason=\"timeout\""])
            + gateway.metric("irongate_limit_store_unanswered_total", &["reason=\"error\""]);
        // It answers signs of life meanwhile, so it is tried again, after pauses that grow.
        assert!((1.0..=8.0).contains(&asked), "{on_failure}: {asked}");
        service.be(Mood::Well);
        eventually("it is asked again", || is_up(&gateway) && gateway.get("/other").status == 429);
    }
}
