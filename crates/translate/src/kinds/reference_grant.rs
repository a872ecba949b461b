//! `ReferenceGrant`: who may refer to objects of another namespace.

use super::{GATEWAY_GROUP, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;

/// A `ReferenceGrant`; what it grants lies in its own namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ReferenceGrant {
    /// What is granted.
    pub spec: ReferenceGrantSpec,
}

/// What is granted: each of `from` may refer to each of `to`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ReferenceGrantSpec {
    /// Who may refer.
    pub from: Vec<GrantFrom>,
    /// To what.
    pub to: Vec<GrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GrantFrom {
    /// The group of who refers.
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its namespace.
    pub namespace: Text,
}

/// What may be referred to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct GrantTo {
    /// The group of what is referred to.
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name; any where none is written.
    pub name: Option<Text>,
}

impl Kind for ReferenceGrant {
    const KIND: &'static str = "ReferenceGrant";
    const GROUP: &'static str = GATEWAY_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1", "v1beta1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.reference_grants
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        checks.no_more_than(&at.field("from"), self.spec.from.len(), 16);
        checks.no_more_than(&at.field("to"), self.spec.to.len(), 16);
    }
}
