//! Frames: their headers, their payloads, and what of them is wrong by itself (RFC 9113 4 and 6).
//!
//! What depends on the state of a stream or of the connection is the caller's to check.

mod payload;
mod settings;
mod write;

pub use payload::{
    HeadersPayload, data_payload, goaway_payload, headers_payload, ping_payload, priority_payload,
    reset_payload, window_update_payload,
};
pub use settings::Setting;
pub use write::{
    write_data, write_goaway, write_headers, write_ping, write_reset, write_settings, write_settings_ack,
    write_window_update,
};

use std::fmt;

/// Bytes of a frame's header (RFC 9113 4.1).
pub const HEADER: usize = 9;
/// What a client sends before its first frame (RFC 9113 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of payload that a peer takes unless it has said otherwise: `SETTINGS_MAX_FRAME_SIZE` (RFC 9113 6.5.2).
pub const DEFAULT_FRAME: usize = 16_384;
/// The most that `SETTINGS_MAX_FRAME_SIZE` may say.
pub const MAX_FRAME: usize = (1 << 24) - 1;
/// The window of a stream and of the connection, in bytes, unless the receiver has said otherwise (RFC 9113 6.9.2).
pub const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window (RFC 9113 6.9.1).
pub const MAX_WINDOW: u32 = (1 << 31) - 1;
/// Bytes of the table of header compression unless the decoder has said otherwise (RFC 9113 6.5.2).
pub const DEFAULT_TABLE: usize = 4096;

/// The bits of a stream's number.
const STREAM: u32 = (1 << 31) - 1;

/// What a frame is (RFC 9113 6). Kinds that are not named here are ignored (RFC 9113 5.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// A piece of a body.
    pub const DATA: Self = Self(0);
    /// A header block, or its beginning.
    pub const HEADERS: Self = Self(1);
    /// Deprecated, and ignored but for its length.
    pub const PRIORITY: Self = Self(2);
    /// The end of a stream that ends early.
    pub const RST_STREAM: Self = Self(3);
    /// Parameters of the connection.
    pub const SETTINGS: Self = Self(4);
    /// A server's own request, which a client never sends.
    pub const PUSH_PROMISE: Self = Self(5);
    /// A question whether the peer is there, or the answer.
    pub const PING: Self = Self(6);
    /// No more streams are taken.
    pub const GOAWAY: Self = Self(7);
    /// Room for more of a body.
    pub const WINDOW_UPDATE: Self = Self(8);
    /// More of a header block.
    pub const CONTINUATION: Self = Self(9);
}

/// Flags of frames (RFC 9113 6).
pub mod flags {
    /// DATA, HEADERS: the sender's side of the stream ends.
    pub const END_STREAM: u8 = 0x01;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x01;
    /// HEADERS, CONTINUATION: the header block ends.
    pub const END_HEADERS: u8 = 0x04;
    /// DATA, HEADERS: there is padding.
    pub const PADDED: u8 = 0x08;
    /// HEADERS: there are priority fields.
    pub const PRIORITY: u8 = 0x20;
}

/// Why a stream or a connection ends (RFC 9113 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer broke the rules in a way that no other code names.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// Something failed here.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// The peer sent more than its window, or made one too large.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// The peer has not acknowledged the settings in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame came on a stream whose sender had ended it.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame has a length that it must not have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// Nothing was done for the stream: it may be tried again.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(0x8);
    /// The state of header compression is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The connection behind a `CONNECT` failed.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer asks too much.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The connection's TLS is too weak.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// The request should come over HTTP/1.1.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);
}

/// The names of RFC 9113 7, by code.
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match CODES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A frame's header (RFC 9113 4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// Bytes of payload behind the header: 24 bits. More than what the receiver allows is its FRAME_SIZE_ERROR.
    pub length: u32,
    /// What it is.
    pub kind: Kind,
    /// See [`flags`]; what a kind does not define is ignored.
    pub flags: u8,
    /// The stream, 31 bits; 0 is the connection.
    pub stream: u32,
}

impl FrameHeader {
    /// Reads a header; the reserved bit is ignored.
    #[inline]
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: Kind(kind),
            flags,
            stream: u32::from_be_bytes(stream) & STREAM,
        }
    }

    /// Whether all bits of this flag are set.
    #[inline]
    #[must_use]
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag == flag
    }

    /// The header as it is sent.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> [u8; HEADER] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind.0, self.flags, d, e, f, g]
    }

    /// Appends the header.
    #[inline]
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
    }
}

#[cfg(test)]
mod tests;
