//! `Namespace`: its labels decide which routes may attach where.

use super::{CORE_GROUP, IgnoredAny, Kind, Text};
use crate::resources::{Object, Resources};
use schemars::JsonSchema;
use serde::Deserialize;

/// A Namespace; its labels are in its metadata.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Namespace {
    #[expect(dead_code, reason = "named so that it is known")]
    spec: Option<IgnoredAny>,
}

impl Kind for Namespace {
    const KIND: &'static str = "Namespace";
    const GROUP: &'static str = CORE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1"];
    type Name = Text;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self, Text>> {
        &mut resources.namespaces
    }
}
