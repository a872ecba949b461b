//! What the documents show is served as it stands: the README's configuration and the manifests of `examples/`.

use irongate_translate::{Source, read, translate};
use std::fs;
use std::path::{Path, PathBuf};

/// Translates the sources and compares the problems' reasons and the number of listeners with what is expected.
#[track_caller]
fn check(sources: &[Source], listeners: usize, reasons: &[&str]) {
    let (resources, mut problems) = read(sources);
    let translation = translate(&resources);
    problems.extend(translation.problems);
    let found: Vec<&str> = problems.iter().map(|problem| problem.reason).collect();
    assert_eq!(found, reasons, "{problems:#?}");
    assert_eq!(translation.config.listeners.len(), listeners);
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The YAML files of a folder, by name.
fn manifests(folder: &str) -> Vec<Source> {
    let mut paths: Vec<PathBuf> = fs::read_dir(workspace().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| Source::new(path.display().to_string(), fs::read_to_string(path).expect("readable")))
        .collect()
}

#[test]
fn the_configuration_in_the_readme_has_no_problem() {
    let text = fs::read_to_string(workspace().join("README.md")).expect("readable");
    let blocks: Vec<Source> = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| Source::new("README.md", rest.split("```").next().unwrap_or_default()))
        .collect();
    assert_eq!(blocks.len(), 1);
    check(&blocks, 1, &[]);
}

#[test]
fn the_other_examples_have_no_problem() {
    for folder in ["discovery", "dns", "grpc", "resilience", "websocket"] {
        check(&manifests(&format!("examples/{folder}/manifests")), 1, &[]);
    }
}

#[test]
fn the_example_of_tls_lacks_only_the_certificate_that_its_script_makes() {
    check(&manifests("examples/tls-passthrough/manifests"), 1, &["InvalidCertificateRef"]);
}

#[test]
fn the_httpbin_example_has_only_the_problems_that_it_shows() {
    check(&manifests("examples/httpbin/manifests"), 2, &["BackendNotFound", "NoEndpoints"]);
}
