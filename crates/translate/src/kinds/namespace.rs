//! `Namespace`: its labels decide which routes may attach where.

use super::{CORE_GROUP, IgnoredAny, Kind, KindName, NameProblem, Text};
use crate::checks::names;
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

    fn name(namespace: Option<&str>, name: &str) -> Result<Text, NameProblem> {
        NameProblem::check("name", names::label(name))?;
        Text::new(namespace, name)
    }

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self, Text>> {
        &mut resources.namespaces
    }
}
