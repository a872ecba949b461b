//! What comes of a connection before its first request: a PROXY header, and that its bytes are passed on as they come.

use super::{Client, text_of};
use crate::core::{Core, View};
use crate::http1::Reader;
use crate::snapshot::{PortFacts, PortId, PortPlan};
use crate::transport::Transport;
use crate::{proxy_header, stream, tls};
use irongate_message::ProxiedAddresses;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Serves a connection that may begin with a PROXY header, and whose bytes may be passed on as they come.
pub(super) async fn serve(mut client: Client, facts: Arc<PortFacts>, transport: Transport) {
    if facts.options.expects_proxy_header(client.address) {
        let timer = client.core.timers.timer();
        let deadline = client.core.now().after(facts.options.timeouts.head);
        match proxy_header::take(&transport, &timer, deadline).await {
            Ok(addresses) => client.is_for(addresses),
            Err(reason) => return client.metrics.refused(reason),
        }
    }
    let view = client.core.view();
    let Some(plan) = view.port(client.port) else { return };
    if let Some(plan) = plan.plain().cloned() {
        drop(view);
        let transport = Rc::new(transport);
        let reader = Reader::new(transport.clone(), &client.core.buffers);
        stream::serve(client, facts, transport, reader, plan).await;
    } else if plan.names.is_some() {
        drop(view);
        tls::serve(client, facts, transport).await;
    } else {
        drop(view);
        super::serve(client, facts, Rc::new(transport)).await;
    }
}

impl Client {
    /// The client of a connection that was accepted; counts it. `local`: the address that it connected to, where that is
    /// asked for.
    pub(crate) fn accepted(
        core: &Rc<Core>,
        view: &View,
        port: PortId,
        plan: &PortPlan,
        peer: SocketAddr,
        local: impl FnOnce() -> Option<SocketAddr>,
    ) -> Self {
        core.shared.spread().cores[core.index].connections.fetch_add(1, Ordering::Relaxed);
        let metrics = core.metrics.listener(&plan.facts.label);
        metrics.accepted();
        let address = peer.ip().to_canonical();
        let is_wildcard = plan.facts.address.ip().is_unspecified();
        Self {
            core: core.clone(),
            port,
            address,
            source_port: peer.port(),
            destination: if is_wildcard && view.snapshot.tells_clients { local() } else { None },
            text: text_of(address),
            number: core.next_number(),
            flow: Cell::default(),
            coded: Cell::default(),
            share: None,
            metrics,
            tls: None,
            is_counted: true,
        }
    }

    /// A proxy before us says who the client is.
    fn is_for(&mut self, told: Option<ProxiedAddresses>) {
        let Some(ProxiedAddresses { source, destination }) = told else { return };
        self.address = source.ip().to_canonical();
        self.source_port = source.port();
        self.destination = Some(destination);
        self.text = text_of(self.address);
    }

    /// Its address and port.
    pub(crate) fn source(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.source_port)
    }

    /// The two ends of its connection, for a port that listens at this address.
    pub(crate) fn addresses(&self, listening: SocketAddr) -> ProxiedAddresses {
        ProxiedAddresses { source: self.source(), destination: self.destination.unwrap_or(listening) }
    }
}
