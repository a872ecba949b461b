//! `sessionPersistence` of a rule or a `BackendPolicy` (GEP-1619).

use super::{GatewayDuration, Text};
use crate::checks::{Checks, header_name};
use crate::yaml::path::At;
use irongate_config::SessionCarrier;
use schemars::JsonSchema;
use serde::Deserialize;

/// How requests of one session get to one instance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionPersistence {
    /// The name of the cookie or field. Not written: one that is unique.
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
    /// What is meant. `path`: for which a browser sends the cookie; `default_name`: where none is written.
    pub(crate) fn to_config(
        &self,
        path: Option<&str>,
        default_name: impl FnOnce() -> String,
    ) -> irongate_config::SessionPersistence {
        let name = self.session_name.as_deref().map_or_else(default_name, str::to_owned);
        let is_permanent =
            self.cookie_config.is_some_and(|cookie| cookie.lifetime_type == CookieLifetimeType::Permanent);
        let (name, carrier) = match self.kind {
            SessionPersistenceType::Header => (name.to_ascii_lowercase(), SessionCarrier::Header),
            SessionPersistenceType::Cookie => {
                (name, SessionCarrier::Cookie { path: path.map(Into::into), is_permanent })
            }
        };
        let timeout = |timeout: Option<GatewayDuration>| timeout.map(|timeout| timeout.0);
        irongate_config::SessionPersistence {
            name: name.into(),
            carrier,
            absolute_timeout: timeout(self.absolute_timeout),
            idle_timeout: timeout(self.idle_timeout),
        }
    }

    /// Checks it where it stands.
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        if let Some(name) = &self.session_name {
            let at = at.field("sessionName");
            checks.at_most_bytes(&at, name, 128);
            header_name(name, &at, checks);
        }
        for (field, timeout) in
            [("absoluteTimeout", self.absolute_timeout), ("idleTimeout", self.idle_timeout)]
        {
            if timeout.is_some_and(|timeout| timeout.0.as_secs() == 0) {
                checks.invalid(&at.field(field), "must be at least one second", "Leave it out for no bound.");
            }
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
