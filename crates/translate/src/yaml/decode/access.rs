//! What is inside of a node: items, entries, the variant of an enum.

use super::{Context, DecodeError, Decoder, MAX_UNKNOWN, UnknownField, shorten};
use crate::yaml::path::At;
use crate::yaml::{Entry, Node};
use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// The items of a list.
pub(super) struct Items<'de, 'p> {
    pub(super) rest: std::iter::Enumerate<std::slice::Iter<'de, Node<'de>>>,
    pub(super) at: &'p At<'p>,
    pub(super) context: &'p Context,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let at = self.at.index(index);
        let decoder = Decoder { node, at: &at, context: self.context, skip: &[] };
        seed.deserialize(decoder).map(Some).map_err(|error| error.at(&at, node.mark))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The entries of a mapping that have a value and, in a struct, a known name.
pub(super) struct Entries<'de, 'p> {
    pub(super) rest: std::slice::Iter<'de, Entry<'de>>,
    pub(super) current: Option<&'de Entry<'de>>,
    pub(super) fields: Option<&'static [&'static str]>,
    pub(super) skip: &'static [&'static str],
    pub(super) at: &'p At<'p>,
    pub(super) context: &'p Context,
}

impl Entries<'_, '_> {
    fn note_unknown(&self, entry: &Entry<'_>, known: &'static [&'static str]) {
        let mut unknown = self.context.unknown.borrow_mut();
        if unknown.len() < MAX_UNKNOWN {
            unknown.push(UnknownField {
                path: self.at.field(&entry.key).to_path(),
                mark: entry.mark,
                known,
                name: shorten(&entry.key),
            });
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        while let Some(entry) = self.rest.next() {
            let key: &'de str = &entry.key;
            if self.skip.contains(&key) {
                continue;
            }
            if let Some(fields) = self.fields
                && !fields.contains(&key)
            {
                self.note_unknown(entry, fields);
                continue;
            }
            if entry.value.is_null() {
                continue;
            }
            self.current = Some(entry);
            return seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(key)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let entry =
            self.current.take().ok_or_else(|| DecodeError::custom("a value is asked for before its key"))?;
        let at = self.at.field(&entry.key);
        let decoder = Decoder { node: &entry.value, at: &at, context: self.context, skip: &[] };
        seed.deserialize(decoder).map_err(|error| error.at(&at, entry.value.mark))
    }
}

/// The name of an enum's variant.
pub(super) struct UnitVariant<'de> {
    pub(super) text: &'de str,
}

impl<'de> EnumAccess<'de> for UnitVariant<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(self.text.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, DecodeError> {
        Err(DecodeError::custom("must be a mapping"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom("must be a list"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom("must be a mapping"))
    }
}
