//! `GatewayClass`: which controller its Gateways belong to.

use super::gateway::is_uri_path;
use super::{CONTROLLER_NAME, GATEWAY_GROUP, Kind, ParametersReference, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
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
    /// The controller of its Gateways: `irongate.dev/gateway` for this one.
    pub controller_name: Text,
    /// The `GatewayParameters` of all its Gateways.
    pub parameters_ref: Option<ParametersReference>,
    /// What it is for.
    pub description: Option<Text>,
}

impl Kind for GatewayClass {
    const KIND: &'static str = "GatewayClass";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = Text;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self, Text>> {
        &mut resources.gateway_classes
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        let name = &*self.spec.controller_name;
        let is_valid = name
            .split_once('/')
            .is_some_and(|(domain, path)| ObjectName::new("default", domain).is_ok() && is_uri_path(path));
        if !is_valid || name.len() > 253 {
            let message = format!("`{}` is not a domain and a path", name.escape_debug());
            let advice = format!("Write {CONTROLLER_NAME}.");
            checks.invalid(&at.field("controllerName"), message, advice);
        }
        if let Some(reference) = &self.spec.parameters_ref {
            reference.check(&at.field("parametersRef"), checks);
        }
        checks.at_most_bytes(
            &at.field("description"),
            self.spec.description.as_deref().unwrap_or_default(),
            64,
        );
    }
}
