//! What is added, removed and kept in heads on the way, in both directions.

use crate::http2::peers::{Client, block_on};
use crate::{GET, assert_untouched, gateway, gateway_to};
use irongate_testkit::{Gate, Manifest, Origin, ReadError, Request, Response};

/// Sends a request with these lines through a gateway and gives what the origin got.
#[track_caller]
fn forwarded(manifest: impl Fn(Manifest) -> Manifest, lines: &str) -> Request {
    let origin = Origin::echoing();
    let gateway = gateway(&manifest(Manifest::to_origins(&[origin.address()])));
    let answer = gateway.exchange(format!("GET /a HTTP/1.1\r\n{lines}\r\n"));
    assert_eq!(answer.status, 200, "{lines:?}");
    origin.only_request()
}

/// Gives this answer to a request and says what the client got.
#[track_caller]
fn answered(request: &str, answer: &str) -> Response {
    let origin = Origin::answering(answer);
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(request);
    let method = request.split(' ').next().unwrap_or_default();
    let got = client.try_response(method).expect("a whole answer");
    if got.field("connection") != Some("close") {
        client.send(GET);
        assert_eq!(
            client.try_response("GET").map(|next| next.status),
            Ok(got.status),
            "the connection goes on"
        );
    }
    got
}

#[test]
fn who_asks_is_told_to_the_origin() {
    let request = forwarded(|m| m, "Host: Test:8080\r\n");
    assert_eq!(request.field("host"), Some("test:8080"), "normalised");
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert!(request.field("x-forwarded-host").is_none_or(|host| host == "test:8080"));
    assert!(request.field("via").is_some_and(|via| via.starts_with("1.1 ")), "{request:?}");
    assert_eq!(request.field("connection"), None, "keep-alive needs no word");
    assert_eq!(request.field("content-length"), None, "no body, no framing");
    assert_eq!(request.field("transfer-encoding"), None);
}

const FORGED: &str = "Host: test\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n\
X-Forwarded-Host: forged\r\nX-Forwarded-Port: 9\r\nX-Forwarded-Prefix: /forged\r\nX-Real-IP: 9.9.9.9\r\n\
Forwarded: for=9.9.9.9\r\n";

#[test]
fn forged_forwarding_fields_are_replaced() {
    let request = forwarded(|m| m, FORGED);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    let bytes = format!("{request:?}");
    for forged in ["9.9.9.9", "8.8.8.8", "forged"] {
        assert!(!bytes.contains(forged), "{forged} in {request:#?}");
    }
}

#[test]
fn forwarding_fields_of_trusted_peers_are_extended() {
    let request = forwarded(|m| m.parameters("trustedProxies: [127.0.0.0/8]"), FORGED);
    let chain: Vec<&str> = request.head.values("x-forwarded-for").collect();
    assert_eq!(chain.join(", ").replace(' ', ""), "9.9.9.9,8.8.8.8,127.0.0.1");
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("x-forwarded-host"), Some("forged"));
}

#[test]
fn look_alikes_of_our_fields_are_dropped_and_other_underscores_pass() {
    let request = forwarded(
        |m| m,
        "Host: test\r\nX_Forwarded_For: 9.9.9.9\r\nX_Forwarded-Proto: https\r\nMy_Field: 1\r\n",
    );
    assert_eq!(request.field("x_forwarded_for"), None);
    assert_eq!(request.field("x_forwarded-proto"), None);
    assert_eq!(request.field("my_field"), Some("1"));
}

#[test]
fn hop_by_hop_fields_end_here() {
    let request = forwarded(
        |m| m,
        "Host: test\r\nConnection: keep-alive, X-Hop , x-other\r\nConnection: x-third\r\nX-Hop: 1\r\nX-Other: 2\r\nX-Third: 3\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nX-Stays: 4\r\n",
    );
    for gone in ["connection", "x-hop", "x-other", "x-third", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(request.field(gone), None, "{request:#?}");
    }
    assert_eq!(request.field("x-stays"), Some("4"));
}

#[test]
fn te_trailers_passes() {
    let request = forwarded(|m| m, "Host: test\r\nConnection: te\r\nTE: trailers, gzip;q=0.5\r\n");
    assert_eq!(request.field("te"), Some("trailers"));
}

#[test]
fn the_connection_list_removes_nothing_that_we_rely_on() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange(
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\
         Connection: host, content-length, transfer-encoding, x-forwarded-for, x-forwarded-proto, via, close\r\n\r\nabc",
    );
    assert_eq!(answer.text(), "POST /a 3");
    let request = origin.only_request();
    assert_eq!(request.field("host"), Some("test"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert!(request.field("via").is_some());
}

#[test]
fn a_loop_is_refused() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").status, 200);
    let via = origin.only_request().field("via").expect("a Via").to_owned();
    let answer = gateway
        .exchange(format!("GET /loop HTTP/1.1\r\nHost: test\r\nVia: 1.1 other, {via}, 1.0 third\r\n\r\n"));
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(origin.requests().len(), 1, "nothing of it reached the origin");
    let answer = gateway.exchange("GET /b HTTP/1.1\r\nHost: test\r\nVia: 1.1 other\r\n\r\n");
    assert_eq!(answer.status, 200, "other proxies may have passed it on");
}

