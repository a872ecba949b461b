//! Paths as requests have them when they are matched.

use std::borrow::Cow;

/// A path with its percent-encoded unreserved characters decoded (RFC 3986 §6.2.2.2): requests are brought into this
/// form before they are routed, so that a match written otherwise would never fit.
///
/// Escapes that are malformed, and those of other characters, stay as they are.
pub(crate) fn decode_unreserved(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return path.into();
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        decoded.push_str(before);
        let byte = escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &escape[3..];
            }
            None => {
                decoded.push('%');
                rest = &escape[1..];
            }
        }
    }
    decoded.push_str(rest);
    decoded.into()
}

#[cfg(test)]
mod tests {
    use super::decode_unreserved;

    #[test]
    fn only_unreserved_characters_are_decoded() {
        for (path, decoded) in [
            ("/a", "/a"),
            ("/%61%7E%2e", "/a~."),
            ("/%2F%20%25", "/%2F%20%25"),
            ("/%", "/%"),
            ("/%6", "/%6"),
            ("/%6é", "/%6é"),
            ("/%+6", "/%+6"),
            ("/%2561", "/%2561"),
        ] {
            assert_eq!(decode_unreserved(path), decoded, "{path}");
        }
    }
}
