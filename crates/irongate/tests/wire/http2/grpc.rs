//! gRPC through the gateway: statuses, deadlines, retries, and gRPC-Web.

use super::peers::{self, Answer, Client, Http2Origin, block_on};
use crate::gateway;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Response};
use irongate_testkit::{Gateway, Manifest, SilentPort, eventually};

/// How the origin answers calls of gRPC; the last part of the path is a status, or a word.
pub(super) async fn answer(
    call: &str,
    head: http::request::Parts,
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let ok = || Response::builder().status(200).header("content-type", "application/grpc+proto");
    let (method, last) = call.rsplit_once('/').unwrap_or((call, ""));
    let trailers = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", last.parse().unwrap_or_else(|_| "0".parse().expect("valid")));
        trailers.insert("grpc-message", "said%20so".parse().expect("valid"));
        trailers
    };
    match method {
        "/grpc.Only" => {
            let mut response = ok();
            response.headers_mut().expect("valid so far").extend(trailers());
            respond.send_response(response.body(()).expect("valid"), true)?;
        }
        "/grpc.Break" => {
            let mut stream = respond.send_response(ok().body(()).expect("valid"), false)?;
            stream.send_data("\0\0\0\0\x09part".into(), false)?;
            // The part is to be on its way before the reset overtakes it.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            stream.send_reset(Reason::from(last.parse::<u32>().unwrap_or_default()));
        }
        "/grpc.Reset" => respond.send_reset(Reason::from(last.parse::<u32>().unwrap_or_default())),
        "/grpc.Hang" => {
            let _cancelled = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        }
        _ => {
            let bytes = peers::read_body(&mut body).await?;
            let mut response = ok();
            for name in ["grpc-timeout", "content-type", "te"] {
                if let Some(value) = head.headers.get(name) {
                    response = response.header(format!("x-{name}"), value);
                }
            }
            let mut stream = respond.send_response(response.body(()).expect("valid"), false)?;
            stream.send_data(bytes.into(), false)?;
            stream.send_trailers(trailers())?;
        }
    }
    Ok(())
}

const RULE: &str = "- backendRefs: [{name: origin, port: 80}]";
const GRPC: (&str, &str) = ("content-type", "application/grpc");
/// One message of gRPC, and an empty one.
const MESSAGE: &[u8] = b"\0\0\0\0\x03abc\0\0\0\0\0";

fn before(origin: &Http2Origin, rule: &str) -> Gateway {
    gateway(&Manifest::new().route(rule).service_http2("origin", &[origin.address()]))
}

/// Calls that ended with this status.
fn counted(gateway: &Gateway, code: &str) -> f64 {
    gateway.metric("irongate_grpc_requests_total", &[&format!("code=\"{code}\"")])
}

async fn call(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut client = Client::connect(gateway.address()).await;
    client.ask("POST", path, &[&[GRPC], fields].concat(), Some(MESSAGE.to_vec())).await
}

/// The status and message of a head that says it all.
#[track_caller]
fn assert_says(answer: &Answer, code: &str, message: &str) {
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/grpc")));
    assert_eq!(answer.field("grpc-status"), Some(code), "{:?}", answer.field("grpc-message"));
    assert_eq!(answer.field("grpc-message"), Some(message));
    assert!(answer.body.is_empty() && answer.trailers.is_empty() && answer.field("content-length").is_none());
}

#[test]
fn our_own_answers_are_trailers_only() {
    let dead = SilentPort::refusing();
    let manifest = Manifest::new()
        .route(
            "- matches: [{path: {value: /none}}]
- matches: [{path: {value: /gone}}]
  backendRefs: [{name: missing, port: 80}]
- matches: [{path: {value: /dead}}]
  backendRefs: [{name: dead, port: 80}]
- matches: [{path: {value: /empty}}]
  backendRefs: [{name: empty, port: 80}]",
        )
        .service_http2("dead", &[dead.address()])
        .service_http2("empty", &[]);
    let gateway = gateway(&manifest);
    block_on(async {
        for (path, code, message) in [
            ("/other", "12", "No route matches the request."),
            ("/none", "14", "The route's backend is not configured correctly."),
            ("/gone", "14", "The route's backend is not configured correctly."),
            ("/dead", "14", "The backend could not be reached."),
            ("/empty", "14", "No instance of the backend is ready."),
        ] {
            assert_says(&call(&gateway, path, &[]).await, code, message);
        }
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.ask("POST", "/other", &[], None).await.status, 404, "not for others");
    });
    let code = |code| counted(&gateway, code);
    eventually("all are counted", || (code("12"), code("14")) == (1.0, 4.0));
}

