//! `GatewayClass`: which controller its Gateways belong to.

use super::{GATEWAY_GROUP, IgnoredAny, Kind, ParametersReference, Text};
use crate::resources::{Object, Resources};
use schemars::JsonSchema;
use serde::Deserialize;

/// A `GatewayClass`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GatewayClass {
    /// What is wanted.
    pub spec: GatewayClassSpec,
}

/// What is wanted of a `GatewayClass`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// Ours is [`CONTROLLER_NAME`](super::CONTROLLER_NAME).
    pub controller_name: Text,
    /// The `GatewayParameters` of all its Gateways.
    pub parameters_ref: Option<ParametersReference>,
    #[expect(dead_code, reason = "named so that it is known")]
    description: Option<IgnoredAny>,
}

impl Kind for GatewayClass {
    const KIND: &'static str = "GatewayClass";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = Text;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self, Text>> {
        &mut resources.gateway_classes
    }
}
