//! What becomes of connections to a port of TLS, by the name that their clients ask for (SNI).

use super::ServerPlan;
use crate::snapshot::StreamPlan;
use irongate_config::{HostPattern, ListenerProtocol};
use irongate_traffic::HostTable;
use std::sync::Arc;

/// The listeners of a port of TLS by name: those of HTTPS and of TLS, which may share one.
pub(crate) struct ServerNames {
    by_name: HostTable<usize>,
    /// For clients that ask for no name, where no listener is for any.
    first_https: Option<usize>,
    /// A listener of TLS is among them: refusals are plain closes, since whoever is passed through would not send our
    /// alerts.
    pub(crate) closes_plainly: bool,
}

/// What becomes of a connection.
pub(crate) enum TlsUse {
    /// TLS ends here, and HTTP is spoken inside.
    Http(Arc<ServerPlan>),
    /// TLS ends here, and the bytes inside are passed on.
    Stream(Arc<StreamPlan>, Arc<ServerPlan>),
    /// The client's bytes are passed on as they come.
    Passthrough(Arc<StreamPlan>),
}

impl ServerNames {
    /// `listeners` in the order in which the port's plan has them. `None` where the port does not speak TLS.
    pub(crate) fn new(listeners: &[(ListenerProtocol, HostPattern)]) -> Option<Self> {
        let is_tls = |protocol| matches!(protocol, ListenerProtocol::Https | ListenerProtocol::Tls);
        if !listeners.iter().any(|(protocol, _)| is_tls(*protocol)) {
            return None;
        }
        let of_tls = listeners.iter().enumerate().filter(|(_, (protocol, _))| is_tls(*protocol));
        Some(Self {
            by_name: HostTable::new(of_tls.map(|(index, (_, pattern))| (pattern.clone(), index))),
            first_https: listeners.iter().position(|(protocol, _)| *protocol == ListenerProtocol::Https),
            closes_plainly: listeners.iter().any(|(protocol, _)| *protocol == ListenerProtocol::Tls),
        })
    }

    /// The listener for a name, in lower case: the one with the most specific hostname. Clients that ask for none, as
    /// those do that connect by address, get the first of HTTPS where none is for any host.
    pub(crate) fn listener(&self, name: Option<&str>) -> Option<usize> {
        let found = self.by_name.find(name.unwrap_or_default().as_bytes()).copied();
        if name.is_none() { found.or(self.first_https) } else { found }
    }
}
