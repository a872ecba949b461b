//! `ListenerSet`s: which Gateway each belongs to, and whether that lets it.

use super::gateways::{Fault, Gateways, Parent};
use super::index::Index;
use super::listeners::{ListenerNode, Owner, allows_namespace};
use super::suggest;
use crate::kinds::{Gateway, Kind, ListenerNamespaces, ListenerSet};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::Severity;

/// A set of a Gateway of ours.
pub(super) struct SetNode<'r> {
    pub(super) object: &'r Object<ListenerSet>,
    /// Why none of it is served.
    pub(super) fault: Option<Fault>,
    pub(super) listeners: Vec<ListenerNode<'r>>,
}

impl SetNode<'_> {
    /// Whether it counts as attached: it may be there, and something of it can be served.
    pub(super) fn is_attached(&self) -> bool {
        self.fault.is_none() && self.listeners.iter().any(ListenerNode::is_valid)
    }
}

/// Adds each set to its Gateway, the older first.
pub(super) fn attach<'r>(
    resources: &'r Resources,
    gateways: &mut Gateways<'r>,
    index: &Index<'r>,
    problems: &mut UnplacedProblems,
) {
    let mut objects: Vec<_> = resources.listener_sets.iter().collect();
    objects.sort_by(|a, b| a.age().cmp(&b.age()));
    for object in objects {
        let Some(place) = find(object, gateways, problems) else {
            gateways.add_foreign_set(object);
            continue;
        };
        let gateway = &gateways.nodes[place];
        let fault = fault(object, gateway.object, gateway.fault.as_ref(), index);
        if let Some(fault) = &fault {
            let advice = if fault.reason == "NotAllowed" {
                "The Gateway says in spec.allowedListeners.namespaces whose sets it takes."
            } else {
                "Mend the Gateway."
            };
            let at = At::Root.field("spec");
            let at = at.field("parentRef");
            let text = (fault.message.clone(), advice);
            problems.push(Severity::Error, (ListenerSet::KIND, object), &at, fault.reason, text);
        }
        let (name, addresses) = (&gateway.object.name, &gateway.addresses);
        let owner = Owner::ListenerSet(object);
        let listeners = (0..owner.listeners().len())
            .map(|place| ListenerNode::new(owner, name, place, addresses, problems))
            .collect();
        gateways.add_set(place, SetNode { object, fault, listeners });
    }
}

/// The Gateway of ours that a set names; `None` where it is another controller's, or is not there, which is reported.
fn find(
    object: &Object<ListenerSet>,
    gateways: &Gateways<'_>,
    problems: &mut UnplacedProblems,
) -> Option<usize> {
    let at = At::Root.field("spec");
    let at = at.field("parentRef");
    let parent = &object.body.spec.parent_ref;
    if !parent.is_gateway() {
        let kind = parent.kind.as_deref().unwrap_or(Gateway::KIND);
        let message = format!("parents of the kind `{kind}` are not served");
        let text = (message, "Name a Gateway.");
        let about = (ListenerSet::KIND, object);
        problems.push(Severity::Warning, about, &at.field("kind"), "InvalidKind", text);
        return None;
    }
    let namespace = parent.namespace.as_deref().unwrap_or(object.name.namespace());
    match gateways.find_gateway(namespace, &parent.name) {
        Parent::Ours(place) => Some(place),
        Parent::Foreign => None,
        Parent::Missing => {
            let message = format!("there is no Gateway {namespace}/{}", parent.name);
            let place = (namespace, &*parent.name);
            let advice = suggest::advice(Gateway::KIND, place, gateways.gateway_names(), problems);
            let about = (ListenerSet::KIND, object);
            problems.push(Severity::Error, about, &at, "NoMatchingParent", (message, advice));
            None
        }
    }
}

/// Why a Gateway does not take a set.
fn fault(
    object: &Object<ListenerSet>,
    gateway: &Object<Gateway>,
    gateway_fault: Option<&Fault>,
    index: &Index<'_>,
) -> Option<Fault> {
    let default = ListenerNamespaces::default();
    let allowed =
        gateway.body.spec.allowed_listeners.as_ref().map_or(&default, |allowed| &allowed.namespaces);
    let (own, namespace) = (gateway.name.namespace(), object.name.namespace());
    if !allows_namespace(allowed.from, allowed.selector.as_ref(), own, namespace, index) {
        let message =
            format!("Gateway {} takes no ListenerSets of the namespace `{namespace}`", gateway.name);
        return Some(Fault::new("NotAllowed", message));
    }
    gateway_fault.map(|fault| {
        let message = format!("Gateway {} is not accepted: {}", gateway.name, fault.message);
        Fault::new("ParentNotAccepted", message)
    })
}
