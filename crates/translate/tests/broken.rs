//! Broken files, each beside a good one: what is wrong is told where it is, and the good one is served as if it were alone.
//!
//! A file of `tests/broken/` begins with the problems that are expected, one a line: `# expect: LINE REASON FIELD`. Run with
//! `UPDATE_GOLDEN=1` to write what was found; then read the difference. `base.yaml` is the good one.

use irongate_config::{Config, Problem};
use irongate_translate::{Source, read, translate};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const EXPECT: &[u8] = b"# expect: ";
/// What every Secret of the corpus holds, in plain or encoded: no problem quotes it.
const SECRETS: &[&str] = &["hunter2", "aHVudGVyMg"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn base() -> Source {
    let path = folder().join("base.yaml");
    Source::new("base.yaml", fs::read_to_string(path).expect("the good file is there"))
}

/// A file as the binary hands it over.
fn source(name: &str, bytes: &[u8]) -> Source {
    match std::str::from_utf8(bytes) {
        Ok(text) => Source::new(name, text),
        Err(_) => Source::unreadable(name, "is not UTF-8 text"),
    }
}

/// The part of a Config that the good file has made, in words.
fn good_part(config: &Config) -> String {
    let mut text = String::new();
    for listener in config.listeners.iter().filter(|listener| listener.key.gateway.namespace() == "good") {
        let _ = writeln!(text, "{} {:?} {:?}", listener.key, listener.addresses, listener.hostname);
        for attached in listener.routes.iter().filter(|one| one.route.key.name.namespace() == "good") {
            let _ = writeln!(text, "{:?} {:?}", attached.hostnames, attached.route);
        }
    }
    for backend in config.backends.values().filter(|backend| backend.key.name.namespace() == "good") {
        let _ = writeln!(text, "{backend:?}");
    }
    text
}

/// What is wrong with a file that stands beside the good one, which must be served as it is alone.
fn problems(name: &str, bytes: &[u8]) -> Vec<Problem> {
    let (alone, none) = read(&[base()]);
    assert_eq!(none, []);
    let (resources, mut problems) = read(&[base(), source(name, bytes)]);
    let translation = translate(&resources);
    assert_eq!(good_part(&translation.config), good_part(&translate(&alone).config), "{name}");
    problems.extend(translation.problems);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for problem in &problems {
        let text = problem.to_string();
        assert!(!problem.message.is_empty() && text.len() < 4096, "{name}: {} bytes", text.len());
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
        let Some(position) = &problem.position else {
            assert_eq!(problem.reason, "TooMany", "{text}");
            continue;
        };
        assert_eq!(&*position.file, name, "{text}");
        assert!((1..=lines).contains(&(position.line as usize)), "{text}");
    }
    problems
}

/// The lines that tell the expected problems, and what they come to.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut length = 0;
    while bytes[length..].starts_with(EXPECT) {
        let line = bytes[length..].iter().position(|byte| *byte == b'\n').expect("the line ends");
        length += line + 1;
    }
    bytes.split_at(length)
}

fn found(name: &str, bytes: &[u8]) -> String {
    let line = |problem: &Problem| {
        let line = problem.position.as_ref().map_or(0, |position| position.line);
        let field = if problem.field.is_empty() { "-" } else { &problem.field };
        format!("# expect: {line} {} {field}\n", problem.reason)
    };
    problems(name, bytes).iter().map(line).collect()
}

/// The file with what was found in its head, whose length moves the lines.
fn updated(name: &str, body: &[u8]) -> Vec<u8> {
    let mut head = String::new();
    loop {
        let file = [head.as_bytes(), body].concat();
        let next = found(name, &file);
        if next == head {
            return file;
        }
        head = next;
    }
}

