//! The conformance tests of `Gateway`.

use crate::Conformance;
use crate::cases::get;

#[test]
fn http_listener_isolation() {
    const LISTENERS: [(&str, &str); 4] = [
        ("empty-hostname", "bar.com"),
        ("wildcard-example-com", "bar.example.com"),
        ("wildcard-foo-example-com", "bar.foo.example.com"),
        ("abc-foo-example-com", "abc.foo.example.com"),
    ];
    let conformance = Conformance::start("GatewayHTTPListenerIsolation");
    for gateway in ["http-listener-isolation", "http-listener-isolation-with-hostname-intersection"] {
        conformance.at(gateway, 80).check(LISTENERS.iter().flat_map(|(own, host)| {
            LISTENERS.map(|(path, _)| {
                let case = get(&format!("/{path}")).host(host);
                if path == *own { case.to("infra-backend-v1") } else { case.status(404) }
            })
        }));
    }
}
