//! Resources to Config, statuses and problems.

use crate::resources::Resources;
use crate::status::Statuses;
use irongate_config::{Config, Problem};

/// What resources mean, in three readings.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// What is to run.
    pub config: Config,
    /// What became of each object.
    pub statuses: Statuses,
    /// What is wrong between objects; what is wrong within one was told by [`read`](crate::read).
    pub problems: Vec<Problem>,
}

/// Works out what resources mean.
#[must_use]
pub fn translate(_resources: &Resources) -> Translation {
    Translation::default()
}
