//! The head of an answer.

use crate::body::BodyLength;
use crate::bytes::write_decimal;
use crate::connection::{CONNECTION, Connection, Framing};
use crate::error::HeadError;
use crate::fields::{FRAMING, Fields, Span};
use crate::limits::HeadLimits;
use crate::method::{Method, Version};
use crate::name::{Known, KnownSet};

mod reason;

/// The head of an answer, reusable like [`crate::RequestHead`].
#[derive(Debug)]
pub struct ResponseHead {
    /// The fields, those of the framing and of the connection left out; except that the `Content-Length` of an
    /// answer to `HEAD` and of a 304 is among them, since it frames nothing there (RFC 9110 8.6).
    pub fields: Fields,
    status: u16,
    version: Version,
    reason: Reason,
    upgrade: Option<Span>,
    pub(crate) body: BodyLength,
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    /// As the origin wrote it.
    Received(Span),
    /// The registered one.
    OfStatus,
}

/// What is said to the client about the connection behind an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionOption {
    /// It stays open. Written only for HTTP/1.0, where it is not the default.
    KeepAlive,
    /// It is closed.
    Close,
    /// It becomes a tunnel: for 101.
    Upgrade,
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseHead {
    /// An empty head, status 200, without memory; also where answers of our own begin.
    #[must_use]
    pub fn new() -> Self {
        Self {
            fields: Fields::new(),
            status: 200,
            version: Version::Http11,
            reason: Reason::OfStatus,
            upgrade: None,
            body: BodyLength::Empty,
            keep_alive: false,
        }
    }

    /// The status: 100 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Replaces the status, and the reason by the registered one.
    pub fn set_status(&mut self, status: u16) {
        self.status = status.clamp(100, 999);
        self.reason = Reason::OfStatus;
    }

    /// The exchange becomes a tunnel for this protocol.
    pub(crate) fn begin_upgrade(&mut self, protocol: Span) {
        self.set_status(101);
        self.upgrade = Some(protocol);
        self.body = BodyLength::Empty;
    }

    /// The reason phrase; may be empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        match self.reason {
            Reason::Received(span) => self.fields.bytes(span),
            Reason::OfStatus => reason::of(self.status).as_bytes(),
        }
    }

    /// Adds `Date` unless the answer has one (RFC 9110 6.6.1: who has a clock and passes an answer on does so).
    /// `now` is the time as an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT`. An answer that has one, as most have,
    /// costs a look at a flag.
    #[inline]
    pub fn complete_date(&mut self, now: &[u8; 29]) {
        if !self.fields.present.has(Known::Date) {
            self.fields.append_ours(b"Date: ", Known::Date, now);
        }
    }

    /// About how many bytes of memory the head takes on its way.
    #[must_use]
    pub fn size(&self) -> usize {
        self.fields.arena.len()
    }

    /// The origin's version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// How the body is framed, by the request's method, the status and the fields (RFC 9112 6.3). `Empty` for
    /// answers that have none whatever their fields say: to `HEAD`, 1xx, 204 and 304. In HTTP/2 `Chunked` stands
    /// for a body of unknown length.
    #[must_use]
    pub fn body(&self) -> BodyLength {
        self.body
    }

    /// Whether the origin's connection may be used again once the body is read.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// For 101: what the connection becomes. (For 426 it is passed on as a field.)
    #[must_use]
    pub fn upgrade(&self) -> Option<&[u8]> {
        if self.status == 101 { self.upgrade.map(|upgrade| self.fields.bytes(upgrade)) } else { None }
    }

    /// Appends the head as HTTP/1.1, whatever `to`, the client's version, is (RFC 9110 2.5): status line, the
    /// kept lines, what `framing` needs, `connection`, blank line. `framing` is what the body will be sent as:
    /// `Chunked` must not be chosen for HTTP/1.0 clients, and an answer without a body that is not to `HEAD`, 1xx,
    /// 204 or 304 has `Length(0)`; `Empty` writes no framing at all.
    pub fn write_http1(
        &self,
        to: Version,
        framing: BodyLength,
        connection: ConnectionOption,
        out: &mut Vec<u8>,
    ) {
        let fields = &self.fields;
        out.reserve(fields.arena.len() + 128);
        let digit = |place: u16| b'0' + (self.status / place % 10) as u8;
        let mut start = *b"HTTP/1.1 000 ";
        start[9..12].copy_from_slice(&[digit(100), digit(10), digit(1)]);
        out.extend_from_slice(&start);
        out.extend_from_slice(self.reason());
        out.extend_from_slice(b"\r\n");
        match framing {
            BodyLength::Empty => fields.write(FRAMING_BUT_LENGTH, out),
            BodyLength::UntilClose => fields.write(FRAMING, out),
            BodyLength::Length(length) => {
                fields.write(FRAMING, out);
                out.extend_from_slice(b"Content-Length: ");
                write_decimal(length, out);
                out.extend_from_slice(b"\r\n");
            }
            BodyLength::Chunked => {
                fields.write(FRAMING, out);
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
        }
        self.write_connection(to, connection, out);
        out.extend_from_slice(b"\r\n");
    }

    fn write_connection(&self, to: Version, connection: ConnectionOption, out: &mut Vec<u8>) {
        // RFC 9110 15.5.22: 426 says which protocol is required.
        let offer = self.upgrade.filter(|_| self.status == 426 || connection == ConnectionOption::Upgrade);
        let option: &[u8] = match (connection, offer) {
            (ConnectionOption::Close, None) => b"Connection: close\r\n",
            (ConnectionOption::Close, Some(_)) => b"Connection: close, Upgrade\r\nUpgrade: ",
            (ConnectionOption::KeepAlive, None) if to == Version::Http10 => b"Connection: keep-alive\r\n",
            (ConnectionOption::KeepAlive, None) => b"",
            (ConnectionOption::KeepAlive | ConnectionOption::Upgrade, Some(_)) => {
                b"Connection: Upgrade\r\nUpgrade: "
            }
            (ConnectionOption::Upgrade, None) => b"Connection: Upgrade\r\n",
        };
        out.extend_from_slice(option);
        if let Some(upgrade) = offer {
            out.extend_from_slice(self.fields.bytes(upgrade));
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Fills the head from what HTTP/2 brings. Field names must be in lower case.
    ///
    /// # Errors
    /// [`HeadError`] if the head is malformed (RFC 9113 8.1.1) or over a limit; the head is then empty.
    pub fn from_parts<'a>(
        &mut self,
        status: u16,
        end_of_stream: bool,
        request_method: Method,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        self.clear();
        let filled = self.fill_http2(status, end_of_stream, request_method, fields, limits);
        if filled.is_err() {
            self.clear();
        }
        filled
    }
}

/// What is written by us, but for the length of a body that is not sent.
const FRAMING_BUT_LENGTH: KnownSet = FRAMING.without(KnownSet::of(&[Known::ContentLength]));

/// From lines to meaning.
impl ResponseHead {
    /// Forgets everything and keeps the memory, for the next answer.
    pub fn clear(&mut self) {
        self.fields.clear();
        self.status = 200;
        self.version = Version::Http11;
        self.reason = Reason::OfStatus;
        self.upgrade = None;
        self.body = BodyLength::Empty;
        self.keep_alive = false;
    }

    /// `HTTP-version SP status SP [reason]` (RFC 9112 4), without control characters. The last space may be missing when the
    /// reason is.
    pub(crate) fn read_status_line(&mut self, line: &[u8]) -> Result<(), HeadError> {
        self.version = match line.get(..9) {
            Some(b"HTTP/1.1 ") => Version::Http11,
            Some(b"HTTP/1.0 ") => Version::Http10,
            Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b' ']) => {
                return Err(HeadError::Version);
            }
            _ => return Err(HeadError::StatusLine),
        };
        let (digits, reason) = line[9..].split_first_chunk::<3>().ok_or(HeadError::StatusLine)?;
        let [first @ b'1'..=b'9', second @ b'0'..=b'9', third @ b'0'..=b'9'] = *digits else {
            return Err(HeadError::StatusLine);
        };
        self.status = u16::from(first - b'0') * 100 + u16::from(second - b'0') * 10 + u16::from(third - b'0');
        if !matches!(reason, [] | [b' ', ..]) {
            return Err(HeadError::StatusLine);
        }
        self.reason = Reason::Received(Span::new(line.len().min(13)..line.len()));
        Ok(())
    }

    /// Works out what the lines say together, once all are there.
    pub(crate) fn interpret(&mut self, request_method: Method) -> Result<(), HeadError> {
        let (framing, connection) = self.read_special_lines(request_method)?;
        let chunked = framing.is_chunked(self.version)?;
        let without_body = self.never_has_body(request_method);
        self.body = match framing.length {
            _ if without_body => BodyLength::Empty,
            _ if chunked => BodyLength::Chunked,
            Some(length) => BodyLength::Length(length),
            None => BodyLength::UntilClose,
        };
        // An origin that announces a body where none may be is likely to send it.
        let announced = (chunked || framing.length.is_some_and(|length| length > 0))
            && (self.status < 200 || self.status == 204);
        self.keep_alive = connection.persists(self.version)
            && self.body != BodyLength::UntilClose
            && self.status != 101
            && !announced;
        connection.apply(&mut self.fields);
        Ok(())
    }

    fn never_has_body(&self, request_method: Method) -> bool {
        request_method == Method::Head || matches!(self.status, 100..=199 | 204 | 304)
    }

    fn read_special_lines(&mut self, request_method: Method) -> Result<(Framing, Connection), HeadError> {
        let mut framing = Framing::default();
        let mut connection = Connection::default();
        let mut present = KnownSet::EMPTY;
        let keeps_length = self.status == 304
            || (request_method == Method::Head && self.status >= 200 && self.status != 204);
        for index in 0..self.fields.lines.len() {
            let line = self.fields.lines[index];
            if !CONNECTION.has(line.known) {
                present.insert(line.known);
                continue;
            }
            let value = self.fields.bytes(line.value());
            match line.known {
                Known::Connection => connection.read(&self.fields, line.value())?,
                Known::ContentLength => framing.read_equal_lengths(value)?,
                Known::TransferEncoding => framing.read_coding(value),
                Known::Upgrade => self.upgrade = self.upgrade.or(Some(line.value())),
                _ => {}
            }
            self.fields.drop_line(index);
        }
        self.fields.present = present;
        if let (true, Some(length)) = (keeps_length, framing.length) {
            self.keep_length(length);
        }
        Ok((framing, connection))
    }

    /// Passes the length of a body that is not sent on as a field, once and in plain digits.
    fn keep_length(&mut self, length: u64) {
        let mut digits = Vec::with_capacity(20);
        write_decimal(length, &mut digits);
        self.fields.append_line(b"Content-Length", Known::ContentLength, &[&digits]);
    }

    fn fill_http2<'a>(
        &mut self,
        status: u16,
        end_of_stream: bool,
        request_method: Method,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        if !(100..=999).contains(&status) || status == 101 {
            return Err(HeadError::Malformed);
        }
        self.status = status;
        self.version = Version::Http2;
        let mut framing = Framing::default();
        let mut size = limits.list_size();
        for (name, value) in fields {
            size.add(name, value)?;
            match self.fields.push_http2(name, value)? {
                Known::ContentLength => {
                    framing.read_length(value)?;
                    self.fields.drop_last(Known::ContentLength);
                }
                Known::Host => self.fields.drop_last(Known::Host),
                _ => {}
            }
        }
        let without_body = self.never_has_body(request_method);
        self.body = match framing.length {
            _ if without_body => BodyLength::Empty,
            Some(1..) if end_of_stream => return Err(HeadError::Malformed),
            Some(length) => BodyLength::Length(length),
            None if end_of_stream => BodyLength::Length(0),
            None => BodyLength::Chunked,
        };
        if let (true, Some(length)) = (without_body && status >= 200 && status != 204, framing.length) {
            self.keep_length(length);
        }
        self.keep_alive = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
