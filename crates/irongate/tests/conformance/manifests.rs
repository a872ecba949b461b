//! Manifests as they are written, made to run beside other tests.

use crate::echo::{Instance, answer_datagrams, answer_http2};
use crate::secure;
use irongate_testkit::PortReservation;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// What stands for the addresses and ports of manifests. It grows as manifests are rewritten, and what it holds stays.
#[derive(Default)]
pub(crate) struct Manifests {
    /// By Gateway.
    addresses: BTreeMap<String, Ipv4Addr>,
    /// By port of a listener.
    ports: BTreeMap<u64, PortReservation>,
    /// By address and port of an endpoint: which of `origins`.
    endpoints: BTreeMap<(String, String, u64), usize>,
    pub(crate) origins: Vec<Instance>,
    /// The same for what is not an instance on its own: instances of datagrams or of HTTP/2, and what stands before one.
    others: BTreeMap<(String, String, u64), SocketAddr>,
}

impl Manifests {
    /// The same manifests with addresses and ports that are free, and origins behind the endpoints; as JSON, a document
    /// an object.
    pub(crate) fn rewrite(&mut self, sources: &[(String, String)]) -> String {
        let mut documents = Vec::new();
        for (name, text) in sources {
            match serde_saphyr::from_multiple::<Value>(text) {
                Ok(values) => documents.extend(values.into_iter().filter(Value::is_object)),
                Err(error) => unreachable!("{name}: {error}"),
            }
        }
        for document in &mut documents {
            match document["kind"].as_str().unwrap_or_default() {
                "Gateway" => self.gateway(document),
                "ListenerSet" => self.listeners(document),
                _ => {}
            }
        }
        let mut slices = Vec::new();
        documents.retain(|document| {
            let is_slice = document["kind"] == "EndpointSlice";
            if is_slice {
                slices.extend(self.slices(document));
            }
            !is_slice
        });
        documents.iter_mut().for_each(|document| self.parent_refs(document));
        documents.extend(slices);
        let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        texts.join("\n---\n")
    }

    /// Where a Gateway listens.
    #[track_caller]
    pub(crate) fn address(&self, gateway: &str, port: u16) -> SocketAddr {
        let address = self.addresses.get(gateway).expect("a Gateway of the manifests");
        let port = self.ports.get(&port.into()).expect("a listener's port");
        SocketAddr::from((*address, port.address().port()))
    }

    /// A `Location` with the ports of the manifests, or none where the scheme has it.
    pub(crate) fn written_location(&self, location: &str) -> String {
        let mut text = location.to_owned();
        for (written, port) in &self.ports {
            let is_default =
                matches!((written, &location[..location.len().min(5)]), (80, "http:") | (443, "https"));
            let port_text = format!(":{}", port.address().port());
            text = text.replace(&port_text, &if is_default { String::new() } else { format!(":{written}") });
        }
        text
    }

    fn gateway(&mut self, document: &mut Value) {
        let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let next = u8::try_from(self.addresses.len() + 1).expect("fewer than 256 Gateways");
        let address = *self.addresses.entry(name).or_insert(Ipv4Addr::new(127, 0, 0, next));
        let own = json!({ "type": "IPAddress", "value": address.to_string() });
        let spec = &mut document["spec"];
        match spec.get_mut("addresses").and_then(Value::as_array_mut) {
            // Those of documentation (RFC 5737) stand for one that can be listened on; others mean what they say.
            Some(written) => {
                let is_example = |one: &&mut Value| {
                    one["value"].as_str().is_some_and(|value| value.starts_with("192.0.2."))
                };
                written.iter_mut().filter(is_example).for_each(|one| *one = own.clone());
            }
            None => spec["addresses"] = json!([own]),
        }
        self.listeners(document);
        let per_port = document.pointer_mut("/spec/tls/frontend/perPort").and_then(Value::as_array_mut);
        for port in per_port.into_iter().flatten() {
            let Some(written) = port["port"].as_u64() else { continue };
            port["port"] = json!(self.ports.entry(written).or_default().address().port());
        }
    }

    fn listeners(&mut self, document: &mut Value) {
        for listener in document["spec"]["listeners"].as_array_mut().into_iter().flatten() {
            let Some(port) = listener["port"].as_u64() else { continue };
            let reserved = self.ports.entry(port).or_default();
            listener["port"] = json!(reserved.address().port());
        }
    }

    /// `parentRefs[].port` of a route. A port that no listener has stays as it is.
    fn parent_refs(&self, document: &mut Value) {
        for parent in document["spec"]["parentRefs"].as_array_mut().into_iter().flatten() {
            let port = parent.get("port").and_then(Value::as_u64);
            if let Some(reserved) = port.and_then(|port| self.ports.get(&port)) {
                parent["port"] = json!(reserved.address().port());
            }
        }
    }

    /// A slice an endpoint, since each has ports of its own. An instance on port 8443 is reached over TLS.
    fn slices(&mut self, slice: &Value) -> Vec<Value> {
        let metadata = &slice["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or("default");
        let name = metadata["name"].as_str().unwrap_or_default();
        let service = metadata["labels"]["kubernetes.io/service-name"].as_str().unwrap_or_default();
        let service = format!("{namespace}/{service}");
        let mut slices = Vec::new();
        for (number, endpoint) in slice["endpoints"].as_array().into_iter().flatten().enumerate() {
            let mut one = slice.clone();
            one["metadata"]["name"] = json!(format!("{name}-{number}"));
            let written = endpoint["addresses"][0].as_str().unwrap_or_default();
            for port in one["ports"].as_array_mut().into_iter().flatten() {
                let number = port["port"].as_u64().unwrap_or_default();
                let key = (service.clone(), written.to_owned(), number);
                let address = if port["protocol"] == "UDP" {
                    *self.others.entry(key).or_insert_with(|| answer_datagrams(&service))
                } else if port["appProtocol"] == "kubernetes.io/h2c" {
                    *self.others.entry(key).or_insert_with(|| answer_http2(&service))
                } else if number == 8443 {
                    let instance = self.origin(&service, written, number);
                    *self.others.entry(key).or_insert_with(|| secure::stand_before(instance))
                } else {
                    self.origin(&service, written, number)
                };
                port["port"] = json!(address.port());
            }
            let mut endpoint = endpoint.clone();
            endpoint["addresses"] = json!(["127.0.0.1"]);
            one["endpoints"] = json!([endpoint]);
            one["addressType"] = json!("IPv4");
            slices.push(one);
        }
        slices
    }

    fn origin(&mut self, service: &str, address: &str, port: u64) -> SocketAddr {
        let key = (service.to_owned(), address.to_owned(), port);
        let place = *self.endpoints.entry(key).or_insert_with(|| {
            self.origins.push(Instance::start(service));
            self.origins.len() - 1
        });
        self.origins[place].address()
    }
}
