//! Cross-origin resource sharing, as browsers see it.

use crate::gateway;
use irongate_testkit::{Gateway, Manifest, Origin, Response};

const CORS: &str = "{allowOrigins: ['https://*.good.test'], allowMethods: [PUT], allowHeaders: ['*'], \
                    exposeHeaders: [X-Seen], allowCredentials: true, maxAge: 60}";

fn asking(gateway: &Gateway, target: &str, origin: &str) -> Response {
    gateway.exchange(format!(
        "OPTIONS {target} HTTP/1.1\r\nHost: test\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a, x-b\r\n\r\n"
    ))
}

fn sending(gateway: &Gateway, target: &str, origin: &str) -> Response {
    gateway.exchange(format!("PUT {target} HTTP/1.1\r\nHost: test\r\nOrigin: {origin}\r\n\r\n"))
}

/// The CORS fields of an answer, without `access-control-`.
fn fields(answer: &Response) -> Vec<String> {
    let fields = answer.head.fields.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        Some(format!("{}: {value}", name.strip_prefix("access-control-")?))
    });
    fields.collect()
}

#[test]
fn preflights_are_answered_by_us() {
    let origin = Origin::echoing();
    let rules = format!(
        "- filters:\n  - {{type: RequestHeaderModifier, requestHeaderModifier: {{remove: [Origin]}}}}\n  \
         - {{type: CORS, cors: {CORS}}}\n  backendRefs: [{{name: origin, port: 80}}]"
    );
    let gateway = gateway(&Manifest::new().route(&rules).service("origin", &[origin.address()]));
    let answer = asking(&gateway, "/x", "https://a.good.test");
    assert_eq!((answer.status, answer.field("content-length")), (200, Some("0")));
    assert_eq!(
        fields(&answer),
        [
            "allow-origin: https://a.good.test",
            "allow-credentials: true",
            "allow-methods: PUT",
            "allow-headers: x-a, x-b",
            "expose-headers: X-Seen",
            "max-age: 60"
        ]
    );
    assert!(answer.field("vary").is_some_and(|vary| vary.starts_with("Origin")));
    for other in ["https://evil.test", "http://a.good.test", "null"] {
        let answer = asking(&gateway, "/x", other);
        assert_eq!((answer.status, fields(&answer)), (200, vec![]), "{other}");
    }
    crate::assert_untouched(&gateway, &origin, "after preflights");
}

#[test]
fn answers_say_who_may_read_them() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n\
         Vary: Accept\r\nContent-Length: 2\r\n\r\nok",
    );
    let filter = format!("{{type: CORS, cors: {CORS}}}");
    let rules = format!(
        "- matches: [{{path: {{value: /dead}}}}]\n  filters: [{filter}]\n  backendRefs: [{{name: dead, port: 80}}]\n\
         - matches: [{{path: {{value: /moved}}}}]\n  filters:\n  - {filter}\n  \
         - {{type: RequestRedirect, requestRedirect: {{statusCode: 301}}}}\n\
         - matches: [{{path: {{value: /backend}}}}]\n  backendRefs: [{{name: origin, port: 80, filters: [{filter}]}}]\n\
         - matches: [{{path: {{value: /plain}}}}]\n  backendRefs: [{{name: origin, port: 80}}]\n\
         - filters: [{filter}]\n  backendRefs: [{{name: origin, port: 80}}]"
    );
    let manifest = Manifest::new().route(&rules).service("origin", &[origin.address()]).service("dead", &[]);
    let gateway = gateway(&manifest);
    let allowed = ["allow-origin: https://a.good.test", "allow-credentials: true", "expose-headers: X-Seen"];
    // Answers of ours are for the page, too: it could not even read their status otherwise.
    for (target, status) in [("/", 200), ("/backend", 200), ("/moved", 301), ("/dead", 503)] {
        let answer = sending(&gateway, target, "https://a.good.test");
        assert_eq!(
            (answer.status, fields(&answer)),
            (status, allowed.map(str::to_owned).to_vec()),
            "{target}"
        );
        let vary: Vec<&str> = answer.head.values("vary").collect();
        assert!(vary.contains(&"Origin"), "{target}: {vary:?}");
        let answer = sending(&gateway, target, "https://evil.test");
        assert_eq!((answer.status, fields(&answer)), (status, vec![]), "{target}");
    }
    assert_eq!(
        asking(&gateway, "/backend", "https://a.good.test").field("access-control-max-age"),
        Some("60")
    );
    let answer = sending(&gateway, "/plain", "https://evil.test");
    assert_eq!(
        answer.field("access-control-allow-origin"),
        Some("*"),
        "a rule without the filter is left alone"
    );
    // An OPTIONS that is no preflight is the backend's.
    let answer = gateway.exchange("OPTIONS / HTTP/1.1\r\nHost: test\r\nOrigin: https://a.good.test\r\n\r\n");
    assert_eq!((answer.text().as_str(), fields(&answer).len()), ("ok", 3));
}
