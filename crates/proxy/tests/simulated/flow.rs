//! What policies ask of requests: limits, the length of bodies, faults on purpose.

use crate::world::{End, Setup, World, serve};
use irongate_config::{Fault, FaultAbort, RateLimit, RateLimitKey, TrafficOptions};
use std::sync::Arc;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn limit(burst: u32, key: Vec<RateLimitKey>) -> RateLimit {
    RateLimit {
        name: "all".into(),
        scope: "default/p for HTTPRoute default/all".into(),
        requests: 1,
        per: Duration::from_secs(10),
        burst,
        key,
        max_keys: 16,
        dry_run: false,
        shared: None,
    }
}

fn fault(delay: Option<u64>, abort: Option<FaultAbort>) -> Fault {
    let delay = delay.map(Duration::from_secs);
    Fault {
        scope: "default/p for HTTPRoute default/all".into(),
        millionths: 1_000_000,
        headers: Vec::new(),
        delay: delay.map(|delay| (delay, delay)),
        abort,
    }
}

/// Runs a test with these options, and an origin that answers: over a connection that waits, and over the next one.
fn run(options: TrafficOptions, test: impl AsyncFnOnce(&World)) {
    let setup = Setup { traffic: Some(Arc::new(options)), ..Setup::default() };
    setup.run(async |world| {
        let (next, origin) = (world.fresh_origin(), world.origin());
        let origins = async {
            tokio::join!(serve(&origin), serve(&next));
            // Only the test says when it is over.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = origins => {}
            () = test(&world) => {}
        }
    });
}

#[test]
fn a_limit_refuses_and_says_how_long() {
    let options = TrafficOptions { rate_limits: vec![limit(2, Vec::new())], ..TrafficOptions::default() };
    run(options, async |world| {
        let client = world.client();
        for _ in 0..2 {
            client.send(GET).await;
            assert!(client.message().await.expect("an answer").is("200"));
        }
        client.send(GET).await;
        let refused = client.message().await.expect("an answer");
        assert!(refused.is("429"), "{}", refused.head);
        assert_eq!(refused.field("retry-after"), Some("10"));
        assert_eq!(refused.field("ratelimit-policy"), Some("\"all\";q=1;w=10"));
        assert_eq!(refused.field("ratelimit"), Some("\"all\";r=0;t=10"));
        assert_eq!(world.metric_of("irongate_request_failures_total", "rate_limited"), 1.0);
        assert_eq!(world.metric_of("irongate_rate_limited_total", "refused"), 1.0);
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.send(GET).await;
        assert!(client.message().await.expect("an answer").is("200"), "its time has come");
    });
}

#[test]
fn keys_are_counted_apart_and_a_dry_run_refuses_nothing() {
    let by_user = vec![RateLimitKey::Header("x-user".into())];
    let dry = RateLimit { name: "dry".into(), dry_run: true, ..limit(1, Vec::new()) };
    let options = TrafficOptions { rate_limits: vec![dry, limit(1, by_user)], ..TrafficOptions::default() };
    run(options, async |world| {
        let client = world.client();
        for (user, expected) in [("a", "200"), ("b", "200"), ("a", "429"), ("c", "200"), ("b", "429")] {
            client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: {user}\r\n\r\n")).await;
            assert!(client.message().await.expect("an answer").is(expected), "{user}");
        }
        assert_eq!(world.metric_of("irongate_rate_limited_total", "would_refuse"), 4.0);
    });
}

#[test]
fn bodies_that_are_too_long_are_refused() {
    let options = TrafficOptions { max_request_body: Some(4), ..TrafficOptions::default() };
    run(options, async |world| {
        let client = world.client();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1234").await;
        assert!(client.message().await.expect("an answer").is("200"));
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345").await;
        assert!(client.message().await.expect("an answer").is("413"));
    });
    let setup = Setup {
        traffic: Some(Arc::new(TrafficOptions { max_request_body: Some(4), ..TrafficOptions::default() })),
        ..Setup::default()
    };
    setup.run(async |world| {
        let (origin, client) = (world.origin(), world.client());
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        origin.head().await.expect("the request's head");
        client.send("3\r\n123\r\n").await;
        assert_eq!(origin.take(8).await.expect("what is within the limit"), b"3\r\n123\r\n");
        client.send("2\r\n45\r\n0\r\n\r\n").await;
        assert!(client.message().await.expect("an answer").is("413"));
        let (rest, _) = origin.rest().await;
        assert!(rest.is_empty(), "what is too long is cut off, not ended: {rest:?}");
    });
}

#[test]
fn faults_delay_and_abort() {
    for (abort, expected) in [(FaultAbort::Status(418), "418"), (FaultAbort::Grpc(14), "503")] {
        let options =
            TrafficOptions { faults: vec![fault(Some(5), Some(abort))], ..TrafficOptions::default() };
        run(options, async |world| {
            let client = world.client();
            client.send(GET).await;
            assert!(client.message().await.expect("an answer").is(expected));
            assert!(world.elapsed() >= Duration::from_secs(5), "{:?}", world.elapsed());
            for kind in ["delay", "abort"] {
                assert_eq!(world.metric_of("irongate_faults_injected_total", kind), 1.0);
            }
            assert_eq!(world.metric_of("irongate_request_failures_total", "fault_injected"), 1.0);
            assert_eq!(world.metric("irongate_upstream_requests_total"), 0.0, "no endpoint has a part in it");
        });
    }
    let options = TrafficOptions { faults: vec![fault(Some(5), None)], ..TrafficOptions::default() };
    run(options, async |world| {
        let client = world.client();
        client.send(GET).await;
        assert!(client.message().await.expect("an answer").is("200"), "after the delay it goes its way");
        assert!(world.elapsed() >= Duration::from_secs(5));
    });
    let reset =
        TrafficOptions { faults: vec![fault(None, Some(FaultAbort::Reset))], ..TrafficOptions::default() };
    run(reset, async |world| {
        let client = world.client();
        client.send(GET).await;
        let (bytes, end) = client.rest().await;
        assert_eq!((bytes.as_slice(), end), (&b""[..], End::Closed));
    });
}

/// A delay ends when its client leaves.
#[test]
fn nobody_waits_for_a_client_that_left() {
    let options = TrafficOptions { faults: vec![fault(Some(60), None)], ..TrafficOptions::default() };
    run(options, async |world| {
        let client = world.client();
        client.send(GET).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(client);
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(world.metric("irongate_requests_in_flight"), 0.0);
        assert_eq!(world.metric("irongate_connections_active"), 0.0);
    });
}
