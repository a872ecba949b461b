//! Resources to Config and statuses: pure, every problem with its place.
//!
//! [`read()`] turns YAML texts into [`Resources`]: typed objects, each valid in itself, each knowing where it came
//! from. [`Reader`] does the same again and again: it reads only what changed, and keeps the last good form of what broke.
//! [`translate`](translate()) decides what they mean together: who attaches to whom, which references
//! resolve, which of two that collide wins. It works that out once, and gives it in three readings: the
//! [`Config`](irongate_config::Config) that is to run, the [`Statuses`] that Gateway API gives each object, and
//! every [`Problem`](irongate_config::Problem) with its file, line and field.
//!
//! Absent on purpose: files, clocks, sockets, a Kubernetes client. One bad object never takes down a good one.

mod checks;
pub mod kinds;
mod nearest;
mod problems;
mod read;
mod resources;
pub mod schema;
mod source;
mod status;
mod translate;
mod uri;
mod yaml;

pub use read::{Reader, read};
pub use resources::{Declared, Object, Resources};
pub use source::Source;
pub use status::{
    Condition, GatewayClassStatus, GatewayStatus, ListenerSetStatus, ListenerStatus, ParentRefStatus,
    PolicyAncestorStatus, PolicyStatus, RouteParentStatus, RouteStatus, Statuses,
};
pub use translate::{FieldOrigin, PolicyField, RulePlace, Said, Translation, Translator, translate};
