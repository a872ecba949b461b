//! Sessions (GEP-1619): which backend and endpoint a client's requests go to, noted in a cookie or field that the client
//! sends again. Nothing of it is kept here.
//!
//! What is noted are hashes, from which no address can be read, and two times. Whoever changes them gets to one of the
//! rule's own endpoints at most, as if it had been drawn: only an endpoint that is there has its hash. Times only ever
//! end a session early; those that lie in the future count as none.

use crate::stable;
use irongate_config::{SessionCarrier, SessionPersistence};
use irongate_message::{FieldName, Known, RequestHead, ResponseHead};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A session is noted anew when this part of its idle timeout has passed since it was last.
const RENEWED: u64 = 8;
/// How far another gateway's clock may be ahead of ours.
const CLOCKS: u32 = 60;
/// The length of a note.
const DIGITS: usize = 40;

/// What is noted of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionNote {
    /// The [`tag`] of its backend.
    pub backend: u32,
    /// The endpoint's id, mixed with its backend's.
    endpoint: u64,
    /// When it began, in seconds since 1970.
    begun: u32,
    /// When it was last noted.
    noted: u32,
}

/// A number for a backend, by its key as text.
#[must_use]
pub fn tag(backend: &str) -> u64 {
    stable::hash(backend.as_bytes())
}

impl SessionNote {
    /// A session that begins now.
    #[must_use]
    pub fn new(tag: u64, endpoint: u64, now: u32) -> Self {
        Self { backend: tag as u32, endpoint: endpoint ^ tag, begun: now, noted: now }
    }

    /// The [`id`](crate::EndpointState::id) of its endpoint, if its backend is this one.
    #[must_use]
    pub fn endpoint(&self, tag: u64) -> Option<u64> {
        (self.backend == tag as u32).then_some(self.endpoint ^ tag)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != DIGITS {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let number = |from: usize, to: usize| {
            let digits = text.get(from..to)?;
            let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u64::from_str_radix(digits, 16).ok())?
        };
        Some(Self {
            backend: number(0, 8)? as u32,
            endpoint: number(8, 24)?,
            begun: number(24, 32)? as u32,
            noted: number(32, 40)? as u32,
        })
    }

    fn text(&self) -> String {
        format!("{:08x}{:016x}{:08x}{:08x}", self.backend, self.endpoint, self.begun, self.noted)
    }
}

/// How sessions are noted.
#[derive(Debug)]
pub struct SessionPlan {
    persistence: Arc<SessionPersistence>,
    /// The field's name, where it is one.
    field: Option<FieldName>,
}

impl SessionPlan {
    /// Prepares it.
    #[must_use]
    pub fn new(persistence: &Arc<SessionPersistence>) -> Self {
        let field = match persistence.carrier {
            SessionCarrier::Header => FieldName::new(&persistence.name).ok(),
            SessionCarrier::Cookie { .. } => None,
        };
        Self { persistence: persistence.clone(), field }
    }

    /// The session that a request belongs to, unless it is over. `now` in seconds since 1970.
    #[must_use]
    pub fn find(&self, request: &RequestHead, now: u32) -> Option<SessionNote> {
        let fields = &request.fields;
        let text = match &self.field {
            Some(name) => fields.get_named(name)?,
            None => cookie(request, self.persistence.name.as_bytes())?,
        };
        let note = SessionNote::parse(text)?;
        let is_past = |time: u32| time <= now.saturating_add(CLOCKS);
        let lasts = |since: u32, timeout: Option<Duration>| {
            timeout.is_none_or(|timeout| u64::from(now.saturating_sub(since)) <= timeout.as_secs())
        };
        let is_on = is_past(note.begun)
            && is_past(note.noted)
            && lasts(note.begun, self.persistence.absolute_timeout)
            && lasts(note.noted, self.persistence.idle_timeout);
        is_on.then_some(note)
    }

    /// Notes in an answer where the session is: if it is new or went elsewhere, and now and then if it can be idle for
    /// too long. `found` is what the request brought, `endpoint` and `tag` where it went.
    pub fn answer(
        &self,
        response: &mut ResponseHead,
        found: Option<SessionNote>,
        (tag, endpoint): (u64, u64),
        now: u32,
        is_secure: bool,
    ) {
        let mut note = SessionNote::new(tag, endpoint, now);
        if let Some(found) = found.filter(|found| found.endpoint(tag) == Some(endpoint)) {
            let renewed = self.persistence.idle_timeout.map(|idle| idle.as_secs() / RENEWED);
            let is_due = renewed.is_some_and(|after| u64::from(now.saturating_sub(found.noted)) > after);
            if !is_due {
                return;
            }
            note.begun = found.begun;
        }
        match (&self.persistence.carrier, &self.field) {
            (SessionCarrier::Cookie { path, is_permanent }, _) => {
                let mut text = format!("{}={}; HttpOnly; SameSite=Lax", self.persistence.name, note.text());
                if let Some(path) = path {
                    let _ = write!(text, "; Path={path}");
                }
                if let Some(timeout) = self.persistence.absolute_timeout.filter(|_| *is_permanent) {
                    let left = timeout.as_secs().saturating_sub(u64::from(now.saturating_sub(note.begun)));
                    let _ = write!(text, "; Max-Age={left}");
                }
                if is_secure {
                    text.push_str("; Secure");
                }
                response.fields.append(&FieldName::of(Known::SetCookie), text.as_bytes());
            }
            (SessionCarrier::Header, Some(name)) => response.fields.set(name, note.text().as_bytes()),
            (SessionCarrier::Header, None) => {}
        }
    }
}

/// The value of a request's cookie (RFC 6265 §4.2.1): the first of that name, without quotes.
pub(crate) fn cookie<'r>(request: &'r RequestHead, name: &[u8]) -> Option<&'r [u8]> {
    let mut pairs = request.fields.values(&COOKIE).flat_map(|line| line.split(|&byte| byte == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(value))
    })
}

static COOKIE: FieldName = FieldName::of(Known::Cookie);

#[cfg(test)]
mod tests;
