//! The demo: a gateway before three origins of its own, with light traffic and a live table. Needs no files.
//!
//! The pieces stand apart from what runs the gateway: [`origins`] are asked, [`traffic`] asks, and [`table`] and
//! [`screen`] show what telemetry counted in between.

pub(crate) mod origins;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod traffic;

use std::fmt::Write as _;
use std::net::SocketAddr;

/// What the demo configures: the gateway on 127.0.0.1 and this port, one Service whose instances are these
/// origins, and a few routes to try. As a user would write it.
pub(crate) fn manifest(origins: &[SocketAddr], port: u16) -> String {
    let mut yaml = include_str!("demo/gateway.yaml").replace("__PORT__", &port.to_string());
    for (number, origin) in origins.iter().enumerate() {
        // One slice an origin, since each has a port of its own. Writing to a string does not fail.
        let _infallible = write!(
            yaml,
            "---\n\
             apiVersion: discovery.k8s.io/v1\n\
             kind: EndpointSlice\n\
             metadata: {{name: demo-{number}, labels: {{kubernetes.io/service-name: demo}}}}\n\
             addressType: IPv4\n\
             ports: [{{name: http, port: {}}}]\n\
             endpoints: [{{addresses: ['{}']}}]\n",
            origin.port(),
            origin.ip()
        );
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;
    use irongate_translate::Source;

    #[test]
    fn the_manifest_has_the_port_and_every_origin() {
        let origins = [4001, 4002, 4003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let yaml = manifest(&origins, 8123);
        assert!(yaml.contains("port: 8123,") && !yaml.contains("__"), "{yaml}");
        for port in 4001..4004 {
            assert_eq!(yaml.matches(&format!("port: {port}}}")).count(), 1, "{yaml}");
        }
        assert_eq!(yaml.matches("\nkind: EndpointSlice\n").count(), 3);
    }

    #[test]
    fn the_manifest_is_read_without_a_problem() {
        let origins = [4001, 4002, 4003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let source = Source::new("demo.yaml", manifest(&origins, 8123));
        let (_, problems) = irongate_translate::read(&[source]);
        assert_eq!(problems, []);
    }
}
