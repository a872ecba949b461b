//! For tests only; never a normal dependency of anything.
//!
//! [`Origin`], [`Client`], [`Gateway`]: real sockets on 127.0.0.1 and the gateway as a process of its own. An origin
//! records every byte that it gets; a client reads answers with a strict reader that shares no code with the
//! gateway's, so that the same mistake is not made on both sides. (Streams in memory, for a paused clock, are the
//! proxy's own: its feature `memory`.)
//!
//! These helpers are for tests, so they panic with a message where a test would only unwrap. Each wait has a
//! deadline ([`PATIENCE`]), generous because it only bounds how long a failing test takes.

mod client;
mod consul;
mod dns;
mod gateway;
mod http;
mod manifest;
mod origin;
mod peer;
mod port;
mod redis;
mod wait;

pub use client::Client;
pub use consul::ConsulStandIn;
pub use dns::{DnsServer, SrvRecord};
pub use gateway::Gateway;
pub use http::{Head, Request, Response};
pub use manifest::Manifest;
pub use origin::{Connection, ConnectionRecord, Origin, Script};
pub use peer::{End, ReadError};
pub use port::{PortReservation, SilentPort};
pub use redis::{RedisMood, RedisStandIn};
pub use wait::{Deadline, Gate, PATIENCE, eventually};

#[cfg(test)]
mod tests;
