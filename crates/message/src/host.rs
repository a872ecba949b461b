//! Hosts and ports, as in `Host` and in the authority of a target.

use std::net::Ipv6Addr;
use std::ops::Range;

/// Why an authority is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum HostError {
    /// There is no host.
    #[error("it is empty")]
    Empty,
    /// More than 255 bytes.
    #[error("it is longer than 255 bytes")]
    TooLong,
    /// Something other than letters, digits, `-`, `.`, `_` and `~`: user information, lists, percent-encodings and
    /// the like.
    #[error("it holds a character that no host has")]
    Character,
    /// A label is empty.
    #[error("it has an empty label")]
    EmptyLabel,
    /// Brackets without an IPv6 address in them.
    #[error("it is no IPv6 address")]
    Address,
    /// A port that is no number from 1 to 65535.
    #[error("the port is malformed")]
    Port,
}

/// An authority's parts: `host[:port]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authority {
    /// Where the host lies in the text: without a trailing dot, IPv6 with its brackets.
    pub host: Range<usize>,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// Whether the text is already as [`Authority::write`] would write it.
    pub is_normal: bool,
}

impl Authority {
    /// Appends the normal form: lower case, no trailing dot, no empty port, no zeros before the port.
    pub fn write(&self, raw: &[u8], out: &mut Vec<u8>) {
        out.extend(raw[self.host.clone()].iter().map(u8::to_ascii_lowercase));
        if let Some(port) = self.port {
            out.push(b':');
            crate::bytes::write_decimal(u64::from(port), out);
        }
    }
}

/// A host's byte.
const HOST: u8 = 1;
/// A host's byte that has another, lower form.
const FOLDED: u8 = 2;
/// `.`
const DOT: u8 = 4;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => HOST,
            b'A'..=b'Z' => HOST | FOLDED,
            b'.' => HOST | DOT,
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// Reads `host`, `host:port`, `[IPv6]` or `[IPv6]:port` (RFC 3986 3.2, narrowed: no user information, no
/// percent-encoding, no sub-delimiters, no zone).
///
/// # Errors
/// [`HostError`] says what is wrong.
pub fn parse_authority(raw: &[u8]) -> Result<Authority, HostError> {
    if raw.len() > 255 {
        return Err(HostError::TooLong);
    }
    let (host_end, mut is_normal) =
        if raw.first() == Some(&b'[') { scan_address(raw)? } else { scan_name(raw)? };
    let (port, port_is_normal) = parse_port(&raw[host_end..])?;
    is_normal &= port_is_normal;
    let mut host = 0..host_end;
    if raw[..host_end].ends_with(b".") {
        host.end -= 1;
        is_normal = false;
    }
    if host.is_empty() {
        return Err(HostError::Empty);
    }
    Ok(Authority { host, port, is_normal })
}

/// Where a name ends, and whether it is in lower case.
fn scan_name(raw: &[u8]) -> Result<(usize, bool), HostError> {
    let mut classes = 0;
    let mut previous = DOT;
    let mut empty_label = 0;
    let mut end = raw.len();
    for (index, &byte) in raw.iter().enumerate() {
        let class = CLASS[usize::from(byte)];
        if class == 0 {
            if byte != b':' {
                return Err(HostError::Character);
            }
            end = index;
            break;
        }
        empty_label |= class & previous;
        classes |= class;
        previous = class & DOT;
    }
    if empty_label != 0 { Err(HostError::EmptyLabel) } else { Ok((end, classes & FOLDED == 0)) }
}

/// Where a bracketed address ends, and whether it is in lower case.
fn scan_address(raw: &[u8]) -> Result<(usize, bool), HostError> {
    let end = memchr::memchr(b']', raw).ok_or(HostError::Address)?;
    let text = std::str::from_utf8(&raw[1..end]).map_err(|_| HostError::Address)?;
    text.parse::<Ipv6Addr>().map_err(|_| HostError::Address)?;
    Ok((end + 1, !text.bytes().any(|byte| byte.is_ascii_uppercase())))
}

/// Reads what follows a host: nothing, `:` or `:port`; and whether it is as we would write it.
fn parse_port(raw: &[u8]) -> Result<(Option<u16>, bool), HostError> {
    let digits = match raw {
        [] => return Ok((None, true)),
        // RFC 3986 3.2.3: the port may be empty.
        [b':'] => return Ok((None, false)),
        [b':', digits @ ..] => digits,
        _ => return Err(HostError::Character),
    };
    let port = crate::bytes::parse_length(digits)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|&port| port != 0)
        .ok_or(HostError::Port)?;
    Ok((Some(port), digits[0] != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(raw: &[u8]) -> Result<Vec<u8>, HostError> {
        let authority = parse_authority(raw)?;
        let mut out = Vec::new();
        authority.write(raw, &mut out);
        assert_eq!(authority.is_normal, out == raw, "{}", String::from_utf8_lossy(raw));
        Ok(out)
    }

    #[test]
    fn authorities() {
        for (raw, expected) in [
            ("example.com", Ok("example.com")),
            ("Example.COM:8080", Ok("example.com:8080")),
            ("example.com.", Ok("example.com")),
            ("example.com.:80", Ok("example.com:80")),
            ("example.com:", Ok("example.com")),
            ("example.com:0080", Ok("example.com:80")),
            ("127.0.0.1:65535", Ok("127.0.0.1:65535")),
            ("my_service-1", Ok("my_service-1")),
            ("[::1]", Ok("[::1]")),
            ("[2001:DB8::1]:80", Ok("[2001:db8::1]:80")),
            ("", Err(HostError::Empty)),
            (":80", Err(HostError::Empty)),
            (".", Err(HostError::EmptyLabel)),
            (".a", Err(HostError::EmptyLabel)),
            ("a..b", Err(HostError::EmptyLabel)),
            ("a:0", Err(HostError::Port)),
            ("a:65536", Err(HostError::Port)),
            ("a:+80", Err(HostError::Port)),
            ("a:8 0", Err(HostError::Port)),
            ("a:80:80", Err(HostError::Port)),
            ("user@a", Err(HostError::Character)),
            ("a,b", Err(HostError::Character)),
            ("a b", Err(HostError::Character)),
            ("a/b", Err(HostError::Character)),
            ("a%41", Err(HostError::Character)),
            ("é", Err(HostError::Character)),
            ("[::1", Err(HostError::Address)),
            ("[::1%25eth0]", Err(HostError::Address)),
            ("[127.0.0.1]", Err(HostError::Address)),
            ("[::1]x", Err(HostError::Character)),
            ("::1", Err(HostError::Port)),
        ] {
            let found = normal(raw.as_bytes()).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{raw}");
        }
        assert_eq!(normal(&[b'a'; 256]), Err(HostError::TooLong));
    }

    proptest! {
        #[test]
        fn normal_forms_stay(raw in r"([a-zA-Z0-9._~-]{0,12}|\[[0-9a-fA-F:]{2,12}\])(:[0-9]{0,6})?") {
            if let Ok(text) = normal(raw.as_bytes()) {
                let again = normal(&text);
                prop_assert_eq!(again, Ok(text));
            }
        }
    }
}
