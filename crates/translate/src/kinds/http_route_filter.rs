//! Filters of an `HTTPRoute`: of a rule, or of one of its backends.

mod cors;
mod external_auth;
mod mirror;

pub use cors::CorsFilter;
pub use external_auth::{
    ExternalAuthFilter, ExternalAuthProtocol, ForwardBodyConfig, GrpcAuthConfig, HttpAuthConfig,
};
pub use mirror::{Fraction, RequestMirror};

use super::Text;
use super::backend_reference::LocalObjectReference;
use crate::checks::{Checks, field_value, header_name, host_advice};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::HostPattern;
use schemars::JsonSchema;
use serde::Deserialize;

/// One filter; the field that goes with its type is there, and no other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteFilter {
    /// What it does.
    #[serde(rename = "type")]
    pub kind: FilterType,
    /// Edits of the request's header.
    pub request_header_modifier: Option<HeaderModifier>,
    /// Edits of the answer's header.
    pub response_header_modifier: Option<HeaderModifier>,
    /// A redirect.
    pub request_redirect: Option<Box<RequestRedirect>>,
    /// A rewrite of the path or the host.
    pub url_rewrite: Option<Box<UrlRewrite>>,
    /// A copy of the request, elsewhere.
    pub request_mirror: Option<Box<RequestMirror>>,
    /// Cross-origin resource sharing.
    pub cors: Option<Box<CorsFilter>>,
    /// A question to an authorization service.
    pub external_auth: Option<Box<ExternalAuthFilter>>,
    /// Another object.
    pub extension_ref: Option<LocalObjectReference>,
}

/// What a filter does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum FilterType {
    /// Edits the request's header.
    RequestHeaderModifier,
    /// Edits the answer's header.
    ResponseHeaderModifier,
    /// Answers with a redirect.
    RequestRedirect,
    /// Rewrites the path or the host.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// Sends a copy of the request elsewhere.
    RequestMirror,
    /// Answers cross-origin questions.
    #[serde(rename = "CORS")]
    Cors,
    /// Asks an authorization service.
    ExternalAuth,
    /// Does what another object says.
    ExtensionRef,
}

impl FilterType {
    /// Its name, and the name of its field.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::RequestHeaderModifier => ("RequestHeaderModifier", "requestHeaderModifier"),
            Self::ResponseHeaderModifier => ("ResponseHeaderModifier", "responseHeaderModifier"),
            Self::RequestRedirect => ("RequestRedirect", "requestRedirect"),
            Self::UrlRewrite => ("URLRewrite", "urlRewrite"),
            Self::RequestMirror => ("RequestMirror", "requestMirror"),
            Self::Cors => ("CORS", "cors"),
            Self::ExternalAuth => ("ExternalAuth", "externalAuth"),
            Self::ExtensionRef => ("ExtensionRef", "extensionRef"),
        }
    }

    /// Whether one rule may have it more than once.
    fn may_repeat(self) -> bool {
        matches!(self, Self::RequestMirror | Self::ExtensionRef)
    }
}

/// Edits of a header: set, then add, then remove.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeaderModifier {
    /// Replaced, or added.
    pub set: Vec<Header>,
    /// Added to what is there.
    pub add: Vec<Header>,
    /// Taken away.
    pub remove: Vec<Text>,
}

/// A header field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Header {
    /// Its name.
    pub name: Text,
    /// Its value.
    pub value: Text,
}

/// `requestRedirect`: what is not written stays as the request had it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestRedirect {
    /// `http` or `https`.
    pub scheme: Option<Text>,
    /// The host.
    pub hostname: Option<Text>,
    /// The path.
    pub path: Option<PathModifier>,
    /// The port.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// 302 where none is written.
    pub status_code: Option<u16>,
}

/// `urlRewrite`: what is not written stays as the request had it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct UrlRewrite {
    /// The host that the backend sees.
    pub hostname: Option<Text>,
    /// The path that the backend sees.
    pub path: Option<PathModifier>,
}

/// A new path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathModifier {
    /// What is replaced.
    #[serde(rename = "type")]
    pub kind: PathModifierType,
    /// The whole new path.
    pub replace_full_path: Option<Text>,
    /// What stands for the prefix that the match fitted.
    pub replace_prefix_match: Option<Text>,
}

/// What of a path is replaced.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that the match fitted.
    ReplacePrefixMatch,
}

/// Checks the filters of a rule (or of one backend).
pub(super) fn check(filters: &[&HttpRouteFilter], at: &At<'_>, checks: &mut Checks) {
    checks.no_more_than(at, filters.len(), 16);
    let mut redirect_or_rewrite = None;
    for (index, filter) in filters.iter().enumerate() {
        let at = at.index(index);
        check_fields(filter, &at, checks);
        let earlier = filters[..index.min(16)].iter().any(|earlier| earlier.kind == filter.kind);
        if earlier && !filter.kind.may_repeat() {
            checks.invalid(&at.field("type"), format!("{} is there twice", filter.kind.names().0), "");
        }
        if matches!(filter.kind, FilterType::RequestRedirect | FilterType::UrlRewrite) {
            match redirect_or_rewrite.replace(filter.kind) {
                Some(other) if other != filter.kind => {
                    checks.invalid(&at, "RequestRedirect and URLRewrite cannot stand together", "");
                }
                _ => {}
            }
        }
        check_contents(filter, &at, checks);
    }
}

