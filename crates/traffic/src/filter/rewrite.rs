//! `URLRewrite`: the host and the path that the backend sees.

use super::path::PathReplacement;
use irongate_config::Rewrite;
use irongate_message::RequestHead;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Rewriter {
    hostname: Option<Arc<str>>,
    path: Option<PathReplacement>,
}

impl Rewriter {
    pub(super) fn compile(rewrite: &Rewrite) -> Self {
        Self { hostname: rewrite.hostname.clone(), path: rewrite.path.as_ref().map(PathReplacement::compile) }
    }

    /// The host is replaced with its port: the backend's own port is none of the client's. The query stays.
    pub(super) fn rewrite(&self, head: &mut RequestHead, matched_prefix: usize) {
        if let Some(hostname) = &self.hostname {
            head.set_authority(hostname.as_bytes());
        }
        if let Some(replacement) = &self.path {
            let mut path = Vec::with_capacity(head.path().len() + 16);
            replacement.replace(head.path(), matched_prefix, &mut path);
            head.set_path(&path);
        }
    }
}
