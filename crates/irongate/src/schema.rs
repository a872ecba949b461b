//! `irongate schema`: JSON schemas of the kinds, for editors.

use crate::command_line::SchemaOptions;
use crate::output;
use anyhow::bail;
use irongate_translate::schema::{self, KindSchema};
use std::fmt::Write as _;

/// Writes one schema, or the list of kinds, to standard output.
///
/// # Errors
/// There is no such kind.
pub(crate) fn command(options: &SchemaOptions) -> anyhow::Result<()> {
    if options.list {
        output::print(&list(&schema::kinds()));
        return Ok(());
    }
    let schema = match &options.kind {
        None => schema::combined(),
        Some(kind) => {
            let kinds = schema::kinds();
            match kinds.iter().find(|known| known.kind.eq_ignore_ascii_case(kind)) {
                Some(known) => known.schema(),
                None => {
                    let known: Vec<&str> = kinds.iter().map(|known| known.kind).collect();
                    bail!("there is no kind {kind}; there are {}", known.join(", "));
                }
            }
        }
    };
    output::print(&format!("{schema:#}\n"));
    Ok(())
}

fn list(kinds: &[KindSchema]) -> String {
    let width = kinds.iter().map(|kind| kind.kind.len()).max().unwrap_or_default();
    let mut text = String::new();
    for kind in kinds {
        // Writing to a string does not fail.
        let _infallible = writeln!(text, "{:width$}  {}", kind.kind, kind.api_versions().join(", "));
    }
    text
}