/// The field of the type is there, and no other.
fn check_fields(filter: &HttpRouteFilter, at: &At<'_>, checks: &mut Checks) {
    for (kind, present) in [
        (FilterType::RequestHeaderModifier, filter.request_header_modifier.is_some()),
        (FilterType::ResponseHeaderModifier, filter.response_header_modifier.is_some()),
        (FilterType::RequestRedirect, filter.request_redirect.is_some()),
        (FilterType::UrlRewrite, filter.url_rewrite.is_some()),
        (FilterType::RequestMirror, filter.request_mirror.is_some()),
        (FilterType::Cors, filter.cors.is_some()),
        (FilterType::ExternalAuth, filter.external_auth.is_some()),
        (FilterType::ExtensionRef, filter.extension_ref.is_some()),
    ] {
        let (name, field) = kind.names();
        if kind == filter.kind && !present {
            checks.invalid(&at.field(field), format!("is required for the type {name}"), "");
        } else if kind != filter.kind && present {
            checks.invalid(
                &at.field(field),
                format!("does not go with the type {}", filter.kind.names().0),
                "",
            );
        }
    }
}

fn check_contents(filter: &HttpRouteFilter, at: &At<'_>, checks: &mut Checks) {
    if let Some(edits) = &filter.request_header_modifier {
        check_edits(edits, &at.field("requestHeaderModifier"), checks);
    }
    if let Some(edits) = &filter.response_header_modifier {
        check_edits(edits, &at.field("responseHeaderModifier"), checks);
    }
    if let Some(redirect) = &filter.request_redirect {
        let at = at.field("requestRedirect");
        if let Some(scheme) = &redirect.scheme
            && !matches!(&**scheme, "http" | "https")
        {
            checks.invalid(&at.field("scheme"), format!("`{scheme}` is neither http nor https"), "");
        }
        if let Some(port) = redirect.port {
            checks.port(port, &at.field("port"));
        }
        if let Some(status) = redirect.status_code
            && !matches!(status, 301 | 302 | 303 | 307 | 308)
        {
            let message = format!("{status} is not one of 301, 302, 303, 307, 308");
            checks.invalid(&at.field("statusCode"), message, "");
        }
        check_hostname(redirect.hostname.as_deref(), &at, checks);
        check_path(redirect.path.as_ref(), &at, checks);
    }
    if let Some(rewrite) = &filter.url_rewrite {
        let at = at.field("urlRewrite");
        check_hostname(rewrite.hostname.as_deref(), &at, checks);
        check_path(rewrite.path.as_ref(), &at, checks);
    }
    if let Some(mirror) = &filter.request_mirror {
        mirror::check(mirror, &at.field("requestMirror"), checks);
    }
    if let Some(cors) = &filter.cors {
        cors::check(cors, &at.field("cors"), checks);
    }
    if let Some(filter) = &filter.external_auth {
        external_auth::check(filter, &at.field("externalAuth"), checks);
    }
    if let Some(reference) = &filter.extension_ref {
        reference.check(&at.field("extensionRef"), checks);
    }
}

fn check_hostname(hostname: Option<&str>, at: &At<'_>, checks: &mut Checks) {
    let Some(hostname) = hostname else { return };
    match HostPattern::parse(hostname) {
        Ok(HostPattern::Exact(_)) if hostname.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            checks.invalid(&at.field("hostname"), format!("`{hostname}` must be in lower case"), "");
        }
        Ok(HostPattern::Exact(_)) => {}
        Ok(_) => checks.invalid(&at.field("hostname"), "must be one host, not a pattern", ""),
        Err(error) => {
            let message = format!("`{hostname}` {error}");
            checks.invalid(&at.field("hostname"), message, host_advice(hostname));
        }
    }
}

fn check_path(path: Option<&PathModifier>, at: &At<'_>, checks: &mut Checks) {
    let Some(path) = path else { return };
    let at = at.field("path");
    let (wanted, unwanted) =
        (("replaceFullPath", &path.replace_full_path), ("replacePrefixMatch", &path.replace_prefix_match));
    let (wanted, unwanted) = match path.kind {
        PathModifierType::ReplaceFullPath => (wanted, unwanted),
        PathModifierType::ReplacePrefixMatch => (unwanted, wanted),
    };
    if unwanted.1.is_some() {
        checks.invalid(&at.field(unwanted.0), "does not go with the type", "");
    }
    match wanted.1 {
        None => checks.invalid(&at.field(wanted.0), "is required for the type", ""),
        Some(value) => {
            checks.at_most_bytes(&at.field(wanted.0), value, 1024);
            if let Some(message) = path_fault(value) {
                checks.invalid(&at.field(wanted.0), message, "");
            }
        }
    }
}

/// Why a text cannot be a path that is written to a peer: it would end the path, or the line.
fn path_fault(path: &str) -> Option<&'static str> {
    let path = &*decode_unreserved(path);
    let bad = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#' | b'\\');
    let dots = path.split('/').any(|element| matches!(element, "." | ".."));
    if path.bytes().any(bad) {
        Some("may hold neither spaces, control characters, `?`, `#`, `\\` nor anything that is not ASCII")
    } else if dots {
        Some("may not have `.` or `..` as an element")
    } else {
        None
    }
}

fn check_edits(edits: &HeaderModifier, at: &At<'_>, checks: &mut Checks) {
    for (list, headers) in [("set", &edits.set), ("add", &edits.add)] {
        let at = at.field(list);
        checks.no_more_than(&at, headers.len(), 16);
        checks.unique(&at, "name", headers.iter().map(|header| Some(&*header.name)));
        for (index, header) in headers.iter().enumerate() {
            let at = at.index(index);
            header_name(&header.name, &at.field("name"), checks);
            field_value(&header.value, &at.field("value"), checks);
        }
    }
    let at = at.field("remove");
    checks.no_more_than(&at, edits.remove.len(), 16);
    checks.unique_items(&at, edits.remove.iter().map(|name| &**name));
    for (index, name) in edits.remove.iter().enumerate() {
        header_name(name, &at.index(index), checks);
    }
}
