//! From lines to meaning.

use super::{METHOD_BYTES, RequestHead};
use crate::body::BodyLength;
use crate::bytes::{has_bad_target_byte, list, parse_length, scan_token, write_decimal};
use crate::connection::{CONNECTION, Connection, Framing};
use crate::error::HeadError;
use crate::fields::Span;
use crate::host::parse_authority;
use crate::limits::HeadLimits;
use crate::method::{Method, Version};
use crate::name::{Known, KnownSet};
use crate::path::canonicalize;
use crate::target::Target;
use std::ops::Range;

impl RequestHead {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.method = Method::Other;
        self.version = Version::Http11;
        self.method_text = Span::EMPTY;
        self.target = Span::EMPTY;
        self.path = Span::EMPTY;
        self.query = None;
        self.host = Span::EMPTY;
        self.authority = Span::EMPTY;
        self.port = None;
        self.upgrade = None;
        self.body = BodyLength::Empty;
        self.keep_alive = false;
        self.expects_continue = false;
        // What makes reading and forwarding the next head cheaper stays: `last_authority` and `told`.
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
        self.forget_idle_expectation();
        self.keep_alive = found.connection.persists(self.version);
        if found.connection.upgrade && self.version == Version::Http11 {
            self.upgrade = found.upgrade.and_then(|value| self.without_http(value));
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
        self.read_target()?;
        self.count_forward()
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

    /// Drops `Expect` where no content will come: nobody would say what it waits for, and RFC 9110 10.1.1 forbids
    /// to send it on.
    pub(crate) fn forget_idle_expectation(&mut self) {
        if self.expects_continue && matches!(self.body, BodyLength::Empty | BodyLength::Length(0)) {
            self.expects_continue = false;
            self.fields.remove_all(KnownSet::of(&[Known::Expect]));
        }
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
        let last = &mut self.last_authority;
        // An empty text is none that was read: it is refused each time.
        if raw != last.text || raw.is_empty() {
            let authority = parse_authority(raw)?;
            last.host_length = authority.host.len() as u32;
            last.port = authority.port;
            last.text.clear();
            if authority.is_normal {
                last.text.extend_from_slice(raw);
                self.authority = span;
            } else {
                let mut normal = Vec::with_capacity(raw.len());
                authority.write(raw, &mut normal);
                self.authority = self.fields.store(&normal);
            }
        } else {
            self.authority = span;
        }
        self.host = Span { end: self.authority.start + self.last_authority.host_length, ..self.authority };
        self.port = self.last_authority.port;
        Ok(())
    }

    /// Counts `Max-Forwards` of `OPTIONS` and `TRACE` down (RFC 9110 7.6.2). At 0 the request is for us:
    /// `OPTIONS` becomes `OPTIONS *`, and `TRACE` is refused, which we do not implement. Anything but a number is
    /// left to the origin.
    pub(crate) fn count_forward(&mut self) -> Result<(), HeadError> {
        if !matches!(self.method, Method::Options | Method::Trace) {
            return Ok(());
        }
        let Some(left) = self.fields.get(Known::MaxForwards).and_then(parse_length) else { return Ok(()) };
        match (left.checked_sub(1), self.method) {
            (Some(left), _) => {
                let mut digits = Vec::new();
                write_decimal(left, &mut digits);
                self.fields.set(&Known::MaxForwards.into(), &digits);
            }
            (None, Method::Options) => {
                self.path = self.fields.store(b"*");
                self.query = None;
            }
            (None, _) => return Err(HeadError::Method),
        }
        Ok(())
    }

    /// The value of `Upgrade` without what would only change how HTTP is spoken: HTTP/2 in cleartext, which RFC
    /// 9113 3.1 dropped, and TLS (RFC 2817), which would be this connection's. Requests inside such a tunnel would
    /// pass us by.
    fn without_http(&mut self, value: Span) -> Option<Span> {
        let is_http = |protocol: &[u8]| {
            let name = protocol.split(|&byte| byte == b'/').next().unwrap_or_default();
            let is_draft = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"h2c-"));
            is_draft || [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|of| name.eq_ignore_ascii_case(of))
        };
        let text = self.fields.bytes(value);
        if !list(text).any(is_http) {
            return (list(text).next().is_some()).then_some(value);
        }
        let kept: Vec<&[u8]> = list(text).filter(|protocol| !is_http(protocol)).collect();
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
        Some(b"HTTP/1.0" | b"HTTP/1.1") => HeadError::RequestLine,
        Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']) => HeadError::Version,
        _ => HeadError::RequestLine,
    }
}
