//! What is read: the text of a file and its name.

use std::fmt;
use std::sync::Arc;

/// One file's text.
///
/// Both parts are shared, not copied: [`Resources`](crate::Resources) keep the text to find the line of a
/// problem only when there is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, as the user named it.
    pub name: Arc<str>,
    /// What is in it: YAML (or JSON, which is YAML too), any number of documents; or, as a part of a sentence, why
    /// it cannot be read.
    pub text: Result<Arc<str>, Arc<str>>,
}

impl fmt::Debug for Source {
    /// Without the text, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.text {
            Ok(text) => write!(f, "Source({}, {} bytes)", self.name, text.len()),
            Err(why) => write!(f, "Source({}, {why})", self.name),
        }
    }
}

impl Source {
    /// Bytes of one source that are read; a longer one is a problem and nothing of it counts. Ten thousand
    /// routes take about 4 MiB.
    pub const MAX_BYTES: usize = 32 << 20;

    /// A source of that name and text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: Ok(text.into()) }
    }

    /// A file that is there and cannot be read, and why: `permission denied`.
    #[must_use]
    pub fn unreadable(name: impl Into<Arc<str>>, why: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: Err(why.into()) }
    }
}
