//! The import table: which of our crates a crate may use, and which outside crates it must never reach.
//!
//! `xtask/tidy.toml` is what is held; the table in ARCHITECTURE.md has to say the same.

use super::metadata::{Dependency, Metadata, Node, Package};
use super::{CrateRules, Finding, RULES, Rules};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

const MAP: &str = "ARCHITECTURE.md";
/// What tests of every crate may use besides.
const FOR_TESTS: &str = "irongate-testkit";

/// Checks the workspace's dependencies against the rules, and the rules against the map.
pub(super) fn check(
    root: &Path,
    metadata: &Metadata,
    rules: &Rules,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let members: Vec<&Package> =
        metadata.packages.iter().filter(|package| metadata.workspace_members.contains(&package.id)).collect();
    let ours: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    for member in &members {
        let file = relative(root, &member.manifest_path);
        let mut report = |text: String| findings.push(Finding { file: file.clone(), line: 0, text });
        let Some(crate_rules) = rules.crates.get(&member.name) else {
            report(format!("`{}` has no entry in {RULES} that says what it may use", member.name));
            continue;
        };
        for text in arrows(member, &ours, crate_rules) {
            report(text);
        }
        for text in reaches(metadata, member, rules, crate_rules)? {
            report(text);
        }
        let manifest = std::fs::read_to_string(&member.manifest_path)?;
        if !manifest.contains("[lints]\nworkspace = true") {
            report("does not take the workspace's lints: add `[lints]` with `workspace = true`".to_owned());
        }
    }
    for name in rules.crates.keys().filter(|name| !ours.contains(name.as_str())) {
        findings.push(Finding { file: RULES.into(), line: 0, text: format!("there is no crate `{name}`") });
    }
    let map = std::fs::read_to_string(root.join(MAP)).with_context(|| format!("cannot read {MAP}"))?;
    let in_crates = |member: &&&Package| relative(root, &member.manifest_path).starts_with("crates/");
    let shown = members.iter().filter(in_crates).map(|member| member.name.as_str()).collect();
    compare_with_map(&map, rules, &shown, findings);
    Ok(())
}

fn relative(root: &Path, path: &str) -> String {
    Path::new(path).strip_prefix(root).unwrap_or(Path::new(path)).display().to_string()
}

/// Arrows to our own crates that the table does not have.
fn arrows(member: &Package, ours: &BTreeSet<&str>, rules: &CrateRules) -> Vec<String> {
    let allowed = |dependency: &Dependency| {
        rules.uses.contains(&dependency.name)
            || dependency.kind.as_deref() == Some("dev")
                && (dependency.name == FOR_TESTS || dependency.name == member.name)
    };
    member
        .dependencies
        .iter()
        .filter(|dependency| ours.contains(dependency.name.as_str()) && !allowed(dependency))
        .map(|dependency| {
            format!(
                "`{}` may not use `{}`; it may use: {}. A new arrow belongs into {RULES} and {MAP}",
                member.name,
                dependency.name,
                if rules.uses.is_empty() { "none of ours".to_owned() } else { rules.uses.join(", ") }
            )
        })
        .collect()
}

/// Outside crates that must not be reached over normal dependencies, each with the way to it.
fn reaches(metadata: &Metadata, member: &Package, rules: &Rules, own: &CrateRules) -> Result<Vec<String>> {
    let mut never = BTreeMap::new();
    for group in &own.never {
        let names = rules.groups.get(group).with_context(|| format!("{RULES} has no group `{group}`"))?;
        never.extend(names.iter().map(|name| (name.as_str(), group.as_str())));
    }
    let names: HashMap<&str, &str> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
    let nodes: HashMap<&str, &Node> =
        metadata.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();

    let mut texts = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = vec![(member.id.as_str(), vec![member.name.as_str()])];
    while let Some((id, way)) = next.pop() {
        let Some(node) = nodes.get(id) else { continue };
        for edge in node.deps.iter().filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none())) {
            let Some(&name) = names.get(edge.pkg.as_str()) else { continue };
            if !seen.insert(edge.pkg.as_str()) {
                continue;
            }
            let way: Vec<&str> = way.iter().copied().chain([name]).collect();
            if let Some(group) = never.get(name) {
                texts.push(format!(
                    "`{}` must not reach `{name}` ({group}): {}",
                    member.name,
                    way.join(" → ")
                ));
            }
            next.push((&edge.pkg, way));
        }
    }
    Ok(texts)
}

