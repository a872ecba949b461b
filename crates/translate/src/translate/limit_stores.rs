//! `RateLimitStore`s, and which limits they count.

use super::backend_tls::{NotValid, of_object, of_system};
use super::certificates::Certificates;
use super::index::Index;
use crate::kinds::{
    Kind, PasswordReference, RateLimitFields, RateLimitKeyFields, RateLimitStore, RedisFields,
    StoreFailureName, TrafficPolicy,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{
    LimitStore, LimitStoreKind, RateLimit, RateLimitKey, RedisStore, SecretBytes, Severity, SharedLimit,
    StoreFailure,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Namespace and name.
type Name<'r> = (&'r str, &'r str);

/// The stores, and which of them limits name.
#[derive(Default)]
pub(super) struct LimitStores<'r> {
    by_name: BTreeMap<Name<'r>, Declared>,
    used: BTreeSet<Name<'r>>,
}

struct Declared {
    store: Arc<LimitStore>,
    on_failure: StoreFailure,
}

impl Declared {
    fn is_service(&self) -> bool {
        matches!(self.store.kind, LimitStoreKind::Service { .. })
    }

    fn is_redis(&self) -> bool {
        matches!(self.store.kind, LimitStoreKind::Redis(_))
    }
}

impl<'r> LimitStores<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        index: &Index<'_>,
        certificates: &mut Certificates<'_, '_>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut stores = Self::default();
        for object in &resources.rate_limit_stores {
            let declared = declared(object, index, certificates, problems);
            stores.by_name.insert((object.name.namespace(), object.name.name()), declared);
        }
        stores
    }

    /// Takes note of the stores that a policy's limits name, and tells of those that cannot be used.
    pub(super) fn check(&mut self, policy: &'r Object<TrafficPolicy>, problems: &mut UnplacedProblems) {
        let at = At::Root.field("spec");
        let at = at.field("rateLimits");
        for (place, limit) in policy.body.spec.rate_limits.iter().flatten().enumerate() {
            let Some(reference) = &limit.store else { continue };
            let name = (policy.name.namespace(), &*reference.name);
            let at = at.index(place);
            let mut tell = |at: &At<'_>, reason, text: (String, &str)| {
                problems.push(Severity::Error, (TrafficPolicy::KIND, policy), at, reason, text);
            };
            let local = "Until that is mended, each replica counts for itself.";
            match self.by_name.get(&name) {
                None => {
                    let message = format!("there is no RateLimitStore {}/{}", name.0, name.1);
                    tell(&at.field("store").field("name"), "StoreNotFound", (message, local));
                }
                Some(declared) => {
                    self.used.insert(name);
                    if declared.store.kind == LimitStoreKind::Unusable {
                        let message = format!("RateLimitStore {}/{} cannot be used", name.0, name.1);
                        let advice = "Until that is mended, requests are treated as its onFailure says.";
                        tell(&at.field("store").field("name"), "InvalidStore", (message, advice));
                    }
                    if limit.requests.is_none() && declared.is_redis() {
                        let message = "is missing: the limit is left out".to_owned();
                        let advice = "Only a service in `store` has numbers of its own.";
                        tell(&at.field("requests"), "Invalid", (message, advice));
                    }
                }
            }
        }
    }

    /// Gives the limits of a policy their stores. `limits` are those that it says, in its order.
    pub(super) fn give(&self, policy: &Object<TrafficPolicy>, limits: &mut Vec<RateLimit>) {
        let said = policy.body.spec.rate_limits.as_deref().unwrap_or_default();
        if said.iter().all(|limit| limit.store.is_none()) {
            return;
        }
        for (limit, fields) in limits.iter_mut().zip(said) {
            let declared = fields
                .store
                .as_ref()
                .and_then(|reference| self.by_name.get(&(policy.name.namespace(), &*reference.name)));
            let Some(declared) = declared else { continue };
            if declared.is_service() {
                keep_whole_addresses(limit, fields);
            }
            limit.shared = Some(shared(declared, fields, limit));
        }
        // One without numbers means nothing to Redis, nor to the process.
        let has_numbers = said.iter().map(|fields| fields.requests.is_some());
        let mut has_numbers = has_numbers.collect::<Vec<_>>().into_iter();
        limits.retain(|limit| {
            let kind = limit.shared.as_ref().map(|shared| &shared.store.kind);
            let is_counted_by_numbers = matches!(kind, None | Some(LimitStoreKind::Redis(_)));
            has_numbers.next() == Some(true) || !is_counted_by_numbers
        });
    }

    /// The stores that limits name, by name.
    pub(super) fn used(&self) -> Vec<Arc<LimitStore>> {
        let stores = self.used.iter().filter_map(|name| self.by_name.get(name));
        stores.map(|declared| declared.store.clone()).collect()
    }
}

fn shared(declared: &Declared, fields: &RateLimitFields, limit: &RateLimit) -> SharedLimit {
    // Without numbers there is nothing that a replica could count by itself.
    let on_failure = match declared.on_failure {
        StoreFailure::Local if fields.requests.is_none() => StoreFailure::Allow,
        other => other,
    };
    let entries = fields.key.iter().zip(&limit.key).map(|(fields, key)| entry(fields, key));
    SharedLimit { store: declared.store.clone(), on_failure, entries: entries.collect() }
}

