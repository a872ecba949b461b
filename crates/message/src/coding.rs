//! What an answer's head says of the coding of its content (RFC 9110 §8.4), where we give it one.

use crate::body::BodyLength;
use crate::fields::Fields;
use crate::name::{FieldName, Known, KnownSet};
use crate::response::ResponseHead;

impl ResponseHead {
    /// The content gets this coding on its way: it is named, a length that was said is forgotten, and ranges are not
    /// offered, since those of the origin are of the content without it. The same for an answer to `HEAD`, which
    /// says what one to `GET` would (RFC 9110 §9.3.2).
    pub fn set_content_coding(&mut self, coding: &str) {
        let fields = &mut self.fields;
        fields.remove_all(KnownSet::of(&[Known::ContentLength, Known::ContentEncoding]));
        fields.append_line(b"Content-Encoding", Known::ContentEncoding, &[coding.as_bytes()]);
        fields.remove(&FieldName::unknown("accept-ranges"));
        if self.body != BodyLength::Empty {
            self.body = BodyLength::Chunked;
        }
    }

    /// How long the content is, if that is said: that of an answer to `HEAD`, too.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        if let BodyLength::Length(length) = self.body {
            return Some(length);
        }
        std::str::from_utf8(self.fields.get(Known::ContentLength)?).ok()?.parse().ok()
    }

    /// Whether a digest of the content or of the representation is said (RFC 9530, RFC 3230, RFC 1864): it would not
    /// hold for content that was changed on its way.
    #[must_use]
    pub fn has_digest(&self) -> bool {
        const NAMES: [FieldName; 4] = [
            FieldName::unknown("content-digest"),
            FieldName::unknown("repr-digest"),
            FieldName::unknown("digest"),
            FieldName::unknown("content-md5"),
        ];
        NAMES.iter().any(|name| self.fields.get_named(name).is_some())
    }

    /// Whether the `ETag` is a strong one (RFC 9110 §8.8.3).
    #[must_use]
    pub fn has_strong_etag(&self) -> bool {
        self.fields.get(Known::Etag).is_some_and(|tag| !tag.starts_with(b"W/"))
    }

    /// Makes a strong `ETag` a weak one: the content is the same in meaning and not in bytes. One that is not valid is
    /// dropped, since a cache may take it for a strong one.
    pub fn weaken_etag(&mut self) {
        let Some(tag) = self.fields.get(Known::Etag).filter(|tag| !tag.starts_with(b"W/")) else { return };
        let tag = tag.to_vec();
        self.fields.remove_all(KnownSet::of(&[Known::Etag]));
        if tag.starts_with(b"\"") {
            self.fields.append_line(b"ETag", Known::Etag, &[b"W/", &tag]);
        }
    }
}

impl Fields {
    /// Whether a field that is a list has this item, in any case; parameters are not looked at.
    #[must_use]
    pub fn lists(&self, name: Known, item: &[u8]) -> bool {
        let name = FieldName::of(name);
        self.values(&name).flat_map(|value| value.split(|&byte| byte == b',')).any(|one| {
            let one = one.split(|&byte| byte == b';').next().unwrap_or_default();
            one.trim_ascii().eq_ignore_ascii_case(item)
        })
    }

    /// Says in `Vary` that the answer depends on this field of the request, unless it says so already
    /// (RFC 9110 §12.5.5). All of it becomes one line.
    pub fn vary_by(&mut self, field: &str) {
        if self.present.has(Known::Vary)
            && (self.lists(Known::Vary, b"*") || self.lists(Known::Vary, field.as_bytes()))
        {
            return;
        }
        let name = FieldName::of(Known::Vary);
        let mut all = Vec::new();
        for value in self.values(&name).filter(|value| !value.is_empty()) {
            all.extend_from_slice(value);
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(field.as_bytes());
        self.remove_all(KnownSet::of(&[Known::Vary]));
        self.append_line(b"Vary", Known::Vary, &[&all]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeadLimits, Method};

    fn head(method: Method, fields: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new();
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        head.from_parts(200, false, method, fields, &HeadLimits::default()).expect("valid");
        head
    }

    fn shown(head: &ResponseHead) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        head.fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect()
    }

    #[test]
    fn a_coding_takes_the_place_of_what_holds_for_the_content_without_it() {
        let fields = [("content-length", "7"), ("accept-ranges", "bytes"), ("x", "y")];
        let mut answer = head(Method::Get, &fields);
        assert_eq!(answer.content_length(), Some(7));
        answer.set_content_coding("br");
        assert_eq!(shown(&answer), ["x: y", "Content-Encoding: br"]);
        assert_eq!((answer.body(), answer.content_length()), (BodyLength::Chunked, None));
        let mut answer = head(Method::Head, &fields);
        assert_eq!(answer.content_length(), Some(7));
        answer.set_content_coding("br");
        assert_eq!(shown(&answer), ["x: y", "Content-Encoding: br"]);
        assert_eq!(answer.body(), BodyLength::Empty);
    }

    #[test]
    fn etags() {
        for (tag, strong, becomes) in [
            ("\"a\"", true, Some("W/\"a\"")),
            ("W/\"a\"", false, Some("W/\"a\"")),
            ("\"\"", true, Some("W/\"\"")),
            ("bare", true, None),
        ] {
            let mut answer = head(Method::Get, &[("etag", tag)]);
            assert_eq!(answer.has_strong_etag(), strong, "{tag}");
            answer.weaken_etag();
            assert_eq!(answer.fields.get(Known::Etag), becomes.map(str::as_bytes), "{tag}");
        }
        let mut answer = head(Method::Get, &[]);
        answer.weaken_etag();
        assert!(answer.fields.is_empty() && !answer.has_strong_etag());
    }

    #[test]
    fn vary_is_merged() {
        for (lines, becomes) in [
            (&[][..], "Accept-Encoding"),
            (&["Origin"], "Origin, Accept-Encoding"),
            (&["Origin", "", "Cookie"], "Origin, Cookie, Accept-Encoding"),
            (&["accept-encoding, origin"], "accept-encoding, origin"),
            (&["*"], "*"),
        ] {
            let lines: Vec<_> = lines.iter().map(|value| ("vary", *value)).collect();
            let mut answer = head(Method::Get, &lines);
            answer.fields.vary_by("Accept-Encoding");
            let all: Vec<_> = answer.fields.values(&FieldName::of(Known::Vary)).collect();
            assert_eq!(all, [becomes.as_bytes()], "{lines:?}");
        }
    }

    #[test]
    fn digests_are_seen() {
        assert!(head(Method::Get, &[("repr-digest", "sha-256=:AA==:")]).has_digest());
        assert!(head(Method::Get, &[("content-md5", "x")]).has_digest());
        assert!(!head(Method::Get, &[("etag", "\"x\"")]).has_digest());
    }
}
