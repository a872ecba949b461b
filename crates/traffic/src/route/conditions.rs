//! What a match asks of a request beyond its host and path.

use super::compile::Patterns;
use super::pattern::{PatternError, PatternSet};
use super::query;
use irongate_config::{FieldMatch, RequestMatch, ValueMatch};
use irongate_message::{FieldName, Known, RequestHead};
use smallvec::SmallVec;
use std::sync::Arc;

/// Why a match cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// A pattern that cannot be used.
    #[error("the pattern {pattern:?} {reason}")]
    Pattern {
        /// The pattern as written.
        pattern: Arc<str>,
        /// What is wrong with it.
        reason: PatternError,
    },
    /// The name of a header field that can never be in a request.
    #[error("{0:?} is not the name of a header field")]
    FieldName(Arc<str>),
}

/// Conditions on method, header and query; all must hold, and the cheap ones are looked at first.
#[derive(Debug)]
pub(super) struct Conditions {
    method: Option<Box<[u8]>>,
    headers: Box<[HeaderCondition]>,
    query: Box<[QueryCondition]>,
}

#[derive(Debug)]
struct HeaderCondition {
    name: FieldName,
    value: ValueCondition,
}

#[derive(Debug)]
struct QueryCondition {
    name: Box<[u8]>,
    value: ValueCondition,
}

#[derive(Debug)]
enum ValueCondition {
    Exact(Box<[u8]>),
    Regex(Arc<PatternSet>),
}

impl Conditions {
    /// `None` where the path was all that the match asks for.
    pub(super) fn new(matched: &RequestMatch, patterns: &mut Patterns) -> Result<Option<Self>, MatchError> {
        if matched.method.is_none() && matched.headers.is_empty() && matched.query.is_empty() {
            return Ok(None);
        }
        let mut value = |field: &FieldMatch| match &field.value {
            ValueMatch::Exact(text) => Ok(ValueCondition::Exact(text.as_bytes().into())),
            ValueMatch::Regex(pattern) => patterns.for_value(pattern).map(ValueCondition::Regex),
        };
        let mut headers = Vec::with_capacity(matched.headers.len());
        for field in &matched.headers {
            let name = FieldName::new(&field.name).map_err(|_| MatchError::FieldName(field.name.clone()))?;
            headers.push(HeaderCondition { name, value: value(field)? });
        }
        let mut query = Vec::with_capacity(matched.query.len());
        for field in &matched.query {
            query.push(QueryCondition { name: field.name.as_bytes().into(), value: value(field)? });
        }
        Ok(Some(Self {
            method: matched.method.as_ref().map(|method| method.as_bytes().into()),
            headers: headers.into(),
            query: query.into(),
        }))
    }

    /// Whether a request fits.
    pub(super) fn hold(&self, head: &RequestHead) -> bool {
        self.method.as_deref().is_none_or(|method| method == head.method_text())
            && self.headers.iter().all(|condition| condition.holds(head))
            && (self.query.is_empty() || {
                let query = head.query().unwrap_or_default();
                self.query.iter().all(|condition| condition.holds(query))
            })
    }
}

impl HeaderCondition {
    /// Several lines of one name are one value, joined as RFC 9110 §5.3 allows: by `,` without a space, as
    /// Envoy does (`; ` for `Cookie`, RFC 9113 §8.2.3). To look at the first line alone would let a second one
    /// past the condition and on to the backend.
    fn holds(&self, head: &RequestHead) -> bool {
        match self.name.known() {
            // The head keeps the one host that counts apart from its fields.
            Known::Host => !head.authority().is_empty() && self.value.holds(head.authority()),
            Known::Upgrade => head.upgrade().is_some_and(|protocol| self.value.holds(protocol)),
            Known::Cookie => self.value.holds_joined(head.fields.values(&self.name), b"; "),
            _ => self.value.holds_joined(head.fields.values(&self.name), b","),
        }
    }
}

impl QueryCondition {
    fn holds(&self, query: &[u8]) -> bool {
        let Some(raw) = query::first_value(query, &self.name) else { return false };
        match &self.value {
            ValueCondition::Exact(text) => query::decodes_to(raw, text),
            ValueCondition::Regex(pattern) if query::is_plain(raw) => pattern.is_match(raw),
            ValueCondition::Regex(pattern) => {
                let decoded: SmallVec<[u8; 256]> = query::decode(raw).collect();
                pattern.is_match(&decoded)
            }
        }
    }
}

impl ValueCondition {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(text) => **text == *value,
            Self::Regex(pattern) => pattern.is_match(value),
        }
    }

    /// Whether the values, joined, fit. Usually there is one, or the text to compare with is at hand: a copy is
    /// made only for a pattern over several lines.
    fn holds_joined<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>, separator: &[u8]) -> bool {
        let Some(first) = values.next() else { return false };
        match self {
            Self::Exact(text) => {
                let mut rest = text.strip_prefix(first);
                for value in values {
                    let Some(tail) = rest else { return false };
                    rest = tail.strip_prefix(separator).and_then(|tail| tail.strip_prefix(value));
                }
                rest.is_some_and(<[u8]>::is_empty)
            }
            Self::Regex(pattern) => {
                let Some(second) = values.next() else { return pattern.is_match(first) };
                let mut joined: SmallVec<[u8; 256]> = SmallVec::from_slice(first);
                for value in std::iter::once(second).chain(values) {
                    joined.extend_from_slice(separator);
                    joined.extend_from_slice(value);
                }
                pattern.is_match(&joined)
            }
        }
    }
}
