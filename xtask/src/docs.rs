//! `cargo xtask docs`: the configuration reference. A test of `irongate-translate` renders it from the schemas, so that
//! the chores need none of our crates, and the page cannot go stale unnoticed.

use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Writes the reference, or only compares it. Whether it is as it should be.
pub(crate) fn run(root: &Path, write: bool) -> Result<bool> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["test", "--quiet", "-p", "irongate-translate", "--test", "reference"]);
    if write {
        command.env("UPDATE_GOLDEN", "1");
    } else {
        command.env_remove("UPDATE_GOLDEN");
    }
    let status = command.status().context("cargo cannot be started")?;
    Ok(status.success())
}
