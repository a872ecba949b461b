//! `rateLimits` of a `TrafficPolicy`.

use crate::checks::{Checks, header_name};
use crate::kinds::{GatewayDuration, Text};
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Keys of one limit that may be asked for.
const MOST_KEYS: u32 = 4_000_000;

/// How many requests there may be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitFields {
    /// Its name: clients are told it, and metrics have it.
    pub name: Text,
    /// So many requests in `per`. Of a limit that a service counts the service knows the number; what is written here then
    /// holds for each replica while the service cannot be asked.
    #[schemars(range(min = 1))]
    pub requests: Option<u32>,
    /// In this time.
    #[schemars(extend("default" = "1s"))]
    pub per: Option<GatewayDuration>,
    /// So many at once. Not written: as `requests`.
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// What tells requests apart that are counted apart, all parts together. Not written: all are counted together.
    #[serde(default)]
    pub key: Vec<RateLimitKeyFields>,
    /// How many keys are kept apart, each for 32 bytes. Beyond, those are forgotten that are nearest to having their whole
    /// burst again.
    #[schemars(range(min = 1))]
    #[schemars(extend("default" = 65536))]
    pub max_keys: Option<u32>,
    /// Requests are counted and none is refused: metrics say what would have been.
    #[serde(default)]
    pub dry_run: bool,
    /// Who counts for all replicas. Not written: each replica counts for itself.
    pub store: Option<RateLimitStoreReference>,
}

/// A RateLimitStore in the same namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct RateLimitStoreReference {
    /// Its name.
    pub name: Text,
}

/// A part of a limit's key: exactly one of `client`, `header`, `query`, `path`, `method` and `constant`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimitKeyFields {
    /// The client's address, behind trusted proxies too.
    pub client: Option<ClientKeyFields>,
    /// The value of the header field of this name.
    pub header: Option<Text>,
    /// The first value of the query parameter of this name.
    pub query: Option<Text>,
    /// `true`: the path.
    pub path: Option<bool>,
    /// `true`: the method.
    pub method: Option<bool>,
    /// A text that is the same for every request: for services, whose limits are found by it.
    pub constant: Option<Text>,
    /// What the part is called in the descriptors of a service. Not written: `remote_address` (`masked_remote_address` where bits
    /// are cut off), the name of the header or the parameter, `path`, `method`, `generic_key`.
    pub entry: Option<Text>,
}

/// The client's address, cut to a network.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientKeyFields {
    /// Bits of an IPv4 address that count.
    #[schemars(range(min = 1, max = 32))]
    #[schemars(extend("default" = 32))]
    pub ipv4_bits: Option<u8>,
    /// Bits of an IPv6 address that count; what a customer is given is mostly a network of 64 bits.
    #[schemars(range(min = 1, max = 128))]
    #[schemars(extend("default" = 64))]
    pub ipv6_bits: Option<u8>,
}

/// Checks the list.
pub(super) fn check(limits: &[RateLimitFields], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, limits.len(), 16);
    checks.unique(at, "name", limits.iter().map(|limit| Some(&*limit.name)));
    for (place, limit) in limits.iter().enumerate() {
        limit.check(&at.index(place), checks);
    }
}

impl RateLimitFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.name.is_empty() || self.name.len() > 63 || !self.name.bytes().all(is_token) {
            let message = "must be 1 to 63 letters, digits, `-`, `_` and `.`";
            checks.invalid(&at.field("name"), message, "");
        }
        if self.requests.is_none() && self.store.is_none() {
            checks.invalid(
                &at.field("requests"),
                "is missing",
                "Only a service in `store` has numbers of its own.",
            );
        }
        let numbers = [("requests", self.requests), ("burst", self.burst), ("maxKeys", self.max_keys)];
        for (field, _) in numbers.iter().filter(|(_, number)| *number == Some(0)) {
            checks.invalid(&at.field(field), "must be at least 1", "");
        }
        if self.max_keys.is_some_and(|keys| keys > MOST_KEYS) {
            checks.invalid(&at.field("maxKeys"), "must be at most 4000000", "");
        }
        if self.per.is_some_and(|per| per.0.is_zero()) {
            checks.invalid(&at.field("per"), "must be longer than nothing", "");
        }
        let key = at.field("key");
        checks.no_more_than(&key, self.key.len(), 8);
        for (place, part) in self.key.iter().enumerate() {
            part.check(&key.index(place), checks);
        }
    }
}

impl RateLimitKeyFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let said = [
            self.client.is_some(),
            self.header.is_some(),
            self.query.is_some(),
            self.path == Some(true),
            self.method == Some(true),
            self.constant.is_some(),
        ];
        if said.iter().filter(|said| **said).count() != 1 {
            let advice = "Write one part of the key an item of the list.";
            checks.invalid(
                at,
                "must have exactly one of client, header, query, path, method and constant",
                advice,
            );
        }
        if let Some(name) = &self.header {
            header_name(name, &at.field("header"), checks);
        }
        for (field, text) in [("query", &self.query), ("constant", &self.constant), ("entry", &self.entry)] {
            if text.as_ref().is_some_and(|text| text.is_empty()) {
                checks.invalid(&at.field(field), "is empty", "");
            }
        }
        if let Some(client) = &self.client {
            let at = at.field("client");
            for (field, bits, most) in
                [("ipv4Bits", client.ipv4_bits, 32), ("ipv6Bits", client.ipv6_bits, 128)]
            {
                if bits.is_some_and(|bits| bits == 0 || bits > most) {
                    checks.invalid(&at.field(field), format!("must be from 1 to {most}"), "");
                }
            }
        }
    }
}
