//! The head of a request.

use crate::body::BodyLength;
use crate::bytes::write_decimal;
use crate::fields::{FRAMING, Fields, Span};
use crate::forward::Told;
use crate::method::{Method, Version};
use crate::name::{Known, KnownSet};

mod block;
mod http2;
mod interpret;

/// The head of a request, reusable: a parser clears and refills it, and it keeps its memory.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The fields, those of the framing and of the connection left out.
    pub fields: Fields,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) method_text: Span,
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    pub(crate) host: Span,
    pub(crate) authority: Span,
    pub(crate) port: Option<u16>,
    pub(crate) upgrade: Option<Span>,
    pub(crate) body: BodyLength,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) last_authority: LastAuthority,
    /// What was told of the client of the request before.
    pub(crate) told: Told,
}

/// The authority that was read last, if it was in its normal form: a client's requests mostly have the same one, and
/// comparing costs a tenth of reading it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastAuthority {
    pub(crate) text: Vec<u8>,
    pub(crate) host_length: u32,
    pub(crate) port: Option<u16>,
}

/// Longer than any registered method (`UPDATEREDIRECTREF` has 17 letters).
const METHOD_BYTES: usize = 32;

impl Default for RequestHead {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestHead {
    /// An empty head, without memory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: Fields::new(),
            method: Method::Other,
            version: Version::Http11,
            method_text: Span::EMPTY,
            target: Span::EMPTY,
            path: Span::EMPTY,
            query: None,
            host: Span::EMPTY,
            authority: Span::EMPTY,
            port: None,
            upgrade: None,
            body: BodyLength::Empty,
            keep_alive: false,
            expects_continue: false,
            last_authority: LastAuthority::default(),
            told: Told::default(),
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The method as it was written.
    #[must_use]
    pub fn method_text(&self) -> &[u8] {
        self.fields.bytes(self.method_text)
    }

    /// The client's version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The canonical path (see [`crate::path`]); begins with `/`, or is `*` for `OPTIONS *`.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.fields.bytes(self.path)
    }

    /// The query as it came, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|query| self.fields.bytes(query))
    }

    /// The host that is asked for: lower case, without port and trailing dot, IPv6 with its brackets. Empty for
    /// HTTP/1.0 without `Host`.
    #[must_use]
    pub fn host(&self) -> &[u8] {
        self.fields.bytes(self.host)
    }

    /// The port that is written behind the host.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `host[:port]` in its normal form, as it is written upstream. Empty for HTTP/1.0 without `Host`: the
    /// proxy then names the origin by [`RequestHead::set_authority`], or an empty `Host` is written.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        self.fields.bytes(self.authority)
    }

    /// How the body is framed. `Length(0)` where the client said so, `Empty` where it said nothing; never
    /// `UntilClose`. In HTTP/2 `Chunked` stands for a body of unknown length.
    #[must_use]
    pub fn body(&self) -> BodyLength {
        self.body
    }

    /// The body has been read whole and has so many bytes: it is sent with its length.
    pub fn set_body_length(&mut self, length: u64) {
        self.body = BodyLength::Length(length);
    }

    /// Whether the client wants to use its connection again.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends a body that is not empty. The field stays among the kept
    /// ones and goes upstream; who answers it himself removes [`Known::Expect`].
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Forgets that the client waits for `100 Continue`: the body is at hand.
    pub fn remove_expectation(&mut self) {
        self.expects_continue = false;
        self.fields.remove_all(KnownSet::of(&[Known::Expect]));
    }

    /// About how many bytes of memory the head takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.fields.arena.len() + self.fields.lines.len() * 16
    }

    /// What the client would upgrade to: the value of `Upgrade` without HTTP and TLS, if `Connection` has `upgrade` and
    /// the version is HTTP/1.1 (RFC 9110 7.8). [`RequestHead::write_http1`] passes it on.
    #[must_use]
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.upgrade.map(|upgrade| self.fields.bytes(upgrade))
    }

    /// Passes no upgrade on.
    pub fn remove_upgrade(&mut self) {
        self.upgrade = None;
    }

    /// Whether the request is `OPTIONS *`.
    #[must_use]
    pub fn is_asterisk(&self) -> bool {
        self.path() == b"*"
    }

    /// Whether the method is `CONNECT`. Such heads are refused when they are read: always `false` today.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.method == Method::Connect
    }

    /// Replaces the path, which must be canonical and begin with `/`; the query stays.
    pub fn set_path(&mut self, path: &[u8]) {
        debug_assert!(path.starts_with(b"/"), "a path begins with a slash");
        self.path = self.fields.store(path);
    }

    /// Replaces host and port by an authority that the configuration gives. One that is not valid is not taken.
    pub fn set_authority(&mut self, authority: &[u8]) {
        let span = self.fields.store(authority);
        // What fails leaves a few unused bytes in the arena.
        let _ = self.take_authority(span);
    }

    /// Appends the head as HTTP/1.1: request line, `Host`, the kept lines, what `framing` needs, and
    /// `Connection` with `Upgrade` where the client upgrades. `framing` is [`RequestHead::body`] unless the
    /// body was changed; `UntilClose`, which requests cannot have, is written as `Chunked`.
    pub fn write_http1(&self, framing: BodyLength, out: &mut Vec<u8>) {
        let fields = &self.fields;
        out.reserve(fields.arena.len() + 128);
        out.extend_from_slice(self.method_text());
        out.push(b' ');
        out.extend_from_slice(self.path());
        if let Some(query) = self.query() {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(self.authority());
        out.extend_from_slice(b"\r\n");
        fields.write(FRAMING, out);
        match framing {
            BodyLength::Empty => {}
            BodyLength::Length(length) => {
                out.extend_from_slice(b"Content-Length: ");
                write_decimal(length, out);
                out.extend_from_slice(b"\r\n");
            }
            BodyLength::Chunked | BodyLength::UntilClose => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
        }
        let trailers = fields.present.has(Known::Te) && fields.get(Known::Te).is_some();
        match (self.upgrade(), trailers) {
            (Some(upgrade), _) => {
                out.extend_from_slice(b"Connection: Upgrade");
                out.extend_from_slice(if trailers { b", TE\r\nUpgrade: " } else { b"\r\nUpgrade: " });
                out.extend_from_slice(upgrade);
                out.extend_from_slice(b"\r\n");
            }
            // RFC 9110 10.1.4: who sends TE lists it.
            (None, true) => out.extend_from_slice(b"Connection: TE\r\n"),
            (None, false) => {}
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests;
