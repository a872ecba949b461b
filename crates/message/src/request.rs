//! The head of a request.

use crate::body::BodyLength;
use crate::bytes::{has_bad_target_byte, list, scan_token, write_decimal};
use crate::connection::{CONNECTION, Connection, Framing};
use crate::error::HeadError;
use crate::fields::{FRAMING, Fields, Span};
use crate::host::parse_authority;
use crate::limits::HeadLimits;
use crate::method::{Method, Version};
use crate::name::{Known, KnownSet};
use crate::path::canonicalize;
use crate::target::Target;
use std::ops::Range;

mod http2;

/// The head of a request, reusable: a parser clears and refills it, and it keeps its memory.
#[derive(Debug)]
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

    /// `host[:port]` in its normal form, as it is written upstream.
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

    /// Whether the client wants to use its connection again.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body. The field stays among the kept
    /// ones and goes upstream; who answers it himself removes [`Known::Expect`].
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// What the client would upgrade to: the value of `Upgrade` without `h2c`, if `Connection` has `upgrade` and
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

/// From lines to meaning.
impl RequestHead {
    pub(crate) fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::new() };
    }

    /// `method SP target SP HTTP-version`, and nothing else (RFC 9112 3).
    pub(crate) fn read_request_line(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
        let (method_end, _) = scan_token(line);
        if method_end == 0 || line.get(method_end) != Some(&b' ') {
            return Err(HeadError::RequestLine);
        }
        if method_end > METHOD_BYTES {
            return Err(HeadError::Method);
        }
        let (target, version) = match line[method_end + 1..].split_last_chunk::<9>() {
            Some((target, b" HTTP/1.1")) => (target, Version::Http11),
            Some((target, b" HTTP/1.0")) => (target, Version::Http10),
            _ => return Err(explain_version(line)),
        };
        if target.len() > limits.target {
            return Err(HeadError::TargetTooLong);
        }
        if target.is_empty() || has_bad_target_byte(target) {
            return Err(HeadError::Target);
        }
        self.method_text = Span::new(0..method_end);
        self.method = Method::from_text(&line[..method_end]);
        self.version = version;
        self.target = Span::new(method_end + 1..method_end + 1 + target.len());
        if self.method == Method::Connect { Err(HeadError::Method) } else { Ok(()) }
    }

    /// Works out what the lines say together, once all are there.
    pub(crate) fn interpret(&mut self) -> Result<(), HeadError> {
        let found = self.read_special_lines()?;
        let chunked = found.framing.is_chunked(self.version)?;
        self.body = match found.framing.length {
            _ if chunked => BodyLength::Chunked,
            Some(length) => BodyLength::Length(length),
            None => BodyLength::Empty,
        };
        self.keep_alive = found.connection.persists(self.version);
        if found.connection.upgrade && self.version == Version::Http11 {
            self.upgrade = found.upgrade.and_then(|value| self.without_h2c(value));
        }
        found.connection.apply(&mut self.fields);
        if found.trailers {
            self.fields.append_line(b"te", Known::Te, &[b"trailers"]);
        }
        match found.host {
            Some(host) => self.take_authority(host)?,
            None if self.version == Version::Http10 => {}
            None => return Err(HeadError::HostMissing),
        }
        self.read_target()
    }

    /// Reads the lines whose meaning is the connection's, the framing's or the target's, and drops most of them.
    fn read_special_lines(&mut self) -> Result<Special, HeadError> {
        let mut found = Special::default();
        let mut present = KnownSet::EMPTY;
        for index in 0..self.fields.lines.len() {
            let line = self.fields.lines[index];
            if !SPECIAL.has(line.known) {
                present.insert(line.known);
                continue;
            }
            let value = self.fields.bytes(line.value());
            match line.known {
                Known::Host if found.host.is_some() => return Err(HeadError::HostRepeated),
                Known::Host => found.host = Some(line.value()),
                Known::Connection => found.connection.read(&self.fields, line.value())?,
                Known::ContentLength => found.framing.read_length(value)?,
                Known::TransferEncoding => found.framing.read_coding(value),
                Known::Te => found.trailers |= has_trailers(value),
                // The first counts: a server may pass over what it is offered (RFC 9110 7.8).
                Known::Upgrade => found.upgrade = found.upgrade.or(Some(line.value())),
                Known::Expect => {
                    if !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(HeadError::Expectation);
                    }
                    // RFC 9110 10.1.1: ignored from HTTP/1.0; and once is enough.
                    if self.version == Version::Http11 && !self.expects_continue {
                        self.expects_continue = true;
                        present.insert(Known::Expect);
                        continue;
                    }
                }
                _ => {}
            }
            self.fields.drop_line(index);
        }
        self.fields.present = present;
        Ok(found)
    }

    /// Takes the target apart, after `Host` was read: an authority in the target wins over it.
    fn read_target(&mut self) -> Result<(), HeadError> {
        let at = self.target.start as usize;
        let place = |range: Range<usize>| Span::new(at + range.start..at + range.end);
        let (path, query) = match Target::parse(self.fields.bytes(self.target))? {
            Target::Origin { path, query } => (path, query),
            Target::Absolute { authority, path, query } => {
                self.take_authority(place(authority))?;
                (path, query)
            }
            Target::Asterisk if self.method == Method::Options => (0..1, None),
            Target::Asterisk => return Err(HeadError::Target),
        };
        self.query = query.map(place);
        self.take_path(place(path))
    }

    /// Brings the path into its canonical form.
    pub(crate) fn take_path(&mut self, path: Span) -> Result<(), HeadError> {
        self.path = path;
        match self.path() {
            b"*" => return Ok(()),
            b"" => {
                // RFC 9112 3.2.4: `OPTIONS http://host` is about the server, not about a resource.
                let is_asterisk = self.method == Method::Options && self.query.is_none();
                self.path = self.fields.store(if is_asterisk { b"*" } else { b"/" });
                return Ok(());
            }
            _ => {}
        }
        let mut changed = Vec::new();
        if canonicalize(self.path(), &mut changed)? {
            self.path = self.fields.store(&changed);
        }
        Ok(())
    }

    /// Reads an authority that lies in the arena.
    pub(crate) fn take_authority(&mut self, span: Span) -> Result<(), HeadError> {
        let raw = self.fields.bytes(span);
        let authority = parse_authority(raw)?;
        if authority.is_normal {
            self.authority = span;
        } else {
            let mut normal = Vec::with_capacity(raw.len());
            authority.write(raw, &mut normal);
            self.authority = self.fields.store(&normal);
        }
        self.host = Span { end: self.authority.start + authority.host.len() as u32, ..self.authority };
        self.port = authority.port;
        Ok(())
    }

    /// The value of `Upgrade` without what would upgrade to HTTP/2 in cleartext (RFC 9113 3.1 dropped it, and
    /// a request that is smuggled inside it would pass us by).
    fn without_h2c(&mut self, value: Span) -> Option<Span> {
        let is_h2c = |protocol: &[u8]| {
            let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
            name.eq_ignore_ascii_case(b"h2c") || name.eq_ignore_ascii_case(b"h2")
        };
        let text = self.fields.bytes(value);
        if !list(text).any(is_h2c) {
            return (list(text).next().is_some()).then_some(value);
        }
        let kept: Vec<&[u8]> = list(text).filter(|protocol| !is_h2c(protocol)).collect();
        let kept = kept.join(&b", "[..]);
        (!kept.is_empty()).then(|| self.fields.store(&kept))
    }
}

/// What is read instead of kept.
const SPECIAL: KnownSet = CONNECTION.and(KnownSet::of(&[Known::Expect]));

/// What the special lines say.
#[derive(Default)]
struct Special {
    host: Option<Span>,
    connection: Connection,
    framing: Framing,
    upgrade: Option<Span>,
    trailers: bool,
}

/// Whether `TE` says that trailers are welcome.
fn has_trailers(value: &[u8]) -> bool {
    list(value).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// What is wrong with a request line that does not end in a version that we speak.
#[cold]
fn explain_version(line: &[u8]) -> HeadError {
    match line.rsplit(|&byte| byte == b' ').next() {
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => HeadError::Version,
        _ => HeadError::RequestLine,
    }
}

#[cfg(test)]
mod tests;
