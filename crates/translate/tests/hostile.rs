//! Whatever is read, nothing panics, and what is found is told with its place.

use irongate_translate::{Source, read, translate};
use proptest::prelude::*;
use std::sync::LazyLock;

/// The inputs of the golden cases: good soil for mutations.
static INPUTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let paths =
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == "golden")).collect();
    paths.sort();
    let inputs = |path| {
        let text = std::fs::read_to_string(path).expect("readable");
        let text = text.split("\n=== config").next().unwrap_or_default().to_owned();
        let inputs = text.split("=== input ").skip(1).filter_map(|part| part.split_once('\n'));
        inputs.map(|(_, text)| text).collect::<Vec<_>>().join("---\n")
    };
    paths.into_iter().map(inputs).collect()
});

/// Pieces that mean something somewhere.
const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\n  ",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "---\n",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!x ",
    "null",
    "~",
    "0",
    "-1",
    "65536",
    "99999999999999999999",
    "1e999",
    ".nan",
    "true",
    "/",
    "//",
    "/../",
    "%",
    "%2f",
    "%c0",
    "*",
    "*.a",
    "(",
    "(?i)",
    "a{9999}",
    "\\",
    "\u{0}",
    "\u{feff}",
    "é",
    "0s",
    "1h",
    "kind: List\nitems:\n",
];

fn check(texts: &[String]) {
    let sources: Vec<_> =
        (0..).zip(texts).map(|(n, text): (u32, _)| Source::new(format!("{n}.yaml"), text.as_str())).collect();
    let (resources, problems) = read(&sources);
    let translation = translate(&resources);
    for problem in problems.iter().chain(&translation.problems) {
        let position = problem.position.as_ref().expect("every problem of a file has a place");
        let number: usize = position.file.trim_end_matches(".yaml").parse().expect("one of the sources");
        // A carriage return alone is a line end of YAML, too.
        let lines = texts[number].replace("\r\n", "\n").split(['\n', '\r']).count();
        let lines = u32::try_from(lines).expect("few");
        assert!((1..=lines + 1).contains(&position.line), "{problem}");
        assert!(!problem.message.is_empty());
    }
    for listener in &translation.config.listeners {
        assert!(!listener.addresses.is_empty());
        for attached in &listener.routes {
            assert!(!attached.hostnames.is_empty());
            assert!(attached.route.rules.iter().all(|rule| !rule.matches.is_empty()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_configurations(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, prop::sample::select(PIECES)), 0..6),
    ) {
        let mut text = which.get(&INPUTS).clone();
        for (at, remove, insert) in edits {
            let boundary = |at: usize| (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let from = boundary(at.index(text.len() + 1));
            let to = boundary((from + remove).min(text.len()));
            text.replace_range(from..to, insert);
        }
        check(&[text]);
    }

    #[test]
    fn merged_configurations(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        check(&[a.get(&INPUTS).clone(), b.get(&INPUTS).clone()]);
    }

    #[test]
    fn pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        check(&[pieces.concat()]);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check(&[text]);
    }
}
