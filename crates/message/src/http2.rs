//! HTTP/2 without IO (RFC 9113): frames, header compression (RFC 7541), and heads in and out of header blocks.
//!
//! Who owns the connection reads frames with [`frame`], joins the fragments of a header block, has it decoded by a
//! [`hpack::Decoder`] into a [`hpack::FieldBlock`], and makes a head of it with
//! [`RequestHead::from_block`](crate::RequestHead::from_block). Answers go out by [`frame::write_headers`] around
//! [`encode_response`], straight into the buffer that is sent.

mod answer;
pub mod frame;
pub mod hpack;

pub use answer::{encode_consent, encode_response, encode_trailers};
