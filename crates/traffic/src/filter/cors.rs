//! `CORS`: cross-origin resource sharing (`HTTPCORSFilter`; the Fetch standard, §3.3).
//!
//! A browser asks before it sends a request of another origin that a plain form could not send (a *preflight*), and
//! lets a page read an answer only where the answer says so. Preflights are answered here; the answers of backends
//! get the fields that say who may read them, in place of what the backend says of it.

use irongate_config::{Cors, CorsAllowed, CorsOrigin};
use irongate_message::{FieldName, Fields, Known, Method, RequestHead};
use std::sync::Arc;

/// A filter with the values of its fields prepared.
#[derive(Debug)]
pub struct CorsPolicy {
    origins: Box<[CorsOrigin]>,
    credentials: bool,
    methods: Allowed,
    headers: Allowed,
    expose: Option<Box<[u8]>>,
    max_age: Box<[u8]>,
    names: Names,
}

/// What a preflight's answer allows.
#[derive(Debug)]
enum Allowed {
    /// What was asked for.
    Asked,
    /// These, joined; nothing where that is empty.
    Listed(Box<[u8]>),
}

/// The fields of answers.
#[derive(Debug)]
struct Names {
    origin: FieldName,
    credentials: FieldName,
    expose: FieldName,
    vary: FieldName,
    asked_method: FieldName,
    asked_headers: FieldName,
}

/// A field of a preflight's answer.
pub type PreflightField<'a> = (&'static [u8], &'a [u8]);

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const EXPOSE_HEADERS: &str = "access-control-expose-headers";

impl CorsPolicy {
    /// Prepares a filter.
    #[must_use]
    pub fn compile(cors: &Cors) -> Self {
        let allowed = |allowed: &CorsAllowed| match allowed {
            CorsAllowed::Any => Allowed::Asked,
            CorsAllowed::Only(names) => Allowed::Listed(joined(names.iter())),
        };
        // Where credentials are allowed, `*` would stand for a field of that name.
        let is_named = |name: &&Arc<str>| !cors.credentials || ***name != *"*";
        let expose = joined(cors.expose.iter().filter(is_named));
        let name = |text: &str| FieldName::new(text).expect("the names here are tokens");
        Self {
            origins: cors.origins.clone().into(),
            credentials: cors.credentials,
            methods: allowed(&cors.methods),
            headers: allowed(&cors.headers),
            expose: (!expose.is_empty()).then_some(expose),
            max_age: cors.max_age.to_string().into_bytes().into(),
            names: Names {
                origin: name(ALLOW_ORIGIN),
                credentials: name(ALLOW_CREDENTIALS),
                expose: name(EXPOSE_HEADERS),
                vary: name("vary"),
                asked_method: name("access-control-request-method"),
                asked_headers: name("access-control-request-headers"),
            },
        }
    }

    /// Whether pages of this origin may read answers.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|allowed| allowed.matches(origin))
    }

    /// Whether a request is a preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method`.
    #[must_use]
    pub fn is_preflight(&self, request: &RequestHead) -> bool {
        request.method() == Method::Options
            && request.fields.get(Known::Origin).is_some()
            && request.fields.get_named(&self.names.asked_method).is_some()
    }

    /// The fields of a preflight's answer. Where the origin is not allowed, there is only what caches need.
    #[must_use]
    pub fn preflight<'a>(&'a self, request: &'a RequestHead) -> Vec<PreflightField<'a>> {
        let mut fields: Vec<PreflightField<'a>> =
            vec![(b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")];
        let Some(origin) = request.fields.get(Known::Origin).filter(|origin| self.allows(origin)) else {
            return fields;
        };
        fields.push((ALLOW_ORIGIN.as_bytes(), origin));
        if self.credentials {
            fields.push((ALLOW_CREDENTIALS.as_bytes(), b"true"));
        }
        let mut allow = |name: &'static [u8], allowed: &'a Allowed, asked: &FieldName| {
            let value = match allowed {
                Allowed::Asked => request.fields.get_named(asked).unwrap_or_default(),
                Allowed::Listed(names) => names,
            };
            if !value.is_empty() {
                fields.push((name, value));
            }
        };
        allow(b"access-control-allow-methods", &self.methods, &self.names.asked_method);
        allow(b"access-control-allow-headers", &self.headers, &self.names.asked_headers);
        if let Some(expose) = &self.expose {
            fields.push((EXPOSE_HEADERS.as_bytes(), expose));
        }
        fields.push((b"access-control-max-age", &self.max_age));
        fields
    }

    /// Says in an answer who may read it; `origin` is the request's. What a backend said of it is taken away.
    pub fn answer(&self, origin: Option<&[u8]>, fields: &mut Fields) {
        let names = &self.names;
        fields.remove(&names.origin);
        fields.remove(&names.credentials);
        fields.remove(&names.expose);
        // Caches must not give one origin's answer to another, nor one that was made for none.
        if !varies_by_origin(fields, &names.vary) {
            fields.append(&names.vary, b"Origin");
        }
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else { return };
        fields.append(&names.origin, origin);
        if self.credentials {
            fields.append(&names.credentials, b"true");
        }
        if let Some(expose) = &self.expose {
            fields.append(&names.expose, expose);
        }
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> Box<[u8]> {
    names.map(|name| name.as_bytes()).collect::<Vec<_>>().join(&b", "[..]).into()
}

fn varies_by_origin(fields: &Fields, vary: &FieldName) -> bool {
    let mut names = fields.values(vary).flat_map(|value| value.split(|&byte| byte == b','));
    names.any(|name| {
        let name = name.trim_ascii();
        name == b"*" || name.eq_ignore_ascii_case(b"origin")
    })
}
