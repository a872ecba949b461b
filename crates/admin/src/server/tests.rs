use super::*;
use crate::{Current, Phase, Readiness};
use irongate_telemetry::Registry;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;

fn admin() -> Admin {
    Admin {
        registry: Registry::new(1),
        readiness: Arc::new(Readiness::default()),
        current: Arc::new(Current::default()),
    }
}

/// A client's end of a connection in memory that holds `buffer` bytes.
fn connect(router: Router, buffer: usize) -> (DuplexStream, watch::Sender<()>) {
    let (client, server) = tokio::io::duplex(buffer);
    let (closing, closed) = watch::channel(());
    tokio::spawn(connection(server, router, closed));
    (client, closing)
}

/// Sends `request` as it is, has the server close when it has begun to answer, and gives the answer.
async fn exchange(router: Router, request: &str) -> String {
    let (mut client, closing) = connect(router, 1 << 20);
    client.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::from(char::from(client.read_u8().await.expect("an answer")));
    drop(closing); // No more than one answer.
    client.read_to_string(&mut answer).await.expect("the server closes cleanly");
    answer
}

async fn check(admin: &Admin, reach: Reach, request: &str, status: u16, holds: &[&str]) {
    let answer = exchange(api::router(admin.clone())(reach), request).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
    for text in holds {
        assert!(answer.contains(text), "{request}\n{text} is not in\n{answer}");
    }
}

#[tokio::test]
async fn paths_are_answered() {
    let admin = admin();
    let ask = async |method: &str, path: &str, status, holds: &[&str]| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost:9990\r\n\r\n");
        check(&admin, Reach::Loopback, &request, status, holds).await;
    };
    ask("GET", "/livez", 200, &["\r\n\r\nok\n", "cache-control: no-store\r\n"]).await;
    ask("HEAD", "/livez", 200, &["content-length: 3\r\n"]).await;
    ask("GET", "/readyz", 503, &["starting\n"]).await;
    admin.readiness.set(Phase::Ready);
    ask("GET", "/readyz", 200, &["ready\n"]).await;
    admin.readiness.set(Phase::Draining);
    ask("GET", "/readyz", 503, &["draining\n"]).await;
    ask("GET", "/livez", 200, &[]).await;
    let openmetrics = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    ask("GET", "/metrics", 200, &[openmetrics, "irongate_build_info{", "# EOF\n"]).await;
    ask("GET", "/metrics/", 404, &["content-type: application/json\r\n", "\"/metrics\"", "\"not_found\""])
        .await;
    ask("GET", "/", 404, &["\"/readyz\""]).await;
    ask("POST", "/livez", 405, &["allow: GET,HEAD\r\n", "\"method_not_allowed\""]).await;
    ask("DELETE", "/nowhere", 404, &[]).await;
}

#[tokio::test]
async fn web_pages_cannot_rebind_a_name_to_the_loopback_address() {
    let admin = admin();
    for (reach, host, status) in [
        (Reach::Loopback, "Host: evil.example:9990\r\n", 403),
        (Reach::Loopback, "Host: 127.0.0.1\r\nHost: evil.example\r\n", 403),
        (Reach::Loopback, "Host: 127.0.0.1:9990\r\n", 200),
        (Reach::Network, "Host: irongate.default.svc:9990\r\n", 200),
    ] {
        check(&admin, reach, &format!("GET /livez HTTP/1.1\r\n{host}\r\n"), status, &[]).await;
    }
    check(
        &admin,
        Reach::Loopback,
        "GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        403,
        &[],
    )
    .await;
    let answer = exchange(api::router(admin)(Reach::Loopback), "GET /livez HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn bodies_and_long_heads_are_refused() {
    let (admin, start) = (admin(), "GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (rest, status) in [
        ("Content-Length: 5\r\n\r\nhello".to_owned(), 400),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400),
        ("Content-Length: 0\r\n\r\n".to_owned(), 200),
        (format!("Long: {}\r\n\r\n", "x".repeat(HEAD_BYTES)), 431),
    ] {
        check(&admin, Reach::Network, &format!("{start}{rest}"), status, &[]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stalling_heads_and_old_connections_are_closed() {
    let router = api::router(admin())(Reach::Network);
    let (mut stalled, _closing) = connect(router.clone(), 1024);
    stalled.write_all(b"GET /livez HT").await.expect("there is room");
    let begun = time::Instant::now();
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest).await;
    assert!(begun.elapsed() <= HEAD_TIMEOUT + Duration::from_secs(1), "{:?}", begun.elapsed());

    let (mut busy, _closing) = connect(router, 1024);
    let (begun, mut buffer) = (time::Instant::now(), [0; 1024]);
    // No multiple of the age, so that a request and the end never fall on one moment.
    let pause = Duration::from_secs(7);
    while busy.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok()
        && busy.read(&mut buffer).await.is_ok_and(|length| length > 0)
    {
        assert!(begun.elapsed() < AGE + pause, "still answered after {:?}", begun.elapsed());
        time::sleep(pause).await;
    }
    assert!(begun.elapsed() >= AGE, "closed after {:?}", begun.elapsed());
}

/// Peers that ask for the metrics and take nothing use up the turns, and nothing else; the turns come back.
#[tokio::test(start_paused = true)]
async fn slow_scrapers_are_bounded() {
    let admin = admin();
    for number in 0..2_000 {
        // Enough text that it does not fit into the buffers on the way.
        let name = format!("a-listener-with-a-rather-long-name/{number}");
        admin.registry.core(0).listener(&name).accepted();
    }
    let router = api::router(admin)(Reach::Network);
    let scrape = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut slow = Vec::new();
    for _ in 0..4 {
        let (mut client, closing) = connect(router.clone(), 1024);
        client.write_all(scrape.as_bytes()).await.expect("there is room");
        let mut first = [0; 15];
        client.read_exact(&mut first).await.expect("the answer begins");
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        slow.push((client, closing));
    }
    let refused = exchange(router.clone(), scrape).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    let alive = exchange(router.clone(), "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(alive.starts_with("HTTP/1.1 200 "), "{alive}");

    time::sleep(AGE + GRACE + Duration::from_secs(1)).await;
    let answered = exchange(router, scrape).await;
    assert!(answered.starts_with("HTTP/1.1 200 "), "{}", &answered[..100]);
}

#[tokio::test]
async fn it_listens_bounds_connections_and_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, admin(), async {
        let _ = stopped.await;
    }));
    let mut idle = Vec::new();
    for _ in 0..=CONNECTIONS {
        let mut client = TcpStream::connect(address).await.expect("it listens");
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it reads");
        let mut first = [0; 15];
        client.read_exact(&mut first).await.expect("it answers");
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        idle.push(client);
    }
    let mut rest = Vec::new();
    let _ = idle[0].read_to_end(&mut rest).await; // The oldest was closed for the last.
    stop.send(()).expect("the server waits for it");
    server.await.expect("it does not panic");
    for client in &mut idle[1..] {
        client.read_to_end(&mut rest).await.expect("closed cleanly");
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