#[test]
fn each_problem_is_told_and_the_good_file_is_served() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).expect("it is there").map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "base.yaml"));
    paths.sort();
    assert!(paths.len() >= 200, "{}", paths.len());
    let mut different = String::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("readable");
        let (expected, body) = split(&bytes);
        if update {
            fs::write(&path, updated(&name, body)).expect("writable");
            continue;
        }
        let found = found(&name, &bytes);
        assert!(!found.is_empty(), "{name}: nothing is wrong with it");
        if found.as_bytes() != expected {
            let _ = writeln!(different, "{name}:\n{}found:\n{found}", String::from_utf8_lossy(expected));
        }
    }
    assert!(different.is_empty(), "run with UPDATE_GOLDEN=1 if this is right:\n{different}");
}

/// Texts that are too large to be kept here. Each has a problem of the reason, and no problem is a page long.
#[test]
fn hostile_sizes_are_told() {
    const MEBIBYTE: usize = 1 << 20;
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: broken}\n";
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: broken}\nspec:\n  \
                 parentRefs: [{name: gw, namespace: good}]\n";
    let many = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    for (name, text, reason) in [
        ("large", " ".repeat(Source::MAX_BYTES + 1), "TooLarge"),
        ("documents", "a\n---\n".repeat(100_001), "BadYaml"),
        ("problems", "a\n---\n".repeat(20_000), "TooMany"),
        ("values", format!("[{}]", "a,".repeat(MEBIBYTE)), "BadYaml"),
        ("brackets", "[".repeat(MEBIBYTE), "BadYaml"),
        ("braces", "{a: ".repeat(MEBIBYTE / 4), "BadYaml"),
        ("dashes", "- ".repeat(MEBIBYTE / 2), "BadYaml"),
        ("questions", "? ".repeat(MEBIBYTE / 2), "BadYaml"),
        ("quote", format!("a: \"{}", "b".repeat(MEBIBYTE)), "BadYaml"),
        ("anchors", many(50_000, &|n| format!("- &a{n} *a{}\n", n + 1)), "BadYaml"),
        ("name", service.replace("broken", &"a".repeat(MEBIBYTE)), "Invalid"),
        ("kind", service.replace("Service", &"S".repeat(MEBIBYTE)), "UnknownKind"),
        (
            "field",
            format!("{service}{}: 1\nspec: {{ports: [{{port: 80}}]}}\n", "a".repeat(MEBIBYTE / 2)),
            "BadYaml",
        ),
        (
            "fields",
            format!("{service}spec: {{ports: [{{port: 80}}]}}\n{}", many(5000, &|n| format!("a{n}: 1\n"))),
            "UnknownField",
        ),
        ("value", format!("{service}spec: {{type: {}}}\n", "a".repeat(MEBIBYTE)), "Invalid"),
        (
            "ports",
            format!(
                "{service}spec:\n  ports:\n{}",
                many(2000, &|n| format!("  - {{name: p{n}, port: {}}}\n", n + 1))
            ),
            "Invalid",
        ),
        ("hostname", format!("{route}  hostnames: [{}]\n", "a.".repeat(MEBIBYTE / 2)), "Invalid"),
        (
            "hostnames",
            format!("{route}  hostnames: [{}]\n", many(5000, &|n| format!("h{n}.example.com,"))),
            "Invalid",
        ),
        (
            "regex",
            format!(
                "{route}  rules: [{{matches: [{{path: {{type: RegularExpression, value: \"/{}\"}}}}]}}]\n",
                "(a|b)".repeat(300)
            ),
            "Invalid",
        ),
        (
            "rules",
            format!(
                "{route}  rules:\n{}",
                many(3000, &|n| format!("  - matches: [{{path: {{value: /r{n}}}}}]\n"))
            ),
            "Invalid",
        ),
        (
            "label",
            format!("{service}spec: {{ports: [{{port: 80}}]}}\n")
                .replace("broken", &format!("broken, labels: {{a: {}}}", "b".repeat(MEBIBYTE))),
            "Invalid",
        ),
    ] {
        let found = problems("large.yaml", text.as_bytes());
        assert!(
            found.iter().any(|problem| problem.reason == reason),
            "{name}: {:?}",
            found.first().map(ToString::to_string)
        );
    }
}