#[test]
fn the_absolute_form_wins_over_host() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange("GET http://a.test:81/b HTTP/1.1\r\nHost: other\r\n\r\n").status, 200);
    let request = origin.only_request();
    assert_eq!((request.target(), request.field("host")), ("/b", Some("a.test:81")));
}

#[test]
fn field_lines_keep_order_case_and_bytes() {
    let request = forwarded(
        |m| m,
        "Host: test\r\nCookie: a=1\r\nX-A: 1\r\nx-B:2\r\nX-a:  3\t \r\nCookie: b=2\r\nEmpty:\r\nL: \u{e4}\r\n",
    );
    let kept: Vec<(String, String)> =
        request.head.fields.iter().filter(|(name, _)| !name.starts_with("X-Forw")).cloned().collect();
    let lines: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let text = lines.join("|");
    assert!(text.contains("Cookie=a=1|X-A=1|x-B=2|X-a=3|Cookie=b=2|Empty=|L=\u{c3}\u{a4}"), "{text}");
}

#[test]
fn expect_is_answered_once() {
    for origin_says_continue in [false, true] {
        let origin = Origin::start(move |connection| {
            let head = connection.head()?;
            if origin_says_continue && head.field("expect").is_some() {
                connection.send("HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            let request = connection.rest(head)?;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}", request.body.len()))?;
            connection.until_end()
        });
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        client.send("POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        if origin_says_continue {
            assert_eq!(client.head().expect("an interim answer").status, 100);
        } else {
            // An origin that ignores the expectation must not hold up the client: we, or the client's own
            // patience, let the body come.
        }
        client.send("body");
        let answer = client.response();
        assert_eq!(answer.text(), "4");
        assert_eq!(answer.field("connection"), None, "the body has come: another request may follow");
        let expected = if origin_says_continue { 0..=0 } else { 0..=1 };
        assert!(expected.contains(&answer.interim.len()), "{answer:?}");
    }
}

#[test]
fn a_refused_expectation_needs_no_body() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let mut answer = client.response();
    if answer.interim.len() == 1 {
        // We asked for the body ourselves; then the final answer is the origin's all the same.
        client.send("body");
    }
    assert_eq!(answer.status, 417);
    answer.interim.clear();
}

#[test]
fn interim_answers_pass() {
    let answer = answered(
        GET,
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(answer.text(), "ok");
    let links: Vec<Option<&str>> = answer.interim.iter().map(|head| head.field("link")).collect();
    assert_eq!(links, [Some("</a>"), None, Some("</b>")]);
}

#[test]
fn an_interim_answer_does_not_wait_for_the_final_one() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.request()?;
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?;
            gate.wait();
            connection.send(crate::OK)?;
            Ok(())
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    assert_eq!(client.head().expect("at once").status, 103);
    gate.open();
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn endless_interim_answers_are_bounded() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        loop {
            connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100))?;
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    let result = client.try_response("GET");
    assert!(!matches!(result, Err(ReadError::Timeout)), "the origin is cut off");
}

#[test]
fn answers_to_head_have_no_body() {
    let head = "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n";
    let origin = Origin::start(|connection| {
        loop {
            let request = connection.request()?;
            let framing =
                if request.target() == "/c" { "Transfer-Encoding: chunked" } else { "Content-Length: 12345" };
            connection.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n"))?;
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(head);
        let answer = client.try_response("HEAD").expect("a head");
        assert_eq!(answer.field("content-length"), Some("12345"));
        client.send(head.replace("/ ", "/c "));
        let answer = client.try_response("HEAD").expect("a head");
        assert_eq!(answer.field("content-length"), None);
    }
    assert!(client.is_quiet(), "no body, no last chunk");
}

#[test]
fn statuses_without_a_body() {
    let answer = answered(GET, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n");
    assert_eq!((answer.status, answer.field("content-length"), answer.field("a")), (204, None, Some("b")));
    let answer = answered(GET, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 999\r\n\r\n");
    assert_eq!((answer.status, answer.field("etag")), (304, Some("\"a\"")));
    // A 204 with framing is wrong; what is passed on is right (RFC 9110 §8.6), or it is refused.
    let answer = answered(GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    assert!([204, 502].contains(&answer.status), "{answer:?}");
}

#[test]
fn hop_by_hop_fields_of_answers_end_here() {
    let answer = answered(
        GET,
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: a\r\n\
         Upgrade: h2c\r\nX-Stays: 2\r\nContent-Length: 2\r\n\r\nok",
    );
    for gone in ["connection", "keep-alive", "x-hop", "proxy-connection", "upgrade"] {
        assert_eq!(answer.field(gone), None, "{answer:#?}");
    }
    assert_eq!(answer.field("x-stays"), Some("2"));
}

#[test]
fn an_origin_that_closes_does_not_close_the_client() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..5 {
        client.send(GET);
        let answer = client.response();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("ok", None));
    }
    assert_eq!(origin.records().len(), 5);
}

#[test]
fn a_client_that_closes_does_not_close_the_origin() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for _ in 0..5 {
        let mut client = gateway.connect();
        client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        assert_eq!(client.response().field("connection"), Some("close"));
        client.expect_end();
    }
    assert_eq!(origin.records().len(), 1);
}

#[test]
fn trailers_pass_without_those_that_must_not() {
    let origin = Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\
                 Content-Length: 9\r\nTransfer-Encoding: gzip\r\nConnection: close\r\nX-Two: 2\r\n\r\n",
            )?;
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\
         X-Sum: 1\r\nHost: evil\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nAuthorization: evil\r\nX-Forwarded-For: evil\r\nX-Two: 2\r\n\r\n",
    );
    let kept = [("X-Sum".to_owned(), "1".to_owned()), ("X-Two".to_owned(), "2".to_owned())];
    let answer = client.response();
    assert_eq!(answer.trailers, kept);
    assert_eq!(answer.field("x-sum"), None, "never merged into the head");
    let request = origin.only_request();
    assert_eq!(request.trailers, kept);
    assert_eq!(request.field("host"), Some("test"));
    client.send(GET);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn an_empty_line_before_a_request_is_ignored() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(format!("\r\n{GET}"));
        assert_eq!(client.response().status, 200);
    }
    assert!(origin.bytes().starts_with(b"GET"));
}

