//! The command line: `irongate demo`, `run`, `check`, `explain`, `schema`, `version`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the one crate that speaks to a terminal"
)]

mod check;
mod command_line;
mod demo;
mod explain;
mod files;
mod knowledge;
mod limits;
mod log;
mod output;
mod panics;
mod reload;
mod run;
mod schema;
mod view;
mod watch;

use clap::Parser;
use command_line::{Command, CommandLine};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The status of `check` and `explain` where a path cannot be read, as for a command line that is none.
const UNREADABLE: u8 = 2;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Demo(options) => demo::command(&options).map(|()| ExitCode::SUCCESS),
        Command::Run(options) => run::command(&options).map(|()| ExitCode::SUCCESS),
        // Of these, 1 says something of the configuration: what could not even be asked has another status.
        Command::Check(options) => return told(check::command(&options), UNREADABLE.into()),
        Command::Explain(options) => return told(explain::command(&options), UNREADABLE.into()),
        Command::Schema(options) => schema::command(&options).map(|()| ExitCode::SUCCESS),
        Command::Version => {
            println!("irongate {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    };
    told(result, ExitCode::FAILURE)
}

fn told(result: anyhow::Result<ExitCode>, failure: ExitCode) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("irongate: {error:#}");
        failure
    })
}
