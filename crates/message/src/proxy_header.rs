//! The PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`): how a proxy tells the next one who the client
//! is, in a header before the first byte of a connection.
//!
//! A header is taken whole or not at all: [`parse_proxy_header`] gives nothing of one that is not complete, and refuses at
//! the first byte that cannot belong to one. Who may send one is not decided here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is taken, in bytes, with everything that it has besides addresses. The protocol allows 65,551;
/// senders that fill in all that is registered (names and algorithms of a TLS session) stay below one.
pub const MAX_PROXY_HEADER: usize = 4096;

/// The longest line of version 1, with its end (§2.1).
const LINE: usize = 107;
/// How version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// How version 2 begins (§2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What is fixed of version 2.
const FIXED: usize = 16;
/// Version 2, sent by the proxy for itself.
const LOCAL: u8 = 0x20;
/// Version 2, sent for a client.
const PROXY: u8 = 0x21;
/// TCP over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// How many bytes it takes; at most [`MAX_PROXY_HEADER`]. The client's own begin after it.
    pub length: usize,
    /// Between whom the connection was before it was proxied. `None`: the connection's own addresses hold (`LOCAL`, as
    /// health checks send it; `UNKNOWN` and whatever is not TCP over IP).
    pub addresses: Option<ProxiedAddresses>,
}

/// The two ends of a connection, as the proxy before us saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxiedAddresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// Why what came is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum ProxyHeaderError {
    /// It begins in neither of the two ways.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// The line of version 1 is not as §2.1 says.
    #[error("the PROXY line is malformed")]
    Line,
    /// There is no end of line in the first 107 bytes.
    #[error("the PROXY line is too long")]
    LineTooLong,
    /// A binary header of another version than 2, or of an unknown command.
    #[error("the version or the command of the PROXY header is unknown")]
    Command,
    /// An unknown family of addresses or transport protocol.
    #[error("the address family of the PROXY header is unknown")]
    Family,
    /// Too short for the addresses of its family.
    #[error("the PROXY header is too short for its addresses")]
    TooShort,
    /// Longer than [`MAX_PROXY_HEADER`].
    #[error("the PROXY header is too long")]
    TooLong,
}

impl ProxyHeaderError {
    /// A stable name, for metrics and the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "proxy_header_missing",
            Self::Line | Self::Command | Self::Family | Self::TooShort => "proxy_header_malformed",
            Self::LineTooLong | Self::TooLong => "proxy_header_too_long",
        }
    }
}

/// Reads the header that a connection begins with. `Ok(None)`: it is good so far and not whole.
///
/// # Errors
/// [`ProxyHeaderError`]; no more bytes can make a header of these then.
pub fn parse_proxy_header(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let begins = |with: &[u8]| {
        let length = bytes.len().min(with.len());
        bytes[..length] == with[..length]
    };
    if begins(WORD) {
        parse_line(bytes)
    } else if begins(SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(ProxyHeaderError::Missing)
    }
}

/// Version 1.
fn parse_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    let within = &bytes[..bytes.len().min(LINE)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return if within.len() < LINE { Ok(None) } else { Err(ProxyHeaderError::LineTooLong) };
    };
    let line = within.get(WORD.len()..end).ok_or(ProxyHeaderError::Line)?;
    let addresses = if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        // Whatever else stands there is to be ignored.
        None
    } else {
        let line = std::str::from_utf8(line).map_err(|_| ProxyHeaderError::Line)?;
        Some(line_addresses(line).ok_or(ProxyHeaderError::Line)?)
    };
    Ok(Some(ProxyHeader { length: end + 2, addresses }))
}

/// `TCP4 source destination port port`, with single spaces.
fn line_addresses(line: &str) -> Option<ProxiedAddresses> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let word = words.next()?;
        let is_plain =
            word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
        word.parse().ok().filter(|_| is_plain)
    };
    let (source, destination) = (SocketAddr::new(source, port()?), SocketAddr::new(destination, port()?));
    words.next().is_none().then_some(ProxiedAddresses { source, destination })
}

