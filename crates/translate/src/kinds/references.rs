//! References from one object to another.

use super::{CORE_GROUP, Kind, Secret, Text};
use crate::checks::{Checks, api_group, api_kind, object_name};
use crate::yaml::path::At;
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

impl ParametersReference {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        check(&self.group, &self.kind, &self.name, at, checks);
    }
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

/// A reference to a Secret, or to an object of an implementation's own that stands for one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SecretReference {
    /// Its group; the core group where none is written.
    pub group: Option<Text>,
    /// Its kind; `Secret` where none is written.
    pub kind: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its namespace; that of the object that refers where none is written. Another needs a ReferenceGrant there.
    pub namespace: Option<Text>,
}

impl SecretReference {
    /// Group and kind, with the defaults of the API.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        (self.group.as_deref().unwrap_or(CORE_GROUP), self.kind.as_deref().unwrap_or(Secret::KIND))
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let (group, kind) = self.group_kind();
        check(group, kind, &self.name, at, checks);
    }
}

/// A reference to an object of any kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its group; empty for the core group.
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
    /// Its namespace; that of the object that refers where none is written. Another needs a ReferenceGrant there.
    pub namespace: Option<Text>,
}

impl Reference {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        check(&self.group, &self.kind, &self.name, at, checks);
    }
}

fn check(group: &str, kind: &str, name: &str, at: &At<'_>, checks: &mut Checks) {
    api_group(group, &at.field("group"), checks);
    api_kind(kind, &at.field("kind"), checks);
    object_name(name, &at.field("name"), checks);
}
