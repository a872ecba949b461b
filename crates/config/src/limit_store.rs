//! Where rate limits are counted that hold over all replicas (`RateLimitStore`).

use crate::{BackendTls, ObjectName, SecretBytes};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something outside the process that counts for all replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStore {
    /// The object that says it.
    pub name: ObjectName,
    /// What it is.
    pub kind: LimitStoreKind,
    /// Its host: a name or an address, without brackets.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// How TLS is begun with it; `None`: cleartext.
    pub tls: Option<Arc<BackendTls>>,
    /// How long a request waits for it. From 1 ms to 1 s.
    pub timeout: Duration,
}

impl LimitStore {
    /// The default of [`timeout`](Self::timeout).
    pub const TIMEOUT: Duration = Duration::from_millis(20);
    /// Bounds of [`timeout`](Self::timeout).
    pub const TIMEOUTS: [Duration; 2] = [Duration::from_millis(1), Duration::from_secs(1)];
    /// What keys begin with in Redis, where nothing is said.
    pub const PREFIX: &str = "irongate:";
}

/// Shown as `redis://host:port/0` or `http://host:port`; never with a password.
impl fmt::Display for LimitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (&self.kind, self.tls.is_some()) {
            (LimitStoreKind::Redis(_), false) => "redis",
            (LimitStoreKind::Redis(_), true) => "rediss",
            (LimitStoreKind::Service { .. }, false) => "http",
            (LimitStoreKind::Service { .. }, true) => "https",
            (LimitStoreKind::Unusable, _) => return f.write_str("no usable address"),
        };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)?;
        match &self.kind {
            LimitStoreKind::Redis(redis) => write!(f, "/{}", redis.database),
            LimitStoreKind::Service { .. } | LimitStoreKind::Unusable => Ok(()),
        }
    }
}

/// What counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitStoreKind {
    /// Redis from 5, or Valkey: one server, or a name that leads to the one that is written to.
    Redis(RedisStore),
    /// A service that speaks `envoy.service.ratelimit.v3`, and knows the limits itself.
    Service {
        /// Which of its sets of limits counts.
        domain: Arc<str>,
    },
    /// What is said of it is wrong: nobody is asked, as while it is away.
    Unusable,
}

/// What is said to Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisStore {
    /// The number of the database.
    pub database: u16,
    /// The user of its access list; `None`: the default user.
    pub username: Option<Arc<str>>,
    /// The password; `None`: none is asked for. UTF-8.
    pub password: Option<SecretBytes>,
    /// What keys begin with.
    pub prefix: Arc<str>,
}

/// A limit that a store counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLimit {
    /// The store.
    pub store: Arc<LimitStore>,
    /// What becomes of requests for which it gives no answer.
    pub on_failure: StoreFailure,
    /// What the parts of the key are called in the descriptors of a service, one a part.
    pub entries: Vec<Arc<str>>,
}

/// What becomes of a request for which a store gives no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFailure {
    /// This replica counts it by itself, by the same numbers.
    #[default]
    Local,
    /// It passes.
    Allow,
    /// It is refused with 503.
    Deny,
}
