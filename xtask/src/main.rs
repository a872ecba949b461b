//! The project's chores: `cargo xtask tidy`, `cargo xtask docs` and `cargo xtask instructions`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its user")]

mod docs;
mod instructions;
mod tidy;

use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask tidy [--bless]          check the import table, the budgets and the documents;
                                    --bless lowers what xtask/tidy.toml allows to what is there
cargo xtask docs [--check]           write docs/configuration.md from the types; --check only compares
cargo xtask instructions [--bless]  count instructions of the hot paths under valgrind and compare them
                                    with bench/instructions/figures.txt; --bless writes the new figures";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the chore found everything in order.
fn run() -> Result<bool> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root()?;
    match words[..] {
        ["tidy"] => tidy::run(&root, false),
        ["tidy", "--bless"] => tidy::run(&root, true),
        ["docs"] => docs::run(&root, true),
        ["docs", "--check"] => docs::run(&root, false),
        ["instructions"] => instructions::run(&root, false),
        ["instructions", "--bless"] => instructions::run(&root, true),
        _ => bail!("usage:\n{USAGE}"),
    }
}

/// The folder of the workspace: the one above this crate's.
fn root() -> Result<PathBuf> {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(crate_folder.parent().context("xtask lies in the workspace's folder")?.to_owned())
}
