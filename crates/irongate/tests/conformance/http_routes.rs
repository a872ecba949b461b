//! The conformance tests of `HTTPRoute`: each is named after the golden file that it runs.

mod filters;
mod listeners;
mod matches;
mod references;
mod tries;

use crate::Conformance;
use crate::cases::Case;

/// Runs the manifests of a test and compares what comes of requests to the Gateway `same-namespace`.
#[track_caller]
fn check(test: &str, cases: impl IntoIterator<Item = Case>) {
    Conformance::start(test).at("same-namespace", 80).check(cases);
}
