//! `sessionPersistence` of a rule (GEP-1619): understood, and not served.

use super::{GatewayDuration, Text};
use crate::checks::Checks;
use crate::yaml::path::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// How requests of one session get to one instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionPersistence {
    /// The name of the cookie or field.
    pub session_name: Option<Text>,
    /// After this long a session is over.
    pub absolute_timeout: Option<GatewayDuration>,
    /// After this long without a request a session is over.
    pub idle_timeout: Option<GatewayDuration>,
    /// Where the session is noted.
    #[serde(rename = "type")]
    pub kind: SessionPersistenceType,
    /// How a cookie is made.
    pub cookie_config: Option<CookieConfig>,
}

/// Where a session is noted.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
pub enum SessionPersistenceType {
    /// In a cookie.
    #[default]
    Cookie,
    /// In a header field.
    Header,
}

/// How a session's cookie is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CookieConfig {
    /// How long a browser keeps it.
    pub lifetime_type: CookieLifetimeType,
}

/// How long a browser keeps a session's cookie.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
pub enum CookieLifetimeType {
    /// Until it is closed.
    #[default]
    Session,
    /// For the absolute timeout.
    Permanent,
}

impl SessionPersistence {
    /// Checks it where it stands in a rule, and says that it is not served.
    pub(super) fn check_unserved(&self, at: &At<'_>, checks: &mut Checks) {
        self.check(at, checks);
        let message = "sessions are not served: each request goes to the instance that the balancer picks";
        checks.warn(at, "UnsupportedValue", message, "Remove it, or keep no state in the instances.");
    }

    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if let Some(name) = &self.session_name {
            checks.at_most_bytes(&at.field("sessionName"), name, 128);
        }
        let Some(cookie) = self.cookie_config else { return };
        let at_cookie = at.field("cookieConfig");
        if self.kind != SessionPersistenceType::Cookie {
            checks.invalid(&at_cookie, "goes only with the type Cookie", "");
        }
        if cookie.lifetime_type == CookieLifetimeType::Permanent && self.absolute_timeout.is_none() {
            let message = "is required where the cookie's lifetimeType is Permanent";
            checks.invalid(&at.field("absoluteTimeout"), message, "");
        }
    }
}
