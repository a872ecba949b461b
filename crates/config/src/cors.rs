//! Cross-origin resource sharing: which pages of other origins may use a route (`HTTPCORSFilter`, GEP-1767).

use crate::Scheme;
use std::fmt;
use std::sync::Arc;

/// `cors` of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Origins whose pages may read answers. None: no page of another origin may.
    pub origins: Vec<CorsOrigin>,
    /// Whether requests with cookies and the like are allowed.
    pub credentials: bool,
    /// Methods that may be used; GET, HEAD and POST always may.
    pub methods: CorsAllowed,
    /// Names of request fields that may be set.
    pub headers: CorsAllowed,
    /// Names of answer fields that pages may read; `*` stands for all, where there are no credentials.
    pub expose: Vec<Arc<str>>,
    /// How long a browser may remember a preflight's answer, in seconds. At least 1.
    pub max_age: u32,
}

/// What a preflight's answer allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsAllowed {
    /// `*`: whatever is asked for.
    Any,
    /// These.
    Only(Vec<Arc<str>>),
}

/// Origins, as RFC 6454 means them: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigin {
    /// `*`: every one, `null` among them.
    Any,
    /// Those of one scheme and port.
    Of {
        /// The scheme.
        scheme: Scheme,
        /// In lower case. `*` at its beginning stands for any labels and at least one byte; `*` alone for every host.
        host: Arc<str>,
        /// The port; the scheme's own where none is written.
        port: u16,
    },
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsOriginError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// Its host is empty, or holds something other than letters, digits, `-`, `.` and one `*` that is its first
    /// label.
    Host,
    /// Its port is not a number from 1 to 65535.
    Port,
}

impl fmt::Display for CorsOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "must begin with `http://` or `https://`",
            Self::Host => {
                "must have a host of letters, digits, `-` and `.`, in which only the first label may be `*`, and nothing after the port"
            }
            Self::Port => "has a port that is not from 1 to 65535",
        })
    }
}

impl std::error::Error for CorsOriginError {}

impl CorsOrigin {
    /// Reads `*`, `https://example.com`, `http://*.example.com:8080` or `https://*`.
    ///
    /// # Errors
    /// [`CorsOriginError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, CorsOriginError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (scheme, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (Scheme::Http, rest),
            (_, Some(rest)) => (Scheme::Https, rest),
            (None, None) => return Err(CorsOriginError::Scheme),
        };
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, read_port(port).ok_or(CorsOriginError::Port)?),
            None => (rest, scheme.default_port()),
        };
        let named = if host == "*" { None } else { Some(host.strip_prefix("*.").unwrap_or(host)) };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if named.is_some_and(|name| !name.split('.').all(is_label)) {
            return Err(CorsOriginError::Host);
        }
        Ok(Self::Of { scheme, host: host.to_ascii_lowercase().into(), port })
    }

    /// Whether a request's `Origin` is one of these.
    #[must_use]
    pub fn matches(&self, origin: &[u8]) -> bool {
        let Self::Of { scheme, host, port } = self else { return true };
        let Some(rest) = origin.strip_prefix(scheme.as_str().as_bytes()) else { return false };
        let Some(rest) = rest.strip_prefix(b"://") else { return false };
        let colon = rest.iter().position(|&byte| byte == b':');
        let (name, own_port) = match colon {
            Some(colon) => (&rest[..colon], str::from_utf8(&rest[colon + 1..]).ok().and_then(read_port)),
            None => (rest, Some(scheme.default_port())),
        };
        let is_host = match host.strip_prefix('*') {
            Some(suffix) => {
                let suffix = suffix.as_bytes();
                name.len() > suffix.len() && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            None => name.eq_ignore_ascii_case(host.as_bytes()),
        };
        own_port == Some(*port) && is_host
    }
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, fitting: &[&str], other: &[&str]) {
        let pattern = CorsOrigin::parse(pattern).expect("an origin");
        for origin in fitting {
            assert!(pattern.matches(origin.as_bytes()), "{pattern:?} of {origin}");
        }
        for origin in other {
            assert!(!pattern.matches(origin.as_bytes()), "{pattern:?} of {origin}");
        }
    }

    #[test]
    fn origins_match_by_scheme_host_and_port() {
        check(
            "https://www.Foo.com",
            &["https://www.foo.com", "https://WWW.foo.com:443"],
            &[
                "http://www.foo.com",
                "https://foo.com",
                "https://www.foo.com:8443",
                "https://www.foo.com.evil",
                "null",
            ],
        );
        check(
            "https://*.bar.com",
            &["https://www.bar.com", "https://xpto.www.bar.com"],
            &["https://bar.com", "https://.bar.com", "https://foobar.com", "https://www.bar.com:1", ""],
        );
        check(
            "http://*:8080",
            &["http://a.b:8080", "http://a:8080"],
            &["http://a.b", "https://a.b:8080", "http://:8080"],
        );
        check("*", &["https://foobar.com:12345", "null", "app://x"], &[]);
    }

    #[test]
    fn what_is_no_origin_is_told() {
        for (text, error) in [
            ("foo.com", CorsOriginError::Scheme),
            ("ftp://foo.com", CorsOriginError::Scheme),
            ("https://", CorsOriginError::Host),
            ("https://a..b", CorsOriginError::Host),
            ("https://a.*.b", CorsOriginError::Host),
            ("https://*a.b", CorsOriginError::Host),
            ("https://a.b/", CorsOriginError::Host),
            ("https://a.b:0", CorsOriginError::Port),
            ("https://a.b:65536", CorsOriginError::Port),
            ("https://a.b:+80", CorsOriginError::Port),
            ("https://a.b:80/", CorsOriginError::Port),
        ] {
            assert_eq!(CorsOrigin::parse(text), Err(error), "{text}");
        }
    }
}
