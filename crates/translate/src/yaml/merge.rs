//! YAML's merge key: `<<: *defaults`.

use super::{Entry, Node, Value, YamlError, error};
use std::collections::HashSet;

/// Adds the entries of a mapping (or of each mapping in a list) whose keys are not there yet.
///
/// # Errors
/// Where what is merged is no mapping.
pub(super) fn into<'a>(entries: &mut Vec<Entry<'a>>, node: Node<'a>) -> Result<(), YamlError> {
    let sources = match node.value {
        Value::Sequence(items) => items,
        _ => vec![node],
    };
    // One table for all of them: the work stays linear however many there are.
    let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
    for source in sources {
        let Value::Mapping(others) = source.value else {
            return Err(error(source.mark, "`<<` takes a mapping"));
        };
        entries.extend(others.into_iter().filter(|other| known.insert(other.key.to_string())));
    }
    Ok(())
}
