//! Golden tests: each file of `tests/golden/` is a case, with its input and everything that it comes to.
//!
//! A file begins with what the case shows, then has sections, each begun by a line `=== name`: one `input FILE` or
//! several, then `config`, `policies` and `traffic policies` (if there are any), `statuses` and `problems`. Run with `UPDATE_GOLDEN=1` to write what was found into the
//! files; then read the difference.
//!
//! `tests/golden/conformance/` holds a case a test of Gateway API's conformance suite, named after it. Their inputs
//! share the files of `conformance/base/` (`=== base FILE…`), and the gateway's own tests (`conformance` of the
//! crate `irongate`) send requests through the same inputs. `suite.txt` there lists them.

#[path = "golden/case.rs"]
mod case;
#[path = "golden/render.rs"]
mod render;

use case::Case;
use irongate_translate::{Source, read, translate};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What was found for a case, in the form of its file.
fn found(case: &Case) -> String {
    let sources: Vec<Source> =
        case.sources.iter().map(|(name, text)| Source::new(name.as_str(), text.as_str())).collect();
    let (resources, mut problems) = read(&sources);
    let translation = translate(&resources);
    problems.extend(translation.problems);
    let mut text = case.head.clone();
    let mut section = |name: &str, body: &str| {
        let _ = writeln!(text, "=== {name}");
        text.push_str(body);
    };
    section("config", &render::config(&translation.config));
    if !translation.policies.is_empty() {
        section("policies", &render::policies(&translation.policies));
    }
    if !translation.traffic_policies.is_empty() {
        section("traffic policies", &render::traffic_policies(&translation.traffic_policies));
    }
    section("statuses", &render::statuses(&translation.statuses));
    section("problems", &problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    text
}

#[test]
fn golden() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"));
}

#[test]
fn conformance() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/conformance"));
}

#[test]
fn each_conformance_test_has_a_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/conformance");
    let suite = std::fs::read_to_string(folder.join("suite.txt")).expect("the list is there");
    for test in suite.lines().filter(|line| !line.starts_with('#')) {
        assert!(folder.join(format!("{test}.golden")).is_file(), "{test}");
    }
}

/// Checks every case of a folder.
fn check(folder: &Path) {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "golden"));
    paths.sort();
    assert!(!paths.is_empty());
    let mut different = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let expected = std::fs::read_to_string(&path).expect("readable");
        let case = case::parse(&expected, folder);
        assert!(!case.sources.is_empty(), "{name} has no input");
        let found = found(&case);
        if found != expected {
            if update {
                std::fs::write(&path, found).expect("writable");
            } else {
                different.push(format!("{name}:\n{}", difference(&expected, &found)));
            }
        }
    }
    assert!(different.is_empty(), "run with UPDATE_GOLDEN=1 if this is right:\n{}", different.join("\n"));
}

/// The lines that differ, from the first to the last of them.
fn difference(expected: &str, found: &str) -> String {
    let (mut old, mut new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    while !old.is_empty() && old.first() == new.first() {
        old.remove(0);
        new.remove(0);
    }
    while !old.is_empty() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let old = old.iter().map(|line| format!("- {line}\n"));
    old.chain(new.iter().map(|line| format!("+ {line}\n"))).collect()
}
