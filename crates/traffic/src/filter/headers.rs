//! `RequestHeaderModifier` and `ResponseHeaderModifier`: edits of header fields.

use irongate_config::HeaderEdits;
use irongate_message::{FieldName, Fields, Known, RequestHead};

/// Edits with their names prepared: first all that set, then those that add, then those that remove.
///
/// Fields that frame a message or belong to one connection (`Content-Length`, `Connection` and the like) are
/// never edited: they are written from what the message is ([`Fields::set`] leaves them alone). Setting `Host`
/// sets the request's authority, of which there is exactly one: adding to it or removing it does nothing.
#[derive(Debug)]
pub(super) struct HeaderEditor {
    set: Box<[(FieldName, Box<[u8]>)]>,
    add: Box<[(FieldName, Box<[u8]>)]>,
    remove: Box<[FieldName]>,
    /// The last value that `Host` is set to.
    host: Option<Box<[u8]>>,
}

impl HeaderEditor {
    /// An edit of a name that is no token is left out; `HeaderEdits` promises that there is none.
    pub(super) fn compile(edits: &HeaderEdits) -> Self {
        let prepare = |edits: &[(_, _)]| -> Vec<(FieldName, Box<[u8]>)> {
            let valid =
                edits.iter().filter_map(|(name, value): &(std::sync::Arc<str>, std::sync::Arc<str>)| {
                    Some((FieldName::new(name).ok()?, value.as_bytes().into()))
                });
            valid.collect()
        };
        let is_host = |name: &FieldName| name.known() == Known::Host;
        let (mut set, mut add) = (prepare(&edits.set), prepare(&edits.add));
        let host = set.iter().rfind(|(name, _)| is_host(name)).map(|(_, value)| value.clone());
        set.retain(|(name, _)| !is_host(name));
        add.retain(|(name, _)| !is_host(name));
        let remove = edits.remove.iter().filter_map(|name| FieldName::new(name).ok());
        Self {
            set: set.into(),
            add: add.into(),
            remove: remove.filter(|name| !is_host(name)).collect(),
            host,
        }
    }

    pub(super) fn edit_request(&self, head: &mut RequestHead) {
        if let Some(host) = &self.host {
            head.set_authority(host);
        }
        self.edit(&mut head.fields);
    }

    pub(super) fn edit(&self, fields: &mut Fields) {
        for (name, value) in &self.set {
            fields.set(name, value);
        }
        for (name, value) in &self.add {
            fields.append(name, value);
        }
        for name in &self.remove {
            fields.remove(name);
        }
    }
}
