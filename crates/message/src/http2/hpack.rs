//! Header compression of HTTP/2 (RFC 7541).
//!
//! A [`Decoder`] keeps the state of a connection and reads blocks into a [`FieldBlock`]. [`Encoder`] keeps none: it names
//! the fields of the static table, and writes everything else as it is. That costs bytes, and saves a table a
//! connection and the search in it.

mod block;
mod decoder;
mod encoder;
mod huffman;
mod integer;
mod names;
mod table;

pub use block::FieldBlock;
pub(crate) use block::{Entry, FieldClass};
pub use decoder::{Decoder, HpackError};
pub use encoder::Encoder;
pub(crate) use names::Pseudo;

#[cfg(test)]
mod tests;
