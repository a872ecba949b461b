//! `compression` of a `TrafficPolicy`.

use crate::checks::Checks;
use crate::kinds::{Bytes, Text};
use crate::yaml::path::At;
use irongate_config::{ContentCoding, MediaRange};
use schemars::JsonSchema;
use serde::Deserialize;

/// How answers are compressed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CompressionFields {
    /// The codings that are offered. The one that the client likes best is taken, and of those that it likes equally well
    /// the first of this list. An empty list: nothing is compressed.
    #[schemars(extend("default" = ["zstd", "br", "gzip"]))]
    pub codings: Option<Vec<CodingName>>,
    /// Answers of which it is said that they are shorter are left as they are.
    #[schemars(extend("default" = "1Ki"))]
    pub min_size: Option<Bytes>,
    /// What is compressed: media types (`application/json`), all of a type (`text/*`), all with a suffix (`*+json`), or
    /// all (`*/*`). Not written: text, JSON, XML, JavaScript, WebAssembly, YAML, TOML and fonts that are not compressed.
    pub types: Option<Vec<Text>>,
    /// What becomes of answers with a strong `ETag`, which is for bytes as they are.
    #[schemars(extend("default" = "Weaken"))]
    pub strong_etags: Option<StrongEtagsName>,
    /// The level of gzip, 1 to 9.
    #[schemars(range(min = 1, max = 9))]
    #[schemars(extend("default" = 3))]
    pub gzip_level: Option<u8>,
    /// The quality of brotli, 1 to 4.
    #[schemars(range(min = 1, max = 4))]
    #[schemars(extend("default" = 3))]
    pub brotli_level: Option<u8>,
    /// The level of zstd, 1 to 9.
    #[schemars(range(min = 1, max = 9))]
    #[schemars(extend("default" = 3))]
    pub zstd_level: Option<u8>,
}

/// A content coding.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CodingName {
    /// RFC 1952.
    Gzip,
    /// Brotli (RFC 7932).
    Br,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl From<CodingName> for ContentCoding {
    fn from(name: CodingName) -> Self {
        match name {
            CodingName::Gzip => Self::Gzip,
            CodingName::Br => Self::Brotli,
            CodingName::Zstd => Self::Zstd,
        }
    }
}

/// What becomes of answers with a strong `ETag`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum StrongEtagsName {
    /// They are compressed, and the tag becomes a weak one.
    Weaken,
    /// They are left as they are.
    Skip,
}

impl CompressionFields {
    /// The level of a coding, if it is written.
    #[must_use]
    pub fn level(&self, coding: ContentCoding) -> Option<u8> {
        match coding {
            ContentCoding::Gzip => self.gzip_level,
            ContentCoding::Brotli => self.brotli_level,
            ContentCoding::Zstd => self.zstd_level,
        }
    }

    /// Checks it.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let codings = self.codings.as_deref().unwrap_or_default();
        let names = codings.iter().map(|coding| ContentCoding::from(*coding).as_str());
        checks.unique_items(&at.field("codings"), names);
        let types = at.field("types");
        checks.no_more_than(&types, self.types.as_ref().map_or(0, Vec::len), 64);
        for (place, text) in self.types.iter().flatten().enumerate() {
            if let Err(error) = MediaRange::new(text) {
                checks.invalid(&types.index(place), error.to_string(), "Parameters do not belong to it.");
            }
        }
        for (field, coding) in [
            ("gzipLevel", ContentCoding::Gzip),
            ("brotliLevel", ContentCoding::Brotli),
            ("zstdLevel", ContentCoding::Zstd),
        ] {
            let most = coding.highest_level();
            if self.level(coding).is_some_and(|level| !(1..=most).contains(&level)) {
                checks.invalid(&at.field(field), format!("must be from 1 to {most}"), "");
            }
        }
    }
}
