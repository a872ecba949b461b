//! The proxy over streams in memory and a paused clock: nothing here waits for the wall clock or the network.
//!
//! The runtime has no IO driver: whoever would connect to an origin that the test did not put into the pool
//! panics in its own task, and the test sees a connection that ends.

mod backend_tls;
mod bandwidth;
mod buffering;
mod certificates;
mod compression;
mod counts;
mod dates;
mod flow;
mod frames;
mod http2;
mod interim;
mod mirrors;
mod panics;
mod pieces;
mod pressure;
mod retries;
mod tails;
mod timeouts;
mod tls;
mod world;
