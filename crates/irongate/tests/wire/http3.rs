//! HTTP/3 on HTTPS listeners, with a client on `h3` and `quinn`.

mod bounds;
mod life;
mod limits;
mod memory;
mod peers;

use crate::http2::peers::block_on;
use crate::http2::wait;
use crate::tls::Pair;
use crate::{compression, gateway};
use bytes::Bytes;
use h3::error::Code;
use irongate_testkit::{Gateway, Manifest, Origin, eventually};
use peers::{Answer, Client, reset_code};
use std::sync::Arc;

/// HTTPS with HTTP/3, before one origin.
fn manifest(pair: &Pair, origin: &Origin) -> Manifest {
    pair.manifest(origin).parameters("http3: true")
}

/// A gateway with HTTP/3 before an origin, and the certificate that it shows.
#[track_caller]
fn gateway_to(origin: &Origin) -> (Gateway, Pair) {
    let pair = Pair::new();
    (gateway(&manifest(&pair, origin)), pair)
}

#[test]
fn requests_and_answers_of_all_kinds() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let get = client
            .ask("GET", "/a/../b?c", &[("x-kept", "1"), ("cookie", "a=1"), ("cookie", "b=2")], None)
            .await;
        assert_eq!((get.status, get.text()), (200, "GET /b?c 0".to_owned()));
        assert_eq!(get.field("alt-svc"), None, "the client knows");
        let post = client.ask("POST", "/p", &[], Some(vec![b'a'; 100_000])).await;
        assert_eq!(post.text(), "POST /p 100000");
        let sized = client.ask("POST", "/s", &[("content-length", "3")], Some(b"abc".to_vec())).await;
        assert_eq!(sized.text(), "POST /s 3");
        let head = client.ask("HEAD", "/h", &[], None).await;
        assert_eq!((head.field("content-length"), head.body.len()), (Some("9"), 0));
    });
    let requests = origin.requests();
    let get = &requests[0];
    assert_eq!((get.target(), get.field("host")), ("/b?c", Some("test")));
    assert_eq!(get.field("x-kept"), Some("1"));
    assert_eq!(get.field("cookie"), Some("a=1; b=2"), "crumbs are joined (RFC 9114 §4.2.1)");
    assert_eq!(get.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(get.field("x-forwarded-proto"), Some("https"));
    assert!(get.field("via").is_some_and(|via| via.starts_with("3.0 ")), "{get:?}");
    assert_eq!(requests[1].body.len(), 100_000);
    assert_eq!(requests[2].field("content-length"), Some("3"));
    assert!(gateway.metric("irongate_connections_total", &["default/gw"]) > 0.5);
}

#[test]
fn answers_are_compressed() {
    let body = compression::text(300_000);
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    let origin = Origin::answering([head.as_bytes(), &body].concat());
    let pair = Pair::new();
    let gateway = gateway(&manifest(&pair, &origin).document(compression::POLICY));
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        for coding in ["gzip", "br", "zstd"] {
            let answer = client.ask("GET", "/", &[("accept-encoding", coding)], None).await;
            assert_eq!(answer.field("content-encoding"), Some(coding));
            assert_eq!(
                (answer.field("content-length"), answer.field("vary")),
                (None, Some("Accept-Encoding"))
            );
            assert!(answer.body.len() * 3 < body.len(), "{coding}: {}", answer.body.len());
            assert!(compression::decoded(coding, &answer.body) == body, "{coding}");
        }
        assert!(client.get("/").await.body == body, "as it is for whoever does not ask");
    });
}

#[test]
fn bodies_of_many_windows_pass_both_ways() {
    const LENGTH: usize = 5 << 20;
    let origin = Origin::start(|connection| {
        let request = connection.request()?;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len());
        connection.send(head)?;
        connection.send(request.body)
    });
    let (gateway, pair) = gateway_to(&origin);
    let body: Vec<u8> = (0..LENGTH).map(|at| (at / 7) as u8).collect();
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let answer = client.ask("POST", "/", &[], Some(body.clone())).await;
        assert!(answer.body == body, "{} bytes of {LENGTH}", answer.body.len());
    });
}

#[test]
fn trailers_pass_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-done\r\n\r\n\
                  2\r\nok\r\n0\r\nX-Done: yes\r\n\r\n";
    let origin = Origin::answering(answer);
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let mut stream = client.open("POST", "/", &[("te", "trailers")]).await.expect("a stream");
        stream.send_data("body".into()).await.expect("open");
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "1".parse().expect("a value"));
        stream.send_trailers(trailers).await.expect("open");
        stream.finish().await.expect("open");
        let answer = Answer::read(&mut stream).await.expect("an answer");
        assert_eq!(
            (answer.text(), answer.trailers),
            ("ok".to_owned(), vec![("x-done".to_owned(), "yes".to_owned())])
        );
    });
    let request = origin.only_request();
    assert_eq!(request.body, b"body");
    assert_eq!(request.trailers, [("x-sum".to_owned(), "1".to_owned())]);
}