/// The table of the map has a row a crate of `crates/`; its third column names what the crate may use.
fn compare_with_map(map: &str, rules: &Rules, shown: &BTreeSet<&str>, findings: &mut Vec<Finding>) {
    let mut rows = BTreeMap::new();
    for (index, line) in map.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", name, _, uses, ..] = cells[..]
            && let [name] = backticked(name)[..]
        {
            let uses: BTreeSet<String> = backticked(uses).into_iter().map(full_name).collect();
            rows.insert(full_name(name), (index + 1, uses));
        }
    }
    for (name, crate_rules) in rules.crates.iter().filter(|(name, _)| shown.contains(name.as_str())) {
        let expected: BTreeSet<String> = crate_rules.uses.iter().cloned().collect();
        match rows.get(name) {
            None => findings.push(Finding {
                file: MAP.into(),
                line: 0,
                text: format!("the table of crates has no row for `{name}`"),
            }),
            Some((line, uses)) if *uses != expected => findings.push(Finding {
                file: MAP.into(),
                line: *line,
                text: format!("says that `{name}` may use {uses:?}; {RULES} says {expected:?}"),
            }),
            Some(_) => {}
        }
    }
}

/// The words of a text that stand between backticks.
fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The map says `config`, cargo `irongate-config`.
fn full_name(name: &str) -> String {
    if name == "irongate" { name.to_owned() } else { format!("irongate-{name}") }
}

#[cfg(test)]
mod tests {
    use super::super::metadata::{Edge, EdgeKind, Resolve};
    use super::*;

    fn rules(uses: &[&str]) -> Rules {
        let crate_rules = CrateRules {
            uses: uses.iter().map(|&name| name.to_owned()).collect(),
            never: vec!["waiting".into()],
            paths: Vec::new(),
        };
        Rules {
            groups: [("waiting".to_owned(), vec!["tokio".to_owned()])].into(),
            crates: [("irongate-traffic".to_owned(), crate_rules)].into(),
            words: super::super::WordRules { forbidden: Vec::new(), except: Vec::new() },
            licenses: Vec::new(),
            over_budget: BTreeMap::new(),
        }
    }

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependencies = dependencies
            .iter()
            .map(|&(name, kind)| Dependency { name: name.into(), kind: kind.map(str::to_owned) })
            .collect();
        Package {
            id: name.into(),
            name: name.into(),
            license: None,
            manifest_path: String::new(),
            dependencies,
        }
    }

    #[test]
    fn arrows_outside_the_table_are_found() {
        let ours = ["irongate-traffic", "irongate-config", "irongate-proxy", FOR_TESTS].into();
        let member = package(
            "irongate-traffic",
            &[
                ("irongate-config", None),
                ("irongate-proxy", Some("dev")),
                (FOR_TESTS, Some("dev")),
                ("tokio", None),
            ],
        );
        let rules = rules(&["irongate-config"]);
        let texts = arrows(&member, &ours, &rules.crates["irongate-traffic"]);
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].contains("may not use `irongate-proxy`"), "{texts:?}");
    }

    #[test]
    fn outside_crates_are_found_however_far_down() {
        let edge = |pkg: &str, kind: Option<&str>| Edge {
            pkg: pkg.into(),
            dep_kinds: vec![EdgeKind { kind: kind.map(str::to_owned) }],
        };
        let node = |id: &str, deps: Vec<Edge>| Node { id: id.into(), deps };
        let metadata = Metadata {
            packages: ["irongate-traffic", "middle", "tokio"].map(|name| package(name, &[])).into(),
            workspace_members: BTreeSet::new(),
            resolve: Resolve {
                nodes: vec![
                    node("irongate-traffic", vec![edge("middle", None), edge("tokio", Some("dev"))]),
                    node("middle", vec![edge("tokio", None)]),
                    node("tokio", Vec::new()),
                ],
            },
        };
        let rules = rules(&[]);
        let texts = reaches(&metadata, &metadata.packages[0], &rules, &rules.crates["irongate-traffic"]);
        let expected =
            "`irongate-traffic` must not reach `tokio` (waiting): irongate-traffic → middle → tokio";
        assert_eq!(texts.expect("the group is there"), [expected]);
    }

    #[test]
    fn the_map_has_to_agree() {
        let check = |map: &str| {
            let mut findings = Vec::new();
            compare_with_map(map, &rules(&["irongate-config"]), &["irongate-traffic"].into(), &mut findings);
            findings.len()
        };
        assert_eq!(check("| `traffic` | decisions | `config` | – |"), 0);
        assert_eq!(check("| `traffic` | decisions | `config`, `message` | – |"), 1);
        assert_eq!(check("no table"), 1);
    }
}
