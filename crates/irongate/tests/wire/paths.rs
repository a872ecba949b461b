//! Paths: one canonical form for routing and upstream, and data left alone.

use crate::gateway_to;
use irongate_testkit::Origin;

/// Sends targets as they are and checks what the origin is asked for.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut client = gateway.connect();
    for (sent, expected) in cases {
        client.send(format!("GET {sent} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let answer = client.response();
        assert_eq!((answer.status, answer.text()), (200, format!("GET {expected} 0")), "{sent}");
    }
}

#[test]
fn dot_segments_are_resolved() {
    check(&[
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E/b", "/a/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/...", "/a/..."),
        ("/a/.b/..c", "/a/.b/..c"),
        ("/a//../b", "/a/b"),
    ]);
}

#[test]
fn unreserved_characters_are_decoded_and_the_rest_is_data() {
    check(&[
        ("/%61%7e%2D%5f", "/a~-_"),
        ("/a//b", "/a//b"),
        ("//a", "//a"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2fb"),
        ("/a%5Cb", "/a%5Cb"),
        ("/a%20b", "/a%20b"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/a%3Bb", "/a%3Bb"),
        ("/caf%C3%A9", "/caf%C3%A9"),
        ("/@scope%2fname", "/@scope%2fname"),
        ("/a%25b", "/a%25b"),
        ("/:a@b!$&'()*+,=", "/:a@b!$&'()*+,="),
    ]);
}

#[test]
fn queries_stay_as_they_came() {
    check(&[
        ("/?", "/?"),
        ("/?a=[1]|^`{}\"<>", "/?a=[1]|^`{}\"<>"),
        ("/?a/../b=%2e%61", "/?a/../b=%2e%61"),
        ("/a/..?b/..", "/?b/.."),
        ("/?a?b", "/?a?b"),
        ("/?a\\b", "/?a\\b"),
        ("/?%00", "/?%00"),
    ]);
}

#[test]
fn absolute_form_becomes_origin_form() {
    check(&[
        ("http://test/a/../b?c", "/b?c"),
        ("HTTP://test/a", "/a"),
        ("http://test", "/"),
        ("http://test?a", "/?a"),
        ("http://test:80/a", "/a"),
    ]);
}

#[test]
fn routing_sees_the_path_that_goes_upstream() {
    let (open, secret) =
        (Origin::echoing(), Origin::answering("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
    let manifest = irongate_testkit::Manifest::new()
        .route(
            "- matches: [{path: {value: /admin}}]\n  backendRefs: [{name: secret, port: 80}]\n\
             - backendRefs: [{name: open, port: 80}]",
        )
        .service("open", &[open.address()])
        .service("secret", &[secret.address()]);
    let gateway = crate::gateway(&manifest);
    for target in
        ["/admin", "/admin/x", "/a/../admin", "/%61dmin", "/./admin", "/x/%2e%2e/admin/", "http://test/admin"]
    {
        assert_eq!(gateway.get(target).status, 403, "{target}");
    }
    for target in ["/admin/../a", "/administrator", "//admin", "/a%2f/admin", "/admi%6e%2f"] {
        assert_eq!(gateway.get(target).status, 200, "{target}");
    }
}
