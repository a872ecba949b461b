//! Field names: the known ones as one byte, and names prepared for lookups.

use crate::bytes::{UNDERSCORE, is_token};
use std::borrow::Cow;
use std::fmt;

macro_rules! known_names {
    ($($variant:ident = $text:literal,)*) => {
        /// A field name that the proxy knows: one byte, found at parse, so that a lookup compares a byte a line.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum Known {
            /// Any other name.
            Unknown,
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
        }

        /// The known names in lower case, by number.
        const TEXTS: &[&str] = &["", $($text),*];
        const ALL: &[Known] = &[Known::Unknown, $(Known::$variant),*];
    };
}

known_names! {
    Host = "host",
    Connection = "connection",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Te = "te",
    Trailer = "trailer",
    Upgrade = "upgrade",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    Http2Settings = "http2-settings",
    Expect = "expect",
    Via = "via",
    Forwarded = "forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedProto = "x-forwarded-proto",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XRealIp = "x-real-ip",
    Authorization = "authorization",
    ProxyAuthorization = "proxy-authorization",
    ProxyAuthenticate = "proxy-authenticate",
    WwwAuthenticate = "www-authenticate",
    Proxy = "proxy",
    Cookie = "cookie",
    SetCookie = "set-cookie",
    ContentType = "content-type",
    ContentEncoding = "content-encoding",
    ContentRange = "content-range",
    ContentLanguage = "content-language",
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    UserAgent = "user-agent",
    Referer = "referer",
    Date = "date",
    Server = "server",
    Location = "location",
    RetryAfter = "retry-after",
    Origin = "origin",
    CacheControl = "cache-control",
    Pragma = "pragma",
    Age = "age",
    Vary = "vary",
    Etag = "etag",
    LastModified = "last-modified",
    IfNoneMatch = "if-none-match",
    IfModifiedSince = "if-modified-since",
    Range = "range",
    XRequestId = "x-request-id",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    GrpcTimeout = "grpc-timeout",
    GrpcStatus = "grpc-status",
    MaxForwards = "max-forwards",
    AltSvc = "alt-svc",
    StrictTransportSecurity = "strict-transport-security",
    SecWebsocketKey = "sec-websocket-key",
    SecWebsocketVersion = "sec-websocket-version",
    SecWebsocketProtocol = "sec-websocket-protocol",
    XApiKey = "x-api-key",
}

// A set of them is one word.
const _: () = assert!(ALL.len() <= 64);

impl Known {
    /// The name in lower case; empty for [`Known::Unknown`].
    #[must_use]
    pub const fn text(self) -> &'static str {
        TEXTS[self as usize]
    }

    /// Which name a text is, in any case.
    #[inline]
    #[must_use]
    pub fn from_text(text: &[u8]) -> Self {
        let Some(slot) = slot(text) else { return Self::Unknown };
        let candidate = SLOTS[slot];
        if candidate.text().as_bytes().eq_ignore_ascii_case(text) { candidate } else { Self::Unknown }
    }

    /// The name as one bit of a [`KnownSet`].
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A set of known names.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KnownSet(u64);

