//! HTTP messages without IO: heads, body framing, canonical forms, limits; and the PROXY header before them.
//!
//! Bytes come in as slices and go out into vectors; this crate reads no socket, no clock and no dice. A
//! [`HeadParser`] turns bytes into a [`RequestHead`] or a [`ResponseHead`] or a [`HeadError`], a [`BodyDecoder`]
//! tells which ranges of the caller's buffer are body, and `write_http1` writes what was *meant*, never what was
//! merely received: framing, `Host` and connection fields are composed anew, everything else is copied in runs.
//!
//! What is ambiguous is refused, never repaired, with the few exceptions that RFC 9112 asks for in answers.
#![forbid(unsafe_code)]

mod body;
mod bytes;
mod coding;
mod connection;
mod error;
mod fields;
mod forward;
mod grpc;
pub mod host;
pub mod http2;
mod limits;
mod method;
mod name;
mod parser;
pub mod path;
mod proxy_header;
mod request;
mod response;
mod target;
mod websocket;

pub use body::{BodyDecoder, BodyLength, Piece, write_chunk_size, write_last_chunk};
pub use error::{BodyError, HeadError};
pub use fields::Fields;
pub use forward::Forwarding;
pub use grpc::{
    GrpcCode, GrpcKind, NotBase64, TextDecoder, TextEncoder, parse_grpc_timeout, write_grpc_timeout,
};
pub use limits::HeadLimits;
pub use method::{Method, Version};
pub use name::{FieldName, FieldNameError, Known};
pub use parser::{HeadParser, Parsed};
pub use proxy_header::{
    MAX_PROXY_HEADER, ProxiedAddresses, ProxyHeader, ProxyHeaderError, parse_proxy_header,
    write_proxy_binary, write_proxy_line,
};
pub use request::RequestHead;
pub use response::{ConnectionOption, ResponseHead};
pub use websocket::WEBSOCKET;

#[cfg(test)]
mod testing;
