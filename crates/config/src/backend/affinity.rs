//! Which requests belong to which instance: keys of hashes, sessions, zones.

use std::sync::Arc;
use std::time::Duration;

/// What `RingHash` and `Maglev` tell requests apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// The first of them that a request has counts. A request that has none goes to an instance drawn by weight.
    /// Connections and datagrams have an address only.
    pub keys: Vec<HashKey>,
    /// How much an instance may have under way at once before requests go on to the next of their key, in per cent of the
    /// mean of all (by weight, as one core sees it); at least 100. `None`: any amount.
    pub max_load: Option<u32>,
}

impl Default for Hashing {
    /// By the client's address.
    fn default() -> Self {
        Self { keys: vec![HashKey::SourceAddress], max_load: None }
    }
}

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The value of a header field; the first line of several. The name is in lower case.
    Header(Arc<str>),
    /// The value of a cookie.
    Cookie(Arc<str>),
    /// The first value of a query parameter, decoded.
    QueryParameter(Arc<str>),
    /// The client's address, without its port.
    SourceAddress,
}

/// How requests of one session get to one instance (GEP-1619).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPersistence {
    /// The name of the cookie or of the field (then in lower case).
    pub name: Arc<str>,
    /// Where the session is noted.
    pub carrier: SessionCarrier,
    /// After this long a session is over.
    pub absolute_timeout: Option<Duration>,
    /// After this long without a request a session is over.
    pub idle_timeout: Option<Duration>,
}

/// Where a session is noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCarrier {
    /// In a cookie.
    Cookie {
        /// For which paths a browser sends it; `None`: for those beside the one that it was set at.
        path: Option<Arc<str>>,
        /// The browser keeps it for the absolute timeout, and not only until it is closed.
        is_permanent: bool,
    },
    /// In a field of answers, which clients send again.
    Header,
}

/// Which instances are preferred by their zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locality {
    /// Those of the gateway's own zone, as long as enough of them are well and none is much dearer than one elsewhere.
    #[default]
    PreferLocal,
    /// None.
    Any,
}
