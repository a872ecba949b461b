//! Names prepared for lookups and edits.

use super::Known;
use crate::bytes::is_token;
use std::borrow::Cow;
use std::fmt;

/// A field name prepared for lookups and edits: lower-case text, and its number if it is known.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct FieldName {
    text: Cow<'static, str>,
    known: Known,
}

/// The text is empty, longer than 256 bytes, or has a character that a field name must not have (RFC 9110 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a field name may hold only letters, digits and !#$%&'*+-.^_`|~, 256 of them at most")]
pub struct FieldNameError;

impl FieldName {
    /// Prepares a name written in any case.
    ///
    /// # Errors
    /// [`FieldNameError`] if the text is no token, or longer than Gateway API allows.
    pub fn new(text: &str) -> Result<Self, FieldNameError> {
        if !is_token(text.as_bytes()) || text.len() > 256 {
            return Err(FieldNameError);
        }
        Ok(match Known::from_text(text.as_bytes()) {
            Known::Unknown => Self { text: Cow::Owned(text.to_ascii_lowercase()), known: Known::Unknown },
            known => Self::of(known),
        })
    }

    /// The name of a known field. [`Known::Unknown`] gives an empty name, which no field has.
    #[must_use]
    pub const fn of(known: Known) -> Self {
        Self { text: Cow::Borrowed(known.text()), known }
    }

    /// The name of a field that is none of the known ones; `text` has to be a token in lower case.
    pub(crate) const fn unknown(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), known: Known::Unknown }
    }

    /// Its number, or [`Known::Unknown`].
    #[inline]
    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Known> for FieldName {
    fn from(known: Known) -> Self {
        Self::of(known)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_tokens_are_refused() {
        for text in ["", "a b", "a:", "naïve", "a\n"] {
            assert_eq!(FieldName::new(text), Err(FieldNameError), "{text}");
        }
        assert!(FieldName::new(&"x".repeat(257)).is_err() && FieldName::new(&"x".repeat(256)).is_ok());
        assert_eq!(FieldName::new("X-Thing").map(|name| name.to_string()), Ok("x-thing".into()));
    }
}
