//! The static table (RFC 7541 Appendix A), and the names of pseudo-fields.

use super::block::{Entry, FieldClass};
use crate::name::Known;

/// Which pseudo-field a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Pseudo {
    /// None: an ordinary field.
    None,
    Authority,
    Method,
    Path,
    Protocol,
    Scheme,
    Status,
    /// A name that begins with a colon, and is none of these.
    Unknown,
}

impl Pseudo {
    /// Which one a name that begins with a colon is.
    pub(super) const fn from_text(name: &[u8]) -> Self {
        match name {
            b":authority" => Self::Authority,
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            b":scheme" => Self::Scheme,
            b":status" => Self::Status,
            _ => Self::Unknown,
        }
    }
}

/// A field of the static table.
#[derive(Clone, Copy)]
pub(super) struct Static {
    /// As a line of HTTP/1.1.
    pub(super) line: &'static [u8],
    /// Where it lies in that line.
    pub(super) entry: Entry,
}

impl Static {
    const fn new(name: &'static str, line: &'static str) -> Self {
        let pseudo = match name.as_bytes() {
            [b':', ..] => Pseudo::from_text(name.as_bytes()),
            _ => Pseudo::None,
        };
        let entry = Entry {
            start: 0,
            name_length: name.len() as u32,
            value_length: (line.len() - name.len() - super::block::PUNCTUATION) as u32,
            class: FieldClass::of_static(Known::of_lower(name), pseudo),
        };
        Self { line: line.as_bytes(), entry }
    }
}

macro_rules! fields {
    ($($name:literal $value:literal)*) => {
        [$(Static::new($name, concat!($name, ": ", $value, "\r\n"))),*]
    };
}

/// The static table; index 1 is the first.
pub(super) static STATIC: [Static; 61] = FIELDS;

const FIELDS: [Static; 61] = fields! {
    ":authority" ""
    ":method" "GET"
    ":method" "POST"
    ":path" "/"
    ":path" "/index.html"
    ":scheme" "http"
    ":scheme" "https"
    ":status" "200"
    ":status" "204"
    ":status" "206"
    ":status" "304"
    ":status" "400"
    ":status" "404"
    ":status" "500"
    "accept-charset" ""
    "accept-encoding" "gzip, deflate"
    "accept-language" ""
    "accept-ranges" ""
    "accept" ""
    "access-control-allow-origin" ""
    "age" ""
    "allow" ""
    "authorization" ""
    "cache-control" ""
    "content-disposition" ""
    "content-encoding" ""
    "content-language" ""
    "content-length" ""
    "content-location" ""
    "content-range" ""
    "content-type" ""
    "cookie" ""
    "date" ""
    "etag" ""
    "expect" ""
    "expires" ""
    "from" ""
    "host" ""
    "if-match" ""
    "if-modified-since" ""
    "if-none-match" ""
    "if-range" ""
    "if-unmodified-since" ""
    "last-modified" ""
    "link" ""
    "location" ""
    "max-forwards" ""
    "proxy-authenticate" ""
    "proxy-authorization" ""
    "range" ""
    "referer" ""
    "refresh" ""
    "retry-after" ""
    "server" ""
    "set-cookie" ""
    "strict-transport-security" ""
    "transfer-encoding" ""
    "user-agent" ""
    "vary" ""
    "via" ""
    "www-authenticate" ""
};

/// For each known name its index in the static table, or 0.
pub(super) static INDEX_OF_KNOWN: [u8; 64] = {
    let mut indexes = [0; 64];
    let mut index = FIELDS.len();
    while index > 0 {
        let known = FIELDS[index - 1].entry.class.known as usize;
        if known != Known::Unknown as usize {
            // The encoder counts on a prefix of 4 bits being full.
            assert!(index >= 15, "a known name begins the static table");
            indexes[known] = index as u8;
        }
        index -= 1;
    }
    indexes
};
