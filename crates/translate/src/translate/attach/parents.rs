//! What a parentRef names, and what is told where it names nothing.

use crate::kinds::{GATEWAY_GROUP, Gateway, Kind, ListenerSet, ParentReference};
use crate::problems::UnplacedProblems;
use crate::translate::gateways::{Gateways, Group, Parent};
use crate::translate::listeners::ListenerNode;
use crate::translate::suggest;
use irongate_config::Severity;
use std::borrow::Cow;

/// The listeners that a parentRef names.
pub(super) fn find<'g, 'r>(
    parent: &ParentReference,
    own: &str,
    gateways: &'g mut Gateways<'r>,
) -> Parent<Group<'g, 'r>> {
    let namespace = parent.namespace.as_deref().unwrap_or(own);
    match parent_kind(parent) {
        Some(Gateway::KIND) => gateways.gateway_group(namespace, &parent.name),
        Some(_) => gateways.set_group(namespace, &parent.name),
        None => Parent::Missing,
    }
}

/// What is wrong with a parentRef that names nothing, and what to do.
pub(super) fn missing(
    parent: &ParentReference,
    own: &str,
    gateways: &Gateways<'_>,
    problems: &UnplacedProblems,
) -> (Severity, &'static str, (String, Cow<'static, str>)) {
    let Some(kind) = parent_kind(parent) else {
        let group = parent.group.as_deref().unwrap_or(GATEWAY_GROUP);
        let kind = parent.kind.as_deref().unwrap_or(Gateway::KIND);
        let message = format!("parents of the kind `{kind}` of the group `{group}` are not served");
        return (Severity::Warning, "InvalidKind", (message, "Name a Gateway or a ListenerSet.".into()));
    };
    let place = (parent.namespace.as_deref().unwrap_or(own), &*parent.name);
    let advice = match kind {
        Gateway::KIND => suggest::advice(kind, place, gateways.gateway_names(), problems),
        _ => suggest::advice(kind, place, gateways.set_names(), problems),
    };
    let message = format!("there is no {kind} {}/{}", place.0, place.1);
    (Severity::Error, "NoMatchingParent", (message, advice))
}

/// `Gateway` or `ListenerSet`, if a parentRef names one of them.
pub(super) fn parent_kind(parent: &ParentReference) -> Option<&'static str> {
    let is_ours = parent.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP;
    let kind = parent.kind.as_deref().unwrap_or(Gateway::KIND);
    [Gateway::KIND, ListenerSet::KIND].into_iter().find(|known| is_ours && *known == kind)
}

/// Which listener a parentRef asks for, as the rest of a sentence.
pub(super) fn wanted(parent: &ParentReference) -> String {
    let name = parent.section_name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
    let port = parent.port.map(|port| format!(" on port {port}")).unwrap_or_default();
    name + &port
}

/// Which listeners there are, in place of one that is not there.
pub(super) fn there_are(listeners: &[ListenerNode<'_>]) -> String {
    const MOST: usize = 10;
    let shown = |listener: &ListenerNode<'_>| format!("{} (port {})", listener.spec.name, listener.spec.port);
    let names: Vec<String> = listeners.iter().take(MOST).map(shown).collect();
    match listeners.len() {
        0 => "Add a listener to it.".to_owned(),
        count if count > MOST => format!("It has {} and {} more.", names.join(", "), count - MOST),
        _ => format!("It has {}.", names.join(", ")),
    }
}
