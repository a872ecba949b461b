//! gRPC over HTTP (PROTOCOL-HTTP2.md and PROTOCOL-WEB.md of the gRPC project): what marks its requests, statuses,
//! timeouts, messages of statuses, and gRPC-Web's form of heads and trailers. The framing of its messages is not looked
//! at.

mod code;
mod text;
mod timeout;
mod web;

pub use code::GrpcCode;
pub use text::{NotBase64, TextDecoder, TextEncoder};
pub use timeout::{parse_grpc_timeout, write_grpc_timeout};

use crate::bytes::write_decimal;
use crate::error::HeadError;
use crate::fields::Fields;
use crate::name::{Known, KnownSet};
use crate::request::RequestHead;
use crate::response::ResponseHead;
use std::time::Duration;

/// How a request says gRPC, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcKind {
    /// `application/grpc`: trailers say how it went.
    Native,
    /// `application/grpc-web`: the trailers are the last frame of the body.
    Web,
    /// `application/grpc-web-text`: the same in base64.
    WebText,
}

impl GrpcKind {
    /// The kind that a content type says, and what follows it (`+proto`, parameters); `None` if it is not gRPC.
    fn of(content_type: &[u8]) -> Option<(Self, &[u8])> {
        const NATIVE: &[u8] = b"application/grpc";
        const WEB: &[u8] = b"application/grpc-web";
        const TEXT: &[u8] = b"application/grpc-web-text";
        [(TEXT, Self::WebText), (WEB, Self::Web), (NATIVE, Self::Native)].into_iter().find_map(
            |(name, kind)| {
                let (start, rest) = content_type.split_at_checked(name.len())?;
                let fits = start.eq_ignore_ascii_case(name)
                    && matches!(rest.first(), None | Some(b'+' | b';' | b' '));
                fits.then_some((kind, rest))
            },
        )
    }

    /// Whether its trailers are a part of the body.
    #[must_use]
    pub fn is_web(self) -> bool {
        self != Self::Native
    }

    /// The content type of an answer that has no message.
    #[must_use]
    pub fn content_type(self) -> &'static [u8] {
        match self {
            Self::Native => b"application/grpc",
            Self::Web => b"application/grpc-web+proto",
            Self::WebText => b"application/grpc-web-text+proto",
        }
    }
}

impl RequestHead {
    /// Whether and how the request says gRPC.
    #[must_use]
    pub fn grpc(&self) -> Option<GrpcKind> {
        self.fields.get(Known::ContentType).and_then(GrpcKind::of).map(|(kind, _)| kind)
    }

    /// How long the client waits (`grpc-timeout`); `None` if it does not say so in a valid form.
    #[must_use]
    pub fn grpc_timeout(&self) -> Option<Duration> {
        parse_grpc_timeout(self.fields.get(Known::GrpcTimeout)?)
    }

    /// Says how long the client waits.
    pub fn set_grpc_timeout(&mut self, timeout: Duration) {
        let mut text = Vec::with_capacity(9);
        write_grpc_timeout(timeout, &mut text);
        self.fields.remove_all(KnownSet::of(&[Known::GrpcTimeout]));
        self.fields.append_line(b"grpc-timeout", Known::GrpcTimeout, &[&text]);
    }
}

impl ResponseHead {
    /// Whether the answer is one of gRPC.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        let kind = self.fields.get(Known::ContentType).and_then(GrpcKind::of);
        kind.is_some_and(|(kind, _)| kind == GrpcKind::Native)
    }

    /// The status that the head itself says: the answer has no messages ("trailers-only").
    #[must_use]
    pub fn grpc_code(&self) -> Option<GrpcCode> {
        self.fields.grpc_code()
    }
}

impl Fields {
    /// Trailers with this status and message, as they end an answer of gRPC.
    ///
    /// # Errors
    /// None that can occur: names and values are written in a valid form.
    pub fn grpc_status(code: GrpcCode, message: &str) -> Result<Self, HeadError> {
        let mut fields = Self::new();
        let (mut number, mut text) = (Vec::new(), Vec::new());
        write_decimal(u64::from(code.number()), &mut number);
        write_grpc_message(message, &mut text);
        fields.push(b"grpc-status", &number)?;
        fields.push(b"grpc-message", &text)?;
        Ok(fields)
    }

    /// The status that trailers, or the head of an answer without messages, say.
    #[must_use]
    pub fn grpc_code(&self) -> Option<GrpcCode> {
        self.get(Known::GrpcStatus).map(GrpcCode::parse)
    }
}

/// Appends the text of a `grpc-message`: percent-encoded but for what is printable in ASCII and not `%`.
fn write_grpc_message(message: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (text, expected) in [
            ("application/grpc", Some((GrpcKind::Native, ""))),
            ("application/grpc+proto", Some((GrpcKind::Native, "+proto"))),
            ("Application/gRPC; a=b", Some((GrpcKind::Native, "; a=b"))),
            ("application/grpc-web", Some((GrpcKind::Web, ""))),
            ("application/grpc-web+json", Some((GrpcKind::Web, "+json"))),
            ("application/grpc-web-text", Some((GrpcKind::WebText, ""))),
            ("application/grpc-web-text+proto", Some((GrpcKind::WebText, "+proto"))),
            ("application/grpc-other", None),
            ("application/grpcx", None),
            ("application/json", None),
            ("", None),
        ] {
            let expected = expected.map(|(kind, rest)| (kind, rest.as_bytes()));
            assert_eq!(GrpcKind::of(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        for (message, expected) in
            [("", ""), ("No route.", "No route."), ("100 %\n", "100 %25%0A"), ("é~", "%C3%A9~")]
        {
            let mut out = Vec::new();
            write_grpc_message(message, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn a_status_for_trailers() {
        let fields = Fields::grpc_status(GrpcCode::UNAVAILABLE, "No instance.").expect("valid");
        let all: Vec<_> = fields.iter().collect();
        assert_eq!(all, [(&b"grpc-status"[..], &b"14"[..]), (b"grpc-message", b"No instance.")]);
        assert_eq!(fields.grpc_code(), Some(GrpcCode::UNAVAILABLE));
    }
}
