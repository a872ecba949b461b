//! The filters of a rule or of one of its backends.

use super::references::Reference;
use super::rules::Translator;
use crate::kinds::{
    CorsFilter, FilterType, Header, HeaderModifier, HttpRouteFilter, PathModifier, PathModifierType,
    RequestMirror, RequestRedirect, Text, UrlRewrite,
};
use crate::uri::decode_unreserved;
use crate::yaml::path::At;
use irongate_config::{
    BackendTarget, Cors, CorsAllowed, CorsOrigin, Filter, HeaderEdits, InvalidBackend, Mirror, PathRewrite,
    Redirect, Rewrite, Scheme, Severity,
};

/// Fields that say how a message is framed and what one connection is asked: the proxy writes them itself, and an
/// edit would have no effect, or a harmful one.
const FRAMING_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What became of one filter.
enum One {
    Served(Filter),
    /// It is left out, and requests go on without it.
    Dropped,
    /// Requests must not go on without it.
    Unserved,
    /// The same, since its reference does not resolve.
    Unresolved,
}

/// Why requests of a rule must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// A filter is not served.
    Unserved,
    /// A filter's reference does not resolve: that is told by `ResolvedRefs`.
    Unresolved,
}

impl Failing {
    /// The one of the two that is told.
    pub(super) fn worse(self, other: Self) -> Self {
        if self == Self::Unresolved { other } else { self }
    }
}

/// The filters in the order written.
///
/// # Errors
/// If one of them is not served, and requests must not go on without it.
pub(super) fn translate<'r>(
    translator: &mut Translator<'_, 'r>,
    filters: &[&'r HttpRouteFilter],
    at: &At<'_>,
) -> Result<Vec<Filter>, Failing> {
    let mut translated = Vec::with_capacity(filters.len());
    let mut failing = None;
    for (place, filter) in filters.iter().enumerate() {
        match one(translator, filter, &at.index(place)) {
            One::Served(filter) => translated.push(filter),
            One::Dropped => {}
            One::Unresolved => failing = failing.or(Some(Failing::Unresolved)),
            One::Unserved => failing = Some(Failing::Unserved),
        }
    }
    failing.map_or(Ok(translated), Err)
}

fn one<'r>(translator: &mut Translator<'_, 'r>, filter: &'r HttpRouteFilter, at: &At<'_>) -> One {
    let (type_name, field) = filter.kind.names();
    let at_field = at.field(field);
    // Which field goes with which type was checked on reading.
    let served = match filter.kind {
        FilterType::RequestHeaderModifier => filter
            .request_header_modifier
            .as_ref()
            .and_then(|edits| header_edits(translator, edits, true, &at_field))
            .map(Filter::RequestHeaders),
        FilterType::ResponseHeaderModifier => filter
            .response_header_modifier
            .as_ref()
            .and_then(|edits| header_edits(translator, edits, false, &at_field))
            .map(Filter::ResponseHeaders),
        FilterType::RequestRedirect => filter.request_redirect.as_deref().map(redirect).map(Filter::Redirect),
        FilterType::UrlRewrite => filter.url_rewrite.as_deref().map(rewrite).map(Filter::Rewrite),
        FilterType::RequestMirror => match &filter.request_mirror {
            Some(filter) => match mirror(translator, filter, &at_field.field("backendRef")) {
                Some(mirror) => Some(Filter::Mirror(mirror)),
                None => return One::Dropped,
            },
            None => None,
        },
        FilterType::Cors => filter.cors.as_deref().map(|filter| Filter::Cors(Box::new(cors(filter)))),
        FilterType::ExternalAuth => {
            let message = format!("the filter {type_name} is not served");
            let advice = "Requests of this rule are answered with 500, since a filter must not be skipped.";
            translator.report(Severity::Error, &at.field("type"), "UnsupportedValue", (message, advice));
            None
        }
        FilterType::ExtensionRef => {
            if let Some(reference) = &filter.extension_ref {
                let (group, kind) = (&reference.group, &reference.kind);
                let message = format!("{kind} of the group `{group}` is no kind of filter that is known");
                let advice =
                    "Requests of this rule are answered with 500, since a filter must not be skipped.";
                translator.unresolved(&at_field, InvalidBackend::InvalidKind, message, advice);
            }
            return One::Unresolved;
        }
    };
    served.map_or(One::Unserved, One::Served)
}

