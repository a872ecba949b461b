//! Hosts with ports, as addresses of servers have them.

use irongate_config::HostPattern;
use std::net::{IpAddr, Ipv6Addr};

/// Host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`; the host without brackets. `None`: it is none of them.
pub(super) fn host_and_port(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let host = &authority[..end];
            let is_one = host.parse::<IpAddr>().is_ok()
                || matches!(HostPattern::parse(host), Ok(HostPattern::Exact(_)));
            is_one.then_some((host, &authority[end..]))?
        }
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if !port.is_empty() => return None,
        None => default_port,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, expected) in [
            ("redis", Some(("redis", 1))),
            ("redis:6379", Some(("redis", 6379))),
            ("127.0.0.1:2", Some(("127.0.0.1", 2))),
            ("[::1]:2", Some(("::1", 2))),
            ("[::1]", Some(("::1", 1))),
            ("::1", None),
            ("[::1]2", None),
            ("a:0", None),
            ("a:b", None),
            ("*.a:1", None),
            (":1", None),
            ("u:p@a:1", None),
            ("", None),
        ] {
            assert_eq!(host_and_port(text, 1), expected, "{text}");
        }
    }
}
