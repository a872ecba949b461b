//! HTTP/2 in cleartext with prior knowledge, on either side and on both.

mod bounds;
mod floods;
mod grpc;
mod load;
mod origins;
pub(super) mod peers;
mod raw;
mod secure;
mod spec;
mod websocket;

use crate::{OK, gateway, gateway_to};
use h2::Reason;
use irongate_testkit::{Manifest, Origin, eventually};
use peers::{Answer, Client, Http2Origin, block_on};

/// Where a request goes and how it comes back: over HTTP/2 to a gateway before an HTTP/1.1 origin.
#[test]
fn a_client_before_an_http1_origin() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let get = client
            .ask("GET", "/a/../b?c", &[("x-kept", "1"), ("cookie", "a=1"), ("cookie", "b=2")], None)
            .await;
        assert_eq!((get.status, get.text()), (200, "GET /b?c 0".to_owned()));
        let post = client.ask("POST", "/p", &[], Some(vec![b'a'; 100_000])).await;
        assert_eq!(post.text(), "POST /p 100000");
        let head = client.ask("HEAD", "/h", &[], None).await;
        assert_eq!((head.field("content-length"), head.body.len()), (Some("9"), 0));
    });
    let requests = origin.requests();
    let get = &requests[0];
    assert_eq!((get.target(), get.field("host")), ("/b?c", Some("test")));
    assert_eq!(get.field("x-kept"), Some("1"));
    assert_eq!(get.field("cookie"), Some("a=1; b=2"), "crumbs are joined (RFC 9113 §8.2.3)");
    assert_eq!(get.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(get.field("via").is_some_and(|via| via.starts_with("2 ") || via.starts_with("2.0 ")), "{get:?}");
    assert_eq!(requests[1].body.len(), 100_000);
}

#[test]
fn an_http1_client_before_an_http2_origin() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    let mut client = gateway.connect();
    for _ in 0..3 {
        client
            .send("GET /echo?a HTTP/1.1\r\nHost: test\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\r\n");
        assert_eq!(client.response().text(), "GET /echo?a 0");
    }
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\nX-Trailer: t\r\n\r\n");
    let answer = client.response();
    assert_eq!((answer.text().as_str(), answer.field("x-request-trailer")), ("POST /echo 5", Some("t")));
    assert_eq!(answer.trailers, [("x-trailer".to_owned(), "done".to_owned())]);
    client.send("HEAD /echo HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.try_response("HEAD").expect("a head").status, 200);
    client.send("GET /empty HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.response().status, 204);
    let seen = origin.fields();
    assert!(!seen.iter().any(|(name, _)| name == "x-hop" || name == "connection"), "{seen:?}");
    assert!(seen.contains(&("x-kept".to_owned(), "2".to_owned())), "{seen:?}");
    assert_eq!(origin.connections(), 1);
}

const TO_ORIGIN: &str = "- backendRefs: [{name: origin, port: 80}]";

#[test]
fn http2_on_both_sides() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("POST", "/echo", &[("te", "trailers")], Some(vec![b'a'; 300_000])).await;
        assert_eq!(answer.text(), "POST /echo 300000");
        assert_eq!(answer.trailers, [("x-trailer".to_owned(), "done".to_owned())]);
        let answer = client.ask("GET", "/large", &[], None).await;
        assert_eq!(answer.body.len(), peers::LARGE);
    });
}

#[test]
fn streams_share_a_connection_and_do_not_wait_for_each_other() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        // One that is never answered, one that nobody reads, and many that go on beside them.
        let _hanging = client.begin("GET", "/hang", &[], None).await;
        let _unread = client.begin("GET", "/large", &[], None).await;
        let mut answers = Vec::new();
        for n in 0..50 {
            answers.push(client.begin("GET", &format!("/echo/{n}"), &[], None).await);
        }
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(Answer::read(answer).await.expect("an answer").text(), format!("GET /echo/{n} 0"));
        }
    });
}

#[test]
fn resets_of_the_origin_reach_the_client() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("POST", "/reset", &[], Some(vec![b'a'])).await;
        assert_eq!(answer.status, 502);
        let begun = client.begin("GET", "/truncated", &[], None).await;
        assert!(Answer::read(begun).await.is_err(), "a truncated answer is no answer");
        assert_eq!(client.ask("GET", "/echo", &[], None).await.status, 200, "the connection goes on");
    });
    let mut client = gateway.connect();
    client.send("GET /truncated HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "for HTTP/1.1 too");
}

