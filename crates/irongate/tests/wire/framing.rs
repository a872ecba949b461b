//! Bodies: what is broken never becomes a whole message on the other side, in either direction.

use crate::{GET, OK, gateway_to};
use irongate_testkit::{Gate, Origin, ReadError, eventually};
use std::sync::Arc;

/// Sends a chunked request with these bytes after its head. The origin must never have a whole request, and the
/// client gets a refusal or the end of the connection.
#[track_caller]
fn check_broken_chunks(bodies: &[&[u8]]) {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let mut client = gateway.connect();
        client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        let _refused_early = client.try_send(body);
        match client.try_response("POST") {
            Ok(answer) => assert_eq!(answer.status, 400, "{shown:?}"),
            Err(error) => {
                assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{shown:?}: {error}")
            }
        }
        client.expect_end();
        origin.wait_ended();
        assert_eq!(origin.requests(), [], "{shown:?}: a whole request reached the origin");
    }
    assert_eq!(gateway.get("/after").status, 200);
    assert_eq!(origin.only_request().target(), "/after");
}

#[test]
fn chunk_sizes() {
    check_broken_chunks(&[
        b"+1\r\na\r\n0\r\n\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"1 \r\na\r\n0\r\n\r\n",
        b"\t1\r\na\r\n0\r\n\r\n",
        b"1_0\r\naaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
        b"g\r\na\r\n0\r\n\r\n",
        b"\r\na\r\n0\r\n\r\n",
        b";a=b\r\na\r\n0\r\n\r\n",
        b"00000000000000001\r\na\r\n0\r\n\r\n",
        b"10000000000000001\r\na\r\n0\r\n\r\n",
        b"ffffffffffffffff1\r\na\r\n0\r\n\r\n",
        b"1\0\r\na\r\n0\r\n\r\n",
    ]);
}

