//! What ties requests to endpoints, and connections to clients.

use super::CoreBackend;
use crate::connection::Client;
use irongate_message::RequestHead;
use irongate_traffic::{Affinity, hash_key};
use std::net::{IpAddr, SocketAddr};

impl CoreBackend {
    /// The key of a request, or of a connection, where the algorithm goes by one.
    #[inline]
    pub(crate) fn hash_key(&self, request: Option<&RequestHead>, client: IpAddr) -> Option<u64> {
        let options = self.options.borrow();
        if !options.algorithm.is_hashed() {
            return None;
        }
        hash_key(&options.hashing, request, client)
    }

    /// What ties a connection or a session of datagrams to an endpoint: its client's address, where keys count.
    pub(crate) fn affinity_of(&self, client: IpAddr) -> Option<Affinity> {
        self.hash_key(None, client).map(|key| Affinity { session: None, key: Some(key) })
    }

    /// Whose connections carry a client's requests, where instances are told of clients by PROXY headers: its own alone. `None`:
    /// those that all share.
    pub(crate) fn owner(&self, client: &Client) -> Option<SocketAddr> {
        self.options.borrow().proxy_protocol.map(|_| client.source())
    }
}
