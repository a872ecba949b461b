//! `ReferenceGrant`: who may refer to objects of another namespace.

use super::{GATEWAY_GROUP, Kind, Text};
use crate::checks::{Checks, api_group, api_kind, namespace_name, object_name};
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
        let (from, to) = (at.field("from"), at.field("to"));
        checks.no_more_than(&from, self.spec.from.len(), 16);
        checks.no_more_than(&to, self.spec.to.len(), 16);
        if self.spec.from.is_empty() {
            checks.invalid(
                &from,
                "is empty: nobody is let in",
                "Name group, kind and namespace of who may refer.",
            );
        }
        if self.spec.to.is_empty() {
            checks.invalid(
                &to,
                "is empty: nothing is opened",
                "Name group and kind of what may be referred to.",
            );
        }
        for (index, one) in self.spec.from.iter().enumerate() {
            let at = from.index(index);
            api_group(&one.group, &at.field("group"), checks);
            api_kind(&one.kind, &at.field("kind"), checks);
            namespace_name(&one.namespace, &at.field("namespace"), checks);
        }
        for (index, one) in self.spec.to.iter().enumerate() {
            let at = to.index(index);
            api_group(&one.group, &at.field("group"), checks);
            api_kind(&one.kind, &at.field("kind"), checks);
            if let Some(name) = &one.name {
                object_name(name, &at.field("name"), checks);
            }
        }
    }
}
