//! Field names: the known ones as one byte, and names prepared for lookups.

use crate::bytes::{UNDERSCORE, find_colon};

mod prepared;

pub use prepared::{FieldName, FieldNameError};

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
    #[must_use]
    pub fn from_text(text: &[u8]) -> Self {
        let mut window = [0; WINDOW];
        if text.len() >= WINDOW {
            return Self::Unknown;
        }
        window[..text.len()].copy_from_slice(text);
        window[text.len()] = b':';
        let known = Self::of_window(&window, text.len());
        // What is no token may hold a colon of its own.
        if known.text().len() == text.len() { known } else { Self::Unknown }
    }

    /// Which name a text in lower case is, for tables that are made when this is compiled.
    pub(crate) const fn of_lower(text: &str) -> Self {
        let mut index = 1;
        while index < ALL.len() {
            if is_equal(TEXTS[index].as_bytes(), text.as_bytes()) {
                return ALL[index];
            }
            index += 1;
        }
        Self::Unknown
    }

    /// Which name the line begins with, and where its colon is; `None` if the name is none of the known ones.
    /// `text` begins at the line; what lies behind the line may still be there.
    #[inline(always)]
    pub(crate) fn of_line(text: &[u8]) -> Option<(Self, usize)> {
        let mut copy = [0; WINDOW];
        let window = match text.first_chunk::<WINDOW>() {
            Some(window) => window,
            None => {
                copy[..text.len()].copy_from_slice(text);
                &copy
            }
        };
        let mut length = 0;
        for word in words(window) {
            if let Some(place) = find_colon(word) {
                let known = Self::of_window(window, length + place);
                return if known == Self::Unknown { None } else { Some((known, length + place)) };
            }
            length += 8;
        }
        None
    }

    /// Which name the first `length` bytes are, behind which there is a colon, and then anything.
    #[inline(always)]
    fn of_window(window: &[u8; WINDOW], length: usize) -> Self {
        let candidate = SLOTS[slot(window, length)];
        let pattern = &PATTERNS[candidate as usize & 63];
        let words = words(window);
        let differ = (0..WINDOW / 8)
            .fold(0, |differ, index| differ | (words[index] ^ pattern.text[index]) & pattern.compared[index]);
        if differ == 0 { candidate } else { Self::Unknown }
    }

    /// The name as one bit of a [`KnownSet`].
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

const fn is_equal(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
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

/// Bytes in which every known name and the colon behind it have room.
const WINDOW: usize = 32;

#[inline(always)]
fn words(window: &[u8; WINDOW]) -> [u64; WINDOW / 8] {
    let (words, _) = window.as_chunks::<8>();
    std::array::from_fn(|index| words.get(index).map_or(0, |word| u64::from_le_bytes(*word)))
}

/// What a name and its colon are compared with, 8 bytes at once.
#[derive(Clone, Copy)]
struct Pattern {
    text: [u64; WINDOW / 8],
    /// All bits but the one that tells upper from lower case in letters, and those behind the colon.
    compared: [u64; WINDOW / 8],
}

static PATTERNS: [Pattern; 64] = {
    // No window fits the first, which stands for all names that are not known: a window has a colon.
    let mut patterns = [Pattern { text: [0; 4], compared: [u64::MAX; 4] }; 64];
    let mut known = 1;
    while known < ALL.len() {
        let name = TEXTS[known].as_bytes();
        assert!(name.len() < WINDOW);
        patterns[known].compared = [0; 4];
        let mut index = 0;
        while index <= name.len() {
            let byte = if index < name.len() { name[index] } else { b':' };
            let compared = if byte.is_ascii_lowercase() { 0xdf } else { 0xff };
            patterns[known].text[index / 8] |= (byte as u64 & compared) << (index % 8 * 8);
            patterns[known].compared[index / 8] |= compared << (index % 8 * 8);
            index += 1;
        }
        known += 1;
    }
    patterns
};

/// A slot for each known name, by [`slot`]; no two share one, which the compiler checks. When a new name
/// collides, other multipliers must be searched for.
static SLOTS: [Known; 256] = {
    let mut slots = [Known::Unknown; 256];
    let mut index = 1;
    while index < ALL.len() {
        let name = TEXTS[index].as_bytes();
        let mut window = [0; WINDOW];
        let mut at = 0;
        while at < name.len() {
            window[at] = name[at];
            at += 1;
        }
        let slot = slot(&window, name.len());
        assert!(matches!(slots[slot], Known::Unknown), "two known names share a slot");
        slots[slot] = ALL[index];
        index += 1;
    }
    slots
};

/// A hash of the length and three letters that tells all the known names apart.
#[inline(always)]
const fn slot(window: &[u8; WINDOW], length: usize) -> usize {
    let hash = length * 226
        + (window[0] | 0x20) as usize * 215
        + (window[length / 2 % WINDOW] | 0x20) as usize * 176
        + (window[length * 3 / 4 % WINDOW] | 0x20) as usize * 137;
    (hash ^ (hash >> 8)) & 255
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_found_in_any_case() {
        for &known in &ALL[1..] {
            assert_eq!(Known::from_text(known.text().as_bytes()), known);
            assert_eq!(Known::from_text(known.text().to_uppercase().as_bytes()), known);
            assert_eq!(Known::from_text(format!("{}x", known.text()).as_bytes()), Known::Unknown);
            for text in [known.text().to_owned(), known.text().to_uppercase()] {
                for rest in ["", "x", " something that lies behind it: and more"] {
                    let line = format!("{text}:{rest}");
                    assert_eq!(Known::of_line(line.as_bytes()), Some((known, text.len())), "{line}");
                }
                let text = text.into_bytes();
                for index in 0..text.len() {
                    // No other byte passes for one of the name's, whichever bit it differs in.
                    for bit in 0..8 {
                        let mut other = text.clone();
                        other[index] ^= 1 << bit;
                        let same = other.eq_ignore_ascii_case(&text);
                        assert_eq!(Known::from_text(&other) == known, same, "{}", other.escape_ascii());
                    }
                }
            }
        }
        for text in ["", ":", "host:", "host:x", "te:trailers", ":path"] {
            assert_eq!(Known::from_text(text.as_bytes()), Known::Unknown, "{text}");
        }
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
}
