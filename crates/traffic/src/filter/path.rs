//! Replacing a path, for rewrites and redirects.

use irongate_config::PathRewrite;

/// A new path, or a new beginning of one.
#[derive(Debug)]
pub(super) enum PathReplacement {
    /// The whole path.
    Full(Box<[u8]>),
    /// What the rule's prefix match fitted.
    Prefix(Box<[u8]>),
}

impl PathReplacement {
    /// What cannot stand in a path is percent-encoded, so that the configuration's text stays a path.
    pub(super) fn compile(rewrite: &PathRewrite) -> Self {
        let encoded = |text: &str| {
            let mut path = Vec::with_capacity(text.len() + 1);
            if !text.starts_with('/') {
                path.push(b'/');
            }
            encode(text.as_bytes(), |byte| !matches!(byte, b'?' | b'#' | b'\\'), &mut path);
            path.into_boxed_slice()
        };
        match rewrite {
            PathRewrite::Full(path) => Self::Full(encoded(path)),
            PathRewrite::Prefix(prefix) => Self::Prefix(encoded(prefix)),
        }
    }

    /// Appends the path that `path` becomes.
    ///
    /// `matched_prefix` is how much of it the rule's prefix match fitted. If that is 0, the rule matched by
    /// something else, and a path of which no prefix was matched keeps all of it (Gateway API forbids such
    /// rules). Exactly one slash stands where the new prefix and the rest meet; slashes further on are data.
    pub(super) fn replace(&self, path: &[u8], matched_prefix: usize, out: &mut Vec<u8>) {
        match self {
            Self::Full(new) => out.extend_from_slice(new),
            Self::Prefix(new) => {
                let Some(rest) = path.get(matched_prefix..).filter(|_| matched_prefix > 0) else {
                    out.extend_from_slice(path);
                    return;
                };
                if rest.is_empty() {
                    out.extend_from_slice(new);
                } else {
                    out.extend_from_slice(new.strip_suffix(b"/").unwrap_or(new));
                    out.push(b'/');
                    out.extend_from_slice(rest.strip_prefix(b"/").unwrap_or(rest));
                }
            }
        }
    }
}

/// Appends a text in which every byte that is not visible ASCII, or that `may_stand` refuses, is percent-encoded.
pub(super) fn encode(text: &[u8], may_stand: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    for &byte in text {
        if byte.is_ascii_graphic() && may_stand(byte) {
            out.push(byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value & 15)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rewrite: &PathRewrite, path: &str, matched_prefix: usize, expected: &str) {
        let mut out = Vec::new();
        PathReplacement::compile(rewrite).replace(path.as_bytes(), matched_prefix, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{rewrite:?} of {path}");
    }

    /// The table in the documentation of `HTTPPathModifier.replacePrefixMatch`; prefixes have lost their slash.
    #[test]
    fn prefixes_are_joined_as_gateway_api_says() {
        for (path, prefix, new, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/bar", "/", "/xyz", "/xyz/bar"),
            ("/", "/", "/xyz", "/xyz"),
            ("/", "/", "/", "/"),
            ("/a/b", "/", "/", "/a/b"),
            ("/foo//x", "/foo", "/", "//x"),
        ] {
            check(&PathRewrite::Prefix(new.into()), path, prefix.len(), expected);
        }
    }

    #[test]
    fn what_no_prefix_matched_keeps_its_path() {
        check(&PathRewrite::Prefix("/x".into()), "/foo", 0, "/foo");
        check(&PathRewrite::Prefix("/x".into()), "/foo", 9, "/foo");
        check(&PathRewrite::Full("/x".into()), "/foo", 0, "/x");
    }

    #[test]
    fn replacements_stay_paths() {
        check(&PathRewrite::Full("a b?c#d\r\n\u{e4}\\".into()), "/", 1, "/a%20b%3Fc%23d%0D%0A%C3%A4%5C");
        check(&PathRewrite::Prefix("/a%20b".into()), "/p/x", 2, "/a%20b/x");
    }
}
