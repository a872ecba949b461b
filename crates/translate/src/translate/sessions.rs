//! `sessionPersistence` of rules: which cookie or field, and for which paths.

use crate::kinds::{HttpRouteRule, PathMatchType, SessionPersistence};
use irongate_config::{ObjectName, SessionPersistence as Session};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The name of a session's cookie or field where none is written: unlike that of any other place, and the same for ever.
pub(super) fn default_name(place: &str) -> String {
    format!("irongate-{:016x}", xxh3_64(place.as_bytes()))
}

/// The session of a rule, given a route's kind and name, and the rule's number.
pub(super) fn of_rule(
    session: Option<&SessionPersistence>,
    path: &str,
    (kind, route): (&str, &ObjectName),
    place: Option<usize>,
) -> Option<Arc<Session>> {
    let name = || default_name(&format!("{kind} {route} {}", place.unwrap_or_default()));
    Some(Arc::new(session?.to_config(Some(path), name)))
}

/// The path of a rule's requests (GEP-1619, cookie attributes): of one match its own, of a regular expression what comes
/// before it is one, and of several what all paths have.
pub(super) fn path(rule: &HttpRouteRule) -> &str {
    let [one] = &rule.matches[..] else { return "/" };
    let Some(path) = &one.path else { return "/" };
    let value = path.value.as_deref().unwrap_or("/");
    let written = match path.kind {
        PathMatchType::Exact | PathMatchType::PathPrefix => value,
        PathMatchType::RegularExpression => {
            let plain = value.find(|char: char| !(char.is_ascii_alphanumeric() || "/-_~".contains(char)));
            let plain = &value[..plain.unwrap_or(value.len())];
            &plain[..plain.rfind('/').unwrap_or(0)]
        }
    };
    // What would end the attribute, or could not stand in it.
    let is_fit =
        written.starts_with('/') && written.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';');
    if is_fit { written } else { "/" }
}
