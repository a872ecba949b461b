//! Broken configuration beside a good one: the corpus of `crates/translate/tests/broken`, all of it at once.

use crate::{BINARY, OK};
use irongate_testkit::{Gateway, Origin};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_to_the_system = fs::remove_dir_all(&self.0);
    }
}

/// Every file of the corpus, but for the good one, which is given with the addresses of this test.
fn copy_corpus(from: &Path, to: &Path, listen: SocketAddr) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(from).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "base.yaml" {
            continue;
        }
        let bytes = fs::read(&path).expect("readable");
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) => with_port(text, "18080", listen).into_bytes(),
            Err(_) => bytes,
        };
        fs::write(to.join(&name), bytes).expect("a file in the temporary directory");
        names.push(name);
    }
    names
}

/// A text with the port of an address instead of the one that stands for it in the corpus.
fn with_port(text: &str, port: &str, address: SocketAddr) -> String {
    text.replace(port, &address.port().to_string())
}

#[test]
fn two_hundred_broken_files_take_no_good_one_down() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../translate/tests/broken");
    let base = fs::read_to_string(corpus.join("base.yaml")).expect("the good file is there");
    let folder = Folder(std::env::temp_dir().join(format!("irongate-broken-{}", std::process::id())));
    fs::create_dir_all(&folder.0).expect("a folder in the temporary directory");
    let origin = Origin::answering(OK);
    let path = folder.0.display().to_string();
    let mut names = Vec::new();
    let gateway = Gateway::start_text(BINARY, &["--threads", "1", "-c", &path], |listen| {
        names = copy_corpus(&corpus, &folder.0, listen);
        with_port(&with_port(&base, "18080", listen), "18090", origin.address())
    });
    assert!(names.len() >= 200, "{}", names.len());
    let request = "GET / HTTP/1.1\r\nHost: good.example.com\r\n\r\n";
    assert_eq!(gateway.exchange(request).status, 200);
    let printed = gateway.printed();
    for name in &names {
        assert!(printed.contains(name.as_str()), "nothing is said of {name}");
    }
    assert!(!printed.contains("panicked"), "{printed}");
    // Nothing of them stays when they are gone.
    for name in &names {
        fs::remove_file(folder.0.join(name)).expect("it was written");
    }
    gateway.reload();
    assert_eq!(gateway.exchange(request).status, 200);
}
