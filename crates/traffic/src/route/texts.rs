//! A hash map from byte strings, for tables that are built once and then only looked up.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// Values by text. The keys are the operator's own, so that the hash needs no secret: peers can look up what
/// they like, and never insert.
pub(super) struct TextMap<T> {
    table: HashTable<(Box<[u8]>, T)>,
}

impl<T> Default for TextMap<T> {
    fn default() -> Self {
        Self { table: HashTable::new() }
    }
}

impl<T> TextMap<T> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The first value of a text counts.
    pub(super) fn insert(&mut self, text: &[u8], value: T) {
        if self.get(text).is_none() {
            self.table.insert_unique(hash(text), (text.into(), value), |(text, _)| hash(text));
        }
    }

    #[inline]
    pub(super) fn get(&self, text: &[u8]) -> Option<&T> {
        self.table.find(hash(text), |(key, _)| **key == *text).map(|(_, value)| value)
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.table.shrink_to_fit(|(text, _)| hash(text));
    }
}

impl<T> fmt::Debug for TextMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextMap").field("len", &self.table.len()).finish()
    }
}

/// The bytes alone: all keys are of one kind, so that their lengths need not be mixed in.
#[inline]
fn hash(text: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text);
    hasher.finish()
}