#[test]
fn trailers_pass_and_count() {
    let origin = Http2Origin::start();
    let gateway = before(&origin, RULE);
    block_on(async {
        for (path, code) in [("/grpc.Echo/0", "0"), ("/grpc.Echo/5", "5"), ("/grpc.Echo/13", "13")] {
            let answer = call(&gateway, path, &[]).await;
            let expected = [("grpc-status", code), ("grpc-message", "said%20so")];
            assert_eq!(answer.trailers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
            assert_eq!(answer.body, MESSAGE);
        }
        let answer = call(&gateway, "/grpc.Only/5", &[]).await;
        assert_eq!((answer.field("grpc-status"), answer.body.len()), (Some("5"), 0));
    });
    let code = |code| counted(&gateway, code);
    eventually("all are counted", || (code("0"), code("5"), code("13")) == (1.0, 2.0, 1.0));
    let backends = gateway.admin("/api/backends").text();
    assert!(backends.contains("\"failures\": 1"), "internal is a failure, not found is none: {backends}");
}

#[test]
fn resets_become_statuses() {
    let origin = Http2Origin::start();
    let gateway = before(&origin, RULE);
    block_on(async {
        for (reset, code) in [("8", "1"), ("11", "8"), ("2", "13")] {
            let answer = call(&gateway, &format!("/grpc.Reset/{reset}"), &[]).await;
            assert_says(&answer, code, "The backend did not give a valid answer.");
            let answer = call(&gateway, &format!("/grpc.Break/{reset}"), &[]).await;
            assert_eq!(answer.body, b"\0\0\0\0\x09part");
            assert_eq!(answer.trailers[0], ("grpc-status".to_owned(), code.to_owned()));
        }
    });
}

#[test]
fn deadlines_are_kept_and_shortened() {
    let origin = Http2Origin::start();
    let gateway = before(&origin, RULE);
    let seen = |gateway: Gateway, asked: &'static str| {
        block_on(async move {
            let answer = call(&gateway, "/grpc.Echo/0", &[("grpc-timeout", asked)]).await;
            answer.field("x-grpc-timeout").map(str::to_owned)
        })
    };
    block_on(async {
        let answer = call(&gateway, "/grpc.Hang/0", &[("grpc-timeout", "50m")]).await;
        assert_says(&answer, "4", "The backend did not answer in time.");
    });
    assert_eq!(seen(gateway, "2M").as_deref(), Some("2M"), "nothing of ours is shorter");
    let short = before(&origin, &format!("{RULE}\n  timeouts: {{request: 30s}}"));
    let left = seen(short, "2M").expect("it is passed on");
    let micros: u64 = left.strip_suffix('u').and_then(|count| count.parse().ok()).expect("microseconds");
    assert!((1..=30_000_000).contains(&micros), "{left}");
    assert_eq!(seen(before(&origin, RULE), "soon").as_deref(), Some("soon"), "the origin may judge it");
}

#[test]
fn a_client_that_cancels_cancels_upstream() {
    let origin = Http2Origin::start();
    let gateway = before(&origin, RULE);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.begin("POST", "/grpc.Hang/0", &[GRPC], Some(MESSAGE.to_vec())).await;
        super::wait(|| origin.requests() == 1).await;
        drop(answer);
        super::wait(|| gateway.metric("irongate_requests_in_flight", &[]) == 0.0).await;
    });
    eventually("it counts as cancelled", || counted(&gateway, "1") == 1.0);
}

