//! `Secret`: certificates with their keys, passwords and the like.

use super::data::{Base64, check_key, check_size};
use super::{CORE_GROUP, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{ObjectName, SecretBytes};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::Deserializer;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A Secret. Problems of it name its fields and keys, and quote no value.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(from = "SecretFields")]
pub struct Secret {
    /// What it is for; `Opaque` where nothing is written.
    pub kind: Text,
    /// Its values: `data`, decoded, with those of `stringData` in place of the ones that have the same key.
    pub data: BTreeMap<Text, SecretBytes>,
    /// Whether it never changes.
    pub is_immutable: bool,
    /// The keys that came from `stringData`.
    texts: Vec<Text>,
}

impl Secret {
    /// The type of a Secret that holds a certificate chain (`tls.crt`) and its key (`tls.key`), both PEM.
    pub const TLS: &'static str = "kubernetes.io/tls";

    /// A value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SecretBytes> {
        self.data.get(key)
    }
}

/// A Secret as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct SecretFields {
    /// What it is for; `Opaque` where nothing is written. Some types ask for certain keys.
    #[serde(rename = "type")]
    kind: Text,
    /// Its values, in base64.
    #[schemars(with = "BTreeMap<Text, Text>")]
    data: BTreeMap<Text, Encoded>,
    /// Values as they are; each counts before the one of `data` that has the same key.
    #[schemars(with = "BTreeMap<Text, Text>")]
    string_data: BTreeMap<Text, Plain>,
    /// Whether it never changes.
    immutable: bool,
}

impl Default for SecretFields {
    fn default() -> Self {
        Self { kind: "Opaque".into(), data: BTreeMap::new(), string_data: BTreeMap::new(), immutable: false }
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretFields::json_schema(generator)
    }
}

/// A value in base64.
struct Encoded(SecretBytes);

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Base64::deserialize(deserializer).map(|Base64(bytes)| Self(SecretBytes::new(bytes)))
    }
}

/// A value as it is.
struct Plain(SecretBytes);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Ok(Self(SecretBytes::new(text.as_bytes().to_vec())))
    }
}

impl From<SecretFields> for Secret {
    fn from(fields: SecretFields) -> Self {
        let SecretFields { kind, data, string_data, immutable } = fields;
        let texts = string_data.keys().cloned().collect();
        let mut data: BTreeMap<Text, SecretBytes> =
            data.into_iter().map(|(key, Encoded(value))| (key, value)).collect();
        data.extend(string_data.into_iter().map(|(key, Plain(value))| (key, value)));
        let kind = if kind.is_empty() { "Opaque".into() } else { kind };
        Self { kind, data, is_immutable: immutable, texts }
    }
}

impl Kind for Secret {
    const KIND: &'static str = "Secret";
    const GROUP: &'static str = CORE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1"];
    const IS_SECRET: bool = true;
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.secrets
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let (data, texts) = (at.field("data"), at.field("stringData"));
        for key in self.data.keys() {
            let list = if self.texts.contains(key) { &texts } else { &data };
            check_key(key, &list.field(key), checks);
        }
        check_size(self.data.values().map(SecretBytes::len).sum(), &data, checks);
        for key in required_keys(&self.kind) {
            if !self.data.contains_key(*key) {
                let message = format!("is required in a Secret of type {}, and missing", self.kind);
                checks.invalid(&data.field(key), message, "");
            }
        }
        let is_basic = &*self.kind == "kubernetes.io/basic-auth";
        if is_basic && !["username", "password"].iter().any(|key| self.data.contains_key(*key)) {
            let message = format!("needs `username` or `password` in a Secret of type {}", self.kind);
            checks.invalid(&data, message, "");
        }
    }
}

/// The keys that the API server asks of a type.
fn required_keys(kind: &str) -> &'static [&'static str] {
    match kind {
        Secret::TLS => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        _ => &[],
    }
}
