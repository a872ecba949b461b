//! Gateways and their listeners: whether each is valid, and what may attach to it.

use super::certificates::{self, Certificates, Frontend};
use super::classes::{Class, Classes};
use super::conflicts;
use super::index::Index;
use super::listener_sets::{self, SetNode};
use super::listeners::{ListenerNode, Owner};
use super::parameters;
use crate::kinds::{Gateway, Kind, ListenerSet, Text};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use foldhash::fast::RandomState;
use irongate_config::{Certificate, ObjectName, ProxyOptions, Severity};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Why a Gateway or a listener is not what was wanted: the API's reason, and a sentence.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// A Gateway of ours.
pub(super) struct GatewayNode<'r> {
    pub(super) object: &'r Object<Gateway>,
    /// Why none of it is served.
    pub(super) fault: Option<Fault>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) options: Arc<ProxyOptions>,
    pub(super) listeners: Vec<ListenerNode<'r>>,
    /// The `ListenerSet`s that name it, allowed or not, the older first.
    pub(super) sets: Vec<SetNode<'r>>,
    /// An address that nobody can listen on.
    pub(super) unusable_address: Option<Fault>,
    /// The certificate that it shows to backends, if it names one.
    pub(super) backend_certificate: Option<Result<Arc<Certificate>, Fault>>,
    /// Whether clients without a valid certificate are let in somewhere, though certificates are asked for.
    pub(super) is_insecure: bool,
}

impl<'r> GatewayNode<'r> {
    /// The options of the class, and over them those of the Gateway.
    fn set_options(&mut self, class: Class<'r>, index: &Index<'r>, problems: &mut UnplacedProblems) {
        let spec = &self.object.body.spec;
        let at = At::Root.field("spec");
        let mut options = ProxyOptions::default();
        match class {
            Class::Ours(Some(parameters)) => parameters::apply(parameters, &mut options),
            Class::Ours(None) | Class::Foreign => {}
            Class::Invalid => {
                let message = format!("GatewayClass `{}` is not accepted", spec.gateway_class_name);
                let at = at.field("gatewayClassName");
                self.fail(&at, "InvalidParameters", (message, "Mend the class."), problems);
            }
        }
        let reference = spec.infrastructure.as_ref().and_then(|part| part.parameters_ref.as_ref());
        let namespace = Some(self.object.name.namespace());
        match reference.map(|reference| parameters::find(reference, namespace, index)) {
            None => {}
            Some(Ok(parameters)) => parameters::apply(parameters, &mut options),
            Some(Err(message)) => {
                let at = at.field("infrastructure");
                let text = (message, "Mend the reference, or add what it names.");
                self.fail(&at.field("parametersRef"), "InvalidParameters", text, problems);
            }
        }
        self.options = Arc::new(options);
    }

    /// Nobody can listen on an address of a group, or on the one that means everybody.
    fn drop_unusable(&mut self, at: &At<'_>, problems: &mut UnplacedProblems) {
        let is_unusable = |ip: &IpAddr| ip.is_multicast() || *ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        let written = &self.object.body.spec.addresses;
        for (place, address) in written.iter().enumerate() {
            let ip = address.value.as_deref().and_then(|value| value.parse::<IpAddr>().ok());
            let Some(ip) = ip.filter(is_unusable) else { continue };
            let message = format!("nobody can listen on {ip}");
            let text = (message.clone(), "Name an address of this machine.");
            let at = at.index(place);
            let about = (Gateway::KIND, self.object);
            problems.push(Severity::Error, about, &at.field("value"), "AddressNotUsable", text);
            self.unusable_address.get_or_insert(Fault::new("AddressNotUsable", message));
        }
        self.addresses.retain(|ip| !is_unusable(ip));
    }

    /// None of it is served; the first reason counts.
    fn fail(
        &mut self,
        at: &At<'_>,
        reason: &'static str,
        (message, advice): (String, &str),
        problems: &mut UnplacedProblems,
    ) {
        problems.push(Severity::Error, (Gateway::KIND, self.object), at, reason, (message.clone(), advice));
        if self.fault.is_none() {
            self.fault = Some(Fault::new(reason, message));
        }
    }
}

