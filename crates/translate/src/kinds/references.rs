//! References from one object to another.

use super::{CORE_GROUP, Kind, Secret, Text};
use crate::checks::{Checks, api_group, api_kind, namespace_name, object_name, section_name};
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

impl ParentReference {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let (group, kind, namespace) =
            (self.group.as_deref(), self.kind.as_deref(), self.namespace.as_deref());
        Named { group, kind, namespace, name: &self.name }.check(at, checks);
        if let Some(name) = &self.section_name {
            section_name(name, &at.field("sectionName"), checks);
        }
        if let Some(port) = self.port {
            checks.port(port, &at.field("port"));
        }
    }
}

impl ParametersReference {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let namespace = self.namespace.as_deref();
        Named { group: Some(&self.group), kind: Some(&self.kind), namespace, name: &self.name }
            .check(at, checks);
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
        let (group, kind, namespace) =
            (self.group.as_deref(), self.kind.as_deref(), self.namespace.as_deref());
        Named { group, kind, namespace, name: &self.name }.check(at, checks);
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
        let namespace = self.namespace.as_deref();
        Named { group: Some(&self.group), kind: Some(&self.kind), namespace, name: &self.name }
            .check(at, checks);
    }
}

/// What a reference names, as far as it is written.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) group: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
}

impl Named<'_> {
    /// Checks each field by the pattern that the CRDs have for it.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if let Some(group) = self.group {
            api_group(group, &at.field("group"), checks);
        }
        if let Some(kind) = self.kind {
            api_kind(kind, &at.field("kind"), checks);
        }
        if let Some(namespace) = self.namespace {
            namespace_name(namespace, &at.field("namespace"), checks);
        }
        object_name(self.name, &at.field("name"), checks);
    }
}