#[test]
fn a_request_of_an_unknown_method_passes() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange("PROPFIND /a HTTP/1.1\r\nHost: test\r\n\r\n").text(), "PROPFIND /a 0");
    assert_eq!(gateway.exchange("get /a HTTP/1.1\r\nHost: test\r\n\r\n").text(), "get /a 0");
}

#[test]
fn options_of_a_resource_go_to_the_origin() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.exchange("OPTIONS /a HTTP/1.1\r\nHost: test\r\n\r\n").text(), "OPTIONS /a 0");
}

#[test]
fn a_trace_is_not_answered_with_our_secrets() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer =
        gateway.exchange("TRACE / HTTP/1.1\r\nHost: test\r\nCookie: secret\r\nMax-Forwards: 0\r\n\r\n");
    assert!(!answer.text().contains("secret"), "{answer:?}");
}

/// RFC 9110 7.6.2: counted down by each proxy, and answered by the one where it is used up.
#[test]
fn max_forwards_is_counted() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let ask = |method: &str, left: &str| {
        gateway.exchange(format!("{method} /a HTTP/1.1\r\nHost: test\r\nMax-Forwards: {left}\r\n\r\n"))
    };
    let options = ask("OPTIONS", "0");
    assert_eq!(options.status, 204);
    assert!(options.field("allow").is_some_and(|allow| allow.contains("GET")), "{options:?}");
    assert_eq!(ask("TRACE", "0").status, 501);
    block_on(async {
        let mut client = Client::connect(gateway.address()).await;
        for (method, status) in [("OPTIONS", 204), ("TRACE", 501)] {
            let answer = client.ask(method, "/a", &[("max-forwards", "0")], None).await;
            assert_eq!(answer.status, status, "{method} over HTTP/2");
        }
    });
    assert_untouched(&gateway, &origin, "Max-Forwards: 0");
    for (method, left, expected) in
        [("OPTIONS", "1", "0"), ("TRACE", "10", "9"), ("GET", "0", "0"), ("OPTIONS", "many", "many")]
    {
        assert_eq!(ask(method, left).status, 200, "{method} {left}");
        let requests = origin.requests();
        let seen = requests.last().and_then(|request| request.field("max-forwards"));
        assert_eq!(seen, Some(expected), "{method} {left}");
    }
}

#[test]
fn failures_are_json_where_asked_for() {
    let origin = Origin::echoing();
    let gateway = gateway(&Manifest::new().service("origin", &[origin.address()]));
    let answer = gateway.exchange("GET / HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n");
    assert_eq!(answer.status, 404);
    assert!(answer.field("content-type").is_some_and(|kind| kind.contains("json")), "{answer:?}");
    assert!(answer.text().starts_with('{'), "{answer:?}");
    let answer = gateway.get("/");
    assert!(answer.field("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer:?}");
    drop(origin);
}

#[test]
fn nothing_reaches_an_origin_of_a_request_without_a_route() {
    let origin = Origin::echoing();
    let manifest = Manifest::new()
        .route("- matches: [{path: {type: Exact, value: /untouched}}]\n  backendRefs: [{name: origin, port: 80}]")
        .service("origin", &[origin.address()]);
    let gateway = gateway(&manifest);
    assert_eq!(gateway.get("/other").status, 404);
    assert_untouched(&gateway, &origin, "after a 404");
}
