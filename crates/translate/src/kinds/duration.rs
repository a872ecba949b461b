//! Durations as Gateway API writes them (GEP-2257).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Expected, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A duration: one to four numbers of at most five digits, each with its unit (`h`, `m`, `s`, `ms`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GatewayDuration(pub Duration);

impl GatewayDuration {
    /// Reads `1h30m`, `500ms`, `0s`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut sum = Duration::ZERO;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            parts += 1;
            if digits == 0 || digits > 5 || parts > 4 {
                return None;
            }
            let (number, after) = rest.split_at(digits);
            let number: u64 = number.parse().ok()?;
            // "ms" before "m": the longer unit is the one that is meant.
            let (milliseconds, unit) = match after.as_bytes() {
                [b'm', b's', ..] => (1, 2),
                [b'h', ..] => (3_600_000, 1),
                [b'm', ..] => (60_000, 1),
                [b's', ..] => (1000, 1),
                _ => return None,
            };
            sum += Duration::from_millis(number * milliseconds);
            rest = &after[unit..];
        }
        (parts > 0).then_some(Self(sum))
    }
}

impl JsonSchema for GatewayDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
            "examples": ["10s", "1h30m", "500ms"],
        })
    }
}

impl<'de> Deserialize<'de> for GatewayDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = GatewayDuration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 10s, 1h30m or 500ms (units h, m, s, ms)")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<GatewayDuration, E> {
                Err(E::custom(format!(
                    "must be {}, but has no unit\nWrite {number}s.",
                    &self as &dyn Expected
                )))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<GatewayDuration, E> {
                GatewayDuration::parse(text)
                    .ok_or_else(|| E::custom(format!("must be {}", &self as &dyn Expected)))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_gep_2257() {
        for (text, milliseconds) in [
            ("0s", Some(0)),
            ("0h", Some(0)),
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("1h30m", Some(5_400_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("30m1h", Some(5_400_000)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("1", None),
            ("s", None),
            ("100000s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1us", None),
            ("1s1s1s1s1s", None),
            ("1 s", None),
            ("1d", None),
        ] {
            assert_eq!(
                GatewayDuration::parse(text),
                milliseconds.map(|n| GatewayDuration(Duration::from_millis(n))),
                "{text}"
            );
        }
    }
}
