//! The decisions: routing, filters, balancing, health, retries. No IO, no clock, no dice.

pub mod choice;
pub mod route;

pub use choice::WeightedChoice;
pub use route::HostTable;