/// The Gateways of ours, the older first, and each by its name.
pub(super) struct Gateways<'r> {
    pub(super) nodes: Vec<GatewayNode<'r>>,
    by_name: HashMap<(&'r str, &'r str), Option<usize>, RandomState>,
    /// The sets: which Gateway of ours, and which of its sets; `None` for those of others, or of nobody.
    sets_by_name: HashMap<(&'r str, &'r str), Option<(usize, usize)>>,
}

/// Listeners that a parentRef names together: those of a Gateway or of a set.
pub(super) struct Group<'g, 'r> {
    pub(super) owner: Owner<'r>,
    /// Why none of them is served.
    pub(super) fault: Option<&'g Fault>,
    pub(super) listeners: &'g mut [ListenerNode<'r>],
}

/// What a reference to a Gateway or a `ListenerSet` found.
pub(super) enum Parent<T> {
    /// One of ours.
    Ours(T),
    /// One of another controller.
    Foreign,
    /// None.
    Missing,
}

impl<'r> Gateways<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        classes: &Classes<'r>,
        index: &Index<'r>,
        certificates: &mut Certificates<'_, 'r>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut objects: Vec<_> = resources.gateways.iter().collect();
        objects.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut by_name = HashMap::default();
        let mut nodes = Vec::new();
        for object in objects {
            let place = gateway(object, classes, index, problems).map(|node| {
                nodes.push(node);
                nodes.len() - 1
            });
            by_name.insert((object.name.namespace(), object.name.name()), place);
        }
        let mut gateways = Self { nodes, by_name, sets_by_name: HashMap::new() };
        listener_sets::attach(resources, &mut gateways, index, problems);
        for node in &mut gateways.nodes {
            check_certificates(node, certificates, problems);
        }
        conflicts::settle(&mut gateways.nodes, problems);
        gateways
    }

    /// The certificates that Gateways show to backends.
    pub(super) fn identities(&self) -> BTreeMap<ObjectName, Arc<Certificate>> {
        let certificate = |node: &GatewayNode<'_>| {
            Some((node.object.name.clone(), node.backend_certificate.as_ref()?.as_ref().ok()?.clone()))
        };
        self.nodes.iter().filter_map(certificate).collect()
    }

    pub(super) fn add_set(&mut self, gateway: usize, set: SetNode<'r>) {
        let sets = &mut self.nodes[gateway].sets;
        let name = (set.object.name.namespace(), set.object.name.name());
        self.sets_by_name.insert(name, Some((gateway, sets.len())));
        sets.push(set);
    }

    pub(super) fn add_foreign_set(&mut self, object: &'r Object<ListenerSet>) {
        self.sets_by_name.insert((object.name.namespace(), object.name.name()), None);
    }

    /// Namespace and name of every Gateway, whosever it is.
    pub(super) fn gateway_names(&self) -> impl ExactSizeIterator<Item = (&'r str, &'r str)> {
        self.by_name.keys().copied()
    }

    /// Namespace and name of every `ListenerSet`.
    pub(super) fn set_names(&self) -> impl ExactSizeIterator<Item = (&'r str, &'r str)> {
        self.sets_by_name.keys().copied()
    }

    pub(super) fn find_gateway(&self, namespace: &str, name: &str) -> Parent<usize> {
        match self.by_name.get(&(namespace, name)) {
            Some(Some(place)) => Parent::Ours(*place),
            Some(None) => Parent::Foreign,
            None => Parent::Missing,
        }
    }

    /// The listeners of a Gateway alone, without those of its sets.
    pub(super) fn gateway_group(&mut self, namespace: &str, name: &str) -> Parent<Group<'_, 'r>> {
        match self.find_gateway(namespace, name) {
            Parent::Ours(place) => {
                let node = &mut self.nodes[place];
                Parent::Ours(Group {
                    owner: Owner::Gateway(node.object),
                    fault: node.fault.as_ref(),
                    listeners: &mut node.listeners,
                })
            }
            Parent::Foreign => Parent::Foreign,
            Parent::Missing => Parent::Missing,
        }
    }

    /// The listeners of a set of a Gateway of ours.
    pub(super) fn set_group(&mut self, namespace: &str, name: &str) -> Parent<Group<'_, 'r>> {
        let (gateway, set) = match self.sets_by_name.get(&(namespace, name)) {
            Some(Some(place)) => *place,
            Some(None) => return Parent::Foreign,
            None => return Parent::Missing,
        };
        let node = &mut self.nodes[gateway].sets[set];
        Parent::Ours(Group {
            owner: Owner::ListenerSet(node.object),
            fault: node.fault.as_ref(),
            listeners: &mut node.listeners,
        })
    }
}

