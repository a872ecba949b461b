//! Where instances are found while the gateway runs: DNS and Consul.

use crate::{BackendTls, SecretBytes};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A name in DNS whose records are the instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSource {
    /// The name, in lower case and without the dot that may end it.
    pub name: Arc<str>,
    /// Which of its records tell the instances.
    pub records: DnsRecords,
    /// The servers that are asked. None: those of the system (`/etc/resolv.conf`), and `/etc/hosts` before them.
    pub servers: Vec<SocketAddr>,
    /// An answer is used for as long as it says (TTL), but for this long at least. From 100 ms; default 1 s.
    pub min_refresh: Duration,
    /// And for this long at most. Not shorter than `min_refresh`; default 5 minutes.
    pub max_refresh: Duration,
}

impl DnsSource {
    /// The default of [`min_refresh`](Self::min_refresh).
    pub const MIN_REFRESH: Duration = Duration::from_secs(1);
    /// The default of [`max_refresh`](Self::max_refresh).
    pub const MAX_REFRESH: Duration = Duration::from_secs(300);

    /// The addresses of a name, of both families, on a port; asked of the system's servers.
    #[must_use]
    pub fn addresses(name: &str, port: u16) -> Self {
        Self {
            name: name.to_ascii_lowercase().into(),
            records: DnsRecords::Addresses { port, family: AddressFamily::Any },
            servers: Vec::new(),
            min_refresh: Self::MIN_REFRESH,
            max_refresh: Self::MAX_REFRESH,
        }
    }
}

/// Shown as `name:port`, and as `SRV name`.
impl fmt::Display for DnsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.records {
            DnsRecords::Addresses { port, .. } => write!(f, "{}:{port}", self.name),
            DnsRecords::Services => write!(f, "SRV {}", self.name),
        }
    }
}

/// Which records of a name tell the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsRecords {
    /// A and AAAA (RFC 1035, RFC 3596).
    Addresses {
        /// The port of every instance.
        port: u16,
        /// Which of the two.
        family: AddressFamily,
    },
    /// SRV (RFC 2782): hosts, with ports, weights and priorities.
    Services,
}

/// Which addresses of a host are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamily {
    /// Those of IPv4 and of IPv6.
    #[default]
    Any,
    /// Those of IPv4.
    V4,
    /// Those of IPv6.
    V6,
}

/// A service in a catalog of Consul.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsulSource {
    /// The agent's or server's host: a name or an address, without brackets.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// How TLS is begun with it; `None`: cleartext.
    pub tls: Option<Arc<BackendTls>>,
    /// The name of the service.
    pub service: Arc<str>,
    /// Only instances that have all of these tags.
    pub tags: Vec<Arc<str>>,
    /// The data centre; `None`: the agent's own.
    pub datacenter: Option<Arc<str>>,
    /// Whether instances with a check in the state `warning` are used too, with the weight that they have then.
    pub includes_warning: bool,
    /// What the agent asks for (`X-Consul-Token`).
    pub token: Option<SecretBytes>,
    /// How long the agent may wait for news before it answers (`wait`). From 1 s to 10 minutes; default 1 minute.
    pub wait: Duration,
}

impl ConsulSource {
    /// The default of [`wait`](Self::wait).
    pub const WAIT: Duration = Duration::from_secs(60);
}

/// Shown as `service at http://host:port`.
impl fmt::Display for ConsulSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{} at {scheme}://{open}{}{close}:{}", self.service, self.host, self.port)
    }
}
