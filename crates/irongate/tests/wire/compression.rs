//! Compressed answers, as clients of every version see them.

use crate::gateway;
use crate::http2::peers::{self, block_on};
use flate2::read::GzDecoder;
use irongate_testkit::{Gateway, Manifest, Origin, ReadError, Response};
use std::io::Read;

pub(crate) const POLICY: &str = "
apiVersion: irongate.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: compressed}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: route-0}]
  compression: {}
";

#[track_caller]
fn compressing(origin: &Origin, policy: &str) -> Gateway {
    gateway(&Manifest::to_origins(&[origin.address()]).document(policy))
}

pub(crate) fn text(length: usize) -> Vec<u8> {
    (0..).flat_map(|line: u32| format!("line {line} of some text\n").into_bytes()).take(length).collect()
}

pub(crate) fn decoded(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let read = match coding {
        "gzip" => GzDecoder::new(body).read_to_end(&mut all),
        "br" => brotli::Decompressor::new(body, 4096).read_to_end(&mut all),
        "zstd" => {
            zstd::stream::read::Decoder::new(body).and_then(|mut decoder| decoder.read_to_end(&mut all))
        }
        other => unreachable!("a coding that was not asked for: {other}"),
    };
    read.expect("a whole body");
    all
}

/// Asks for `/` in a version of HTTP/1.
#[track_caller]
fn ask(gateway: &Gateway, version: &str, method: &str, fields: &str) -> Response {
    let mut client = gateway.connect();
    client.send(format!("{method} / {version}\r\nHost: test\r\n{fields}\r\n"));
    client.try_response(method).expect("a whole answer")
}

fn accepting(coding: &str) -> String {
    format!("Accept-Encoding: {coding}\r\n")
}

#[test]
fn every_coding_to_every_version() {
    let body = text(300_000);
    let mut chunked =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for byte in &body[..20_000] {
        chunked.extend_from_slice(b"1\r\n");
        chunked.extend_from_slice(&[*byte, b'\r', b'\n']);
    }
    chunked.extend_from_slice(b"0\r\nX-Trailer: end\r\n\r\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = [head.as_bytes(), &body].concat();
    for (answer, expected, trailers) in [(chunked, &body[..20_000], 1), (whole, &body, 0)] {
        let origin = Origin::answering(answer);
        let gateway = compressing(&origin, POLICY);
        for coding in ["gzip", "br", "zstd"] {
            for version in ["HTTP/1.1", "HTTP/1.0"] {
                let answer = ask(&gateway, version, "GET", &accepting(coding));
                assert_eq!(answer.field("content-encoding"), Some(coding), "{version}");
                assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
                assert_eq!((answer.field("content-length"), answer.field("accept-ranges")), (None, None));
                let framing = (version == "HTTP/1.1").then_some("chunked");
                assert_eq!(answer.field("transfer-encoding"), framing);
                assert!(answer.field("etag").is_none_or(|tag| tag == "W/\"a\""));
                assert!(answer.body.len() * 3 < expected.len(), "{coding}: {}", answer.body.len());
                assert!(decoded(coding, &answer.body) == expected, "{coding} {version}");
                let kept = if version == "HTTP/1.1" { trailers } else { 0 };
                assert_eq!(answer.trailers.len(), kept, "{coding} {version}");
            }
            let answer = block_on(async {
                let mut client = peers::Client::connect(gateway.address()).await;
                client.ask("GET", "/", &[("accept-encoding", coding)], None).await
            });
            assert_eq!(answer.field("content-encoding"), Some(coding));
            assert_eq!((answer.field("content-length"), answer.trailers.len()), (None, trailers));
            assert!(decoded(coding, &answer.body) == expected, "{coding} over HTTP/2");
        }
        assert!(ask(&gateway, "HTTP/1.1", "GET", "").body == expected, "as it is for whoever does not ask");
        let labels = ["policy=\"default/compressed for HTTPRoute default/route-0\"", "coding=\"br\""];
        let compressed = gateway.metric("irongate_compressed_answers_total", &labels);
        assert_eq!(compressed, 3.0);
        let before =
            gateway.metric("irongate_compression_bytes_total", &["coding=\"br\"", "side=\"before\""]);
        assert_eq!(before, 3.0 * expected.len() as f64);
        let after = gateway.metric("irongate_compression_bytes_total", &["coding=\"br\"", "side=\"after\""]);
        assert!(after > 0.0 && after < before / 3.0, "{after} of {before}");
    }
}

#[test]
fn answers_without_a_body_that_could_be_compressed() {
    let range = "HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/9\r\n\
                 Content-Length: 3\r\n\r\nabc";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    let coded = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
    let pinned = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-transform\r\n\
                  Content-Length: 3\r\nETag: \"a\"\r\n\r\nabc";
    for (answer, body, coding) in
        [(range, "abc", None), (empty, "", None), (coded, "abc", Some("gzip")), (pinned, "abc", None)]
    {
        let origin = Origin::answering(answer);
        let gateway = compressing(&origin, POLICY);
        let answer = ask(&gateway, "HTTP/1.1", "GET", &accepting("gzip, br, zstd"));
        assert_eq!((answer.text().as_str(), answer.field("content-encoding")), (body, coding));
        assert_eq!(answer.field("vary"), None);
        assert!(answer.field("etag").is_none_or(|tag| tag == "\"a\""), "it is left as it is");
    }
}

#[test]
fn head_and_unchanged() {
    let origin = Origin::start(|connection| {
        loop {
            let request = connection.request()?;
            let unchanged = request.field("if-none-match").is_some();
            let status = if unchanged { "304 Not Modified" } else { "200 OK" };
            let length = if unchanged { "" } else { "Content-Length: 5000\r\n" };
            connection.send(format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nETag: \"a\"\r\nVary: Origin\r\n{length}\r\n"
            ))?;
        }
    });
    let gateway = compressing(&origin, POLICY);
    let head = ask(&gateway, "HTTP/1.1", "HEAD", &accepting("br"));
    assert_eq!((head.field("content-encoding"), head.field("etag")), (Some("br"), Some("W/\"a\"")));
    assert_eq!((head.field("content-length"), head.field("vary")), (None, Some("Origin, Accept-Encoding")));
    let head = ask(&gateway, "HTTP/1.1", "HEAD", "");
    assert_eq!((head.field("content-encoding"), head.field("etag")), (None, Some("\"a\"")));
    assert_eq!(
        (head.field("content-length"), head.field("vary")),
        (Some("5000"), Some("Origin, Accept-Encoding"))
    );
    for (tag, said) in [("W/\"a\"", "W/\"a\""), ("\"a\"", "\"a\"")] {
        let fields = format!("{}If-None-Match: {tag}\r\n", accepting("br"));
        let unchanged = ask(&gateway, "HTTP/1.1", "GET", &fields);
        assert_eq!((unchanged.status, unchanged.field("etag")), (304, Some(said)));
    }
}