#[test]
fn a_refused_stream_is_tried_again_whatever_the_method() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    let answer = gateway.exchange("POST /refused-once HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\na");
    assert_eq!((answer.status, answer.text().as_str()), (200, "POST /refused-once 1"));
}

#[test]
fn a_reset_of_the_client_ends_the_request_upstream() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let mut stream = client.open("POST", "/", false);
        stream.send_data("part".into(), false).expect("the stream is open");
        wait(|| origin.bytes().ends_with(b"part\r\n") || origin.bytes().ends_with(b"part")).await;
        stream.send_reset(Reason::CANCEL);
        wait(|| origin.records().iter().all(|record| record.end.is_some())).await;
    });
    assert_eq!(origin.requests(), []);
}

/// As `eventually`, without holding up the runtime's other tasks.
pub(super) async fn wait(condition: impl Fn() -> bool) {
    let deadline = irongate_testkit::Deadline::usual();
    while !condition() {
        assert!(deadline.left().is_some(), "waited in vain");
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
}

#[test]
fn a_truncated_http1_answer_is_a_reset() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n")?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let begun = client.begin("GET", "/", &[], None).await;
        match Answer::read(begun).await {
            Ok(answer) => assert_eq!(answer.status, 502),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    });
}

#[test]
fn interim_answers_and_trailers_of_http1_pass() {
    let origin = Origin::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\nX-Trailer: t\r\n\r\n",
    );
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("GET", "/", &[("te", "trailers")], None).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        assert_eq!(answer.trailers, [("x-trailer".to_owned(), "t".to_owned())]);
        for gone in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
            assert_eq!(answer.field(gone), None, "{gone}");
        }
    });
}

#[test]
fn our_own_answers() {
    let gateway = gateway(&Manifest::new());
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for body in [None, Some(vec![b'a'; 200_000])] {
            assert_eq!(client.ask("POST", "/", &[], body).await.status, 404);
        }
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 404);
    });
}

#[test]
fn a_drain_says_goaway_and_finishes_what_runs() {
    let gate = irongate_testkit::Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.request()?;
            gate.wait();
            connection.send(OK)?;
            Ok(())
        }
    });
    let mut gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let begun = client.begin("GET", "/", &[], None).await;
        wait(|| origin.requests().len() == 1).await;
        gateway.terminate();
        gate.open();
        assert_eq!(Answer::read(begun).await.expect("it is finished").text(), "ok");
        client.wait_closed().await;
    });
    assert_eq!(gateway.wait_exit().code(), Some(0));
}

#[test]
fn malformed_requests_never_reach_the_origin() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let good = [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")];
    assert_eq!(raw::outcome(gateway.address(), &good, None), raw::Outcome::Status(200));
    let before = origin.bytes().len();
    let with = |extra: &[(&'static str, &'static str)]| [&good[..], extra].concat();
    let replaced = |name: &str, value: &'static str| {
        good.iter().map(|(n, v)| (*n, if *n == name { value } else { *v })).collect::<Vec<_>>()
    };
    let without = |name: &str| good.iter().copied().filter(|(n, _)| *n != name).collect::<Vec<_>>();
    for fields in [
        with(&[("connection", "close")]),
        with(&[("keep-alive", "a")]),
        with(&[("proxy-connection", "a")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("te", "gzip")]),
        with(&[("X-Upper", "a")]),
        with(&[("a b", "c")]),
        with(&[("", "c")]),
        with(&[("a", "b\r\nc: d")]),
        with(&[("a", "b\nc")]),
        with(&[("a", "b\0c")]),
        with(&[(":path", "/b")]),
        with(&[(":unknown", "a")]),
        with(&[("a", "b"), (":late", "a")]),
        with(&[("host", "other")]),
        with(&[("content-length", "5")]),
        with(&[("content-length", "1, 1")]),
        replaced(":path", ""),
        replaced(":path", "a"),
        replaced(":path", "*"),
        replaced(":path", "/a b"),
        replaced(":path", "/a\\b"),
        replaced(":path", "/%00"),
        replaced(":path", "/a%2f../b"),
        replaced(":path", "/\u{e9}"),
        replaced(":authority", "user@test"),
        replaced(":authority", "a,b"),
        replaced(":authority", "test:port"),
        replaced(":method", "GE T"),
        replaced(":method", ""),
        without(":method"),
        without(":path"),
        without(":scheme"),
        vec![("a", "b"), (":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/")],
    ] {
        let outcome = raw::outcome(gateway.address(), &fields, None);
        assert!(
            matches!(outcome, raw::Outcome::Reset(_) | raw::Outcome::Status(400) | raw::Outcome::GoAway(_)),
            "{fields:?}: {outcome:?}"
        );
        assert_eq!(origin.bytes().len(), before, "{fields:?} reached the origin");
    }
    assert_eq!(gateway.get("/after").status, 200);
    assert_eq!(origin.requests().len(), 2);
}

