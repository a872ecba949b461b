//! What is compressed, by what was asked and by what the answer is.

use super::*;
use irongate_message::{BodyLength, HeadLimits, Method};

fn plan(change: impl FnOnce(&mut Compression)) -> CompressionPlan {
    let mut asked = Compression::default();
    change(&mut asked);
    CompressionPlan::new(&asked).expect("it offers codings")
}

fn request(fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let limits = HeadLimits::default();
    head.from_parts(b"GET", b"http", Some(b"test"), b"/", true, fields, &limits).expect("valid");
    head
}

fn response(method: Method, status: u16, fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new();
    let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    head.from_parts(status, false, method, fields, &HeadLimits::default()).expect("valid");
    head
}

#[test]
fn what_a_client_asks_for() {
    let usual = plan(|_| {});
    let gzip_first = plan(|asked| asked.codings.reverse());
    for (accept, coding, by_gzip_first, needed) in [
        (&[][..], None, None, false),
        (&[""], None, None, false),
        (&["gzip"], Some("gzip"), Some("gzip"), false),
        (&["gzip, deflate, br, zstd"], Some("zstd"), Some("gzip"), false),
        (&["gzip, deflate", "br"], Some("br"), Some("gzip"), false),
        (&["X-GZIP"], Some("gzip"), Some("gzip"), false),
        (&["gzip;q=1.0, br;q=0.9, zstd;q=0.8"], Some("gzip"), Some("gzip"), false),
        (&["gzip;q=0, br;Q=0.001"], Some("br"), Some("br"), false),
        (&["*"], Some("zstd"), Some("gzip"), false),
        (&["*;q=0"], None, None, true),
        (&["zstd;q=0, *"], Some("br"), Some("gzip"), false),
        (&["*;q=0, gzip"], Some("gzip"), Some("gzip"), true),
        (&["*;q=0, identity"], None, None, false),
        (&["identity;q=0"], None, None, true),
        (&["identity;q=0, br"], Some("br"), Some("br"), true),
        (&["identity;q=0.5, br"], Some("br"), Some("br"), false),
        (&["identity, br;q=0.5"], None, None, false),
        (&["identity, br"], Some("br"), Some("br"), false),
        (&["deflate, compress"], None, None, false),
        (&["gzip;q=1.1, br;q=0.1234, zstd;q=x"], None, None, false),
        (&["gzip;q=.5"], None, None, false),
        (&["gzip;level=9;q=0.5, br;q=0.4"], Some("gzip"), Some("gzip"), false),
        (&["gzip ; q=0.2 , br ;q=0.1"], Some("gzip"), Some("gzip"), false),
        (&[",,gzip,,"], Some("gzip"), Some("gzip"), false),
    ] {
        let fields: Vec<_> = accept.iter().map(|value| ("accept-encoding", *value)).collect();
        let request = request(&fields);
        let name = |asked: AskedCoding| asked.coding.map(|(coding, _)| coding.as_str());
        assert_eq!(name(usual.asked(&request)), coding, "{accept:?}");
        assert_eq!(name(gzip_first.asked(&request)), by_gzip_first, "{accept:?}");
        assert_eq!(usual.asked(&request).is_needed, needed, "{accept:?}");
    }
    let only_gzip = plan(|asked| asked.codings.retain(|(coding, _)| *coding == ContentCoding::Gzip));
    assert_eq!(only_gzip.asked(&request(&[("accept-encoding", "br, zstd")])).coding, None);
    let untouched = request(&[("accept-encoding", "gzip"), ("cache-control", "no-cache, No-Transform")]);
    assert_eq!(usual.asked(&untouched), AskedCoding::default());
    let none = Compression { codings: Vec::new(), ..Compression::default() };
    assert!(CompressionPlan::new(&none).is_none());
}

/// What becomes of an answer: the coding of its body, and the fields that tell of it.
#[derive(Debug, PartialEq, Eq)]
struct Became {
    coding: Option<&'static str>,
    content_encoding: Option<String>,
    vary: Option<String>,
    etag: Option<String>,
}

fn became(
    plan: &CompressionPlan,
    accept: &str,
    mut head: ResponseHead,
    request_fields: &[(&str, &str)],
) -> Became {
    let fields: Vec<_> = [("accept-encoding", accept)].iter().chain(request_fields).copied().collect();
    let request = request(&fields);
    let coding = plan.answer(plan.asked(&request), &request, &mut head, |_, _, _| true);
    let field = |name| head.fields.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    if coding.is_some() {
        assert_eq!(head.body(), BodyLength::Chunked);
        assert_eq!(head.content_length(), None);
    }
    Became {
        coding: coding.map(|(coding, _)| coding.as_str()),
        content_encoding: field(Known::ContentEncoding),
        vary: field(Known::Vary),
        etag: field(Known::Etag),
    }
}

