//! What callers see while the configuration changes under traffic, and how soon a change counts.
//!
//! `storm`: reloads, one a second, under a steady load; each answer names the version of the configuration that it was
//! routed by. `fresh`: from the rename of a file to the first answer by a route that is new in it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it found")]

mod fresh;
mod gateway;
mod load;
mod manifest;
mod origin;
mod storm;

use std::process::ExitCode;

/// The value below which so many of a thousand are.
pub(crate) fn permille(sorted: &[f64], share: usize) -> f64 {
    sorted.get((sorted.len() * share / 1000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// `PASS` or `FAIL`, noted in `all`.
pub(crate) fn verdict(good: bool, all: &mut bool) -> &'static str {
    *all &= good;
    if good { "PASS" } else { "FAIL" }
}

fn main() -> ExitCode {
    let mut parts: Vec<String> = std::env::args().skip(1).collect();
    let smoke = parts.iter().any(|part| part == "--smoke");
    parts.retain(|part| part != "--smoke");
    if let Some(other) = parts.iter().find(|part| !["storm", "fresh"].contains(&part.as_str())) {
        eprintln!("there is no part `{other}`: storm, fresh");
        return ExitCode::FAILURE;
    }
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|one| one == part);
    let mut good = true;
    if wants("storm") {
        storm::run(smoke, &mut good);
    }
    if wants("fresh") {
        fresh::run(smoke, &mut good);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
