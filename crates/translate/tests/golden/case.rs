//! The form of a golden file.

use std::path::Path;

/// A case: its input.
pub(crate) struct Case {
    /// Everything before the first expectation, as it is in the file.
    pub(crate) head: String,
    /// The inputs: the name of each and its text.
    pub(crate) sources: Vec<(String, String)>,
}

/// Reads a case. Inputs are `=== input NAME` with the text below it, or `=== base NAME…`: files of the folder `base`
/// beside the case, which many cases share.
pub(crate) fn parse(text: &str, folder: &Path) -> Case {
    let end = text.find("\n=== config").map_or(text.len(), |end| end + 1);
    let mut head = text[..end].to_owned();
    if !head.ends_with('\n') {
        head.push('\n');
    }
    let mut sources = Vec::new();
    for section in head.split("\n=== ").skip(1) {
        let (line, text) = section.split_once('\n').unwrap_or((section, ""));
        match line.split_once(' ') {
            // The split took the end of the last line.
            Some(("input", name)) => sources.push((name.trim().to_owned(), format!("{text}\n"))),
            Some(("base", names)) => sources.extend(names.split_whitespace().map(|name| {
                let text = std::fs::read_to_string(folder.join("base").join(name));
                (name.to_owned(), text.expect("a file of the folder `base`"))
            })),
            _ => unreachable!("a section is `input NAME` or `base NAME…`, not `{line}`"),
        }
    }
    Case { head, sources }
}