#[test]
fn interim_answers_pass() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.send(
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )?;
        connection.until_end()
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let mut stream = client.open("GET", "/", &[]).await.expect("a stream");
        stream.finish().await.expect("open");
        assert_eq!(stream.recv_response().await.expect("a head").status(), 103);
        assert_eq!(Answer::read(&mut stream).await.expect("an answer").text(), "ok");
    });
}

#[test]
fn many_streams_share_a_connection() {
    let origin = Origin::echoing();
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        // More than may be open at once: each waits for its turn.
        let mut streams = Vec::new();
        for turn in 0..5 {
            for number in 0..80 {
                let mut stream =
                    client.open("GET", &format!("/{turn}/{number}"), &[]).await.expect("a stream");
                stream.finish().await.expect("open");
                streams.push((turn, number, stream));
            }
            for (turn, number, mut stream) in streams.drain(..).rev() {
                let answer = Answer::read(&mut stream).await.expect("an answer");
                assert_eq!(answer.text(), format!("GET /{turn}/{number} 0"));
            }
        }
    });
}

#[test]
fn an_answer_that_nobody_reads_holds_no_other_up() {
    let body = vec![b'a'; 4 << 20];
    let large =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
    let large = Arc::new(large);
    let origin = Origin::start(move |connection| {
        loop {
            let request = connection.request()?;
            match request.target() {
                "/large" => connection.send(&*large)?,
                _ => connection.send(crate::OK)?,
            }
        }
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        // quinn gives a client's stream 1.25 MB and its connection no bound.
        let mut unread = client.open("GET", "/large", &[]).await.expect("a stream");
        unread.finish().await.expect("open");
        assert_eq!(unread.recv_response().await.expect("a head").status(), 200);
        for _ in 0..20 {
            assert_eq!(client.get("/").await.text(), "ok");
        }
        let mut read = 0;
        while let Some(data) = unread.recv_data().await.expect("the rest comes") {
            read += bytes::Buf::remaining(&data);
        }
        assert_eq!(read, body.len());
    });
}

#[test]
fn a_client_that_resets_ends_its_request() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection.until_end()
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        // In the middle of a body, and while the answer is waited for.
        let mut upload = client.open("POST", "/upload", &[]).await.expect("a stream");
        upload.send_data(Bytes::from_static(b"part")).await.expect("open");
        let mut waiting = client.open("GET", "/waiting", &[]).await.expect("a stream");
        waiting.finish().await.expect("open");
        wait(|| origin.records().len() == 2).await;
        upload.stop_stream(Code::H3_REQUEST_CANCELLED);
        upload.stop_sending(Code::H3_REQUEST_CANCELLED);
        waiting.stop_sending(Code::H3_REQUEST_CANCELLED);
        wait(|| origin.records().iter().all(|record| record.end.is_some())).await;
    });
}

#[test]
fn an_answer_that_is_cut_is_reset() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart")?;
        connection.close();
        Ok(())
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let mut stream = client.open("GET", "/", &[]).await.expect("a stream");
        stream.finish().await.expect("open");
        let error = Answer::read(&mut stream).await.expect_err("it is not whole");
        assert_eq!(reset_code(&error), Code::H3_INTERNAL_ERROR);
    });
}

#[test]
fn an_early_answer_is_whole() {
    let origin = Origin::start(|connection| {
        connection.head()?;
        connection
            .send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")?;
        connection.finish();
        connection.until_end()
    });
    let (gateway, pair) = gateway_to(&origin);
    block_on(async {
        let mut client = Client::connect(gateway.address(), &pair).await;
        let answer = client.ask("POST", "/", &[], Some(vec![b'a'; 2 << 20])).await;
        assert_eq!((answer.status, answer.text()), (413, "no".to_owned()));
    });
}

#[test]
fn answers_over_tcp_tell_of_http3() {
    let origin = Origin::answering(crate::OK);
    let (gateway, pair) = gateway_to(&origin);
    let expected = format!("alt-svc: h3=\":{}\"; ma=3600", gateway.address().port());
    let of_backend = crate::tls::get(&gateway, &pair, "GET", "/");
    assert!(of_backend.to_lowercase().contains(&expected), "{of_backend}");
    let of_ours = crate::tls::get(&gateway, &pair, "OPTIONS", "*");
    assert!(of_ours.to_lowercase().contains(&expected), "{of_ours}");
    // Off, nothing is said and nothing listens.
    gateway.configure(&pair.manifest(&origin));
    eventually("it is not told any more", || {
        !crate::tls::get(&gateway, &pair, "GET", "/").to_lowercase().contains("alt-svc")
    });
}
