//! Limits that a store counts for all replicas, ready to be asked.

use super::{LimitWords, Limits};
use crate::limit_store::{Link, LiveStore, Question};
use crate::live::Registry;
use aws_lc_rs::digest::{SHA256, digest};
use irongate_config::{LimitStoreKind, RateLimit, SharedLimit, StoreFailure};
use irongate_message::RequestHead;
use irongate_telemetry::{FlowMetrics, Series};
use irongate_traffic::{LimitKey, Rate, RateLimiter};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

/// Beyond this a key, or a value of a descriptor, is hashed.
const LONGEST: usize = 200;
/// Bytes of the hash that are used.
const HASHED: usize = 20;

/// The limits of a rule that one store counts, in order: they are asked about at once.
pub(crate) struct SharedLimits {
    pub(crate) store: Arc<LiveStore>,
    pub(crate) limits: Box<[SharedLimitUse]>,
}

/// One of them.
pub(crate) struct SharedLimitUse {
    key: LimitKey,
    wording: Wording,
    /// What counts where the store does not.
    pub(crate) local: Option<RateLimiter>,
    pub(crate) on_failure: StoreFailure,
    pub(crate) is_dry_run: bool,
    pub(crate) metrics: Arc<Series<FlowMetrics>>,
    pub(crate) words: Arc<LimitWords>,
}

/// How a store is asked.
enum Wording {
    Redis {
        prefix: Box<[u8]>,
        /// Which limit it is.
        limit: String,
        interval: u64,
        tolerance: u64,
    },
    Service {
        /// What the parts of the key are called.
        entries: Vec<Arc<str>>,
        /// The name of the limit, where the key has no parts.
        name: Arc<str>,
    },
}

/// A request of which a store is to be asked.
pub(crate) struct Asked {
    pub(crate) limits: Arc<SharedLimits>,
    pub(crate) link: Arc<Link>,
    /// One a limit.
    pub(crate) questions: Vec<Question>,
    /// By what each limit would be counted without the store.
    pub(crate) keys: Vec<u64>,
}

impl SharedLimits {
    /// Those of a rule's limits that stores count, by store, in the order in which the stores come first.
    pub(super) fn of(limits: &[RateLimit], registry: &Registry) -> Box<[Arc<Self>]> {
        let mut groups: Vec<(Arc<LiveStore>, Vec<SharedLimitUse>)> = Vec::new();
        for limit in limits {
            let Some(shared) = &limit.shared else { continue };
            let store = registry.store(&shared.store);
            let using = SharedLimitUse::new(limit, shared, registry);
            match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &store)) {
                Some((_, group)) => group.push(using),
                None => groups.push((store, vec![using])),
            }
        }
        let groups = groups.into_iter();
        groups.map(|(store, limits)| Arc::new(Self { store, limits: limits.into() })).collect()
    }

    /// By what each limit would be counted without the store.
    pub(crate) fn keys(&self, request: &RequestHead, client: IpAddr) -> Vec<u64> {
        let key = |limit: &SharedLimitUse| limit.local.as_ref().map_or(0, |local| local.key(request, client));
        self.limits.iter().map(key).collect()
    }

    /// What is asked for a request.
    pub(crate) fn questions(&self, request: &RequestHead, client: IpAddr) -> Vec<Question> {
        self.limits.iter().map(|limit| limit.question(request, client)).collect()
    }
}

impl SharedLimitUse {
    fn new(limit: &RateLimit, shared: &SharedLimit, registry: &Registry) -> Self {
        let is_of_service = matches!(shared.store.kind, LimitStoreKind::Service { .. });
        let wording = match &shared.store.kind {
            LimitStoreKind::Redis(redis) => {
                let (interval, tolerance) = Rate::new(limit.requests, limit.per, limit.burst).numbers();
                Wording::Redis {
                    prefix: redis.prefix.as_bytes().into(),
                    limit: format!("{}/{}", limit.scope, limit.name),
                    interval,
                    tolerance,
                }
            }
            LimitStoreKind::Service { .. } | LimitStoreKind::Unusable => {
                Wording::Service { entries: shared.entries.clone(), name: limit.name.clone() }
            }
        };
        let Limits { seed, .. } = registry.limits;
        let counts = shared.on_failure == StoreFailure::Local;
        Self {
            key: LimitKey::new(&limit.key, seed),
            wording,
            local: counts.then(|| RateLimiter::new(limit, registry.limits.state(limit), seed)),
            on_failure: shared.on_failure,
            is_dry_run: limit.dry_run,
            metrics: super::series(&registry.metrics, &limit.scope, &limit.name),
            words: Arc::new(if is_of_service { LimitWords::nameless() } else { LimitWords::new(limit) }),
        }
    }

    fn question(&self, request: &RequestHead, client: IpAddr) -> Question {
        match &self.wording {
            Wording::Redis { prefix, limit, interval, tolerance } => Question::Count {
                key: self.redis_key(prefix, limit, request, client),
                interval: *interval,
                tolerance: *tolerance,
                is_dry_run: self.is_dry_run,
            },
            Wording::Service { entries, name } => {
                if entries.is_empty() {
                    return Question::Describe(vec![("generic_key".into(), name.to_string())]);
                }
                let mut said = Vec::with_capacity(entries.len());
                let mut names = entries.iter();
                self.key.each(request, client, |value| {
                    let value = value.filter(|value| !value.is_empty());
                    said.extend(names.next().zip(value).map(|(name, value)| (name.clone(), readable(value))));
                });
                // As with Envoy, a request that lacks a part is not asked about.
                if said.len() < entries.len() {
                    said.clear();
                }
                Question::Describe(said)
            }
        }
    }

    /// `PREFIX` `SCOPE/NAME`, then each part of the key with its length. What clients send in header fields, paths and queries is
    /// long, and may be secret: then all after the prefix is hashed.
    fn redis_key(&self, prefix: &[u8], limit: &str, request: &RequestHead, client: IpAddr) -> Vec<u8> {
        let mut text = limit.as_bytes().to_vec();
        self.key.each(request, client, |value| match value {
            Some(value) => {
                text.extend_from_slice(format!("|{}:", value.len()).as_bytes());
                text.extend_from_slice(value);
            }
            None => text.extend_from_slice(b"|-"),
        });
        if self.key.is_plain() && text.len() <= LONGEST {
            return [prefix, &text].concat();
        }
        [prefix, b"#", hashed(&text).as_bytes()].concat()
    }
}

/// A value as a text of bounded length.
fn readable(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.len() <= LONGEST => text.to_owned(),
        _ => hashed(value),
    }
}

/// The first 160 bits of SHA-256: the same in every replica, and nobody can find two texts with one.
fn hashed(text: &[u8]) -> String {
    let hash = digest(&SHA256, text);
    hash.as_ref().iter().take(HASHED).fold(String::with_capacity(2 * HASHED), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests;
