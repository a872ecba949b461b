//! Instruction counts of the hot paths, to be run under callgrind by `cargo xtask instructions`.
//!
//! Without an argument it lists its cases as `NAME TIMES`. With a name it prepares that case and repeats its
//! operation so many times inside [`measured`], the only function whose instructions are counted.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to its caller")]

mod exchange;
mod heads;
mod http2;
mod limits;
mod routes;

use std::process::ExitCode;

/// One operation that is counted.
struct Case {
    /// Its name in the figures.
    name: &'static str,
    /// How often it is repeated; the figure is a mean.
    times: u32,
    /// Makes what the operation needs, and the operation.
    prepare: fn() -> Box<dyn FnMut()>,
}

/// Every case, by module.
const CASES: &[&[Case]] = &[heads::CASES, http2::CASES, routes::CASES, limits::CASES, exchange::CASES];

fn main() -> ExitCode {
    let cases = || CASES.iter().copied().flatten();
    let Some(name) = std::env::args().nth(1) else {
        for case in cases() {
            println!("{} {}", case.name, case.times);
        }
        return ExitCode::SUCCESS;
    };
    let Some(case) = cases().find(|case| case.name == name) else {
        eprintln!("there is no case `{name}`");
        return ExitCode::FAILURE;
    };
    let mut operation = (case.prepare)();
    // What only the first time costs (allocations that are kept, detection of CPU features) stays out of the figure.
    operation();
    measured(&mut operation, case.times);
    ExitCode::SUCCESS
}

/// Repeats an operation. Callgrind collects from the entry of this function to its return, by its name.
#[inline(never)]
fn measured(operation: &mut dyn FnMut(), times: u32) {
    for _ in 0..times {
        operation();
    }
}
