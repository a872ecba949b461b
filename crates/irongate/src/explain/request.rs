//! The request that is asked about: from what was typed to the head that the gateway would see.

use anyhow::{Context, bail};
use irongate_message::{HeadError, HeadLimits, HeadParser, Parsed, RequestHead};
use serde::Serialize;
use std::net::IpAddr;

/// What was typed.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The method, as it would be sent.
    pub(crate) method: String,
    /// `http://host[:port]/path?query`, the same with `https`, `tls://host:port`, `tcp://:port` or `udp://:port`.
    pub(crate) url: String,
    /// Header fields, `name: value` each.
    pub(crate) headers: Vec<String>,
}

/// What comes in, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A request in cleartext.
    Http,
    /// A request over TLS.
    Https,
    /// A connection over TLS, whatever is spoken inside.
    Tls,
    /// A connection.
    Tcp,
    /// A datagram.
    Udp,
}

impl Protocol {
    /// By the scheme of a URL, with the scheme's own port.
    fn parse(scheme: &str) -> Option<(Self, Option<u16>)> {
        Some(match scheme.to_ascii_lowercase().as_str() {
            "http" => (Self::Http, Some(80)),
            "https" => (Self::Https, Some(443)),
            "tls" => (Self::Tls, Some(443)),
            "tcp" => (Self::Tcp, None),
            "udp" => (Self::Udp, None),
            _ => return None,
        })
    }

    /// The scheme of URLs.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A request, as it would come in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    method: String,
    url: String,
    /// How it would come in.
    #[serde(skip)]
    pub(crate) protocol: Protocol,
    /// Where it would be sent to.
    pub(crate) port: u16,
    /// The name that a client asks for over TLS, in lower case; empty where the URL has an address.
    #[serde(skip)]
    pub(crate) server_name: String,
    /// The address that the URL names, if it is one.
    #[serde(skip)]
    pub(crate) address: Option<IpAddr>,
    /// The bytes of its head.
    #[serde(skip)]
    head: String,
}

impl Request {
    /// Understands what was typed.
    ///
    /// # Errors
    /// It is no URL, or a field would not be one.
    pub(crate) fn new(question: &Question) -> anyhow::Result<Self> {
        let Question { method, url, headers } = question;
        let (scheme, rest) =
            url.split_once("://").with_context(|| format!("{url} is no URL like http://example.com/path"))?;
        let Some((protocol, default_port)) = Protocol::parse(scheme) else {
            bail!("{scheme}:// is not routed; write http://, https://, tls://, tcp:// or udp://");
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (name, port) = split_port(authority)?;
        let needs_host = !matches!(protocol, Protocol::Tcp | Protocol::Udp);
        if needs_host && name.is_empty() || authority.contains('@') {
            bail!("{url} needs a host, and no user");
        }
        let port = port.or(default_port).with_context(|| format!("{url} needs a port"))?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let is_bad = |text: &str| text.bytes().any(|byte| matches!(byte, b' ' | b'\r' | b'\n' | 0));
        if is_bad(method) || is_bad(&target) || is_bad(authority) || method.is_empty() {
            bail!("the method and the URL may hold neither spaces nor line ends; write %20 for a space");
        }
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        let mut has_host = false;
        for field in headers {
            let (name, value) =
                field.split_once(':').with_context(|| format!("-H {field:?} is not `name: value`"))?;
            if field.contains(['\r', '\n', '\0']) {
                bail!("-H {field:?} may not hold line ends");
            }
            has_host |= name.trim().eq_ignore_ascii_case("host");
            head.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
        if !has_host {
            head.push_str(&format!("Host: {authority}\r\n"));
        }
        head.push_str("\r\n");
        let address = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let address = address.or_else(|| (name == "localhost").then_some(IpAddr::from([127, 0, 0, 1])));
        let server_name = if address.is_some() { String::new() } else { name.to_ascii_lowercase() };
        Ok(Self { method: method.clone(), url: url.clone(), protocol, port, server_name, address, head })
    }

    /// The head as the gateway reads it, in its canonical form.
    ///
    /// # Errors
    /// The gateway would refuse it.
    pub(crate) fn head(&self, limits: &HeadLimits) -> Result<RequestHead, HeadError> {
        let mut head = RequestHead::new();
        match HeadParser::new().request(self.head.as_bytes(), limits, &mut head)? {
            Parsed::Head { .. } => Ok(head),
            // It ends with a blank line, so that it is whole, and it does not begin as HTTP/2 does.
            _ => Err(HeadError::RequestLine),
        }
    }
}

fn split_port(authority: &str) -> anyhow::Result<(&str, Option<u16>)> {
    let after_bracket = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_bracket..].split_once(':') {
        None => Ok((authority, None)),
        Some((name, port)) => {
            let port = port.parse().with_context(|| format!("{port:?} is no port"))?;
            Ok((&authority[..after_bracket + name.len()], Some(port)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(url: &str, headers: &[&str]) -> Question {
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        Question { method: "GET".into(), url: url.into(), headers }
    }

    #[test]
    fn urls_become_heads() {
        for (url, headers, port, host, path) in [
            ("http://a.b", &[][..], 80, "a.b", "/"),
            ("http://A.b:8080/x?q#f", &[], 8080, "a.b", "/x"),
            ("https://[::1]:1/x/../y", &[], 1, "[::1]", "/y"),
            ("http://127.0.0.1:1?q", &["Host: shop.example"], 1, "shop.example", "/"),
        ] {
            let request = Request::new(&question(url, headers)).expect(url);
            let head = request.head(&HeadLimits::default()).expect(url);
            assert_eq!(request.port, port, "{url}");
            assert_eq!(head.host(), host.as_bytes(), "{url}");
            assert_eq!(head.path(), path.as_bytes(), "{url}");
        }
    }

    #[test]
    fn connections_have_a_name_and_a_port() {
        for (url, protocol, port, name) in [
            ("https://A.b/x", Protocol::Https, 443, "a.b"),
            ("https://127.0.0.1:1/", Protocol::Https, 1, ""),
            ("tls://a.b", Protocol::Tls, 443, "a.b"),
            ("tcp://:5432", Protocol::Tcp, 5432, ""),
            ("udp://[::1]:53", Protocol::Udp, 53, ""),
        ] {
            let request = Request::new(&question(url, &[])).expect(url);
            let found = (request.protocol, request.port, request.server_name.as_str());
            assert_eq!(found, (protocol, port, name), "{url}");
        }
    }

    #[test]
    fn what_is_no_request_is_told() {
        for (url, headers) in [
            ("a.b/x", &[][..]),
            ("ftp://a.b/", &[]),
            ("http:///x", &[]),
            ("http://u@a.b/", &[]),
            ("http://a.b:x/", &[]),
            ("tls://:443", &[]),
            ("tcp://a.b", &[]),
            ("udp://", &[]),
            ("http://a.b/a b", &[]),
            ("http://a.b/", &["no field"]),
            ("http://a.b/", &["a: b\r\nc: d"]),
        ] {
            assert!(Request::new(&question(url, headers)).is_err(), "{url} {headers:?}");
        }
        let refused = Request::new(&question("http://a.b/%2", &[])).expect("a URL");
        assert!(refused.head(&HeadLimits::default()).is_err());
    }
}
