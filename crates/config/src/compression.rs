//! What is asked of the compression of answers (`TrafficPolicy`).

use std::fmt;
use std::sync::Arc;

/// How the content of an answer is compressed (RFC 9110 §8.4.1, RFC 7932, RFC 8878).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentCoding {
    /// `gzip`.
    Gzip,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

impl ContentCoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gzip, Self::Brotli, Self::Zstd];

    /// As `Accept-Encoding` and `Content-Encoding` say it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The highest level that is offered. Higher ones take many times the memory (brotli 33 MiB from 5 on, whatever the
    /// window), or so long for a piece that a core would stand still, and gain little.
    #[must_use]
    pub fn highest_level(self) -> u8 {
        match self {
            Self::Gzip | Self::Zstd => 9,
            Self::Brotli => 4,
        }
    }

    /// The level where none is asked for: most of what can be gained (of source code two thirds), at 100 to 200 MB a
    /// second and core.
    #[must_use]
    pub fn usual_level(self) -> u8 {
        3
    }
}

/// How answers are compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compression {
    /// What it counts under, as it is shown: its policy and target.
    pub scope: Arc<str>,
    /// The codings that are offered and their levels; of those that a client likes equally well the first is taken.
    pub codings: Vec<(ContentCoding, u8)>,
    /// Shorter answers are left as they are, in bytes, where their length is said.
    pub min_size: u64,
    /// Which answers are compressed, by what they are.
    pub types: Vec<MediaRange>,
    /// Answers with a strong `ETag` are compressed and get a weak one; else they are left as they are.
    pub weaken_etags: bool,
}

impl Default for Compression {
    fn default() -> Self {
        let codings = [ContentCoding::Zstd, ContentCoding::Brotli, ContentCoding::Gzip];
        Self {
            scope: "".into(),
            codings: codings.map(|coding| (coding, coding.usual_level())).into(),
            // Less fits into one packet as it is.
            min_size: 1024,
            types: COMPRESSIBLE.iter().filter_map(|text| MediaRange::new(text).ok()).collect(),
            weaken_etags: true,
        }
    }
}

/// What is worth compressing and is not compressed by itself.
const COMPRESSIBLE: [&str; 16] = [
    "text/*",
    "*+json",
    "*+xml",
    "application/javascript",
    "application/json",
    "application/ndjson",
    "application/toml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
];

/// Media types: one (`application/json`), those of a type (`text/*`), those with a suffix (`*+json`), or all (`*/*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    /// In lower case, as it is shown.
    text: Arc<str>,
    kind: RangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeKind {
    One,
    /// `text/*`: what comes before the star.
    OfType,
    /// `*+json`: what comes behind the star.
    Suffix,
    All,
}

/// The text is none of the forms of a [`MediaRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaRangeError;

impl fmt::Display for MediaRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a media type such as `application/json`, or `text/*`, `*+json` or `*/*`")
    }
}

impl std::error::Error for MediaRangeError {}

impl MediaRange {
    /// Reads one of its forms, in any case.
    ///
    /// # Errors
    /// [`MediaRangeError`] if it is none.
    pub fn new(text: &str) -> Result<Self, MediaRangeError> {
        let is_token = |part: &str| {
            let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !part.is_empty() && part.len() <= 127 && part.bytes().all(is_char)
        };
        let kind = if text == "*/*" {
            RangeKind::All
        } else if let Some(suffix) = text.strip_prefix("*+") {
            is_token(suffix).then_some(RangeKind::Suffix).ok_or(MediaRangeError)?
        } else {
            match text.split_once('/') {
                Some((name, "*")) if is_token(name) => RangeKind::OfType,
                Some((name, subtype)) if is_token(name) && is_token(subtype) => RangeKind::One,
                _ => return Err(MediaRangeError),
            }
        };
        Ok(Self { text: text.to_ascii_lowercase().into(), kind })
    }

    /// Whether a media type, without parameters and in any case, is one of these.
    #[must_use]
    pub fn fits(&self, media_type: &[u8]) -> bool {
        let text = self.text.as_bytes();
        match self.kind {
            RangeKind::All => true,
            RangeKind::One => media_type.eq_ignore_ascii_case(text),
            RangeKind::OfType => {
                let start = media_type.get(..text.len() - 1);
                start.is_some_and(|start| start.eq_ignore_ascii_case(&text[..text.len() - 1]))
            }
            RangeKind::Suffix => {
                let end = media_type.len().checked_sub(text.len() - 1).map(|start| &media_type[start..]);
                end.is_some_and(|end| end.eq_ignore_ascii_case(&text[1..]))
            }
        }
    }
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_ranges() {
        for (range, media_type, fits) in [
            ("text/*", "text/html", true),
            ("text/*", "TEXT/HTML", true),
            ("text/*", "text", false),
            ("text/*", "textual/html", false),
            ("*+json", "application/problem+json", true),
            ("*+json", "application/json", false),
            ("*+JSON", "a/b+Json", true),
            ("application/json", "application/json", true),
            ("application/json", "application/json5", false),
            ("*/*", "image/png", true),
        ] {
            let range = MediaRange::new(range).expect("valid");
            assert_eq!(range.fits(media_type.as_bytes()), fits, "{range} and {media_type}");
        }
        for text in [
            "",
            "*",
            "/",
            "text/",
            "/html",
            "text",
            "te xt/html",
            "*/json",
            "text/ht*",
            "*+",
            "text/html;q=1",
        ] {
            assert_eq!(MediaRange::new(text), Err(MediaRangeError), "{text}");
        }
    }

    #[test]
    fn the_usual_types_are_all_valid() {
        assert_eq!(Compression::default().types.len(), COMPRESSIBLE.len());
    }
}
