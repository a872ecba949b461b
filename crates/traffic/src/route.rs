//! Which rule a request belongs to: Gateway API's precedence over all routes of a listener.

mod hosts;

pub use hosts::HostTable;
