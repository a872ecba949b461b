//! Prints what each algorithm, and what others do, comes to in simulated clusters: the table of docs/balancing.md.
//!
//! `cargo run --release -p irongate-traffic --example simulate`

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![allow(dead_code, reason = "the cluster is the simulations' own, which look at more of it")]

#[path = "../tests/simulation/cluster.rs"]
mod cluster;
#[path = "../tests/simulation/plain.rs"]
mod plain;
#[path = "../tests/simulation/scenarios.rs"]
mod scenarios;

use scenarios::{RULES, SCENARIOS};

fn main() {
    for scenario in SCENARIOS {
        println!("\n**{}**\n", scenario.name);
        println!("| | p50, ms | p99, ms | errors | fairness |\n|---|--:|--:|--:|--:|");
        for (name, rule) in RULES {
            let figures = scenario.run(rule);
            let errors = format!("{:.2} %", 100.0 * figures.errors);
            println!(
                "| {name} | {:.1} | {:.1} | {errors} | {:.2} |",
                figures.median, figures.p99, figures.fairness
            );
        }
    }
}