/// Version 2.
fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, ProxyHeaderError> {
    // Each byte is judged as soon as it is there.
    if bytes.get(12).is_some_and(|command| !matches!(*command, LOCAL | PROXY)) {
        return Err(ProxyHeaderError::Command);
    }
    let is_local = bytes.get(12) == Some(&LOCAL);
    if bytes.get(13).is_some_and(|family| !is_local && (family >> 4 > 3 || family & 15 > 2)) {
        return Err(ProxyHeaderError::Family);
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let family = if is_local { 0 } else { fixed[13] };
    let least = match family {
        TCP4 => 12,
        TCP6 => 36,
        _ => 0,
    };
    if length < least {
        return Err(ProxyHeaderError::TooShort);
    }
    if FIXED + length > MAX_PROXY_HEADER {
        return Err(ProxyHeaderError::TooLong);
    }
    // Everything behind the addresses (§2.2: types, lengths and values) is part of the header, and skipped.
    let Some(block) = rest.get(..length) else { return Ok(None) };
    let addresses = match family {
        TCP4 => block_addresses::<4>(block),
        TCP6 => block_addresses::<16>(block),
        _ => None,
    };
    Ok(Some(ProxyHeader { length: FIXED + length, addresses }))
}

/// Source, destination, their ports, in network byte order. `None` if the block is too short.
fn block_addresses<const LENGTH: usize>(block: &[u8]) -> Option<ProxiedAddresses>
where
    IpAddr: From<[u8; LENGTH]>,
{
    let (source, rest) = block.split_first_chunk::<LENGTH>()?;
    let (destination, rest) = rest.split_first_chunk::<LENGTH>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    Some(ProxiedAddresses {
        source: SocketAddr::new((*source).into(), u16::from_be_bytes(*source_port)),
        destination: SocketAddr::new((*destination).into(), u16::from_be_bytes(*destination_port)),
    })
}

/// Two addresses of one family; IPv4 is written as IPv6 where the other end is that.
enum Ends {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    fn of(addresses: &ProxiedAddresses) -> Self {
        let wide = |address: IpAddr| match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        match (addresses.source.ip().to_canonical(), addresses.destination.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Self::V4(source, destination),
            (source, destination) => Self::V6(wide(source), wide(destination)),
        }
    }
}

/// Writes a header of version 1.
pub fn write_proxy_line(addresses: &ProxiedAddresses, out: &mut Vec<u8>) {
    let text = match Ends::of(addresses) {
        Ends::V4(source, destination) => format!("TCP4 {source} {destination}"),
        Ends::V6(source, destination) => format!("TCP6 {} {}", hexadecimal(source), hexadecimal(destination)),
    };
    let (source, destination) = (addresses.source.port(), addresses.destination.port());
    out.extend_from_slice(WORD);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(format!(" {source} {destination}\r\n").as_bytes());
}

/// All eight groups: the protocol knows no dotted end, which the short form has where IPv4 is mapped.
fn hexadecimal(address: Ipv6Addr) -> String {
    address.segments().map(|segment| format!("{segment:x}")).join(":")
}

/// Writes a header of version 2.
pub fn write_proxy_binary(addresses: &ProxiedAddresses, out: &mut Vec<u8>) {
    let mut block = Vec::with_capacity(36);
    let family = match Ends::of(addresses) {
        Ends::V4(source, destination) => {
            block.extend_from_slice(&source.octets());
            block.extend_from_slice(&destination.octets());
            TCP4
        }
        Ends::V6(source, destination) => {
            block.extend_from_slice(&source.octets());
            block.extend_from_slice(&destination.octets());
            TCP6
        }
    };
    block.extend_from_slice(&addresses.source.port().to_be_bytes());
    block.extend_from_slice(&addresses.destination.port().to_be_bytes());
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[PROXY, family, 0, block.len() as u8]);
    out.extend_from_slice(&block);
}

#[cfg(test)]
mod tests;
