//! What `Secret` and `ConfigMap` have in common: keys, base64, and how much they may hold.

use crate::checks::Checks;
use crate::yaml::path::At;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, Error};
use std::borrow::Cow;

/// Bytes of all values of one object that Kubernetes takes.
const MAX_BYTES: usize = 1 << 20;

/// Base64 as the API server reads it: with padding, line ends ignored, and bits after the last byte not looked at.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Bytes that are written in base64.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        decode(&text).map(Self).ok_or_else(|| {
            D::Error::custom(
                "must be base64 (RFC 4648 section 4)\nEncode it; in a Secret, stringData takes texts as they are.",
            )
        })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    // The output has its full size from the start: no copy of a secret is left behind by growing.
    if text.bytes().any(|byte| is_line_end(&byte)) {
        let mut one_line = Vec::with_capacity(text.len());
        one_line.extend(text.bytes().filter(|byte| !is_line_end(byte)));
        BASE64.decode(&one_line).ok()
    } else {
        BASE64.decode(text).ok()
    }
}

/// Keys are letters, digits, `-`, `_` and `.`, at most 253, and no way out of a folder.
pub(super) fn check_key(key: &str, at: &At<'_>, checks: &mut Checks) {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if key.is_empty() || key.len() > 253 || !key.bytes().all(is_known) {
        let message = "is no key: keys are 1 to 253 letters, digits, '-', '_' and '.'";
        checks.invalid(at, message, "");
    } else if key == "." || key.starts_with("..") {
        checks.invalid(at, "is no key: it would be a way out of a folder", "Let it not begin with dots.");
    }
}

/// The values of one object together are bounded.
pub(super) fn check_size(bytes: usize, at: &At<'_>, checks: &mut Checks) {
    if bytes > MAX_BYTES {
        checks.invalid(at, format!("holds {bytes} bytes; at most {MAX_BYTES} are allowed"), "Split it.");
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn base64_is_read_as_the_api_server_does() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("aHVudGVyMg==", Some(b"hunter2")),
            ("aHVu\ndGVy\r\nMg==\n", Some(b"hunter2")),
            // The last sign has bits that belong to no byte.
            ("aHVudGVyMh==", Some(b"hunter2")),
            ("aHVudGVyMg", None),
            ("aHVudGVyMg=", None),
            ("aHVudGVyMg== ", None),
            ("aHVu dGVyMg==", None),
            ("hunter2!", None),
            ("-_-_", None),
        ] {
            assert_eq!(decode(text).as_deref(), bytes, "{text:?}");
        }
    }
}
