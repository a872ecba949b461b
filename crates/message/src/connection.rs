//! What belongs to one connection and not to the message: `Connection` and the fields that it lists
//! (RFC 9110 7.6.1), `Upgrade`, `TE`, `Transfer-Encoding`, `Content-Length`.

use crate::bytes::{list, parse_length, trim, trim_range};
use crate::error::HeadError;
use crate::fields::{Fields, Span};
use crate::method::Version;
use crate::name::{FORWARDING, Known, KnownSet};
use memchr::memchr;
use smallvec::SmallVec;

/// What is never among the kept lines of a head. `Proxy` is no field of HTTP, but becomes a variable that CGI
/// programs obey ("httpoxy", CVE-2016-5385); no honest client sends it.
pub(crate) const CONNECTION: KnownSet = KnownSet::of(&[
    Known::Host,
    Known::Connection,
    Known::ContentLength,
    Known::TransferEncoding,
    Known::Te,
    Known::Upgrade,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Http2Settings,
    Known::Proxy,
]);

/// What a peer's `Connection` cannot remove, besides framing and `Host`, which are written by us: what
/// authenticates, what says where the message came from, and what gives its content a meaning. (CVE-2022-31813
/// is what happens otherwise.) All other names are removed as RFC 9110 asks.
const PROTECTED: KnownSet = FORWARDING.and(KnownSet::of(&[
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::ProxyAuthenticate,
    Known::WwwAuthenticate,
    Known::Cookie,
    Known::SetCookie,
    Known::ContentType,
    Known::ContentEncoding,
    Known::ContentRange,
    Known::CacheControl,
    Known::Vary,
    Known::Location,
    Known::Expect,
    Known::Via,
    Known::MaxForwards,
    Known::Origin,
    Known::XRequestId,
]));

/// Names that one message's `Connection` may list, options left out. More would cost us a search each.
const LISTED: usize = 32;

/// What the connection fields of a head say.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    listed: SmallVec<[Span; 4]>,
}

impl Connection {
    /// Reads one `Connection` field.
    pub(crate) fn read(&mut self, fields: &Fields, value: Span) -> Result<(), HeadError> {
        let text = fields.bytes(value);
        if text.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
            return Ok(());
        }
        let mut start = 0;
        while start < text.len() {
            let end = memchr(b',', &text[start..]).map_or(text.len(), |at| start + at);
            let place = trim_range(&text[..end], start);
            start = end + 1;
            let option = &text[place.clone()];
            if option.is_empty() {
                continue;
            }
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if self.listed.len() == LISTED {
                return Err(HeadError::ConnectionOptions);
            } else {
                let offset = value.start as usize;
                self.listed.push(Span::new(offset + place.start..offset + place.end));
            }
        }
        Ok(())
    }

    /// Drops the fields that the options name.
    #[inline]
    pub(crate) fn apply(&self, fields: &mut Fields) {
        // Nobody names any but in attacks and in tests.
        if !self.listed.is_empty() {
            self.drop_listed(fields);
        }
    }

    #[cold]
    fn drop_listed(&self, fields: &mut Fields) {
        for &name in &self.listed {
            let known = Known::from_text(fields.bytes(name));
            if PROTECTED.has(known) {
                continue;
            }
            for index in 0..fields.lines.len() {
                let line = fields.lines[index];
                if line.known == known && line.is_kept() && fields.has_name(line, fields.bytes(name)) {
                    fields.drop_line(index);
                }
            }
            if known != Known::Unknown {
                fields.present.remove(KnownSet::of(&[known]));
            }
        }
    }

    /// Whether the connection stays open after the message (RFC 9112 9.3).
    pub(crate) fn persists(&self, version: Version) -> bool {
        !self.close && (version >= Version::Http11 || self.keep_alive)
    }
}

/// What the framing fields of a head say.
#[derive(Default)]
pub(crate) struct Framing {
    pub(crate) length: Option<u64>,
    /// There is `Transfer-Encoding`.
    pub(crate) coded: bool,
    /// So many times `chunked`.
    chunked: u32,
    unknown: bool,
}

impl Framing {
    /// A request's `Content-Length`: a plain number, once.
    pub(crate) fn read_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let length = parse_length(value).ok_or(HeadError::ContentLength)?;
        match self.length.replace(length) {
            Some(_) => Err(HeadError::RepeatedContentLength),
            None => Ok(()),
        }
    }

    /// An answer's `Content-Length`: the same number may come again, as a field or in a list (RFC 9110 8.6).
    pub(crate) fn read_equal_lengths(&mut self, value: &[u8]) -> Result<(), HeadError> {
        // Nearly always it is one number.
        if let (None, Some(length)) = (self.length, parse_length(value)) {
            self.length = Some(length);
            return Ok(());
        }
        for element in value.split(|&byte| byte == b',') {
            let length = parse_length(trim(element)).ok_or(HeadError::ContentLength)?;
            if self.length.replace(length).is_some_and(|other| other != length) {
                return Err(HeadError::RepeatedContentLength);
            }
        }
        Ok(())
    }

    /// A `Transfer-Encoding`.
    pub(crate) fn read_coding(&mut self, value: &[u8]) {
        self.coded = true;
        for coding in list(value) {
            match coding.eq_ignore_ascii_case(b"chunked") {
                true => self.chunked = self.chunked.saturating_add(1),
                false => self.unknown = true,
            }
        }
    }

    /// Whether the body is chunked.
    pub(crate) fn is_chunked(&self, version: Version) -> Result<bool, HeadError> {
        if !self.coded {
            return Ok(false);
        }
        if self.length.is_some() {
            return Err(HeadError::AmbiguousLength);
        }
        if version == Version::Http10 {
            return Err(HeadError::TransferEncoding);
        }
        match (self.unknown, self.chunked) {
            (true, _) => Err(HeadError::TransferCoding),
            (false, 1) => Ok(true),
            (false, _) => Err(HeadError::TransferEncoding),
        }
    }
}
