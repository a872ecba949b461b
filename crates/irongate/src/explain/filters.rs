//! What filters do to the request: each is carried out by the engine's own code, and what changed is told.

use super::view::{Change, FilterView};
use irongate_config::{Filter, HeaderEdits};
use irongate_message::{Known, RequestHead};
use irongate_traffic::{CorsPolicy, FilterContext, Filters, Redirection};

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
        let (kind, note) = describe(filter, head, redirection.as_ref());
        views.push(FilterView { of: of.to_owned(), kind, note, changes: before.changes(&after) });
        if redirection.is_some() {
            return redirection;
        }
    }
    None
}

fn describe(
    filter: &Filter,
    head: &RequestHead,
    redirection: Option<&Redirection>,
) -> (&'static str, Option<String>) {
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
        Filter::Mirror(mirror) => {
            let (numerator, denominator) = (mirror.numerator, mirror.denominator);
            let note = format!("copies {numerator} of {denominator} requests to {}", mirror.backend);
            ("RequestMirror", Some(note))
        }
        Filter::Cors(cors) => ("CORS", Some(readers(&CorsPolicy::compile(cors), head))),
    }
}

/// What a CORS filter makes of a request.
fn readers(policy: &CorsPolicy, head: &RequestHead) -> String {
    let Some(origin) = head.fields.get(Known::Origin) else {
        return "the request has no Origin, so that no page is told anything".to_owned();
    };
    let allowed = if policy.allows(origin) { "may" } else { "may not" };
    let what = if policy.is_preflight(head) { "answers the preflight: pages" } else { "pages" };
    format!("{what} of {} {allowed} read answers", text(origin))
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