#[test]
fn an_origin_that_goes_away_now_and_then_is_not_noticed() {
    let origin = Http2Origin::start();
    let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
    let mut client = gateway.connect();
    for n in 0..40 {
        let target = if n % 5 == 4 { "/goaway" } else { "/echo" };
        client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"));
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (200, format!("POST {target} 4")), "request {n}");
    }
    assert!(origin.connections() > 4, "{}", origin.connections());
}

#[test]
fn an_early_answer_of_http1_reaches_a_client_that_still_sends() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        let answer = client.ask("POST", "/", &[], Some(vec![b'a'; 4 << 20])).await;
        assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    });
}

#[test]
fn timeouts_are_kept() {
    let origin = Origin::start(|connection| connection.until_end());
    let rules = "- timeouts: {request: 200ms}\n  backendRefs: [{name: origin, port: 80}]";
    let gateway = gateway(&Manifest::new().route(rules).service("origin", &[origin.address()]));
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        assert_eq!(client.ask("GET", "/", &[], None).await.status, 504);
        assert_eq!(client.ask("POST", "/", &[], Some(vec![b'a'])).await.status, 504);
    });
}

#[test]
fn an_authority_that_says_the_same_as_host_is_fine() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for (authority, host) in [("test", "test"), ("Test", "tEST"), ("test:8080", "test:8080")] {
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", authority),
            (":path", "/"),
            ("host", host),
        ];
        assert_eq!(
            raw::outcome(gateway.address(), &fields, None),
            raw::Outcome::Status(200),
            "{authority} {host}"
        );
    }
    let fields = [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "test")];
    assert_eq!(raw::outcome(gateway.address(), &fields, None), raw::Outcome::Status(200), "host alone");
    for request in origin.requests() {
        assert!(request.field("host").is_some_and(|host| host.starts_with("test")), "{request:?}");
    }
}

#[test]
fn an_origin_that_does_not_speak_http2_is_a_bad_gateway() {
    let answers = ["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", ""];
    for answer in answers {
        let origin = Origin::start(move |connection| {
            connection.exactly(24)?;
            connection.send(answer)?;
            Ok(())
        });
        let gateway = gateway(&Manifest::new().route(TO_ORIGIN).service_http2("origin", &[origin.address()]));
        for _ in 0..2 {
            let status = gateway.get("/").status;
            assert!([502, 503].contains(&status), "{answer:?}: {status}");
        }
    }
}

#[test]
fn targets_are_held_to_the_rules_of_http1() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for (path, expected) in [("/a#b", raw::Outcome::Reset(1)), ("/a?b=\"<c>\"", raw::Outcome::Status(200))] {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", path)];
        assert_eq!(raw::outcome(gateway.address(), &fields, None), expected, "{path}");
    }
    let targets: Vec<_> = origin.requests().iter().map(|request| request.target().to_owned()).collect();
    assert_eq!(targets, ["/a?b=\"<c>\""]);
}

#[test]
fn a_length_that_the_data_do_not_keep_is_malformed() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let post = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/"),
        ("content-length", "5"),
    ];
    assert_eq!(raw::outcome(gateway.address(), &post, Some(b"01234")), raw::Outcome::Status(200));
    for data in [&b"0123"[..], b"012345", b""] {
        let outcome = raw::outcome(gateway.address(), &post, Some(data));
        assert!(!matches!(outcome, raw::Outcome::Status(200..=399)), "{data:?}: {outcome:?}");
    }
    eventually("what was begun is broken off", || {
        origin.records().iter().filter(|record| record.requests.is_empty()).all(|record| record.end.is_some())
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn rapid_resets_are_bounded() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert!(raw::rapid_resets(gateway.address(), 5_000), "the gateway closes the connection");
    assert_eq!(gateway.get("/").status, 200);
}
