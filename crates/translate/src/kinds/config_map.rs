//! `ConfigMap`: certificates of authorities, and other data that is not secret.

use super::data::{Base64, check_key, check_size};
use super::{CORE_GROUP, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A `ConfigMap`.
#[derive(Clone, Default, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMap {
    /// Its texts.
    pub data: BTreeMap<Text, Text>,
    /// Its bytes, in base64.
    #[schemars(with = "BTreeMap<Text, Text>")]
    binary_data: BTreeMap<Text, Base64>,
    /// Whether it never changes.
    pub immutable: bool,
}

impl ConfigMap {
    /// A value, text or not.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let binary = || self.binary_data.get(key).map(|Base64(bytes)| &bytes[..]);
        self.data.get(key).map(|text| text.as_bytes()).or_else(binary)
    }
}

impl fmt::Debug for ConfigMap {
    /// Only the keys: values may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.data.keys()).entries(self.binary_data.keys()).finish()
    }
}

impl Kind for ConfigMap {
    const KIND: &'static str = "ConfigMap";
    const GROUP: &'static str = CORE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.config_maps
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let (texts, binary) = (at.field("data"), at.field("binaryData"));
        for key in self.data.keys() {
            check_key(key, &texts.field(key), checks);
        }
        for key in self.binary_data.keys() {
            check_key(key, &binary.field(key), checks);
        }
        for key in self.data.keys().filter(|key| self.binary_data.contains_key(*key)) {
            checks.invalid(&binary.field(key), "is in `data`, too", "Remove one of the two.");
        }
        let sizes = self.data.values().map(|text| text.len());
        let sizes = sizes.chain(self.binary_data.values().map(|Base64(bytes)| bytes.len()));
        check_size(sizes.sum(), &texts, checks);
    }
}
