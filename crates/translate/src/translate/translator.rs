//! Translating the same resources again and again, as they change.

use super::former::Former;
use super::{Translation, translate_after};
use crate::resources::Resources;
use irongate_config::Config;

/// Translates the same resources again and again, as they change.
///
/// What it gives is what [`translate`](super::translate()) gives. Listeners, routes, rules and backends that come to the same
/// as the last time are the same by pointer, so that nobody has to make anything anew of them.
#[derive(Debug, Default)]
pub struct Translator {
    config: Config,
    former: Former,
}

impl Translator {
    /// Works out what resources mean.
    pub fn translate(&mut self, resources: &Resources) -> Translation {
        let (mut translation, former) = translate_after(resources, &self.former);
        translation.config.reuse(&self.config);
        self.config = translation.config.clone();
        self.former = former;
        translation
    }
}
