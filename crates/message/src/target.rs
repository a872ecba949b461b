//! The forms of a request target (RFC 9112 3.2).

use crate::error::HeadError;
use memchr::{memchr, memchr2};
use std::ops::Range;

/// Where the parts of a target lie in its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// `/path?query`.
    Origin { path: Range<usize>, query: Option<Range<usize>> },
    /// `http://authority/path?query`; without a path its range is empty, which means `/`.
    Absolute { authority: Range<usize>, path: Range<usize>, query: Option<Range<usize>> },
    /// `*`.
    Asterisk,
}

impl Target {
    /// Splits a target whose bytes are already checked.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, HeadError> {
        match text {
            [b'/', ..] => {
                let (path, query) = split_query(text, 0);
                Ok(Self::Origin { path, query })
            }
            b"*" => Ok(Self::Asterisk),
            _ => Self::parse_absolute(text),
        }
    }

    fn parse_absolute(text: &[u8]) -> Result<Self, HeadError> {
        let start = ["http://", "https://"]
            .iter()
            .find(|scheme| {
                text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
            })
            .map(|scheme| scheme.len())
            .ok_or(HeadError::Target)?;
        let end = memchr2(b'/', b'?', &text[start..]).map_or(text.len(), |at| start + at);
        let (path, query) = split_query(text, end);
        Ok(Self::Absolute { authority: start..end, path, query })
    }
}

fn split_query(text: &[u8], start: usize) -> (Range<usize>, Option<Range<usize>>) {
    match memchr(b'?', &text[start..]) {
        Some(at) => (start..start + at, Some(start + at + 1..text.len())),
        None => (start..text.len(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check = |text: &str, expected| assert_eq!(Target::parse(text.as_bytes()), expected, "{text}");
        check("/a?b?c", Ok(Target::Origin { path: 0..2, query: Some(3..6) }));
        check("/", Ok(Target::Origin { path: 0..1, query: None }));
        check("/?", Ok(Target::Origin { path: 0..1, query: Some(2..2) }));
        check("*", Ok(Target::Asterisk));
        check("HTTP://a:1/b", Ok(Target::Absolute { authority: 7..10, path: 10..12, query: None }));
        check("https://a", Ok(Target::Absolute { authority: 8..9, path: 9..9, query: None }));
        check("http://a?b", Ok(Target::Absolute { authority: 7..8, path: 8..8, query: Some(9..10) }));
        for text in ["", "a", "**", "ftp://a/", "http:/a", "a:80", "?x"] {
            check(text, Err(HeadError::Target));
        }
    }
}
