//! References from one object to another.

use super::Text;
use schemars::JsonSchema;
use serde::Deserialize;

/// `parentRefs[]` of a route.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentReference {
    /// The parent's group; Gateway API's own where none is written.
    pub group: Option<Text>,
    /// Its kind; `Gateway` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the route's where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Only this listener.
    pub section_name: Option<Text>,
    /// Only listeners on this port.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
}

/// `parametersRef` of a `GatewayClass` or of a Gateway's `infrastructure`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ParametersReference {
    /// The group of what is named.
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
    /// Its namespace: only for a `GatewayClass`, which has none of its own.
    pub namespace: Option<Text>,
}

/// `targetRefs[]` of a policy: always in the policy's own namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTargetReference {
    /// The target's group.
    #[serde(default)]
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
    /// Only this part of it: the name of a Service's port.
    pub section_name: Option<Text>,
}
