//! What filters do to the request: each is carried out by the engine's own code, and what changed is told.

use super::view::{Change, FilterView};
use irongate_config::{Filter, HeaderEdits};
use irongate_message::RequestHead;
use irongate_traffic::{FilterContext, Filters, Redirection};

/// Works on the head as the gateway would; a redirect ends the work and is given back.
pub(super) fn apply(
    filters: &[Filter],
    of: &str,
    head: &mut RequestHead,
    mut matched_prefix: usize,
    context: &FilterContext,
    views: &mut Vec<FilterView>,
) -> Option<Redirection> {
    for filter in filters {
        let before = Seen::of(head);
        let redirection =
            Filters::compile(std::slice::from_ref(filter)).request(head, matched_prefix, context);
        let after = Seen::of(head);
        if before.path != after.path {
            // What the prefix match fitted is gone.
            matched_prefix = 0;
        }
        let (kind, note) = describe(filter, redirection.as_ref());
        views.push(FilterView { of: of.to_owned(), kind, note, changes: before.changes(&after) });
        if redirection.is_some() {
            return redirection;
        }
    }
    None
}

fn describe(filter: &Filter, redirection: Option<&Redirection>) -> (&'static str, Option<String>) {
    match filter {
        Filter::RequestHeaders(_) => ("RequestHeaderModifier", None),
        Filter::ResponseHeaders(edits) => ("ResponseHeaderModifier", Some(edits_of_answer(edits))),
        Filter::Redirect(_) => {
            let answer = redirection.map(|redirection| {
                format!("answers {} with Location: {}", redirection.status, text(&redirection.location))
            });
            ("RequestRedirect", answer)
        }
        Filter::Rewrite(_) => ("URLRewrite", None),
    }
}

fn edits_of_answer(edits: &HeaderEdits) -> String {
    let set = edits.set.iter().map(|(name, value)| format!("sets {name}: {value}"));
    let add = edits.add.iter().map(|(name, value)| format!("adds {name}: {value}"));
    let remove = edits.remove.iter().map(|name| format!("removes {name}"));
    format!("on the answer {}", set.chain(add).chain(remove).collect::<Vec<_>>().join(", "))
}

/// What a backend sees of a head.
struct Seen {
    authority: String,
    path: String,
    fields: Vec<(String, String)>,
}

impl Seen {
    fn of(head: &RequestHead) -> Self {
        let fields = head.fields.iter().map(|(name, value)| (text(name), text(value)));
        Self { authority: text(head.authority()), path: text(head.path()), fields: fields.collect() }
    }

    fn changes(&self, after: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut note = |what: String, from: Option<&String>, to: Option<&String>| {
            changes.push(Change { what, from: from.cloned(), to: to.cloned() });
        };
        if self.authority != after.authority {
            note("host".into(), Some(&self.authority), Some(&after.authority));
        }
        if self.path != after.path {
            note("path".into(), Some(&self.path), Some(&after.path));
        }
        for field in self.fields.iter().filter(|field| !after.fields.contains(field)) {
            note(format!("header {}", field.0), Some(&field.1), None);
        }
        for field in after.fields.iter().filter(|field| !self.fields.contains(field)) {
            note(format!("header {}", field.0), None, Some(&field.1));
        }
        changes
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
