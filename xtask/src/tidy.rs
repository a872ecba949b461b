//! `tidy`: what the compiler and the linter don't hold.
//!
//! Each module checks one thing and returns [`Finding`]s; the rules' data stand in `xtask/tidy.toml`.

mod budgets;
mod imports;
mod licenses;
mod metadata;
mod paths;
mod source;
mod texts;

use anyhow::{Context, Result};
use serde::Deserialize;
use source::SourceFile;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the workspace's folder.
    file: String,
    /// The line, from 1; 0 where the finding is about the whole file.
    line: usize,
    /// What is wrong, and what to do about it.
    text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// `xtask/tidy.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Named groups of outside crates, for `never` in [`CrateRules`].
    groups: BTreeMap<String, Vec<String>>,
    /// One entry a workspace member.
    crates: BTreeMap<String, CrateRules>,
    /// Licenses that dependencies may come under.
    licenses: Vec<String>,
    /// What may not stand in tracked text files.
    words: WordRules,
    /// Files over 400 lines and functions over 50 (as `file::function`), with their present length.
    #[serde(default)]
    over_budget: BTreeMap<String, usize>,
}

/// What a crate may touch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CrateRules {
    /// Which of our crates it may use. Tests may also use testkit.
    uses: Vec<String>,
    /// Groups of outside crates that may not be among its dependencies, however far down.
    #[serde(default)]
    never: Vec<String>,
    /// Paths that its code may not name outside tests, e.g. `Instant::now`.
    #[serde(default)]
    paths: Vec<String>,
}

/// Words that no tracked text may hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WordRules {
    /// The words, compared byte by byte.
    forbidden: Vec<String>,
    /// Files that may hold them: the rules themselves.
    except: Vec<String>,
}

const RULES: &str = "xtask/tidy.toml";

/// Checks everything, prints what was found, and tells whether nothing was.
pub(crate) fn run(root: &Path, bless: bool) -> Result<bool> {
    let text = std::fs::read_to_string(root.join(RULES)).with_context(|| format!("cannot read {RULES}"))?;
    let rules: Rules = toml::from_str(&text).with_context(|| format!("{RULES} is not valid"))?;
    let files = tracked_files(root)?;

    let mut findings = Vec::new();
    let sources = read_sources(root, &files, &mut findings)?;
    let metadata = metadata::read(root)?;
    imports::check(root, &metadata, &rules, &mut findings)?;
    licenses::check(&metadata, &rules, &mut findings);
    paths::check(&rules, &sources, &mut findings);
    let lowered = budgets::check(&rules.over_budget, &sources, &mut findings);
    texts::check(root, &rules.words, &files, &mut findings)?;

    if bless && !lowered.is_empty() {
        std::fs::write(root.join(RULES), budgets::rewrite(&text, &lowered))?;
        println!("{RULES}: {} entries lowered or removed", lowered.len());
        findings.retain(|finding| finding.file != RULES);
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} files, nothing to mend", files.len()),
        count => println!("tidy: {count} findings"),
    }
    Ok(findings.is_empty())
}

/// The files that git tracks or would track, relative to `root`.
fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    anyhow::ensure!(
        output.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut files: Vec<String> = String::from_utf8(output.stdout)
        .context("a file's name is not UTF-8")?
        .split_terminator('\0')
        .filter(|file| root.join(file).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn read_sources(root: &Path, files: &[String], findings: &mut Vec<Finding>) -> Result<Vec<SourceFile>> {
    let mut sources = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let text = std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))?;
        match SourceFile::parse(file, &text) {
            Ok(source) => sources.push(source),
            Err(error) => findings.push(Finding {
                file: file.clone(),
                line: error.span().start().line,
                text: format!("does not parse: {error}"),
            }),
        }
    }
    Ok(sources)
}
