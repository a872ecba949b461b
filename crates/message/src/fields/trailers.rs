//! Which fields may come behind a body.

use super::Fields;
use crate::connection::CONNECTION;
use crate::error::HeadError;
use crate::limits::HeadLimits;
use crate::name::{FORWARDING, Known, KnownSet};

impl Fields {
    /// Makes trailers of what HTTP/2 brings behind a body; `None` if there are none, or none left after what
    /// frames, routes, authorizes or describes a message was dropped (RFC 9110 6.5.1). They are never merged into a
    /// head.
    ///
    /// # Errors
    /// [`HeadError`] if a field is malformed (RFC 9113 8.2), pseudo-fields included, or a limit is passed.
    pub fn from_trailers<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        limits: &HeadLimits,
    ) -> Result<Option<Self>, HeadError> {
        let mut trailers = Self::new();
        let mut size = limits.list_size();
        for (name, value) in fields {
            size.add(name, value)?;
            trailers.push_http2(name, value)?;
        }
        Ok(trailers.without_forbidden())
    }

    /// Drops what must not come in trailers; `None` if nothing is left.
    pub(crate) fn without_forbidden(mut self) -> Option<Self> {
        self.keep_only(|known| !FORBIDDEN.has(known));
        (!self.is_empty()).then_some(self)
    }
}

/// What must not come in trailers: framing, routing, modifiers, authentication, what says how to read the
/// content, and what says where a message came from (RFC 9110 6.5.1).
const FORBIDDEN: KnownSet = FORWARDING.and(CONNECTION).and(KnownSet::of(&[
    Known::Trailer,
    Known::Expect,
    Known::Via,
    Known::Authorization,
    Known::ProxyAuthorization,
    Known::ProxyAuthenticate,
    Known::WwwAuthenticate,
    Known::Cookie,
    Known::SetCookie,
    Known::ContentType,
    Known::ContentEncoding,
    Known::ContentRange,
    Known::CacheControl,
    Known::MaxForwards,
    Known::Range,
    Known::Age,
    Known::Location,
    Known::RetryAfter,
    Known::Vary,
    Known::Date,
    Known::Origin,
    Known::XApiKey,
    Known::XRequestId,
    Known::IfNoneMatch,
    Known::IfModifiedSince,
]));
