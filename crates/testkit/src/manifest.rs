//! Configuration for a gateway under test: Gateway API YAML, as a user would write it.

use std::fmt::Write;
use std::net::SocketAddr;

/// YAML documents in the making. Begins with one Gateway `gw` with an HTTP listener on the port that the test
/// gets; everything else is added.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    documents: String,
    parameters: Option<String>,
    listener_fields: String,
    secure: bool,
    routes: usize,
    slices: usize,
}

impl Manifest {
    /// Only the Gateway.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every request goes to the Service `origin`, with these endpoints.
    #[must_use]
    pub fn to_origins(endpoints: &[SocketAddr]) -> Self {
        Self::new().route("- backendRefs: [{name: origin, port: 80}]").service("origin", endpoints)
    }

    /// Adds an HTTPRoute with these rules: a YAML list. Earlier routes are the older.
    #[must_use]
    pub fn route(self, rules: &str) -> Self {
        self.route_for("", rules)
    }

    /// The same for hosts: a YAML list, such as `[a.example.com]`.
    #[must_use]
    pub fn route_for(mut self, hostnames: &str, rules: &str) -> Self {
        let number = self.routes;
        self.routes += 1;
        let hostnames =
            if hostnames.is_empty() { String::new() } else { format!("  hostnames: {hostnames}\n") };
        let rules = indented(rules, "  ");
        let _infallible = write!(
            self.documents,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: route-{number}}}\n\
             spec:\n  parentRefs: [{{name: gw}}]\n{hostnames}  rules:\n{rules}"
        );
        self
    }

    /// Adds a Service on port 80 whose instances are these.
    #[must_use]
    pub fn service(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.service_speaking(name, "", endpoints)
    }

    /// The same for instances that speak HTTP/2 in cleartext (`appProtocol: kubernetes.io/h2c`).
    #[must_use]
    pub fn service_http2(self, name: &str, endpoints: &[SocketAddr]) -> Self {
        self.service_speaking(name, ", appProtocol: kubernetes.io/h2c", endpoints)
    }

    fn service_speaking(mut self, name: &str, protocol: &str, endpoints: &[SocketAddr]) -> Self {
        let _infallible = write!(
            self.documents,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{ports: [{{name: http, port: 80, targetPort: 80{protocol}}}]}}\n"
        );
        for endpoint in endpoints {
            let number = self.slices;
            self.slices += 1;
            let _infallible = write!(
                self.documents,
                "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                 metadata: {{name: {name}-{number}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
                 addressType: IPv4\nports: [{{name: http, port: {}, protocol: TCP}}]\n\
                 endpoints: [{{addresses: ['{}'], conditions: {{ready: true}}}}]\n",
                endpoint.port(),
                endpoint.ip()
            );
        }
        self
    }

    /// Sets the `spec` of the Gateway's GatewayParameters: lines of YAML.
    #[must_use]
    pub fn parameters(mut self, spec: &str) -> Self {
        self.parameters = Some(indented(spec, "  "));
        self
    }

    /// Adds fields to the listener, such as `hostname: '*.example.com'`.
    #[must_use]
    pub fn listener_field(mut self, field: &str) -> Self {
        let _infallible = write!(self.listener_fields, ", {field}");
        self
    }

    /// Makes the listener one of HTTPS that shows the certificates of these Secrets: a YAML list of references.
    #[must_use]
    pub fn https(mut self, secrets: &str) -> Self {
        self.secure = true;
        self.listener_field(&format!("tls: {{certificateRefs: {secrets}}}"))
    }

    /// Adds a document as it is.
    #[must_use]
    pub fn document(mut self, yaml: &str) -> Self {
        let _infallible = write!(self.documents, "---\n{}", indented(yaml, ""));
        self
    }

    /// The whole file.
    #[must_use]
    pub fn yaml(&self, listen: SocketAddr) -> String {
        let (address, port, fields) = (listen.ip(), listen.port(), &self.listener_fields);
        let protocol = if self.secure { "HTTPS" } else { "HTTP" };
        let reference = self.parameters.as_ref().map_or("", |_| {
            "  infrastructure: {parametersRef: {group: irongate.dev, kind: GatewayParameters, name: test}}\n"
        });
        let parameters = self.parameters.as_ref().map_or(String::new(), |spec| {
            format!("---\napiVersion: irongate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: test}}\nspec:\n{spec}")
        });
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\n\
             spec:\n  gatewayClassName: irongate\n{reference}  addresses: [{{type: IPAddress, value: {address}}}]\n  \
             listeners:\n  - {{name: http, port: {port}, protocol: {protocol}{fields}}}\n{parameters}{}",
            self.documents
        )
    }
}

/// The lines of a block without their common indentation, with another before each.
fn indented(block: &str, by: &str) -> String {
    let lines = || block.lines().filter(|line| !line.trim().is_empty());
    let common = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines().map(|line| format!("{by}{}\n", &line[common..])).collect()
}
