//! What a crate's code may not name outside its tests: clocks, dice, sockets, files.

use super::source::SourceFile;
use super::{Finding, Rules};

/// Compares every path in a crate's sources with those that its rules forbid.
pub(super) fn check(rules: &Rules, sources: &[SourceFile], findings: &mut Vec<Finding>) {
    for source in sources {
        let Some(forbidden) = crate_of(&source.path).and_then(|name| rules.crates.get(&name)) else {
            continue;
        };
        for (line, path) in &source.paths {
            if let Some(rule) = forbidden.paths.iter().find(|rule| names(path, rule)) {
                findings.push(Finding {
                    file: source.path.clone(),
                    line: *line,
                    text: format!(
                        "names `{}`: `{rule}` has no place in this crate; take what it gives as an argument",
                        path.join("::")
                    ),
                });
            }
        }
    }
}

/// `crates/proxy/src/pump.rs` belongs to `irongate-proxy`.
fn crate_of(path: &str) -> Option<String> {
    let name = path.strip_prefix("crates/")?.split('/').next()?;
    Some(if name == "irongate" { name.to_owned() } else { format!("irongate-{name}") })
}

/// Whether a path holds the rule's segments one after another.
fn names(path: &[String], rule: &str) -> bool {
    let rule: Vec<&str> = rule.split("::").collect();
    path.windows(rule.len()).any(|window| window.iter().zip(&rule).all(|(a, b)| a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_fits_anywhere_in_a_path_but_only_whole_segments() {
        let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
        assert!(names(&path("std::time::Instant::now"), "Instant::now"));
        assert!(names(&path("std::fs::read"), "std::fs"));
        assert!(!names(&path("std::time::Instant"), "Instant::now"));
        assert!(!names(&path("MyInstant::now"), "Instant::now"));
    }

    #[test]
    fn crates_are_known_by_their_folder() {
        assert_eq!(crate_of("crates/proxy/src/pump.rs").as_deref(), Some("irongate-proxy"));
        assert_eq!(crate_of("crates/irongate/src/main.rs").as_deref(), Some("irongate"));
        assert_eq!(crate_of("xtask/src/main.rs"), None);
    }
}