/// A mirror; `None` if its reference does not resolve: then there is none, as Gateway API wants it.
fn mirror<'r>(translator: &mut Translator<'_, 'r>, mirror: &'r RequestMirror, at: &At<'_>) -> Option<Mirror> {
    let (numerator, denominator) = mirror.share();
    match translator.target(&Reference::of_object(&mirror.backend_ref), at) {
        BackendTarget::Backend(backend) => Some(Mirror { backend, numerator, denominator }),
        BackendTarget::Invalid(_) => None,
    }
}

fn cors(cors: &CorsFilter) -> Cors {
    let is_any = |list: &[Text]| list.iter().any(|item| &**item == "*");
    let allowed = |list: &Vec<Text>| {
        if is_any(list) { CorsAllowed::Any } else { CorsAllowed::Only(list.clone()) }
    };
    Cors {
        // They were checked on reading.
        origins: cors.allow_origins.iter().filter_map(|origin| CorsOrigin::parse(origin).ok()).collect(),
        credentials: cors.allow_credentials == Some(true),
        methods: allowed(&cors.allow_methods),
        headers: allowed(&cors.allow_headers),
        expose: cors.expose_headers.clone(),
        max_age: u32::try_from(cors.max_age).unwrap_or(0).max(1),
    }
}

fn header_edits(
    translator: &mut Translator<'_, '_>,
    edits: &HeaderModifier,
    is_request: bool,
    at: &At<'_>,
) -> Option<HeaderEdits> {
    let mut is_served = true;
    let mut check = |translator: &mut Translator<'_, '_>, name: &str, at: &At<'_>| {
        let lower = name.to_ascii_lowercase();
        let advice = if is_request && lower == "host" {
            "Use the filter URLRewrite with a hostname."
        } else if FRAMING_FIELDS.contains(&&*lower) {
            "Requests of this rule are answered with 500; remove the edit."
        } else {
            return;
        };
        let message = format!("the field `{name}` is the proxy's own to write");
        translator.report(Severity::Error, at, "UnsupportedValue", (message, advice));
        is_served = false;
    };
    let mut pairs = |translator: &mut Translator<'_, '_>, headers: &[Header], at: At<'_>| {
        let mut pairs: Vec<(Text, Text)> = Vec::with_capacity(headers.len());
        for (place, header) in headers.iter().enumerate() {
            let at = at.index(place);
            check(translator, &header.name, &at.field("name"));
            // Gateway API: of names that differ only by case, the first counts.
            if pairs.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(&header.name)) {
                let text = ("the same name is there before, and only the first counts", "Remove one.");
                translator.report(Severity::Warning, &at.field("name"), "Ignored", text);
                continue;
            }
            pairs.push((header.name.clone(), header.value.clone()));
        }
        pairs
    };
    let set = pairs(translator, &edits.set, at.field("set"));
    let add = pairs(translator, &edits.add, at.field("add"));
    let removed = at.field("remove");
    for (place, name) in edits.remove.iter().enumerate() {
        check(translator, name, &removed.index(place));
    }
    is_served.then(|| HeaderEdits { set, add, remove: edits.remove.clone() })
}

fn redirect(redirect: &RequestRedirect) -> Redirect {
    Redirect {
        scheme: redirect.scheme.as_deref().map(
            |scheme| {
                if scheme == "https" { Scheme::Https } else { Scheme::Http }
            },
        ),
        hostname: redirect.hostname.as_deref().map(host),
        path: redirect.path.as_ref().and_then(path),
        port: redirect.port,
        status: redirect.status_code.unwrap_or(302),
    }
}

fn rewrite(rewrite: &UrlRewrite) -> Rewrite {
    Rewrite { hostname: rewrite.hostname.as_deref().map(host), path: rewrite.path.as_ref().and_then(path) }
}

fn host(hostname: &str) -> Text {
    hostname.to_ascii_lowercase().into()
}

fn path(path: &PathModifier) -> Option<PathRewrite> {
    let rooted = |value: &Text| -> Text {
        let value = decode_unreserved(value);
        if value.starts_with('/') { value.into() } else { format!("/{value}").into() }
    };
    match path.kind {
        PathModifierType::ReplaceFullPath => {
            path.replace_full_path.as_ref().map(rooted).map(PathRewrite::Full)
        }
        PathModifierType::ReplacePrefixMatch => {
            path.replace_prefix_match.as_ref().map(rooted).map(PathRewrite::Prefix)
        }
    }
}
