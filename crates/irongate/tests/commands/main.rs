//! What `irongate check`, `explain` and `schema` print, and their exit statuses.
//!
//! Each file of `tests/commands/*.console` begins with what it shows, then has commands (`$ irongate …`), each with
//! everything that it prints to standard output and, where it is not 0, its exit status. They run in `tests/commands/files/`. Run
//! with `UPDATE_GOLDEN=1` to write what was found into the files; then read the difference.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_irongate");

/// What the commands of a file print now, in the form of the file.
fn found(text: &str, folder: &Path) -> String {
    let mut found = text.split("$ irongate ").next().unwrap_or_default().to_owned();
    for line in text.lines().filter_map(|line| line.strip_prefix("$ irongate ")) {
        let output = Command::new(BINARY)
            .args(words(line))
            .current_dir(folder)
            .env_remove("NO_COLOR")
            .output()
            .expect("the binary runs");
        let _infallible = writeln!(found, "$ irongate {line}");
        found.push_str(&String::from_utf8_lossy(&output.stdout));
        if output.status.code() != Some(0) {
            let _infallible = writeln!(found, "exit status {}", output.status.code().unwrap_or(-1));
        }
    }
    found
}

/// The words of a command line; a word may stand in single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().expect("never empty").push_str(part);
            continue;
        }
        let mut pieces = part.split(' ');
        words.last_mut().expect("never empty").push_str(pieces.next().unwrap_or_default());
        words.extend(pieces.map(ToOwned::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn consoles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let entries = std::fs::read_dir(&folder).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "console"));
    paths.sort();
    assert!(!paths.is_empty());
    let mut different = String::new();
    for path in paths {
        let expected = std::fs::read_to_string(&path).expect("readable");
        let found = found(&expected, &folder.join("files"));
        if found != expected && update {
            std::fs::write(&path, found).expect("writable");
        } else if found != expected {
            let _infallible = write!(different, "{}: found\n{found}\n", path.display());
        }
    }
    assert!(different.is_empty(), "run with UPDATE_GOLDEN=1 if this is right:\n{different}");
}

/// What cannot be asked has a status of its own, and says why.
#[test]
fn what_cannot_be_read_is_told() {
    for (arguments, told) in [
        (&["check", "-c", "nowhere.yaml"][..], "nowhere.yaml"),
        (&["explain", "-c", "nowhere.yaml", "http://a/"], "nowhere.yaml"),
        (&["explain", "-c", "shop.yaml", "a/b"], "no URL"),
        (&["explain", "-c", "shop.yaml", "-H", "x", "http://a/"], "name: value"),
        (&["check", "-c", "../../wire"], "holds no .yaml or .yml file"),
        (&["schema", "Nothing"], "HTTPRoute"),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/commands/files");
        let output =
            Command::new(BINARY).args(arguments).current_dir(folder).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr);
        let status = if arguments[0] == "schema" { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

/// Without a kind, the schema is for files of all kinds; with one, for its objects.
#[test]
fn schemas_are_printed() {
    for arguments in [&["schema"][..], &["schema", "httproute"]] {
        let output = Command::new(BINARY).args(arguments).output().expect("the binary runs");
        assert!(output.status.success());
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert!(schema["definitions"]["HttpRouteRule"]["properties"]["matches"].is_object());
    }
}

/// Files of other programs and of nobody's: the report says what is the matter.
#[test]
fn what_holds_nothing_is_told() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, bytes, told, status) in [
        ("latin1.yaml", &b"kind: \xe9\n"[..], "it is not text in UTF-8", 1),
        ("empty.yaml", b"", "There is no Gateway: nothing would be served.", 0),
    ] {
        std::fs::write(folder.join(name), bytes).expect("writable");
        let output = Command::new(BINARY).args(["check", "-c", name]).current_dir(folder).output();
        let output = output.expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(told), "{name}: {text}");
        assert_eq!(output.status.code(), Some(status), "{name}: {text}");
    }
}
