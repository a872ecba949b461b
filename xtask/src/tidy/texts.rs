//! Texts: words that no tracked file may hold, links that lead nowhere, and names of files.

use super::{Finding, WordRules};
use anyhow::Result;
use std::path::Path;

/// Checks every tracked text file. Lock files and binary files are left out.
pub(super) fn check(
    root: &Path,
    words: &WordRules,
    files: &[String],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for file in files {
        if file.ends_with("/mod.rs") {
            let text = "modules are `foo.rs` beside `foo/`, not `foo/mod.rs`".to_owned();
            findings.push(Finding { file: file.clone(), line: 0, text });
        }
        if file.ends_with(".lock") || words.except.contains(file) {
            continue;
        }
        let Ok(text) = String::from_utf8(std::fs::read(root.join(file))?) else { continue };
        forbidden_words(words, file, &text, findings);
        if file.ends_with(".md") {
            dead_links(root, file, &text, findings);
        }
    }
    Ok(())
}

fn forbidden_words(words: &WordRules, file: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        for word in words.forbidden.iter().filter(|word| line.contains(word.as_str())) {
            findings.push(Finding { file: file.into(), line: index + 1, text: format!("holds `{word}`") });
        }
    }
}

/// Links to files, `[text](path)` and `[text](path#part)`, are relative to the document's own folder.
fn dead_links(root: &Path, file: &str, text: &str, findings: &mut Vec<Finding>) {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    for (index, line) in text.lines().enumerate() {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let path = link.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") && !root.join(folder).join(path).exists() {
                let text = format!("links to `{path}`, which is not there");
                findings.push(Finding { file: file.into(), line: index + 1, text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_links_are_found_with_their_line() {
        let words = WordRules { forbidden: vec!["secret".into()], except: Vec::new() };
        let mut findings = Vec::new();
        let text = "a\nsecret [x](Cargo.toml#a) [y](nowhere.md) [z](https://example.com/x) [w](#here)\n";
        forbidden_words(&words, "a.md", text, &mut findings);
        dead_links(Path::new(env!("CARGO_MANIFEST_DIR")), "a.md", text, &mut findings);
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["a.md:2: holds `secret`", "a.md:2: links to `nowhere.md`, which is not there"]);
    }
}
