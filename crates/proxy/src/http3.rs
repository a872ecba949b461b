//! HTTP/3 (RFC 9114) to clients, on `quinn` and `h3`.
//!
//! A port has one QUIC endpoint a core. The kernel hands a client's datagrams to a core by a hash of both addresses; since a
//! client may change its address and keep its connection, our connection ids tell the core ([`ids`]), and a datagram that
//! came to another is passed on ([`socket`]). A connection is one task and each of its streams another, as over HTTP/2,
//! and every stream runs the same [`exchange`](crate::exchange).
//!
//! `h3` has the heads, the control streams and the state of the connection. Bodies do not pass through it, and it gets to
//! see the bytes of a head only as [`frames`] lets them through: by itself it takes heads of any length, takes a body that was cut
//! for a whole one, and sends without telling when a stream has room.
//!
//! Not here: requests before the end of the handshake (0-RTT), server push, datagrams, WebSocket (RFC 9220; `h3` takes no such
//! `CONNECT`), a dynamic table for fields in either direction.
//!
//! What `h3` does not let us do: refuse a pseudo-field that comes twice, or after other fields (the last one counts, for all
//! of us).

mod body;
mod connection;
mod downstream;
mod endpoint;
mod frames;
mod ids;
mod socket;
mod transport;
mod wire;

pub(crate) use endpoint::serve;
pub(crate) use ids::QuicPort;

use quinn::VarInt;

/// The codes that we send (RFC 9114 §8.1).
mod code {
    use super::VarInt;

    /// H3_NO_ERROR.
    pub(super) const NONE: VarInt = VarInt::from_u32(0x100);
    /// H3_INTERNAL_ERROR.
    pub(super) const INTERNAL: VarInt = VarInt::from_u32(0x102);
    /// H3_FRAME_UNEXPECTED.
    pub(super) const FRAME_UNEXPECTED: VarInt = VarInt::from_u32(0x105);
    /// H3_FRAME_ERROR.
    pub(super) const FRAME: VarInt = VarInt::from_u32(0x106);
    /// H3_EXCESSIVE_LOAD.
    pub(super) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);
    /// H3_REQUEST_REJECTED.
    pub(super) const REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);
    /// H3_REQUEST_CANCELLED.
    pub(super) const REQUEST_CANCELLED: VarInt = VarInt::from_u32(0x10c);
    /// H3_REQUEST_INCOMPLETE.
    pub(super) const REQUEST_INCOMPLETE: VarInt = VarInt::from_u32(0x10d);
    /// H3_MESSAGE_ERROR.
    pub(super) const MESSAGE: VarInt = VarInt::from_u32(0x10e);
}
