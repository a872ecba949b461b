//! What is wrong inside one object: collected while it is checked, placed afterwards.

pub(crate) mod names;

use crate::problems::sentence;
use crate::yaml::path::{At, FieldPath};
use irongate_config::{HostPattern, ObjectName, Severity};
use std::collections::HashSet;

/// What one check found.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) path: FieldPath,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) advice: String,
}

/// What was found in one object.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) findings: Vec<Finding>,
}

impl Checks {
    /// Findings of one object; more say nothing new.
    const MAX: usize = 100;

    /// The object is not taken at all, as the API server would not take it.
    pub(crate) fn invalid(&mut self, at: &At<'_>, message: impl Into<String>, advice: impl Into<String>) {
        self.invalid_at(at.to_path(), message, advice);
    }

    /// As [`Checks::invalid`].
    pub(crate) fn invalid_at(
        &mut self,
        path: FieldPath,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.push(Severity::Error, path, "Invalid", message.into(), advice.into());
    }

    /// The object is taken, though not all of it means something.
    pub(crate) fn warn(
        &mut self,
        at: &At<'_>,
        reason: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.push(Severity::Warning, at.to_path(), reason, message.into(), advice.into());
    }

    fn push(
        &mut self,
        severity: Severity,
        path: FieldPath,
        reason: &'static str,
        message: String,
        advice: String,
    ) {
        if self.findings.len() < Self::MAX || severity == Severity::Error && !self.has_error() {
            self.findings.push(Finding { severity, path, reason, message: sentence(message), advice });
        }
    }

    /// Whether the object is refused.
    pub(crate) fn has_error(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// A field that is known and does nothing here.
    pub(crate) fn not_served(&mut self, at: &At<'_>, present: bool, message: &'static str) {
        if present {
            self.warn(at, "UnsupportedValue", message, "");
        }
    }

    /// More items than the Kubernetes API takes.
    pub(crate) fn no_more_than(&mut self, at: &At<'_>, count: usize, most: usize) {
        self.at_most(at, count, most, "");
    }

    /// As [`Checks::no_more_than`], of a list whose rest can stand elsewhere; `advice`: where.
    pub(crate) fn at_most(&mut self, at: &At<'_>, count: usize, most: usize, advice: &str) {
        if count > most {
            self.invalid(at, format!("has {count} items; at most {most} are allowed"), advice);
        }
    }

    pub(crate) fn at_most_bytes(&mut self, at: &At<'_>, text: &str, most: usize) {
        if text.len() > most {
            self.invalid(at, format!("is longer than {most} bytes"), "");
        }
    }

    /// A name of one of the forms of [`names`].
    pub(crate) fn name(&mut self, text: &str, form: fn(&str) -> Option<&'static str>, at: &At<'_>) {
        if let Some(fault) = form(text) {
            self.invalid(at, format!("`{}` {fault}", text.escape_debug()), "");
        }
    }

    pub(crate) fn port(&mut self, port: u16, at: &At<'_>) {
        if port == 0 {
            self.invalid(at, "must be from 1 to 65535", "");
        }
    }

    /// Each item of a list that has a name has one of its own.
    pub(crate) fn unique<'n>(
        &mut self,
        at: &At<'_>,
        field: &str,
        names: impl Iterator<Item = Option<&'n str>>,
    ) {
        let mut seen = HashSet::new();
        for (index, name) in names.enumerate() {
            let Some(name) = name else { continue };
            if !seen.insert(name) {
                let advice = "Remove one of the two, or give it another name.";
                self.invalid(&at.index(index).field(field), format!("`{name}` is there twice"), advice);
            }
        }
    }

    /// Each item of a list is there once.
    pub(crate) fn unique_items<'n>(&mut self, at: &At<'_>, items: impl Iterator<Item = &'n str>) {
        let mut seen = HashSet::new();
        for (index, item) in items.enumerate() {
            if !seen.insert(item) {
                self.invalid(&at.index(index), format!("`{item}` is there twice"), "Remove one of the two.");
            }
        }
    }
}

