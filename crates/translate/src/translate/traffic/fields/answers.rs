//! What a `TrafficPolicy` says of answers.

use crate::kinds::{CompressionFields, StrongEtagsName};
use irongate_config::{Compression, ContentCoding, MediaRange};

/// How answers are compressed, but for the scope; what it says was checked on reading.
pub(super) fn compression(from: &CompressionFields) -> Compression {
    let usual = Compression::default();
    let names = from.codings.as_ref().map(|names| names.iter().map(|name| (*name).into()).collect());
    let codings =
        names.unwrap_or_else(|| usual.codings.iter().map(|(coding, _)| *coding).collect::<Vec<_>>());
    let level = |coding: ContentCoding| from.level(coding).unwrap_or(coding.usual_level());
    let types =
        from.types.as_ref().map(|types| types.iter().filter_map(|text| MediaRange::new(text).ok()).collect());
    Compression {
        codings: codings.into_iter().map(|coding| (coding, level(coding))).collect(),
        min_size: from.min_size.map_or(usual.min_size, |size| size.0),
        types: types.unwrap_or(usual.types),
        weaken_etags: from.strong_etags != Some(StrongEtagsName::Skip),
        ..usual
    }
}
