//! Where the gateway listens, and what is attached there.

use crate::{HostPattern, ListenerTls, ObjectName, ProxyOptions, Route, StreamRoute};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A listener's place: its Gateway, the `ListenerSet` that adds it if there is one, and its name there. Shown as
/// `namespace/gateway/section`, or `namespace/gateway/namespace/set/section`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// The Gateway.
    pub gateway: ObjectName,
    /// The `ListenerSet`; `None` for a listener of the Gateway itself.
    pub set: Option<ObjectName>,
    /// The listener's name in the Gateway or the set (`sectionName` in references).
    pub section: Arc<str>,
}

impl fmt::Display for ListenerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.set {
            None => write!(f, "{}/{}", self.gateway, self.section),
            Some(set) => write!(f, "{}/{set}/{}", self.gateway, self.section),
        }
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerProtocol {
    /// HTTP/1.1, and HTTP/2 in cleartext with prior knowledge.
    Http,
    /// HTTP over TLS; ALPN chooses the version.
    Https,
    /// TLS: the client's SNI chooses the route. It ends here where the listener has [`Listener::tls`]; otherwise its bytes are
    /// passed on.
    Tls,
    /// Bytes that are passed on as they come.
    Tcp,
    /// Datagrams that are passed on as they come.
    Udp,
}

/// One listener of a Gateway, with the routes attached to it.
///
/// Several listeners may share an address; the request's host then chooses the one with the most specific
/// hostname, and only that one's routes are looked at (listener isolation). Those of HTTPS and TLS may share one too:
/// there the SNI chooses.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its place.
    pub key: ListenerKey,
    /// The addresses that it listens on; never empty.
    pub addresses: Vec<SocketAddr>,
    /// What is spoken.
    pub protocol: ListenerProtocol,
    /// The hosts that it is for.
    pub hostname: HostPattern,
    /// What belongs to the proxy and not to a route.
    pub options: Arc<ProxyOptions>,
    /// How TLS ends here. HTTPS always has it, TLS where it ends here, the others never.
    pub tls: Option<Arc<ListenerTls>>,
    /// The routes of HTTP and HTTPS, each with the hosts that it and the listener share; the older first.
    pub routes: Vec<AttachedRoute>,
    /// The routes of TLS, TCP and UDP; the older first. TCP and UDP serve the first alone.
    pub stream_routes: Vec<AttachedStreamRoute>,
}

/// A route as it is attached to one listener.
#[derive(Clone, Debug)]
pub struct AttachedRoute {
    /// The intersection of the listener's hostname and the route's; never empty.
    pub hostnames: Vec<HostPattern>,
    /// The route.
    pub route: Arc<Route>,
}

/// A route of connections or datagrams as it is attached to one listener.
#[derive(Clone, Debug)]
pub struct AttachedStreamRoute {
    /// For a `TLSRoute`: the intersection of the listener's hostname and the route's; never empty. For others
    /// [`HostPattern::Any`] alone.
    pub hostnames: Vec<HostPattern>,
    /// The route.
    pub route: Arc<StreamRoute>,
}