/// A listener's or a rule's name: as an object's (RFC 1123 subdomain).
pub(crate) fn section_name(name: &str, at: &At<'_>, checks: &mut Checks) {
    if let Err(error) = ObjectName::new("default", name) {
        checks.invalid(at, format!("`{name}` {error}"), "");
    }
}

/// A host or a pattern of hosts, in lower case as the API server takes them.
pub(crate) fn lower_case_host(host: &str, at: &At<'_>, checks: &mut Checks) {
    if let Err(error) = HostPattern::parse(host) {
        checks.invalid(at, format!("`{host}` {error}"), host_advice(host));
    } else if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let advice = format!("Write `{}`.", host.to_ascii_lowercase());
        checks.invalid(at, format!("`{host}` is not in lower case"), advice);
    }
}

/// What to do about a text that is no host.
pub(crate) fn host_advice(host: &str) -> &'static str {
    if host.contains([':', '/']) { "Write the host alone, without scheme, port and path." } else { "" }
}

/// The group of an API: empty for the core group, else a domain.
pub(crate) fn api_group(group: &str, at: &At<'_>, checks: &mut Checks) {
    if !group.is_empty()
        && let Err(error) = ObjectName::new("default", group)
    {
        checks.invalid(at, format!("`{}` {error}", group.escape_debug()), "");
    }
}

/// The kind of an object: letters, digits and `-`, at most 63, and a letter first.
pub(crate) fn api_kind(kind: &str, at: &At<'_>, checks: &mut Checks) {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_kind = kind.len() <= 63
        && kind.bytes().all(inner)
        && kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && !kind.ends_with('-');
    if !is_kind {
        checks.invalid(at, format!("`{}` is not the name of a kind", kind.escape_debug()), "");
    }
}

/// The name of an object that is referred to: from 1 to 253 bytes.
pub(crate) fn object_name(name: &str, at: &At<'_>, checks: &mut Checks) {
    if name.is_empty() {
        checks.invalid(at, "is empty", "");
    }
    checks.at_most_bytes(at, name, ObjectName::MAX_LENGTH);
}

/// A namespace that is referred to: a label of RFC 1123.
pub(crate) fn namespace_name(name: &str, at: &At<'_>, checks: &mut Checks) {
    match ObjectName::new(name, "a") {
        Err(error) => checks.invalid(at, format!("`{}` {error}", name.escape_debug()), ""),
        Ok(_) if name.len() > 63 || name.contains('.') => {
            checks.invalid(at, format!("`{name}` is longer than 63 characters or has a `.`"), "");
        }
        Ok(_) => {}
    }
}

/// A header field's name: a token of RFC 9110 §5.6.2, at most 256 bytes.
pub(crate) fn header_name(name: &str, at: &At<'_>, checks: &mut Checks) {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(is_token) {
        checks.invalid(at, format!("`{}` is not a field name", name.escape_debug()), "");
    }
}

/// A header field's value as Gateway API takes it: visible ASCII, in which single spaces or tabs may stand, of at
/// most 4096 bytes.
pub(crate) fn field_value(value: &str, at: &At<'_>, checks: &mut Checks) {
    checks.at_most_bytes(at, value, 4096);
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t');
    let bytes = value.as_bytes();
    if bytes.is_empty() {
        checks.invalid(at, "is empty", "");
    } else if bytes.iter().any(|&byte| !byte.is_ascii_graphic() && !is_space(byte)) {
        let advice = if value.is_ascii() { "" } else { "Percent-encode what is not ASCII." };
        checks.invalid(at, "may hold only visible ASCII characters, spaces and tabs", advice);
    } else if is_space(bytes[0]) || is_space(bytes[bytes.len() - 1]) {
        checks.invalid(at, "begins or ends with white space", "");
    } else if bytes.windows(2).any(|pair| is_space(pair[0]) && is_space(pair[1])) {
        checks.invalid(at, "has more than one space or tab in a row", "");
    }
}
