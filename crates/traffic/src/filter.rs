//! What is done to requests and answers on their way: the filters of a rule or of one of its backends.
//!
//! A filter is a variant of [`irongate_config::Filter`], a file here, and an arm in [`Filters::compile`]. Mirrors have
//! no file: whoever sends requests sends their copies, too.

mod cors;
mod headers;
mod path;
mod redirect;
mod rewrite;
#[cfg(test)]
mod tests;

pub use cors::{CorsPolicy, PreflightField};

use headers::HeaderEditor;
use irongate_config::{Filter, Scheme};
use irongate_message::{RequestHead, ResponseHead};
use redirect::Redirector;
use rewrite::Rewriter;

/// A list of filters with names, paths and values prepared.
#[derive(Debug, Default)]
pub struct Filters {
    /// What works on requests, in the order written.
    request: Box<[RequestFilter]>,
    /// What works on answers, in the order written.
    response: Box<[HeaderEditor]>,
    rewrites_path: bool,
}

#[derive(Debug)]
enum RequestFilter {
    Headers(HeaderEditor),
    Redirect(Redirector),
    Rewrite(Rewriter),
}

/// What filters need to know of the place where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterContext {
    /// The scheme that the listener speaks.
    pub scheme: Scheme,
    /// The port of the listener.
    pub listener_port: u16,
}

/// An answer that a redirect gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The value of `Location`: visible ASCII only.
    pub location: Vec<u8>,
}

impl Filters {
    /// Prepares filters; they work in the order written.
    #[must_use]
    pub fn compile(filters: &[Filter]) -> Self {
        let (mut request, mut response) = (Vec::new(), Vec::new());
        let mut rewrites_path = false;
        for filter in filters {
            match filter {
                Filter::RequestHeaders(edits) => {
                    request.push(RequestFilter::Headers(HeaderEditor::compile(edits)));
                }
                Filter::ResponseHeaders(edits) => response.push(HeaderEditor::compile(edits)),
                Filter::Redirect(redirect) => {
                    request.push(RequestFilter::Redirect(Redirector::compile(redirect)));
                }
                Filter::Rewrite(rewrite) => {
                    rewrites_path |= rewrite.path.is_some();
                    request.push(RequestFilter::Rewrite(Rewriter::compile(rewrite)));
                }
                // Both see the request as a whole and stand outside this list: see `CorsPolicy` and whoever sends.
                Filter::Cors(_) | Filter::Mirror(_) => {}
            }
        }
        Self { request: request.into(), response: response.into(), rewrites_path }
    }

    /// Whether nothing is done to requests and answers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }

    /// Whether every request is answered with a redirect, so that the rule needs no backend.
    #[must_use]
    pub fn redirects(&self) -> bool {
        self.request.iter().any(|filter| matches!(filter, RequestFilter::Redirect(_)))
    }

    /// How much of the path the rule's prefix match still fits once these filters have worked: nothing where they
    /// rewrite it. For the filters that come next.
    #[inline]
    #[must_use]
    pub fn prefix_left(&self, matched_prefix: usize) -> usize {
        if self.rewrites_path { 0 } else { matched_prefix }
    }

    /// Works on a request, before its backend sees it. A redirect ends the work and is given back.
    ///
    /// `matched_prefix` is that of the route's match ([`RouteMatch`](crate::route::RouteMatch)): what a
    /// replacement of the prefix replaces. A head whose path was replaced by prefix before must be given with 0.
    #[inline]
    pub fn request(
        &self,
        head: &mut RequestHead,
        matched_prefix: usize,
        context: &FilterContext,
    ) -> Option<Redirection> {
        if self.request.is_empty() { None } else { self.filter_request(head, matched_prefix, context) }
    }

    fn filter_request(
        &self,
        head: &mut RequestHead,
        matched_prefix: usize,
        context: &FilterContext,
    ) -> Option<Redirection> {
        for filter in &self.request {
            match filter {
                RequestFilter::Headers(editor) => editor.edit_request(head),
                RequestFilter::Rewrite(rewriter) => rewriter.rewrite(head, matched_prefix),
                RequestFilter::Redirect(redirector) => {
                    return Some(redirector.redirect(head, matched_prefix, context));
                }
            }
        }
        None
    }

    /// Works on an answer, before the client sees it; on those that we give ourselves, too.
    #[inline]
    pub fn response(&self, head: &mut ResponseHead) {
        for editor in &self.response {
            editor.edit(&mut head.fields);
        }
    }
}
