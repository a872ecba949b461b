//! HTTP/1.x on one connection: reading heads and bodies, writing heads and bodies.
//!
//! The same two halves serve a client's connection and an origin's; what differs is who parses requests and who
//! answers, which is in [`downstream`] and [`upstream`].

pub(crate) mod downstream;
mod reader;
pub(crate) mod upstream;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
