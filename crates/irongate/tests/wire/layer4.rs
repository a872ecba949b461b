//! Configurations for listeners of bytes and datagrams, in the words of Gateway API.

use std::fmt::Write;
use std::net::SocketAddr;

/// A listener, the route attached to it, and its backends.
#[derive(Clone, Default)]
pub(crate) struct Layer4 {
    protocol: &'static str,
    /// With their weights and instances.
    backends: Vec<(String, u32, Vec<SocketAddr>)>,
    parameters: String,
    everywhere: bool,
}

impl Layer4 {
    /// `TCP` or `UDP`.
    pub(crate) fn new(protocol: &'static str) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// With one backend.
    pub(crate) fn to(protocol: &'static str, endpoints: &[SocketAddr]) -> Self {
        Self::new(protocol).backend(1, endpoints)
    }

    /// Adds a backend of this weight; the first is the Service `b0`.
    pub(crate) fn backend(mut self, weight: u32, endpoints: &[SocketAddr]) -> Self {
        let name = format!("b{}", self.backends.len());
        self.backends.push((name, weight, endpoints.to_vec()));
        self
    }

    /// Sets the `spec` of the Gateway's `GatewayParameters`, as a flow mapping.
    pub(crate) fn parameters(mut self, spec: &str) -> Self {
        spec.clone_into(&mut self.parameters);
        self
    }

    /// Listens on all interfaces.
    pub(crate) fn everywhere(mut self) -> Self {
        self.everywhere = true;
        self
    }

    /// The whole file.
    pub(crate) fn yaml(&self, listen: SocketAddr) -> String {
        let Self { protocol, backends, parameters, everywhere } = self;
        let (address, port) = (listen.ip(), listen.port());
        let addresses =
            if *everywhere { String::new() } else { format!(", addresses: [{{value: {address}}}]") };
        let reference = if parameters.is_empty() {
            ""
        } else {
            ", infrastructure: {parametersRef: {group: irongate.dev, kind: GatewayParameters, name: test}}"
        };
        let refs: Vec<_> = backends
            .iter()
            .map(|(name, weight, _)| format!("{{name: {name}, port: 53, weight: {weight}}}"))
            .collect();
        let mut text = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\n\
             spec: {{gatewayClassName: irongate{addresses}{reference}, listeners: [{{name: l4, port: {port}, protocol: {protocol}}}]}}\n\
             ---\napiVersion: gateway.networking.k8s.io/v1alpha2\nkind: {protocol}Route\nmetadata: {{name: route}}\n\
             spec: {{parentRefs: [{{name: gw}}], rules: [{{backendRefs: [{}]}}]}}\n",
            refs.join(", ")
        );
        for (name, _, endpoints) in backends {
            let _infallible = write!(
                text,
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
                 spec: {{ports: [{{name: l4, port: 53, protocol: {protocol}}}]}}\n"
            );
            for (number, endpoint) in endpoints.iter().enumerate() {
                let _infallible = write!(
                    text,
                    "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                     metadata: {{name: {name}-{number}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
                     addressType: IPv4\nports: [{{name: l4, port: {}, protocol: {protocol}}}]\n\
                     endpoints: [{{addresses: ['{}'], conditions: {{ready: true}}}}]\n",
                    endpoint.port(),
                    endpoint.ip()
                );
            }
        }
        if !parameters.is_empty() {
            let _infallible = write!(
                text,
                "---\napiVersion: irongate.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {{name: test}}\nspec: {parameters}\n"
            );
        }
        text
    }
}
