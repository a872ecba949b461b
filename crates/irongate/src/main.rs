//! The command line.

#[allow(dead_code)] // Until the command that runs it is there.
mod demo;

fn main() {}