/// A service gets whole addresses where nothing is said: that is what Envoy's `remote_address` is.
fn keep_whole_addresses(limit: &mut RateLimit, fields: &RateLimitFields) {
    for (key, fields) in limit.key.iter_mut().zip(&fields.key) {
        if let (RateLimitKey::Client { ipv4_bits, ipv6_bits }, Some(client)) = (key, &fields.client) {
            *ipv4_bits = client.ipv4_bits.unwrap_or(32);
            *ipv6_bits = client.ipv6_bits.unwrap_or(128);
        }
    }
}

/// What a part of a key is called in descriptors: as Envoy's own actions call it, where nothing is said.
fn entry(fields: &RateLimitKeyFields, key: &RateLimitKey) -> Arc<str> {
    if let Some(entry) = &fields.entry {
        return entry.clone();
    }
    match key {
        RateLimitKey::Client { ipv4_bits: 32, ipv6_bits: 128 } => "remote_address".into(),
        RateLimitKey::Client { .. } => "masked_remote_address".into(),
        RateLimitKey::Header(name) | RateLimitKey::Query(name) => name.clone(),
        RateLimitKey::Path => "path".into(),
        RateLimitKey::Method => "method".into(),
        RateLimitKey::Constant(_) => "generic_key".into(),
    }
}

/// One store. What is wrong with it is told, and then it is there all the same: what becomes of requests without it holds.
fn declared(
    object: &Object<RateLimitStore>,
    index: &Index<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) -> Declared {
    let unusable = || LimitStore {
        name: object.name.clone(),
        kind: LimitStoreKind::Unusable,
        host: "".into(),
        port: 0,
        tls: None,
        timeout: LimitStore::TIMEOUT,
    };
    let store = store(object, index, certificates, problems).unwrap_or_else(unusable);
    let on_failure = match object.body.spec.on_failure {
        StoreFailureName::Local => StoreFailure::Local,
        StoreFailureName::Allow => StoreFailure::Allow,
        StoreFailureName::Deny => StoreFailure::Deny,
    };
    Declared { store: Arc::new(store), on_failure }
}

/// `None`: it cannot be used.
fn store(
    object: &Object<RateLimitStore>,
    index: &Index<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) -> Option<LimitStore> {
    let spec = &object.body.spec;
    let at = At::Root.field("spec");
    let (kind, (is_secure, host, port)) = match (&spec.redis, &spec.service) {
        (Some(redis), _) => {
            (LimitStoreKind::Redis(self::redis(object, redis, index, problems)?), redis.place()?)
        }
        (None, service) => {
            let service = service.as_ref()?;
            (LimitStoreKind::Service { domain: service.domain.clone() }, service.place()?)
        }
    };
    let tls = match spec.tls() {
        Some((field, tls)) => {
            match of_object(object, tls, &at.field(field).field("tls"), certificates, problems) {
                Ok(tls) => Some(tls),
                Err(NotValid) => return None,
            }
        }
        None => is_secure.then(|| Arc::new(of_system(host))),
    };
    Some(LimitStore {
        name: object.name.clone(),
        kind,
        host: host.to_ascii_lowercase().into(),
        port,
        tls,
        timeout: spec.timeout.map_or(LimitStore::TIMEOUT, |timeout| timeout.0),
    })
}

fn redis(
    object: &Object<RateLimitStore>,
    fields: &RedisFields,
    index: &Index<'_>,
    problems: &mut UnplacedProblems,
) -> Option<RedisStore> {
    let password = fields.password_ref.as_ref().map(|reference| password(object, reference, index));
    let password = match password.transpose() {
        Ok(password) => password,
        Err(message) => {
            let at = At::Root.field("spec");
            let at = at.field("redis");
            let text = (message, "Nobody is asked without the password.");
            let about = (RateLimitStore::KIND, object);
            problems.push(Severity::Error, about, &at.field("passwordRef"), "InvalidPassword", text);
            return None;
        }
    };
    Some(RedisStore {
        database: fields.database,
        username: fields.username.clone(),
        password,
        prefix: fields.prefix.clone().unwrap_or_else(|| LimitStore::PREFIX.into()),
    })
}

fn password(
    object: &Object<RateLimitStore>,
    PasswordReference { name, key }: &PasswordReference,
    index: &Index<'_>,
) -> Result<SecretBytes, String> {
    let namespace = object.name.namespace();
    let Some(secret) = index.secrets.get(&(namespace, &**name)) else {
        return Err(format!("there is no Secret {namespace}/{name}"));
    };
    let password = secret.body.get(key);
    let password = password.ok_or_else(|| format!("Secret {namespace}/{name} has no key `{key}`"))?;
    // A newline at the end came with the file that it was made from.
    let text = password.expose().trim_ascii_end();
    if text.is_empty() || std::str::from_utf8(text).is_err() {
        return Err(format!("`{key}` of Secret {namespace}/{name} is no password"));
    }
    Ok(SecretBytes::new(text.to_vec()))
}