#[test]
fn what_is_compressed() {
    const TEXT: (&str, &str) = ("content-type", "text/html; charset=utf-8");
    const LONG: (&str, &str) = ("content-length", "5000");
    let usual = plan(|_| {});
    // The status, the fields, whether it is compressed, and whether `Vary` says that it could have been.
    for (status, fields, compressed, varies) in [
        (200, &[TEXT, LONG][..], true, true),
        (200, &[TEXT], true, true),
        (404, &[TEXT, LONG], true, true),
        (200, &[TEXT, ("content-length", "1023")], false, true),
        (200, &[TEXT, ("content-length", "1024")], true, true),
        (200, &[TEXT, ("content-length", "0")], false, false),
        (200, &[LONG], false, false),
        (200, &[("content-type", "image/png"), LONG], false, false),
        (200, &[("content-type", "Application/JSON"), LONG], true, true),
        (200, &[("content-type", "application/vnd.api+json"), LONG], true, true),
        (200, &[("content-type", "text/event-stream")], true, true),
        (200, &[("content-type", "application/grpc+proto")], false, false),
        (200, &[TEXT, LONG, ("content-encoding", "br")], false, false),
        (200, &[TEXT, LONG, ("cache-control", "public, no-transform")], false, false),
        (200, &[TEXT, LONG, ("repr-digest", "sha-256=:AA==:")], false, false),
        (206, &[TEXT, LONG, ("content-range", "bytes 0-4999/9000")], false, false),
        (200, &[TEXT, LONG, ("content-range", "bytes 0-4999/9000")], false, false),
        (416, &[TEXT, LONG, ("content-range", "bytes */9000")], false, false),
        (204, &[TEXT], false, false),
    ] {
        let became = became(&usual, "gzip", response(Method::Get, status, fields), &[]);
        assert_eq!(became.coding, compressed.then_some("gzip"), "{status} {fields:?}");
        assert_eq!(became.vary.as_deref(), varies.then_some("Accept-Encoding"), "{status} {fields:?}");
    }
    // The same for clients that do not ask for it, or have to have it.
    let short = || response(Method::Get, 200, &[TEXT, ("content-length", "5")]);
    assert_eq!(became(&usual, "identity", short(), &[]).vary.as_deref(), Some("Accept-Encoding"));
    assert_eq!(became(&usual, "identity;q=0, br", short(), &[]).coding, Some("br"));
    // Without memory for it the answer goes as it is.
    let request = request(&[("accept-encoding", "gzip")]);
    let mut head = response(Method::Get, 200, &[TEXT, LONG]);
    assert_eq!(usual.answer(usual.asked(&request), &request, &mut head, |_, _, _| false), None);
    assert_eq!((head.content_length(), head.fields.get(Known::ContentEncoding)), (Some(5000), None));
}

#[test]
fn an_answer_to_head_says_what_one_to_get_would() {
    let fields = [("content-type", "text/css"), ("content-length", "5000"), ("etag", "\"a\"")];
    let became = became(&plan(|_| {}), "gzip", response(Method::Head, 200, &fields), &[]);
    let said = Became {
        coding: None,
        content_encoding: Some("gzip".into()),
        vary: Some("Accept-Encoding".into()),
        etag: Some("W/\"a\"".into()),
    };
    assert_eq!(became, said);
}

#[test]
fn tags() {
    let (weakening, skipping) = (plan(|_| {}), plan(|asked| asked.weaken_etags = false));
    let tagged = |tag| response(Method::Get, 200, &[("content-type", "text/css"), ("etag", tag)]);
    for (plan, tag, coding, becomes) in [
        (&weakening, "\"a\"", Some("gzip"), "W/\"a\""),
        (&weakening, "W/\"a\"", Some("gzip"), "W/\"a\""),
        (&skipping, "\"a\"", None, "\"a\""),
        (&skipping, "W/\"a\"", Some("gzip"), "W/\"a\""),
    ] {
        let became = became(plan, "gzip", tagged(tag), &[]);
        assert_eq!((became.coding, became.etag.as_deref()), (coding, Some(becomes)), "{tag}");
    }
    // 304: the client knows the compressed form by the weak tag.
    for (plan, asked, becomes) in [
        (&weakening, "\"b\", W/\"a\"", "W/\"a\""),
        (&weakening, "\"a\"", "\"a\""),
        (&weakening, "*", "\"a\""),
        (&skipping, "W/\"a\"", "\"a\""),
    ] {
        let unchanged = response(Method::Get, 304, &[("etag", "\"a\"")]);
        let became = became(plan, "gzip", unchanged, &[("if-none-match", asked)]);
        assert_eq!((became.coding, became.etag.as_deref()), (None, Some(becomes)), "{asked}");
    }
}
