//! Our `RateLimitStore`: who counts rate limits for all replicas.

use super::address::host_and_port;
use super::{BackendTlsValidation, GatewayDuration, IRONGATE_GROUP, Kind, Text};
use crate::checks::Checks;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{LimitStore, ObjectName};
use schemars::JsonSchema;
use serde::Deserialize;

/// A `RateLimitStore`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct RateLimitStore {
    /// What is wanted.
    pub spec: RateLimitStoreSpec,
}

/// Who counts rate limits for all replicas: `redis` or `service`, one of them. Limits of TrafficPolicies in the same namespace
/// name it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitStoreSpec {
    /// Redis or Valkey.
    pub redis: Option<Box<RedisFields>>,
    /// A service that speaks Envoy's `envoy.service.ratelimit.v3`.
    pub service: Option<Box<RateLimitServiceFields>>,
    /// How long a request waits for its answer; from 1ms to 1s.
    #[schemars(extend("default" = "20ms"))]
    pub timeout: Option<GatewayDuration>,
    /// What becomes of requests while it gives no answer.
    #[serde(default)]
    #[schemars(extend("default" = "Local"))]
    pub on_failure: StoreFailureName,
}

/// What becomes of requests while a store gives no answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum StoreFailureName {
    /// Each replica counts by itself, by the numbers of the limit.
    #[default]
    Local,
    /// They pass.
    Allow,
    /// They are refused with 503.
    Deny,
}

/// Redis or Valkey.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisFields {
    /// Where it is: `redis://HOST:PORT`, or `rediss://HOST:PORT` over TLS. The port is 6379 where none is written.
    pub address: Text,
    /// The number of the database.
    #[serde(default)]
    #[schemars(extend("default" = 0))]
    pub database: u16,
    /// The user of its access list; the default user where none is written.
    pub username: Option<Text>,
    /// The password that is sent.
    pub password_ref: Option<PasswordReference>,
    /// What keys begin with: gateways that are no replicas of each other need different ones.
    #[schemars(extend("default" = "irongate:"))]
    pub prefix: Option<Text>,
    /// Whom to trust where `address` begins with `rediss:`; those of the system, for its host, where nothing is written.
    pub tls: Option<Box<BackendTlsValidation>>,
}

/// A service that speaks Envoy's `envoy.service.ratelimit.v3`. It knows the limits; it is asked by what the keys of limits say.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitServiceFields {
    /// Where it is: `http://HOST:PORT` for HTTP/2 in cleartext, or `https://HOST:PORT`. The port is 8081 where none is written.
    pub address: Text,
    /// Which of its sets of limits counts.
    pub domain: Text,
    /// Whom to trust where `address` begins with `https:`; those of the system, for its host, where nothing is written.
    pub tls: Option<Box<BackendTlsValidation>>,
}

/// A key of a Secret in the same namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct PasswordReference {
    /// The name of the Secret.
    pub name: Text,
    /// The key in it.
    #[serde(default = "password_key")]
    #[schemars(extend("default" = "password"))]
    pub key: Text,
}

fn password_key() -> Text {
    "password".into()
}

/// Where a server is: whether TLS is spoken, its host, and its port.
pub(crate) type Place<'a> = (bool, &'a str, u16);

impl RedisFields {
    /// Where it is, if that is written well.
    #[must_use]
    pub fn place(&self) -> Option<(bool, &str, u16)> {
        place(&self.address, ["redis", "rediss"], 6379)
    }
}

impl RateLimitServiceFields {
    /// Where it is, if that is written well.
    #[must_use]
    pub fn place(&self) -> Option<(bool, &str, u16)> {
        place(&self.address, ["http", "https"], 8081)
    }
}

fn place<'a>(address: &'a str, [plain, secure]: [&str; 2], port: u16) -> Option<Place<'a>> {
    let (scheme, rest) = address.split_once("://")?;
    let is_secure = scheme == secure;
    if !is_secure && scheme != plain {
        return None;
    }
    let (host, port) = host_and_port(rest.strip_suffix('/').unwrap_or(rest), port)?;
    Some((is_secure, host, port))
}

impl RateLimitStoreSpec {
    /// What is said of TLS, and in which part of the spec.
    pub(crate) fn tls(&self) -> Option<(&'static str, &BackendTlsValidation)> {
        let redis = self.redis.as_ref().and_then(|redis| redis.tls.as_deref()).map(|tls| ("redis", tls));
        let service =
            || self.service.as_ref().and_then(|service| service.tls.as_deref()).map(|tls| ("service", tls));
        redis.or_else(service)
    }
}

impl Kind for RateLimitStore {
    const KIND: &'static str = "RateLimitStore";
    const GROUP: &'static str = IRONGATE_GROUP;
    const VERSIONS: &'static [&'static str] = &["v1alpha1"];
    type Name = ObjectName;

    fn list(resources: &mut Resources) -> &mut Vec<Object<Self>> {
        &mut resources.rate_limit_stores
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let at = at.field("spec");
        if self.spec.redis.is_some() == self.spec.service.is_some() {
            checks.invalid(&at, "needs `redis` or `service`, one of them", "");
        }
        if let Some(redis) = &self.spec.redis {
            redis.check(&at.field("redis"), checks);
        }
        if let Some(service) = &self.spec.service {
            service.check(&at.field("service"), checks);
        }
        let [least, most] = LimitStore::TIMEOUTS;
        if self.spec.timeout.is_some_and(|timeout| timeout.0 < least || timeout.0 > most) {
            let advice = "Each request waits for it while the store is slow.";
            checks.invalid(&at.field("timeout"), "must be from 1ms to 1s", advice);
        }
    }
}

impl RedisFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let advice = "Write redis://HOST:PORT, with `database`, `username` and `passwordRef` beside it.";
        check_place(self.place(), &self.address, self.tls.as_deref(), advice, at, checks);
        if let Some(username) = &self.username {
            check_text(username, 255, &at.field("username"), checks);
            if self.password_ref.is_none() {
                checks.invalid(&at.field("passwordRef"), "is missing", "A username needs a password.");
            }
        }
        if let Some(prefix) = &self.prefix {
            check_text(prefix, 64, &at.field("prefix"), checks);
        }
    }
}

impl RateLimitServiceFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let advice = "Write http://HOST:PORT, without a path.";
        check_place(self.place(), &self.address, self.tls.as_deref(), advice, at, checks);
        check_text(&self.domain, 255, &at.field("domain"), checks);
    }
}

fn check_place(
    place: Option<Place<'_>>,
    address: &str,
    tls: Option<&BackendTlsValidation>,
    advice: &str,
    at: &At<'_>,
    checks: &mut Checks,
) {
    match place {
        None => {
            // A password may stand in it.
            let address = address.rsplit('@').next().unwrap_or_default().escape_debug();
            checks.invalid(&at.field("address"), format!("`{address}` is no address of a store"), advice);
        }
        Some((false, ..)) if tls.is_some() => {
            checks.invalid(&at.field("tls"), "means nothing for an address without TLS", "");
        }
        Some(_) => {}
    }
    if let Some(tls) = tls {
        tls.check(&at.field("tls"), checks);
    }
}

fn check_text(text: &str, most: usize, at: &At<'_>, checks: &mut Checks) {
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        let message = format!("must be from 1 to {most} bytes, none of them a control character");
        checks.invalid(at, message, "");
    }
}
