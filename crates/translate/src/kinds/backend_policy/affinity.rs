//! `hash`: what requests are told apart by where the algorithm goes by a key; and `locality`.

use crate::checks::{Checks, header_name};
use crate::kinds::Text;
use crate::yaml::path::At;
use irongate_config::{HashKey, Locality};
use schemars::JsonSchema;
use serde::Deserialize;

/// What `RingHash` and `Maglev` tell requests apart by.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HashFields {
    /// The first of them that a request has counts; at most 8. A request that has none goes to an instance drawn by weight.
    /// Not written: the client's address. Connections and datagrams have nothing else.
    #[schemars(length(min = 1, max = 8))]
    pub keys: Option<Vec<HashKeyFields>>,
    /// How much an instance may have under way before requests go on to the next of their key, in per cent of the mean of all
    /// instances as one core sees it. Not written: any amount.
    #[schemars(range(min = 100, max = 10_000))]
    pub max_load_percent: Option<u32>,
}

/// A part of a request.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct HashKeyFields {
    /// Which part.
    #[serde(rename = "type")]
    pub kind: HashKeyName,
    /// The name of the field, cookie or parameter.
    pub name: Option<Text>,
}

/// Which part of a request.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum HashKeyName {
    /// The value of a header field; the first line of several.
    Header,
    /// The value of a cookie.
    Cookie,
    /// The first value of a query parameter.
    QueryParameter,
    /// The client's address, without its port.
    SourceAddress,
}

/// Which instances are preferred by their zone.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum LocalityName {
    /// Those of the gateway's own zone, as long as enough of them are well and none elsewhere is much cheaper to ask.
    PreferLocal,
    /// None.
    Any,
}

impl From<LocalityName> for Locality {
    fn from(name: LocalityName) -> Self {
        match name {
            LocalityName::PreferLocal => Self::PreferLocal,
            LocalityName::Any => Self::Any,
        }
    }
}

impl HashFields {
    /// The keys, if they are written.
    pub(crate) fn to_keys(&self) -> Option<Vec<HashKey>> {
        let key = |key: &HashKeyFields| {
            let name = key.name.as_deref().unwrap_or_default();
            match key.kind {
                HashKeyName::Header => HashKey::Header(name.to_ascii_lowercase().into()),
                HashKeyName::Cookie => HashKey::Cookie(name.into()),
                HashKeyName::QueryParameter => HashKey::QueryParameter(name.into()),
                HashKeyName::SourceAddress => HashKey::SourceAddress,
            }
        };
        self.keys.as_ref().map(|keys| keys.iter().map(key).collect())
    }

    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if self.max_load_percent.is_some_and(|percent| !(100..=10_000).contains(&percent)) {
            checks.invalid(&at.field("maxLoadPercent"), "must be from 100 to 10000", "");
        }
        let list = at.field("keys");
        let Some(keys) = &self.keys else { return };
        checks.no_more_than(&list, keys.len(), 8);
        if keys.is_empty() {
            checks.invalid(&list, "is empty", "Leave it out for the client's address.");
        }
        for (place, key) in keys.iter().enumerate().take(8) {
            let at = list.index(place);
            match (key.kind, &key.name) {
                (HashKeyName::SourceAddress, None) => {}
                (HashKeyName::SourceAddress, Some(_)) => {
                    checks.invalid(&at.field("name"), "means nothing for an address", "Remove it.");
                }
                (_, None) => checks.invalid(&at, "needs a name", ""),
                (HashKeyName::QueryParameter, Some(name)) => {
                    if name.is_empty() || name.len() > 256 {
                        checks.invalid(&at.field("name"), "must have from 1 to 256 bytes", "");
                    }
                }
                (HashKeyName::Header | HashKeyName::Cookie, Some(name)) => {
                    header_name(name, &at.field("name"), checks);
                }
            }
            if keys[..place].contains(key) {
                checks.invalid(&at, "is there twice", "");
            }
        }
    }
}
