//! `RequestRedirect`: an answer that sends the client elsewhere.

use super::path::{PathReplacement, encode};
use super::{FilterContext, Redirection};
use irongate_config::{Redirect, Scheme};
use irongate_message::RequestHead;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Redirector {
    scheme: Option<Scheme>,
    hostname: Option<Arc<str>>,
    path: Option<PathReplacement>,
    port: Option<u16>,
    status: u16,
}

impl Redirector {
    /// A status that is no redirect becomes 302, Gateway API's default.
    pub(super) fn compile(redirect: &Redirect) -> Self {
        Self {
            scheme: redirect.scheme,
            hostname: redirect.hostname.clone(),
            path: redirect.path.as_ref().map(PathReplacement::compile),
            port: redirect.port,
            status: if matches!(redirect.status, 301 | 302 | 303 | 307 | 308) {
                redirect.status
            } else {
                302
            },
        }
    }

    /// Composes the answer. What is not given stays as the request has it, and so does the query; the port is
    /// the one given, else that of the scheme given, else the listener's (`HTTPRequestRedirectFilter.port`).
    ///
    /// Everything from the request is percent-encoded where it is not visible ASCII, so that nothing in it can
    /// end the field, however lenient the parser was.
    pub(super) fn redirect(
        &self,
        head: &RequestHead,
        matched_prefix: usize,
        context: &FilterContext,
    ) -> Redirection {
        let scheme = self.scheme.unwrap_or(context.scheme);
        let port = self.port.unwrap_or(match self.scheme {
            Some(scheme) => scheme.default_port(),
            None => context.listener_port,
        });
        let host = self.hostname.as_ref().map_or(head.host(), |name| name.as_bytes());
        let mut path = Vec::new();
        match &self.path {
            Some(replacement) => replacement.replace(head.path(), matched_prefix, &mut path),
            None => path.extend_from_slice(head.path()),
        }

        let mut location = Vec::with_capacity(32 + host.len() + path.len());
        if host.is_empty() {
            // HTTP/1.0 without Host: only a reference within the same host can be given. Two slashes at its
            // beginning would name another host (RFC 3986 §4.2).
            if path.starts_with(b"//") {
                location.extend_from_slice(b"/.");
            }
        } else {
            location.extend_from_slice(scheme.as_str().as_bytes());
            location.extend_from_slice(b"://");
            encode(host, |byte| !matches!(byte, b'/' | b'?' | b'#' | b'\\' | b'@'), &mut location);
            if port != scheme.default_port() {
                location.extend_from_slice(format!(":{port}").as_bytes());
            }
        }
        encode(&path, |_| true, &mut location);
        if let Some(query) = head.query() {
            location.push(b'?');
            encode(query, |_| true, &mut location);
        }
        Redirection { status: self.status, location }
    }
}