impl KnownSet {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn of(names: &[Known]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < names.len() {
            bits |= names[index].bit();
            index += 1;
        }
        Self(bits)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(crate) const fn has(self, name: Known) -> bool {
        self.0 & name.bit() != 0
    }

    #[inline]
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub(crate) fn insert(&mut self, name: Known) {
        self.0 |= name.bit();
    }

    pub(crate) fn remove(&mut self, names: Self) {
        self.0 &= !names.0;
    }
}

/// A slot for each known name, by [`slot`]; no two share one, which the compiler checks. When a new name
/// collides, other multipliers must be searched for.
const SLOTS: [Known; 256] = {
    let mut slots = [Known::Unknown; 256];
    let mut index = 1;
    while index < ALL.len() {
        let Some(slot) = slot(TEXTS[index].as_bytes()) else { panic!("an empty name") };
        assert!(matches!(slots[slot], Known::Unknown), "two known names share a slot");
        slots[slot] = ALL[index];
        index += 1;
    }
    slots
};

/// A hash of the length and three letters that tells all the known names apart.
#[inline]
const fn slot(text: &[u8]) -> Option<usize> {
    let length = text.len();
    if length == 0 {
        return None;
    }
    let hash = length * 226
        + (text[0] | 0x20) as usize * 215
        + (text[length / 2] | 0x20) as usize * 176
        + (text[length * 3 / 4] | 0x20) as usize * 137;
    Some((hash ^ (hash >> 8)) & 255)
}

/// Whether a name, seen with [`UNDERSCORE`] among its classes, differs only by `_` from one that the proxy
/// sets or relies on. Origins that make variables of names (CGI and its heirs) cannot tell them apart.
pub(crate) fn is_lookalike(name: &[u8], classes: u8) -> bool {
    if classes & UNDERSCORE == 0 || name.len() > 32 {
        return false;
    }
    let mut dashed = [0; 32];
    let dashed = &mut dashed[..name.len()];
    for (to, &from) in dashed.iter_mut().zip(name) {
        *to = if from == b'_' { b'-' } else { from };
    }
    OURS.has(Known::from_text(dashed))
}

/// What frames, routes or authorizes a message, or is set by us.
const OURS: KnownSet = FORWARDING.and(KnownSet::of(&[
    Known::Host,
    Known::Connection,
    Known::ContentLength,
    Known::TransferEncoding,
    Known::Te,
    Known::Upgrade,
    Known::Expect,
    Known::Via,
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::Cookie,
    Known::Proxy,
    Known::XRequestId,
]));

/// What tells an origin about the client, and is ours to say unless the peer is trusted.
pub(crate) const FORWARDING: KnownSet = KnownSet::of(&[
    Known::Forwarded,
    Known::XForwardedFor,
    Known::XForwardedProto,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedPrefix,
    Known::XRealIp,
]);

/// A field name prepared for lookups and edits: lower-case text, and its number if it is known.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct FieldName {
    text: Cow<'static, str>,
    known: Known,
}

/// The text is empty, or has a character that a field name must not have (RFC 9110 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a field name may hold only letters, digits and !#$%&'*+-.^_`|~")]
pub struct FieldNameError;

impl FieldName {
    /// Prepares a name written in any case.
    ///
    /// # Errors
    /// [`FieldNameError`] if the text is no token.
    pub fn new(text: &str) -> Result<Self, FieldNameError> {
        if !is_token(text.as_bytes()) {
            return Err(FieldNameError);
        }
        Ok(match Known::from_text(text.as_bytes()) {
            Known::Unknown => Self { text: Cow::Owned(text.to_ascii_lowercase()), known: Known::Unknown },
            known => Self::of(known),
        })
    }

    /// The name of a known field. [`Known::Unknown`] gives an empty name, which no field has.
    #[must_use]
    pub const fn of(known: Known) -> Self {
        Self { text: Cow::Borrowed(known.text()), known }
    }

    /// Its number, or [`Known::Unknown`].
    #[inline]
    #[must_use]
    pub fn known(&self) -> Known {
        self.known
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Known> for FieldName {
    fn from(known: Known) -> Self {
        Self::of(known)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_found_in_any_case() {
        for &known in &ALL[1..] {
            assert_eq!(Known::from_text(known.text().as_bytes()), known);
            assert_eq!(Known::from_text(known.text().to_uppercase().as_bytes()), known);
            assert_eq!(Known::from_text(format!("{}x", known.text()).as_bytes()), Known::Unknown);
        }
        assert_eq!(Known::from_text(b""), Known::Unknown);
    }

    #[test]
    fn lookalikes_of_ours() {
        for (name, expected) in [
            ("X_Forwarded_For", true),
            ("x-forwarded_host", true),
            ("Content_Length", true),
            ("x_custom_name", false),
            ("user_agent", false),
            ("a_name_that_is_longer_than_any_of_ours_could_be", false),
        ] {
            assert_eq!(is_lookalike(name.as_bytes(), UNDERSCORE), expected, "{name}");
        }
    }

    #[test]
    fn names_that_are_no_tokens_are_refused() {
        for text in ["", "a b", "a:", "naïve", "a\n"] {
            assert_eq!(FieldName::new(text), Err(FieldNameError), "{text}");
        }
        assert_eq!(FieldName::new("X-Thing").map(|name| name.to_string()), Ok("x-thing".into()));
    }
}