#[test]
fn unavailable_is_tried_elsewhere() {
    let (bad, good) = (Http2Origin::start(), Http2Origin::start());
    // The bad one says so on a path that only it is asked on.
    let manifest = Manifest::new()
        .route(&format!("{RULE}\n  retry: {{codes: [503], attempts: 2}}"))
        .service_http2("origin", &[bad.address(), good.address()]);
    let gateway = gateway(&manifest);
    block_on(async {
        assert_eq!(call(&gateway, "/grpc.Only/14", &[]).await.field("grpc-status"), Some("14"));
    });
    assert_eq!(bad.requests() + good.requests(), 3, "the call and two tries more");
    assert!(bad.requests() > 0 && good.requests() > 0, "on both");
    block_on(async {
        assert_eq!(call(&gateway, "/grpc.Only/13", &[]).await.field("grpc-status"), Some("13"));
    });
    assert_eq!(bad.requests() + good.requests(), 4, "what may have been acted on is not sent again");
}

const WEB: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text";

fn trailers_frame(code: &str) -> Vec<u8> {
    let lines = format!("grpc-status: {code}\r\ngrpc-message: said%20so\r\n");
    let mut frame = vec![0x80];
    frame.extend_from_slice(&u32::try_from(lines.len()).expect("short").to_be_bytes());
    frame.extend_from_slice(lines.as_bytes());
    frame
}

#[test]
fn grpc_web_over_http1_and_http2() {
    let origin = Http2Origin::start();
    let gateway = before(&origin, RULE);
    let expected = [MESSAGE, &trailers_frame("5")].concat();
    for (kind, becomes, body) in [
        (WEB, "application/grpc+proto", MESSAGE.to_vec()),
        (TEXT, "application/grpc", STANDARD.encode(MESSAGE).into_bytes()),
    ] {
        let check = |content_type: Option<&str>, seen: [Option<&str>; 2], answer: &[u8]| {
            let kind = if kind == WEB { WEB } else { "application/grpc-web-text+proto" };
            assert_eq!((content_type, seen), (Some(kind), [Some(becomes), Some("trailers")]));
            let decoded = decode_groups(answer);
            assert_eq!(if kind == WEB { answer } else { &decoded }, expected, "{kind}");
        };
        let mut client = gateway.connect();
        client.send(format!(
            "POST /grpc.Echo/5 HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            String::from_utf8_lossy(&body)
        ));
        let answer = client.response();
        let seen = [answer.field("x-content-type"), answer.field("x-te")];
        check(answer.field("content-type"), seen, &answer.body);
        client.send(crate::GET);
        assert_eq!(client.response().status, 200, "the connection goes on");
        block_on(async {
            let mut client = Client::connect(gateway.address()).await;
            let answer =
                client.ask("POST", "/grpc.Echo/5", &[("content-type", kind)], Some(body.clone())).await;
            assert!(answer.trailers.is_empty());
            let seen = [answer.field("x-content-type"), answer.field("x-te")];
            check(answer.field("content-type"), seen, &answer.body);
        });
    }
}

/// Decodes base64 whose parts may each be padded.
fn decode_groups(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|group| STANDARD.decode(group).unwrap_or_default()).collect()
}

#[test]
fn grpc_web_fails_in_its_own_form() {
    let origin = Http2Origin::start();
    let gateway = before(
        &origin,
        "- matches: [{path: {value: /grpc.Only}}, {path: {value: /grpc.Echo}}]\n  backendRefs: [{name: origin, port: 80}]",
    );
    for (path, body, code) in [
        ("/other", "", "12"),
        ("/grpc.Only/7", "AAAAAAA=", "7"),
        ("/grpc.Echo/0", "no base64", "13"),
        ("/grpc.Echo/0", "AAAAA", "13"),
    ] {
        let answer = gateway.exchange(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: {TEXT}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert_eq!((answer.status, answer.field("grpc-status")), (200, Some(code)), "{path} {body}");
        let kind = answer.field("content-type").unwrap_or_default();
        assert!(kind.starts_with(TEXT) && answer.body.is_empty(), "{kind}");
    }
}
