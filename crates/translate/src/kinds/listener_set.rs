//! `ListenerSet`: more listeners for a Gateway, written by somebody else than the Gateway.

use super::references::Named;
use super::{GATEWAY_GROUP, Gateway, Kind, Listener, Text, listener};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;

/// A `ListenerSet`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ListenerSet {
    /// What is wanted.
    pub spec: ListenerSetSpec,
}

/// What is wanted of a `ListenerSet`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSetSpec {
    /// The Gateway on whose addresses the listeners are opened. It has to allow that in `allowedListeners`.
    pub parent_ref: ParentGatewayReference,
    /// The listeners. Where one collides with another, the Gateway's own come first, then those of older sets.
    pub listeners: Vec<Listener>,
}

/// Names the Gateway of a `ListenerSet`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ParentGatewayReference {
    /// Its group; Gateway API's own where none is written.
    pub group: Option<Text>,
    /// Its kind; `Gateway` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the set's own where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

impl ParentGatewayReference {
    /// Whether it names a Gateway, and nothing else.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
            && self.kind.as_deref().unwrap_or(Gateway::KIND) == Gateway::KIND
    }
}

impl Kind for ListenerSet {
    const KIND: &'static str = "ListenerSet";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.listener_sets
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        let ParentGatewayReference { group, kind, namespace, name } = &self.spec.parent_ref;
        let (group, kind, namespace) = (group.as_deref(), kind.as_deref(), namespace.as_deref());
        Named { group, kind, namespace, name }.check(&at.field("parentRef"), checks);
        let listeners = at.field("listeners");
        if self.spec.listeners.is_empty() {
            checks.invalid(&listeners, "is empty", "Add one: {name: http, port: 80, protocol: HTTP}.");
        }
        listener::check_listeners(&self.spec.listeners, &listeners, checks);
    }
}
