//! Names of objects.

use std::fmt;
use std::sync::Arc;

/// The namespace and the name of an object, as Kubernetes writes them: `namespace/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    namespace: Arc<str>,
    name: Arc<str>,
}

/// Why a text is no name of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The name or the namespace is empty.
    Empty,
    /// Longer than 253 bytes (RFC 1123 subdomain, as Kubernetes bounds it).
    TooLong,
    /// Holds something other than lower-case letters, digits, `-` and `.`, or begins or ends with a sign.
    Character,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 253 characters",
            Self::Character => {
                "may hold only lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
            }
        })
    }
}

impl std::error::Error for NameError {}

impl ObjectName {
    /// The longest namespace or name, in bytes.
    pub const MAX_LENGTH: usize = 253;

    /// Both parts checked as RFC 1123 subdomains.
    ///
    /// # Errors
    /// [`NameError`] for the first part that is none.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        check(namespace)?;
        check(name)?;
        Ok(Self { namespace: namespace.into(), name: name.into() })
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn check(part: &str) -> Result<(), NameError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    match bytes {
        [] => Err(NameError::Empty),
        _ if bytes.len() > ObjectName::MAX_LENGTH => Err(NameError::TooLong),
        [first, .., last] if !inner(*first) || !inner(*last) => Err(NameError::Character),
        _ if bytes.iter().all(|&byte| inner(byte) || byte == b'-' || byte == b'.')
            && bytes != b"-"
            && bytes != b"." =>
        {
            Ok(())
        }
        _ => Err(NameError::Character),
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_subdomains() {
        for good in ["a", "a-b", "a.b", "0", "x1.y-2"] {
            assert!(ObjectName::new("default", good).is_ok(), "{good}");
        }
        for bad in ["", "A", "-a", "a-", ".", "-", "a_b", "a b", "é", &"a".repeat(254)] {
            assert!(ObjectName::new("default", bad).is_err(), "{bad}");
        }
        assert_eq!(ObjectName::new("ns", "n").expect("valid").to_string(), "ns/n");
    }
}
