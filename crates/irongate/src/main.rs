//! The command line: `irongate demo`, `irongate run`, `irongate version`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the one crate that speaks to a terminal"
)]

mod command_line;
mod demo;
mod files;
mod limits;
mod log;
mod panics;
mod run;

use clap::Parser;
use command_line::{Command, CommandLine};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match CommandLine::parse().command {
        Command::Demo(options) => demo::command(&options),
        Command::Run(options) => run::command(&options),
        Command::Version => {
            println!("irongate {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("irongate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