#[test]
fn empty_elements_of_transfer_encoding_are_not_passed_on() {
    // RFC 9110 §5.6.1.2 lets a recipient ignore them; another reader behind us may not.
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for coding in ["chunked,", ",chunked", " , chunked ,,"] {
        let answer = gateway.exchange(format!(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: {coding}\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
        assert_eq!(answer.text(), "POST / 1");
    }
    for request in origin.requests() {
        assert_eq!(request.field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn chunk_line_ends() {
    check_broken_chunks(&[
        b"1\na\r\n0\r\n\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\ra\r\n0\r\n\r\n",
        b"1\r\na\r0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"2\r\na\r\n0\r\n\r\n",
        b"1\r\na\r\nX\r\n",
        b"1\r\na\r\n\r\n0\r\n\r\n",
        b"0\n\n",
        b"0\r\n\n",
        b"0\r\nX\r\n\r\n",
        b"1;a\nb\r\na\r\n0\r\n\r\n",
        b"1;a\rb\r\na\r\n0\r\n\r\n",
        b"1;a\0b\r\na\r\n0\r\n\r\n",
    ]);
}

#[test]
fn chunk_extensions_are_bounded() {
    let long = [b"1;".to_vec(), vec![b'a'; 300], b"\r\na\r\n0\r\n\r\n".to_vec()].concat();
    let endless = [b"1;".to_vec(), vec![b'a'; 100 << 10]].concat();
    check_broken_chunks(&[&long, &endless]);
}

#[test]
fn trailer_fields() {
    let long = [b"0\r\nA: ".to_vec(), vec![b'a'; 65 << 10], b"\r\n\r\n".to_vec()].concat();
    let many = [b"0\r\n".to_vec(), b"A: b\r\n".repeat(300), b"\r\n".to_vec()].concat();
    check_broken_chunks(&[
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\r\n c\r\n\r\n",
        b"0\r\n: b\r\n\r\n",
        b"0\r\nA: b\nC: d\r\n\r\n",
        b"0\r\nA: b\0\r\n\r\n",
        b"0\r\n A: b\r\n\r\n",
        &long,
        &many,
    ]);
}

#[test]
fn small_chunks_and_short_extensions_are_fine() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange(
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n\
         1\r\na\r\n0002;x\r\nbc\r\nA;y=\"z\"\r\n0123456789\r\n0;last\r\nA: b\r\n\r\n",
    );
    assert_eq!(answer.text(), "POST / 13");
    let request = origin.only_request();
    assert_eq!(request.body, b"abc0123456789");
    assert_eq!(request.trailers, [("A".to_owned(), "b".to_owned())]);
}

#[test]
fn truncated_requests_are_never_whole() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    for request in [
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n012345678",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0123",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\nA: b\r\n",
    ] {
        for reset in [false, true] {
            let mut client = gateway.connect();
            client.send(request);
            if reset {
                client.reset();
            } else {
                client.finish();
                if let Ok(answer) = client.try_response("POST") {
                    assert_eq!(answer.status, 400, "{request:?}");
                }
                client.expect_end();
            }
            origin.wait_ended();
            assert_eq!(origin.requests(), [], "{request:?}");
        }
    }
    assert_eq!(gateway.get("/after").status, 200);
    assert_eq!(origin.only_request().target(), "/after");
}

#[test]
fn more_than_the_content_length_is_not_part_of_the_body() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n01234\0not a request\r\n\r\n");
    assert_eq!(client.response().text(), "POST / 5");
    assert_eq!(client.response().status, 400);
    client.expect_end();
    assert_eq!(origin.only_request().body, b"01234");
}

#[test]
fn a_get_with_a_body_has_it_passed_on() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let answer = gateway.exchange("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(answer.text(), "GET / 3");
    let answer = gateway.exchange("DELETE / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answer.text(), "DELETE / 0");
}

#[test]
fn large_bodies_pass_unchanged_both_ways() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|i| (i * 7 + i / 251) as u8).collect();
    let origin = Origin::start({
        let body = body.clone();
        move |connection| {
            loop {
                let request = connection.request()?;
                assert_eq!(request.body, body);
                if request.target() == "/chunked" {
                    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                    for piece in body.chunks(70_001) {
                        connection
                            .send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
                    }
                    connection.send("0\r\n\r\n")?;
                } else {
                    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()))?;
                    connection.send(&body)?;
                }
            }
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for target in ["/length", "/chunked"] {
        let head = format!("PUT {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
        let sending = client.send_beside([head.as_bytes(), &body].concat());
        let answer = client.response();
        assert!(answer.body == body, "{target}: another body");
        sending.join().expect("no panic").expect("the gateway takes it all");

        let mut chunked =
            format!("PUT {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
        for piece in body.chunks(99_991) {
            chunked
                .extend_from_slice(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let sending = client.send_beside(chunked);
        assert!(client.response().body == body, "{target}: another body");
        sending.join().expect("no panic").expect("the gateway takes it all");
    }
}

/// An origin that gives each connection's first request this answer and then closes at once.
fn answering_and_closing(answer: &[u8]) -> Origin {
    let answer = answer.to_vec();
    Origin::start(move |connection| {
        connection.request()?;
        connection.send(&answer)?;
        connection.close();
        Ok(())
    })
}

#[test]
fn broken_heads_of_answers_are_a_bad_gateway() {
    let long = [b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'a'; 65 << 10], b"\r\n\r\n".to_vec()].concat();
    let cases: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\nA: b\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTPS/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"ICY 200 OK\r\n\r\n",
        b"junk\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"H",
        b"",
        &long,
    ];
    for answer in cases {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(90)]);
        let origin = answering_and_closing(answer);
        let gateway = gateway_to(&origin);
        let answer = gateway.get("/");
        assert_eq!(answer.status, 502, "{shown:?}: {answer:?}");
        assert!(!answer.text().contains("ok"), "{shown:?}: {answer:?}");
    }
}

#[test]
fn truncated_answers_are_errors_for_the_client() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012345678",
        "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n012345678",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0123",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\nA: b\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n01234\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\n01234\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n012345\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n012345\r\n0\r\n\r\n",
    ] {
        let origin = answering_and_closing(answer.as_bytes());
        let gateway = gateway_to(&origin);
        // An HTTP/1.0 client has no chunks to tell the end by: only a reset can tell it.
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let mut client = gateway.connect();
            client.send(format!("GET / {version}\r\nHost: test\r\n\r\n"));
            match client.try_response("GET") {
                Ok(whole) => assert_eq!(whole.status, 502, "{version}: {answer:?} came as {whole:?}"),
                Err(ReadError::Truncated | ReadError::Reset) => {}
                Err(error) => unreachable!("{version}: {answer:?}: {error}"),
            }
        }
    }
}

