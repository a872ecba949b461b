//! The budgets: a file 400 lines, a function 50; never more than 800 and 100. Tests are left out.
//!
//! What is over a budget stands in `over_budget` of `xtask/tidy.toml` with its length. That list may only
//! shrink: an entry that grew is a finding, and one that shrank is to be lowered (`--bless` does it).

use super::source::SourceFile;
use super::{Finding, RULES};
use std::collections::BTreeMap;

/// What is wanted, and the most that there may be.
#[derive(Clone, Copy)]
struct Budget {
    wanted: usize,
    most: usize,
}

const FILE: Budget = Budget { wanted: 400, most: 800 };
const FUNCTION: Budget = Budget { wanted: 50, most: 100 };

/// Entries of the list to be lowered, or to be removed (`None`).
pub(super) type Lowered = BTreeMap<String, Option<usize>>;

/// Compares lengths with budgets and list; returns what `--bless` may lower.
pub(super) fn check(
    allowed: &BTreeMap<String, usize>,
    sources: &[SourceFile],
    findings: &mut Vec<Finding>,
) -> Lowered {
    let mut lowered: Lowered = allowed.keys().map(|key| (key.clone(), None)).collect();
    for source in sources {
        let mut judge = |key: String, line: usize, length: usize, budget: Budget| {
            let allowance = allowed.get(&key).copied();
            if length > budget.wanted && allowance.is_some() {
                lowered.remove(&key);
                if allowance > Some(length) {
                    lowered.insert(key.clone(), Some(length));
                }
            }
            if let Some(text) = verdict(length, budget, allowance) {
                findings.push(Finding { file: source.path.clone(), line, text: format!("{key} {text}") });
            }
        };
        judge(source.path.clone(), 0, source.lines_outside_tests(), FILE);
        for (key, line, length) in functions(source) {
            judge(key, line, length, FUNCTION);
        }
    }
    findings.extend(lowered.iter().map(|(key, length)| Finding {
        file: RULES.to_owned(),
        line: 0,
        text: match length {
            Some(length) => {
                format!("`{key}` has shrunk to {length}: lower its entry (cargo xtask tidy --bless)")
            }
            None => {
                format!("`{key}` is within its budget or gone: remove its entry (cargo xtask tidy --bless)")
            }
        },
    }));
    lowered
}

/// Functions by `file::name`. Of those with one name (methods of several impls) the longest counts.
fn functions(source: &SourceFile) -> Vec<(String, usize, usize)> {
    let mut longest: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for function in &source.functions {
        let entry = longest.entry(format!("{}::{}", source.path, function.name)).or_default();
        if function.length > entry.1 {
            *entry = (function.line, function.length);
        }
    }
    longest.into_iter().map(|(key, (line, length))| (key, line, length)).collect()
}

fn verdict(length: usize, budget: Budget, allowance: Option<usize>) -> Option<String> {
    let Budget { wanted, most } = budget;
    match allowance {
        _ if length <= wanted => None,
        _ if length > most => Some(format!("has {length} lines; the most is {most}: divide it")),
        None => Some(format!("has {length} lines; wanted are {wanted}: divide it")),
        Some(allowance) if length > allowance => {
            Some(format!("has grown from {allowance} to {length} lines; wanted are {wanted}: divide it"))
        }
        Some(_) => None,
    }
}

/// The text of the rules with the entries lowered. Entries stand one a line: `"key" = length`.
pub(super) fn rewrite(text: &str, lowered: &Lowered) -> String {
    let mut result = String::with_capacity(text.len());
    for line in text.lines() {
        let key = line.strip_prefix('"').and_then(|rest| rest.split_once('"')).map(|(key, _)| key);
        match key.and_then(|key| Some((key, lowered.get(key)?))) {
            Some((_, None)) => {}
            Some((key, Some(length))) => result.push_str(&format!("\"{key}\" = {length}\n")),
            None => {
                result.push_str(line);
                result.push('\n');
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(length: usize, allowance: Option<usize>) -> Vec<String> {
        let body = "    f();\n".repeat(length - 2);
        let source = SourceFile::parse("a.rs", &format!("fn a() {{\n{body}}}\n")).expect("valid Rust");
        let allowed = allowance.map(|allowance| ("a.rs::a".to_owned(), allowance)).into_iter().collect();
        let mut findings = Vec::new();
        check(&allowed, &[source], &mut findings);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn functions_keep_to_their_budget_or_to_the_list() {
        assert_eq!(found(50, None), [""; 0]);
        assert_eq!(found(60, Some(60)), [""; 0]);
        assert_eq!(found(51, None), ["a.rs:1: a.rs::a has 51 lines; wanted are 50: divide it"]);
        assert_eq!(
            found(61, Some(60)),
            ["a.rs:1: a.rs::a has grown from 60 to 61 lines; wanted are 50: divide it"]
        );
        assert_eq!(found(101, Some(101)), ["a.rs:1: a.rs::a has 101 lines; the most is 100: divide it"]);
    }

    #[test]
    fn the_list_may_only_shrink() {
        assert!(found(55, Some(60))[0].contains("shrunk to 55"));
        assert!(found(40, Some(60))[0].contains("remove its entry"));
    }

    #[test]
    fn lowering_keeps_the_rest_of_the_file() {
        let text = "# why\n[over_budget]\n\"a.rs\" = 500\n\"b.rs\" = 600\n\"c.rs\" = 700\n";
        let lowered = [("a.rs".to_owned(), None), ("b.rs".to_owned(), Some(550))].into();
        assert_eq!(rewrite(text, &lowered), "# why\n[over_budget]\n\"b.rs\" = 550\n\"c.rs\" = 700\n");
    }
}
