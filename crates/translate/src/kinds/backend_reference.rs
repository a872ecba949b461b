//! References from a route to what requests are sent to, and to filters of other kinds.

use super::references::Named;
use super::{CORE_GROUP, Text};
use crate::checks::Checks;
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// `backendRef`: an object that requests can be sent to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct BackendObjectReference {
    /// The group of what is named; the core one where none is written.
    pub group: Option<Text>,
    /// Its kind; `Service` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the route's where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its port; required for a Service.
    pub port: Option<u16>,
}

impl BackendObjectReference {
    /// Group and kind, with what stands for them where they are not written.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        group_kind(self.group.as_ref(), self.kind.as_ref())
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let Self { group, kind, namespace, name, port } = self;
        check_backend((group.as_ref(), kind.as_ref()), (namespace.as_ref(), name), *port, at, checks);
    }
}

/// `backendRefs[]` of a rule of requests, with filters of the route's own kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(bound(deserialize = "F: Deserialize<'de>"))]
#[schemars(rename = "BackendRefWith{F}")]
pub struct BackendRef<F> {
    /// The group of what is named; the core one where none is written.
    pub group: Option<Text>,
    /// Its kind; `Service` where none is written.
    pub kind: Option<Text>,
    /// Its namespace; the route's where none is written.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
    /// Its port; required for a Service.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Its share is this over the sum.
    #[serde(default = "default_weight")]
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
    /// What is done only to what this one gets.
    #[serde(default)]
    pub filters: Vec<F>,
}

impl<F> BackendRef<F> {
    /// Group and kind, with what stands for them where they are not written.
    #[must_use]
    pub fn group_kind(&self) -> (&str, &str) {
        group_kind(self.group.as_ref(), self.kind.as_ref())
    }

    /// Checks all but the filters.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let Self { group, kind, namespace, name, port, weight, .. } = self;
        check_backend((group.as_ref(), kind.as_ref()), (namespace.as_ref(), name), *port, at, checks);
        check_weight(*weight, &at.field("weight"), checks);
    }
}

/// What a reference to a backend means where it does not say so: a Service.
pub(super) fn group_kind<'r>(group: Option<&'r Text>, kind: Option<&'r Text>) -> (&'r str, &'r str) {
    (group.map_or(CORE_GROUP, |group| group), kind.map_or("Service", |kind| kind))
}

/// The weight of a backend for which none is written.
pub(super) fn default_weight() -> u32 {
    1
}

/// What a reference to a backend names (group and kind; namespace and name), and at which port.
pub(super) fn check_backend(
    (group, kind): (Option<&Text>, Option<&Text>),
    (namespace, name): (Option<&Text>, &str),
    port: Option<u16>,
    at: &At<'_>,
    checks: &mut Checks,
) {
    let named = Named {
        group: group.map(|group| &**group),
        kind: kind.map(|kind| &**kind),
        namespace: namespace.map(|namespace| &**namespace),
        name,
    };
    named.check(at, checks);
    match port {
        Some(port) => checks.port(port, &at.field("port")),
        None if group_kind(group, kind) == (CORE_GROUP, "Service") => {
            checks.invalid(&at.field("port"), "is required for a Service", "");
        }
        None => {}
    }
}

/// The weight of a backend.
pub(super) fn check_weight(weight: u32, at: &At<'_>, checks: &mut Checks) {
    if weight > 1_000_000 {
        checks.invalid(at, "must be from 0 to 1000000", "");
    }
}

/// `extensionRef`: an object in the same namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct LocalObjectReference {
    /// The group of what is named.
    pub group: Text,
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}

impl LocalObjectReference {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        Named { group: Some(&self.group), kind: Some(&self.kind), namespace: None, name: &self.name }
            .check(at, checks);
    }
}