/// Finds the certificates of a Gateway, its listeners and its sets.
fn check_certificates(
    node: &mut GatewayNode<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) {
    let frontend = Frontend::new(node, certificates, problems);
    node.is_insecure = frontend.is_insecure();
    node.backend_certificate = certificates::backend_certificate(node, certificates, problems);
    let sets = node.sets.iter_mut().flat_map(|set| &mut set.listeners);
    for listener in node.listeners.iter_mut().chain(sets) {
        certificates::check_listener(listener, &frontend, certificates, problems);
    }
}

/// One Gateway, if it is ours.
fn gateway<'r>(
    object: &'r Object<Gateway>,
    classes: &Classes<'r>,
    index: &Index<'r>,
    problems: &mut UnplacedProblems,
) -> Option<GatewayNode<'r>> {
    let spec = &object.body.spec;
    let at = At::Root.field("spec");
    let class = match classes.find(&spec.gateway_class_name) {
        Some(Class::Foreign) => return None,
        Some(class) => class,
        None => {
            let message = format!("there is no GatewayClass `{}`", spec.gateway_class_name);
            let text = (message, "Write irongate.");
            let at = at.field("gatewayClassName");
            problems.push(Severity::Error, (Gateway::KIND, object), &at, "UnknownClass", text);
            return None;
        }
    };
    let mut node = GatewayNode {
        object,
        fault: None,
        addresses: Vec::new(),
        options: Arc::default(),
        listeners: Vec::with_capacity(spec.listeners.len()),
        sets: Vec::new(),
        unusable_address: None,
        backend_certificate: None,
        is_insecure: false,
    };
    node.set_options(class, index, problems);
    match addresses(object) {
        Ok(addresses) => node.addresses = addresses,
        Err((place, kind)) => {
            let at = at.field("addresses");
            let text = (format!("addresses of the type `{kind}` are not served"), "Write type: IPAddress.");
            node.fail(&at.index(place).field("type"), "UnsupportedAddress", text, problems);
        }
    }
    node.drop_unusable(&at.field("addresses"), problems);
    for place in 0..spec.listeners.len() {
        let owner = Owner::Gateway(object);
        node.listeners.push(ListenerNode::new(owner, &object.name, place, &node.addresses, problems));
    }
    Some(node)
}

/// The addresses to listen on: those that are written, else every one of the machine. That is `[::]` alone:
/// its socket takes IPv4, too, and one on `0.0.0.0` beside it would collide.
fn addresses(object: &Object<Gateway>) -> Result<Vec<IpAddr>, (usize, Text)> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for (place, address) in object.body.spec.addresses.iter().enumerate() {
        if let Some(kind) = address.kind.as_ref().filter(|_| !address.is_ip()) {
            return Err((place, kind.clone()));
        }
        if let Some(ip) = address.value.as_deref().and_then(|value| value.parse().ok())
            && !addresses.contains(&ip)
        {
            addresses.push(ip);
        }
    }
    let everywhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if addresses.is_empty() {
        addresses.push(everywhere);
    } else if addresses.contains(&everywhere) {
        addresses.retain(|address| *address != IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    Ok(addresses)
}
