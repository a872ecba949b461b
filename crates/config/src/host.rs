//! Host names of listeners and routes.

use std::fmt;
use std::sync::Arc;

/// Which hosts a listener or a route is for.
///
/// Ordered from the least to the most specific kind by the variants' order; among wildcards the longer is
/// the more specific (Gateway API, `HTTPRoute.spec.hostnames`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum HostPattern {
    /// Every host, and requests without one.
    #[default]
    Any,
    /// `*.example.com`: one or more labels before the suffix; never the bare domain. Holds `.example.com`.
    Suffix(Arc<str>),
    /// One host, in lower case, without a port.
    Exact(Arc<str>),
}

/// Why a text is no host pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPatternError {
    /// An empty name, or an empty label.
    Empty,
    /// More than 253 bytes, or a label of more than 63.
    TooLong,
    /// A `*` that is not the whole first label, or a `*` alone.
    Wildcard,
    /// An address: Gateway API takes names only.
    Address,
    /// Something other than letters, digits, `-` and `.`, or a label that begins or ends with `-`.
    Character,
}

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "has an empty label",
            Self::TooLong => "is longer than 253 characters, or has a label of more than 63",
            Self::Wildcard => "may have '*' only as its whole first label, before a domain",
            Self::Address => "is an IP address; only names are allowed here",
            Self::Character => "may hold only lower-case letters, digits, '-' and '.'",
        })
    }
}

impl std::error::Error for HostPatternError {}

impl HostPattern {
    /// Reads `example.com` or `*.example.com`; upper case is folded.
    ///
    /// # Errors
    /// [`HostPatternError`] says what is wrong with the text. An empty text is refused: say
    /// [`HostPattern::Any`] where nothing is written.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if text.is_empty() {
            return Err(HostPatternError::Empty);
        }
        if text.len() > 253 {
            return Err(HostPatternError::TooLong);
        }
        if text.parse::<std::net::IpAddr>().is_ok() {
            return Err(HostPatternError::Address);
        }
        let lower = text.to_ascii_lowercase();
        let (name, wildcard) = match lower.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (lower.as_str(), false),
        };
        if name.contains('*') {
            return Err(HostPatternError::Wildcard);
        }
        name.split('.').try_for_each(check_label)?;
        Ok(if wildcard { Self::Suffix(lower[1..].into()) } else { Self::Exact(lower.into()) })
    }

    /// Whether a host, in lower case and without a port, fits.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
            Self::Exact(name) => host == &**name,
        }
    }

    /// The hosts that fit both patterns, if there are any: the more specific of the two.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, pattern) | (pattern, Self::Any) => Some(pattern.clone()),
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => {
                pattern.matches(name).then(|| Self::Exact(name.clone()))
            }
            (Self::Suffix(a), Self::Suffix(b)) => {
                let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
                long.ends_with(&**short).then(|| Self::Suffix(long.clone()))
            }
        }
    }

    /// How specific the pattern is: a greater pair wins.
    #[must_use]
    pub fn specificity(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::Suffix(suffix) => (1, suffix.len()),
            Self::Exact(name) => (2, name.len()),
        }
    }
}

fn check_label(label: &str) -> Result<(), HostPatternError> {
    let bytes = label.as_bytes();
    match bytes {
        [] => Err(HostPatternError::Empty),
        _ if bytes.len() > 63 => Err(HostPatternError::TooLong),
        [b'-', ..] | [.., b'-'] => Err(HostPatternError::Character),
        _ if bytes.iter().all(|&byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') => {
            Ok(())
        }
        _ => Err(HostPatternError::Character),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostPattern {
        HostPattern::parse(text).expect("a valid pattern")
    }

    #[test]
    fn wildcards_span_labels_and_spare_the_bare_domain() {
        let wild = host("*.Example.com");
        assert!(wild.matches("a.example.com") && wild.matches("a.b.example.com"));
        assert!(
            !wild.matches("example.com") && !wild.matches(".example.com") && !wild.matches("badexample.com")
        );
    }

    #[test]
    fn intersections_are_the_more_specific() {
        assert_eq!(host("*.com").intersect(&host("*.example.com")), Some(host("*.example.com")));
        assert_eq!(host("*.example.com").intersect(&host("a.example.com")), Some(host("a.example.com")));
        assert_eq!(host("*.example.com").intersect(&host("example.com")), None);
        assert_eq!(host("*.example.com").intersect(&host("*.example.org")), None);
        assert_eq!(HostPattern::Any.intersect(&host("a.b")), Some(host("a.b")));
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (text, error) in [
            ("", HostPatternError::Empty),
            ("a..b", HostPatternError::Empty),
            ("*", HostPatternError::Wildcard),
            ("a.*.b", HostPatternError::Wildcard),
            ("127.0.0.1", HostPatternError::Address),
            ("a_b", HostPatternError::Character),
            ("-a.b", HostPatternError::Character),
            ("a:80", HostPatternError::Character),
        ] {
            assert_eq!(HostPattern::parse(text), Err(error), "{text}");
        }
    }
}
