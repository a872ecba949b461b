//! Filters on whole heads, and what the tests of the official conformance suite of these names ask of them.
#![allow(non_snake_case)]

use super::{CorsPolicy, FilterContext, Filters};
use irongate_config::{
    Cors, CorsAllowed, CorsOrigin, Filter, HeaderEdits, PathRewrite, Redirect, Rewrite, Scheme,
};
use irongate_message::{BodyLength, ConnectionOption, HeadLimits, HeadParser, Method, Parsed};
use irongate_message::{RequestHead, ResponseHead, Version};

const HTTP_80: FilterContext = FilterContext { scheme: Scheme::Http, listener_port: 80 };
const HTTP_8080: FilterContext = FilterContext { scheme: Scheme::Http, listener_port: 8080 };
const HTTPS_443: FilterContext = FilterContext { scheme: Scheme::Https, listener_port: 443 };

const REDIRECT: Redirect = Redirect { scheme: None, hostname: None, path: None, port: None, status: 302 };

fn request_head(input: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let parsed = HeadParser::new().request(input.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{input}: {parsed:?}");
    head
}

/// `target` is `host/path?query`.
fn request_to(target: &str) -> RequestHead {
    let (host, path) = target.split_at(target.find('/').expect("a path"));
    request_head(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

fn full(path: &str) -> Option<PathRewrite> {
    Some(PathRewrite::Full(path.into()))
}

fn prefix(path: &str) -> Option<PathRewrite> {
    Some(PathRewrite::Prefix(path.into()))
}

fn location(
    redirect: Redirect,
    head: &mut RequestHead,
    matched: &str,
    context: &FilterContext,
) -> (u16, String) {
    let filters = Filters::compile(&[Filter::Redirect(redirect)]);
    assert!(!filters.is_empty() && filters.redirects());
    let redirection = filters.request(head, matched.len(), context).expect("a redirect");
    (redirection.status, String::from_utf8(redirection.location).expect("ASCII"))
}

/// `matched` is the prefix that the rule matched by.
fn check_redirect(redirect: Redirect, target: &str, matched: &str, context: &FilterContext, expected: &str) {
    let shown = format!("{redirect:?} of {target}");
    let (status, found) = location(redirect, &mut request_to(target), matched, context);
    assert_eq!((status, &*found), (302, expected), "{shown}");
}

/// The request line and the host that a backend sees.
fn check_rewrite(
    hostname: Option<&str>,
    path: Option<PathRewrite>,
    target: &str,
    matched: &str,
    expected: &str,
) {
    let rewrite = Rewrite { hostname: hostname.map(Into::into), path };
    let mut head = request_to(target);
    let filters = Filters::compile(&[Filter::Rewrite(rewrite)]);
    assert_eq!(filters.request(&mut head, matched.len(), &HTTP_80), None);
    let mut out = Vec::new();
    head.write_http1(BodyLength::Empty, &mut out);
    let text = String::from_utf8(out).expect("text");
    let (path, rest) =
        text.strip_prefix("GET ").and_then(|rest| rest.split_once(' ')).expect("a request line");
    let host = rest.split("\r\n").find_map(|line| line.strip_prefix("Host: ")).expect("a host");
    assert_eq!(format!("{host}{path}"), expected, "of {target}");
}

#[test]
fn HTTPRouteRedirectHostAndStatus() {
    let host = || Redirect { hostname: Some("example.org".into()), ..REDIRECT };
    check_redirect(host(), "a/hostname-redirect", "/", &HTTP_80, "http://example.org/hostname-redirect");
    let mut head = request_to("a/host-and-status");
    let (status, found) = location(Redirect { status: 301, ..host() }, &mut head, "/", &HTTP_80);
    assert_eq!((status, &*found), (301, "http://example.org/host-and-status"));
}

#[test]
fn HTTPRoute303Redirect() {
    for (status, expected) in
        [(301, 301), (302, 302), (303, 303), (307, 307), (308, 308), (0, 302), (200, 302)]
    {
        let mut head = request_head("POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
        let (found, _) = location(Redirect { status, ..REDIRECT }, &mut head, "/", &HTTP_80);
        assert_eq!(found, expected);
    }
}

#[test]
fn HTTPRouteRedirectScheme() {
    let redirect = Redirect { scheme: Some(Scheme::Https), ..REDIRECT };
    check_redirect(redirect.clone(), "a.com/scheme?x=1", "/", &HTTP_80, "https://a.com/scheme?x=1");
    check_redirect(redirect.clone(), "a.com:80/scheme", "/", &HTTP_80, "https://a.com/scheme");
    check_redirect(redirect, "[::1]:8080/scheme", "/", &HTTP_8080, "https://[::1]/scheme");
}

#[test]
fn HTTPRouteRedirectPort() {
    let port = |port| Redirect { port: Some(port), ..REDIRECT };
    check_redirect(port(8083), "a.com/port", "/", &HTTP_80, "http://a.com:8083/port");
    check_redirect(port(80), "a.com:8080/port", "/", &HTTP_8080, "http://a.com/port");
    check_redirect(port(443), "a.com/port", "/", &HTTP_80, "http://a.com:443/port");
    let both = Redirect { hostname: Some("example.org".into()), ..port(8083) };
    check_redirect(both, "a.com/port-and-host", "/", &HTTP_80, "http://example.org:8083/port-and-host");
}

#[test]
fn HTTPRouteRedirectPortAndScheme() {
    use Scheme::{Http, Https};
    for (context, scheme, port, expected) in [
        (&HTTP_80, None, None, "http://example.org/x"),
        (&HTTP_80, None, Some(80), "http://example.org/x"),
        (&HTTP_80, None, Some(8080), "http://example.org:8080/x"),
        (&HTTP_80, Some(Https), None, "https://example.org/x"),
        (&HTTP_80, Some(Https), Some(443), "https://example.org/x"),
        (&HTTP_80, Some(Https), Some(8443), "https://example.org:8443/x"),
        (&HTTP_8080, None, None, "http://example.org:8080/x"),
        (&HTTP_8080, None, Some(80), "http://example.org/x"),
        (&HTTP_8080, Some(Http), None, "http://example.org/x"),
        (&HTTP_8080, Some(Https), None, "https://example.org/x"),
        (&HTTP_8080, Some(Https), Some(443), "https://example.org/x"),
        (&HTTP_8080, Some(Https), Some(8443), "https://example.org:8443/x"),
        (&HTTPS_443, None, None, "https://example.org/x"),
        (&HTTPS_443, None, Some(443), "https://example.org/x"),
        (&HTTPS_443, None, Some(8443), "https://example.org:8443/x"),
        (&HTTPS_443, Some(Http), None, "http://example.org/x"),
        (&HTTPS_443, Some(Http), Some(80), "http://example.org/x"),
        (&HTTPS_443, Some(Http), Some(8080), "http://example.org:8080/x"),
    ] {
        let redirect = Redirect { scheme, port, hostname: Some("example.org".into()), ..REDIRECT };
        check_redirect(redirect, "a.com/x", "/", context, expected);
    }
}

#[test]
fn HTTPRouteRedirectPath() {
    let path = |path| Redirect { path, ..REDIRECT };
    for (new, target, matched, expected) in [
        (prefix("/replaced"), "a/original/lemon?q=1", "/original", "http://a/replaced/lemon?q=1"),
        (prefix("/"), "a/original/lemon", "/original", "http://a/lemon"),
        (prefix("/"), "a/original", "/original", "http://a/"),
        (prefix("/new/"), "a/original/lemon", "/original", "http://a/new/lemon"),
        (full("/full"), "a/full/path/original?q", "/full/path", "http://a/full?q"),
        (full("/full"), "a/full/path/original?", "/full/path", "http://a/full?"),
    ] {
        check_redirect(path(new), target, matched, &HTTP_80, expected);
    }
    let both = Redirect { hostname: Some("example.org".into()), ..path(prefix("/replaced")) };
    check_redirect(both, "a/path-and-host/x", "/path-and-host", &HTTP_80, "http://example.org/replaced/x");
}

#[test]
fn a_redirect_without_a_host_stays_on_the_host() {
    for (target, expected) in [("/a?b", "/a?b"), ("//evil.example/a", "/.//evil.example/a")] {
        let mut head = request_head(&format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert_eq!(location(REDIRECT, &mut head, "/", &HTTP_80).1, expected);
    }
}

#[test]
fn nothing_ends_the_field_early() {
    let redirect = Redirect { hostname: Some("h\r\nX: y".into()), path: full("/a\r\nb c"), ..REDIRECT };
    check_redirect(redirect, "a/?q=1", "/", &HTTP_80, "http://h%0D%0AX:%20y/a%0D%0Ab%20c?q=1");
    let mut head = request_to("a/x");
    head.set_path(b"/\r\nSet-Cookie: a=b\x00\xff");
    let (_, found) = location(REDIRECT, &mut head, "/", &HTTP_80);
    assert_eq!(found, "http://a/%0D%0ASet-Cookie:%20a=b%00%FF");
}

#[test]
fn HTTPRouteRewritePath() {
    for (new, target, matched, expected) in [
        (prefix("/one"), "a/prefix/one/two", "/prefix/one", "a/one/two"),
        (prefix("/"), "a/strip-prefix/three", "/strip-prefix", "a/three"),
        (prefix("/"), "a/strip-prefix", "/strip-prefix", "a/"),
        (prefix("/"), "a/strip-prefix/", "/strip-prefix", "a/"),
        (full("/one"), "a/full/one/two", "/full/one", "a/one"),
        (full("/one"), "a/full/one/two?x=1&y", "/full/one", "a/one?x=1&y"),
        (prefix("/v1"), "a/x%2Fy?z", "/", "a/v1/x%2Fy?z"),
    ] {
        check_rewrite(None, new, target, matched, expected);
    }
}

#[test]
fn HTTPRouteRewriteHost() {
    check_rewrite(Some("one.example.org"), None, "rewrite.example/one", "/", "one.example.org/one");
    check_rewrite(Some("one.example.org"), None, "rewrite.example:8080/one?x", "/", "one.example.org/one?x");
    check_rewrite(Some("b.example"), full("/x"), "a.example/one", "/", "b.example/x");
}

fn edits(set: &[(&str, &str)], add: &[(&str, &str)], remove: &[&str]) -> HeaderEdits {
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    HeaderEdits {
        set: pairs(set),
        add: pairs(add),
        remove: remove.iter().map(|name| (*name).into()).collect(),
    }
}

/// All fields but the host, in order, as `name: value` in lower-case names, parted by `; `.
fn check_request_edits(edits: HeaderEdits, fields: &str, expected: &str) {
    let mut head = request_head(&format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let filters = Filters::compile(&[Filter::RequestHeaders(edits)]);
    assert_eq!(filters.request(&mut head, 1, &HTTP_80), None);
    let mut out = Vec::new();
    head.write_http1(head.body(), &mut out);
    let text = String::from_utf8(out).expect("text");
    let lines = text.trim_end().split("\r\n").skip(1).map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        format!("{}: {value}", name.to_ascii_lowercase())
    });
    assert_eq!(lines.collect::<Vec<_>>().join("; "), expected);
}

#[test]
fn HTTPRouteRequestHeaderModifier() {
    check_request_edits(edits(&[("X-Set", "new")], &[], &[]), "", "host: a; x-set: new");
    check_request_edits(
        edits(&[("X-Set", "new")], &[], &[]),
        "x-set: old\r\nX-SET: older\r\n",
        "host: a; x-set: new",
    );
    check_request_edits(edits(&[], &[("X-Add", "b")], &[]), "x-add: a\r\n", "host: a; x-add: a; x-add: b");
    check_request_edits(edits(&[], &[], &["X-Gone"]), "x-gone: 1\r\ny: 1\r\nX-GONE: 2\r\n", "host: a; y: 1");
    check_request_edits(
        edits(&[("X-Set", "1")], &[("X-Add", "2"), ("X-Both", "3")], &["x-both", "x-none"]),
        "",
        "host: a; x-set: 1; x-add: 2",
    );
}

#[test]
fn edits_never_touch_the_framing() {
    let names = ["Content-Length", "Transfer-Encoding", "Connection", "Host"];
    let values: Vec<(&str, &str)> = names.iter().map(|name| (*name, "evil")).collect();
    check_request_edits(edits(&[], &values, &names), "Content-Length: 0\r\n", "host: a; content-length: 0");
    check_request_edits(edits(&values, &[], &[]), "", "host: evil");
    check_request_edits(edits(&[("Host", "b:81")], &[], &[]), "", "host: b:81");
    check_request_edits(edits(&[("Host", "not a host"), ("x", "a\r\nb")], &[], &[]), "", "host: a");
}

#[test]
fn HTTPRouteResponseHeaderModifier() {
    let filters = Filters::compile(&[
        Filter::ResponseHeaders(edits(&[("X-Set", "new")], &[("Vary", "b")], &["x-gone"])),
        Filter::ResponseHeaders(edits(&[], &[("X-Set", "newer")], &[])),
    ]);
    assert!(!filters.is_empty() && !filters.redirects());
    let mut head = ResponseHead::new();
    let input = b"HTTP/1.1 200 OK\r\nx-set: old\r\nvary: a\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n";
    let parsed = HeadParser::new().response(input, &HeadLimits::default(), Method::Get, &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
    filters.response(&mut head);
    let found: Vec<String> = head
        .fields
        .iter()
        .map(|(name, value)| {
            format!("{}: {}", name.escape_ascii(), value.escape_ascii()).to_ascii_lowercase()
        })
        .filter(|line| !line.starts_with("content-length"))
        .collect();
    assert_eq!(found, ["vary: a", "x-set: new", "vary: b", "x-set: newer"]);
    let mut out = Vec::new();
    head.write_http1(Version::Http11, BodyLength::Length(0), ConnectionOption::KeepAlive, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn filters_work_in_the_order_written() {
    let filters = Filters::compile(&[
        Filter::RequestHeaders(edits(&[("a", "1")], &[], &[])),
        Filter::Rewrite(Rewrite { hostname: None, path: full("/x") }),
        Filter::Redirect(REDIRECT),
        Filter::RequestHeaders(edits(&[("a", "2")], &[], &[])),
    ]);
    let mut head = request_to("h/y");
    let redirection = filters.request(&mut head, 1, &HTTP_80).expect("a redirect");
    assert_eq!(redirection.location, b"http://h/x");
    let nothing = Filters::compile(&[]);
    assert!(nothing.is_empty());
    assert_eq!(nothing.request(&mut head, 1, &HTTP_80), None);
}

fn cors() -> Cors {
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<_>>();
    let origins = ["https://www.foo.com", "https://*.bar.com"];
    Cors {
        origins: origins.map(|origin| CorsOrigin::parse(origin).expect("an origin")).into(),
        credentials: true,
        methods: CorsAllowed::Only(names(&["GET", "OPTIONS"])),
        headers: CorsAllowed::Only(names(&["x-header-1", "x-header-2"])),
        expose: names(&["x-header-3", "x-header-4"]),
        max_age: 3600,
    }
}

fn wildcards(credentials: bool) -> Cors {
    Cors {
        origins: vec![CorsOrigin::Any],
        credentials,
        methods: CorsAllowed::Any,
        headers: CorsAllowed::Any,
        expose: vec!["x-a".into(), "*".into()],
        max_age: 5,
    }
}

/// A preflight's answer without `vary`, one field a line.
fn check_preflight(cors: &Cors, request: &str, expected: &[&str]) {
    let head = request_head(&format!("OPTIONS /x HTTP/1.1\r\nHost: a\r\n{request}\r\n"));
    let policy = CorsPolicy::compile(cors);
    assert!(policy.is_preflight(&head), "{request}");
    let fields = policy.preflight(&head);
    let shown: Vec<String> = fields
        .iter()
        .skip(1)
        .map(|(name, value)| format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
        .collect();
    assert_eq!(shown, expected, "{request}");
    assert_eq!(fields[0].0, b"vary");
}

#[test]
fn HTTPRouteCORS_preflights() {
    let asked =
        "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-header-1, x-header-2\r\n";
    for origin in ["https://www.foo.com", "https://www.bar.com", "https://xpto.www.bar.com"] {
        check_preflight(
            &cors(),
            &format!("Origin: {origin}\r\n{asked}"),
            &[
                &format!("access-control-allow-origin: {origin}"),
                "access-control-allow-credentials: true",
                "access-control-allow-methods: GET, OPTIONS",
                "access-control-allow-headers: x-header-1, x-header-2",
                "access-control-expose-headers: x-header-3, x-header-4",
                "access-control-max-age: 3600",
            ],
        );
    }
    check_preflight(&cors(), &format!("Origin: https://foobar.com\r\n{asked}"), &[]);
    check_preflight(&cors(), &format!("Origin: null\r\n{asked}"), &[]);
    let nothing = Cors { origins: Vec::new(), ..wildcards(false) };
    check_preflight(&nothing, &format!("Origin: https://www.foo.com\r\n{asked}"), &[]);
}

#[test]
fn HTTPRouteCORS_wildcards_echo_what_was_asked() {
    let put = "Origin: https://foobar.com:12345\r\nAccess-Control-Request-Method: PUT\r\n";
    let origin = "access-control-allow-origin: https://foobar.com:12345";
    let (method, age) = ("access-control-allow-methods: PUT", "access-control-max-age: 5");
    let expose = "access-control-expose-headers: x-a, *";
    check_preflight(&wildcards(false), put, &[origin, method, expose, age]);
    let with_headers = format!("{put}Access-Control-Request-Headers: x-header-1, x-header-2\r\n");
    let headers = "access-control-allow-headers: x-header-1, x-header-2";
    check_preflight(&wildcards(false), &with_headers, &[origin, method, headers, expose, age]);
    let credentials = "access-control-allow-credentials: true";
    let expose = "access-control-expose-headers: x-a";
    check_preflight(&wildcards(true), &with_headers, &[origin, credentials, method, headers, expose, age]);
    let safe = Cors { methods: CorsAllowed::Only(Vec::new()), expose: Vec::new(), ..wildcards(false) };
    check_preflight(&safe, put, &[origin, age]);
}

#[test]
fn HTTPRouteCORS_only_preflights_are_answered() {
    let policy = CorsPolicy::compile(&cors());
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nOrigin: https://www.foo.com\r\nAccess-Control-Request-Method: GET\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://www.foo.com\r\n\r\n",
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    ] {
        assert!(!policy.is_preflight(&request_head(request)), "{request}");
    }
}

#[test]
fn HTTPRouteCORS_answers() {
    let check = |cors: &Cors, origin: Option<&str>, fields: &[(&str, &str)], expected: &[&str]| {
        let mut head = ResponseHead::new();
        let given = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        head.from_parts(200, false, Method::Get, given, &HeadLimits::default()).expect("a head");
        CorsPolicy::compile(cors).answer(origin.map(str::as_bytes), &mut head.fields);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown: Vec<String> =
            head.fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect();
        assert_eq!(shown, expected, "{origin:?} {fields:?}");
    };
    let backends =
        [("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true"), ("x", "1")];
    check(
        &cors(),
        Some("https://www.foo.com"),
        &backends,
        &[
            "x: 1",
            "vary: Origin",
            "access-control-allow-origin: https://www.foo.com",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: x-header-3, x-header-4",
        ],
    );
    check(&cors(), Some("https://foobar.com"), &backends, &["x: 1", "vary: Origin"]);
    check(&cors(), None, &[("vary", "Accept, ORIGIN")], &["vary: Accept, ORIGIN"]);
    check(
        &wildcards(false),
        Some("https://other.foo.com"),
        &[("vary", "*")],
        &[
            "vary: *",
            "access-control-allow-origin: https://other.foo.com",
            "access-control-expose-headers: x-a, *",
        ],
    );
}
