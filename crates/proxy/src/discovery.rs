//! Where the endpoints of backends are found while the gateway runs.
//!
//! A [`Source`] tells [`News`] of one backend's endpoints: DNS, Consul, and whatever comes later, by the same door. One task a
//! backend follows its source ([`follow`]): it decides when to ask again, keeps the last good endpoints while the
//! source fails, believes that there are none only after a while, and puts what it learns into the live
//! backend. No Snapshot is compiled for that: cores take other endpoints the next time that they pick one, what they know of
//! endpoints that stay is kept, and requests to those that went finish.
//!
//! Endpoints that stand in the configuration (addresses of a Backend, `EndpointSlice`s) need no task: they are put
//! there when the configuration is applied. They have a [`SourceReport`] as the others do.

mod consul;
mod dns;
mod follow;
mod schedule;
mod state;

pub(crate) use follow::{Following, run, wait_for_first};
pub use state::SourceReport;

use crate::live::LiveBackend;
use dns::Resolvers;
use irongate_config::{Endpoint, Endpoints};
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Endpoints of one backend that are used; more are left out, and that is reported.
const MOST_ENDPOINTS: usize = 16_384;

/// Something that knows the endpoints of one backend.
pub(crate) trait Source: Send {
    /// Waits for what it has to tell next; for a bounded time, whatever its server does. One that fails is asked again,
    /// after a pause.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<News, SourceError>> + Send + '_>>;
}

/// What a source has to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// All endpoints, in any order. None: the source says that there is none.
    pub(crate) endpoints: Vec<Endpoint>,
    /// How long this holds; then the source is asked again.
    pub(crate) good_for: Duration,
    /// What had to be left out or is old, as a sentence for people.
    pub(crate) remark: Option<String>,
}

/// Why a source has nothing to tell, as a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceError(pub(crate) String);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What all sources share.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    resolvers: Arc<Resolvers>,
}

impl Tools {
    /// Where a host is, on a port; it may be an address itself.
    ///
    /// # Errors
    /// A sentence.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        self.resolvers.place(host, port).await
    }

    /// The source that a configuration names; `None`: it has the endpoints itself.
    fn open(&self, endpoints: &Endpoints) -> Option<Box<dyn Source>> {
        match endpoints {
            Endpoints::Static(_) => None,
            Endpoints::Dns(dns) => Some(Box::new(dns::Dns::new(dns.clone(), self.resolvers.clone()))),
            Endpoints::Consul(consul) => {
                Some(Box::new(consul::Consul::new(consul.clone(), self.resolvers.clone())))
            }
        }
    }
}

/// A backend whose source is to be followed.
pub(crate) struct FollowRequest {
    pub(crate) backend: Weak<LiveBackend>,
    pub(crate) following: Weak<Following>,
}