#[test]
fn what_comes_after_an_answer_is_never_used() {
    let origin = Origin::start(|connection| {
        loop {
            connection.request()?;
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for _ in 0..4 {
        client.send(GET);
        assert_eq!(client.response().text(), "ok");
    }
    assert_eq!(origin.records().len(), 4, "each answer with bytes after it costs its connection");
}

#[test]
fn a_body_where_none_may_be_is_never_the_next_answer() {
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 38\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
    ];
    for (method, head) in cases {
        let origin = Origin::answering(format!("{head}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
        let gateway = gateway_to(&origin);
        let mut client = gateway.connect();
        for _ in 0..3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: test\r\n\r\n"));
            let answer = client.try_response(method).expect("an answer");
            assert_eq!(answer.text(), "", "{method} {head:?}");
        }
        assert!(client.is_quiet());
        assert_eq!(origin.records().len(), 3, "{method} {head:?}: the connection is not used again");
    }
}

#[test]
fn an_origin_that_speaks_first_is_not_believed_twice() {
    let origin = Origin::start(|connection| {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".repeat(3))?;
        connection.until_end()
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for n in 0..3 {
        client.send(GET);
        assert!([200, 502].contains(&client.response().status));
        assert_eq!(origin.records().len(), n + 1, "each such connection is used once at most");
    }
}

#[test]
fn bytes_that_come_on_an_idle_connection_are_never_an_answer() {
    let gate = Arc::new(Gate::new());
    let held = gate.clone();
    let origin = Origin::start(move |connection| {
        connection.request()?;
        connection.send(OK)?;
        // Unasked, once its answer has been read: with the next request on its way it would look like the answer to that.
        held.wait();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
        Ok(())
    });
    let gateway = gateway_to(&origin);
    assert_eq!(gateway.get("/").text(), "ok");
    gate.open();
    eventually("the gateway drops the connection", || origin.records()[0].end.is_some());
    assert_eq!(gateway.get("/").text(), "ok");
}

#[test]
fn answers_that_may_be_mended_are() {
    let cases = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            "ok",
            ("content-length", "2"),
        ),
        ("HTTP/1.1 200 OK\r\nA : b\r\nContent-Length: 2\r\n\r\nok", "ok", ("a", "b")),
        ("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", ("content-length", "2")),
        ("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", "ok", ("content-length", "2")),
        ("HTTP/1.1 299 Something \u{e4}\u{f6}\r\nContent-Length: 2\r\n\r\nok", "ok", ("content-length", "2")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ("content-length", "0")),
    ];
    for (answer, body, (name, value)) in cases {
        let origin = Origin::answering(answer);
        let gateway = gateway_to(&origin);
        let got = gateway.get("/");
        assert_eq!((got.status / 100, got.text().as_str()), (2, body), "{answer:?}");
        assert_eq!(got.field(name), Some(value), "{answer:?}");
    }
}

#[test]
fn an_answer_until_the_close_is_whole() {
    let origin = answering_and_closing(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nall of it");
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    let answer = client.response();
    assert_eq!(answer.text(), "all of it");
    assert_eq!(answer.field("transfer-encoding"), Some("chunked"), "its end is told apart from a failure");
    client.send(GET);
    assert_eq!(client.response().text(), "all of it", "the client's connection goes on");
}

#[test]
fn an_answer_until_the_close_that_ends_by_a_reset_is_not_whole() {
    let gate = Gate::new();
    let origin = Origin::start({
        let gate = gate.clone();
        move |connection| {
            connection.request()?;
            connection.send("HTTP/1.1 200 OK\r\n\r\nnot all of it")?;
            gate.wait();
            connection.reset();
            Ok(())
        }
    });
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    client.send(GET);
    assert_eq!(client.head().expect("a head").status, 200);
    gate.open();
    let (bytes, _) = client.read_to_end();
    assert!(!bytes.ends_with(b"0\r\n\r\n"), "a clean end: {}", String::from_utf8_lossy(&bytes));
}
