//! `metadata` of any object.

use super::{IgnoredAny, Text};
use crate::checks::names;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// `metadata`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The object's name.
    pub name: Option<Text>,
    /// Its namespace; `default` where none is written.
    pub namespace: Option<Text>,
    /// Its labels.
    #[serde(deserialize_with = "labels")]
    pub labels: BTreeMap<Text, Text>,
    /// Counts the changes of its spec, on Kubernetes.
    pub generation: Option<i64>,
    /// When it was made, on Kubernetes.
    pub creation_timestamp: Option<Timestamp>,
    /// What tools keep there; nothing is read from it.
    #[serde(deserialize_with = "annotations")]
    #[schemars(with = "BTreeMap<Text, Text>")]
    annotations: (),
    uid: Option<IgnoredAny>,
    resource_version: Option<IgnoredAny>,
    managed_fields: Option<IgnoredAny>,
    finalizers: Option<IgnoredAny>,
    owner_references: Option<IgnoredAny>,
    generate_name: Option<IgnoredAny>,
    deletion_timestamp: Option<IgnoredAny>,
    deletion_grace_period_seconds: Option<IgnoredAny>,
    self_link: Option<IgnoredAny>,
}

fn labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Text, Text>, D::Error> {
    deserializer.deserialize_map(Texts { value: names::label_value })
}

fn annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    deserializer.deserialize_map(Texts { value: |_| None }).map(drop)
}

/// A mapping of qualified names to texts.
struct Texts {
    /// What is wrong with a value.
    value: fn(&str) -> Option<&'static str>,
}

impl<'de> Visitor<'de> for Texts {
    type Value = BTreeMap<Text, Text>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names to texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<Text>()? {
            let value =
                map.next_value_seed(CheckedText { key: names::qualified(&key), value: self.value })?;
            texts.insert(key, value);
        }
        Ok(texts)
    }
}

/// A value whose key was looked at before: the error stands at the field, whichever of the two is wrong.
struct CheckedText {
    key: Option<&'static str>,
    value: fn(&str) -> Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for CheckedText {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        if let Some(fault) = self.key {
            return Err(D::Error::custom(format!("is no name: it {fault}")));
        }
        let text = Text::deserialize(deserializer)?;
        match (self.value)(&text) {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(text),
        }
    }
}

/// A moment, as RFC 3339 writes it: seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads `2026-01-31T12:00:00Z`; fractions of a second are dropped, offsets such as `+01:00` counted.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |range: std::ops::Range<usize>| -> Option<i64> {
            let digits = text.get(range)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let bytes = text.as_bytes();
        let sign_at = |index: usize, signs: &[u8]| bytes.get(index).is_some_and(|byte| signs.contains(byte));
        let signs = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
        if !signs.iter().all(|(index, signs)| sign_at(*index, signs.as_bytes())) {
            return None;
        }
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let rest = text.get(19..)?;
        let zone = match rest.strip_prefix('.') {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => rest,
        };
        let offset = offset_seconds(zone)?;
        Some(Self(days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset))
    }
}

fn offset_seconds(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        [b'Z' | b'z'] => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let hours: i64 = zone.get(1..3)?.parse().ok()?;
    let minutes: i64 = zone.get(4..6)?.parse().ok()?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is the last of
/// its year, and eras of 400 years are all alike.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be a time such as 2026-01-31T12:00:00Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn moments_are_seconds_since_1970() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2026-01-31T12:00:00Z", Some(1_769_860_800)),
            ("2026-01-31T12:00:00.123Z", Some(1_769_860_800)),
            ("2026-01-31T13:00:00+01:00", Some(1_769_860_800)),
            ("2026-01-31", None),
            ("2026-13-31T12:00:00Z", None),
            ("2026-01-31T12:00:00", None),
            ("", None),
            ("äääääääääääääääääää", None),
        ] {
            assert_eq!(Timestamp::parse(text).map(|t| t.0), seconds, "{text}");
        }
    }
}
