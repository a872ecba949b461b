//! Fields that are known and mean nothing here.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// A value of any form that nothing is made of. A field of this type is known, so that nobody is told that it is
/// mistyped.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct IgnoredAny(serde::de::IgnoredAny);

impl JsonSchema for IgnoredAny {
    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "Part of the published API; has no effect here." })
    }
}
