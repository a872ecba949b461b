//! From a tree to a typed object.
//!
//! A serde deserializer over [`Node`]s. What serde leaves out is kept here: every error has the path and the
//! place of the value that caused it, unknown fields are noted (with the known ones beside them, since serde
//! names those), `null` means that the field is not there, and a number where a text belongs is an error, as
//! in the Kubernetes API.

mod access;

use super::path::{At, FieldPath};
use super::scalar::{self, Plain};
use super::{Mark, Node, Value};
use crate::problems::sentence;
use access::{Entries, Items, UnitVariant};
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::cell::RefCell;
use std::fmt;

/// Unknown fields that are noted for one object; more say nothing new.
const MAX_UNKNOWN: usize = 20;

/// A field that the type does not have.
#[derive(Debug)]
pub(crate) struct UnknownField {
    pub(crate) path: FieldPath,
    pub(crate) mark: Mark,
    /// The fields that stand at this place.
    pub(crate) known: &'static [&'static str],
    pub(crate) name: String,
}

/// Why a tree is not of the type.
#[derive(Debug)]
pub(crate) struct DecodeError {
    pub(crate) path: FieldPath,
    pub(crate) mark: Option<Mark>,
    pub(crate) message: String,
    pub(crate) advice: String,
    /// A field that is missing in the value at `path`.
    missing: Option<&'static str>,
}

impl DecodeError {
    fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            path: FieldPath::default(),
            mark: None,
            message: sentence(message.into()),
            advice: sentence(advice.into()),
            missing: None,
        }
    }

    /// Fixes the place, unless a value further in did.
    fn at(mut self, at: &At<'_>, mark: Mark) -> Self {
        if self.mark.is_none() {
            self.path = at.to_path();
            if let Some(name) = self.missing {
                self.path.push_field(name);
            }
            self.mark = Some(mark);
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    /// A message, and advice after a line end.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (message, advice) = text.split_once('\n').unwrap_or((&text, ""));
        Self::new(message, advice)
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new("is required, and missing", "") }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let advice = crate::nearest::advice(variant, expected);
        Self::new(format!("`{variant}` is not one of {}", expected.join(", ")), advice)
    }

    fn invalid_type(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("must be {expected}, but is {unexpected}"), "")
    }

    fn invalid_value(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::new(format!("must be {expected}, but is {unexpected}"), "")
    }
}

/// Decodes a mapping, but for the keys in `skip`, which were looked at before. What is secret is not quoted in errors.
///
/// # Errors
/// The first value that does not fit, with its place.
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    node: &'de Node<'de>,
    at: &At<'_>,
    skip: &'static [&'static str],
    is_secret: bool,
) -> (Result<T, DecodeError>, Vec<UnknownField>) {
    let context = Context { unknown: RefCell::default(), is_secret };
    let decoder = Decoder { node, at, context: &context, skip };
    let result = T::deserialize(decoder).map_err(|error| error.at(at, node.mark));
    (result, context.unknown.into_inner())
}

struct Context {
    unknown: RefCell<Vec<UnknownField>>,
    is_secret: bool,
}

/// Decodes one node.
struct Decoder<'de, 'p> {
    node: &'de Node<'de>,
    at: &'p At<'p>,
    context: &'p Context,
    /// Keys of this mapping that are not looked at.
    skip: &'static [&'static str],
}

