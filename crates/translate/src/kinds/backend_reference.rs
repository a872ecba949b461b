//! References from a route to what requests are sent to, and to filters of other kinds.

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
        (self.group.as_deref().unwrap_or(CORE_GROUP), self.kind.as_deref().unwrap_or("Service"))
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        check_port(self.group_kind(), self.port, at, checks);
    }
}

/// The port of a backend reference.
pub(super) fn check_port(group_kind: (&str, &str), port: Option<u16>, at: &At<'_>, checks: &mut Checks) {
    match port {
        Some(port) => checks.port(port, &at.field("port")),
        None if group_kind == (CORE_GROUP, "Service") => {
            checks.invalid(&at.field("port"), "is required for a Service", "");
        }
        None => {}
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