#[test]
fn what_breaks_off_is_seen_to() {
    let origin = Origin::start(|connection| {
        connection.request()?;
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n\r\n")?;
        connection.send(text(60_000))?;
        connection.close();
        Ok(())
    });
    let gateway = compressing(&origin, POLICY);
    for (coding, version) in [("gzip", "HTTP/1.1"), ("br", "HTTP/1.0"), ("zstd", "HTTP/1.1")] {
        let mut client = gateway.connect();
        client.send(format!("GET / {version}\r\nHost: test\r\n{}\r\n", accepting(coding)));
        let error = client.try_response("GET").expect_err("it is not whole");
        assert!(matches!(error, ReadError::Truncated | ReadError::Reset | ReadError::Closed), "{error}");
    }
    let answer = block_on(async {
        let mut client = peers::Client::connect(gateway.address()).await;
        let answer = client.begin("GET", "/", &[("accept-encoding", "gzip")], None).await;
        peers::Answer::read(answer).await
    });
    assert!(answer.is_err(), "the stream is reset");
}

#[test]
fn the_origin_may_be_kept_from_compressing_itself() {
    let body = text(5000);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: {}\r\n\r\n", body.len());
    let origin = Origin::answering([head.as_bytes(), &body].concat());
    let rule = "
- filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [accept-encoding]}}]
  backendRefs: [{name: origin, port: 80}]";
    let policy =
        POLICY.replace("{}", "{codings: [gzip], minSize: 100, types: [text/css], strongEtags: Skip}");
    let manifest = Manifest::new().route(rule).service("origin", &[origin.address()]).document(&policy);
    let gateway = gateway(&manifest);
    let answer = ask(&gateway, "HTTP/1.1", "GET", &accepting("zstd, gzip;q=0.1"));
    assert!(decoded(answer.field("content-encoding").unwrap_or_default(), &answer.body) == body);
    assert_eq!(origin.only_request().field("accept-encoding"), None);
}