impl<'de> Decoder<'de, '_> {
    /// The node as it would be named to whoever wrote it.
    fn describe(&self) -> String {
        match &self.node.value {
            Value::Sequence(_) => "a list".into(),
            Value::Mapping(_) => "a mapping".into(),
            Value::Scalar { plain: false, .. } if self.context.is_secret => "a text".into(),
            Value::Scalar { text, .. } if self.context.is_secret => match scalar::resolve(text) {
                Plain::Null => "empty".into(),
                Plain::Bool(_) => "a boolean".into(),
                Plain::Integer(_) | Plain::Float(_) => "a number".into(),
                Plain::Text(_) => "a text".into(),
            },
            Value::Scalar { text, plain: false } => format!("the text \"{}\"", shorten(text)),
            Value::Scalar { text, plain: true } => match scalar::resolve(text) {
                Plain::Null => "empty".into(),
                Plain::Bool(value) => format!("the boolean {value}"),
                Plain::Integer(_) | Plain::Float(_) => format!("the number {}", shorten(text)),
                Plain::Text(_) => format!("the text \"{}\"", shorten(text)),
            },
        }
    }

    fn mismatch(&self, wanted: &str) -> DecodeError {
        let advice = match wanted {
            "a list" => "Begin each item with `- `, or write [item, item].",
            "a mapping" => "Write its fields below it, or {field: value}.",
            _ => "",
        };
        DecodeError::new(format!("must be {wanted}, but is {}", self.describe()), advice)
    }

    fn text(&self) -> Result<&'de str, DecodeError> {
        match &self.node.value {
            Value::Scalar { text, plain: false } => Ok(text),
            Value::Scalar { text, plain: true } => match scalar::resolve(text) {
                Plain::Text(text) => Ok(text),
                Plain::Null => Err(self.mismatch("a text")),
                _ if self.context.is_secret => {
                    Err(DecodeError { advice: "Put it in quotes.".into(), ..self.mismatch("a text") })
                }
                _ => {
                    let advice = format!("Put it in quotes: \"{}\".", shorten(text));
                    Err(DecodeError { advice, ..self.mismatch("a text") })
                }
            },
            _ => Err(self.mismatch("a text")),
        }
    }

    fn plain(&self) -> Option<Plain<'de>> {
        match &self.node.value {
            Value::Scalar { text, plain: true } => Some(scalar::resolve(text)),
            _ => None,
        }
    }

    /// A whole number in bounds.
    fn integer<T: TryFrom<i128>>(&self, min: i128, max: i128) -> Result<T, DecodeError> {
        let number = match self.plain() {
            Some(Plain::Integer(number)) => T::try_from(number).ok(),
            _ => None,
        };
        number.ok_or_else(|| {
            let quoted = matches!(&self.node.value, Value::Scalar { text, plain: false } if text.parse::<i128>().is_ok());
            let advice = if quoted { "Write it without quotes." } else { "" };
            DecodeError { advice: advice.into(), ..self.mismatch(&format!("a whole number from {min} to {max}")) }
        })
    }

    fn entries<'p>(self, fields: Option<&'static [&'static str]>) -> Result<Entries<'de, 'p>, DecodeError>
    where
        Self: 'p,
    {
        match &self.node.value {
            Value::Mapping(entries) => Ok(Entries {
                rest: entries.iter(),
                current: None,
                fields,
                skip: self.skip,
                at: self.at,
                context: self.context,
            }),
            _ => Err(self.mismatch("a mapping")),
        }
    }
}

/// At most 40 characters of what was written, so that a message stays a sentence.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.integer::<$type>(<$type>::MIN.into(), <$type>::MAX.into())?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'de, '_> {
    type Error = DecodeError;

    integers!(
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
            Value::Scalar { text, plain: false } => visitor.visit_borrowed_str(text),
            Value::Scalar { text, plain: true } => match scalar::resolve(text) {
                Plain::Null => visitor.visit_unit(),
                Plain::Bool(value) => visitor.visit_bool(value),
                Plain::Integer(number) => match (u64::try_from(number), i64::try_from(number)) {
                    (Ok(number), _) => visitor.visit_u64(number),
                    (_, Ok(number)) => visitor.visit_i64(number),
                    _ => Err(self.mismatch("a smaller number")),
                },
                Plain::Float(number) => visitor.visit_f64(number),
                Plain::Text(text) => visitor.visit_borrowed_str(text),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.plain() {
            Some(Plain::Bool(value)) => visitor.visit_bool(value),
            _ => Err(self.mismatch("true or false")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.plain() {
            Some(Plain::Float(number)) => visitor.visit_f64(number),
            Some(Plain::Integer(number)) => visitor.visit_f64(number as f64),
            _ => Err(self.mismatch("a number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Sequence(items) => visitor.visit_seq(Items {
                rest: items.iter().enumerate(),
                at: self.at,
                context: self.context,
            }),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.entries(None)?)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_map(self.entries(Some(fields))?)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(UnitVariant { text: self.text()? })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}
