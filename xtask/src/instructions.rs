//! `instructions`: counts the instructions of the hot paths and compares them with the committed figures.
//!
//! Each case of `bench/instructions` runs under callgrind, which counts only what happens inside the
//! program's `measured` function. Counts of one binary are the same on every run and on a busy machine, up to the
//! random seeds of hash maps; figures of one toolchain are comparable, so a rise means more work.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const FIGURES: &str = "bench/instructions/figures.txt";
/// Callgrind counts `rep movsb`, with which the C library copies long ranges, as an instruction a byte; vectors tell
/// more, and on every processor the same.
const COPY_BY_VECTORS: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1000000000");
const PACKAGE: &str = "irongate-instructions";
/// A rise of more than this, in per cent, needs new committed figures in the same change.
const TOLERANCE: u64 = 3;

/// Cases that may take no more than so many per cent of what another takes: what has to stay flat.
const RATIOS: [(&str, &str, u64); 1] = [("exchange/routes/10000", "exchange/routes/1", 105)];

/// Instructions a repetition, by case.
type Figures = BTreeMap<String, u64>;

/// Counts, compares and prints; with `bless` the new figures become the committed ones.
pub(crate) fn run(root: &Path, bless: bool) -> Result<bool> {
    let counted = count(root)?;
    let path = root.join(FIGURES);
    let committed = match std::fs::read_to_string(&path) {
        Ok(text) => read(&text)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Figures::new(),
        Err(error) => return Err(error).context(FIGURES),
    };
    let (table, complaints) = compare(&committed, &counted);
    print!("{table}");
    if bless {
        std::fs::write(&path, write(&counted)).context(FIGURES)?;
        println!("{FIGURES} is written");
        return Ok(true);
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    if !complaints.is_empty() {
        println!(
            "If the change explains it: cargo xtask instructions --bless, and commit {FIGURES} with it."
        );
    }
    Ok(complaints.is_empty())
}

/// Builds the program and runs each of its cases under callgrind.
fn count(root: &Path) -> Result<Figures> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", PACKAGE])
        .current_dir(root)
        .status()
        .context("cannot run cargo build")?;
    anyhow::ensure!(status.success(), "{PACKAGE} does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let program = target.join("release").join(PACKAGE);

    let output =
        Command::new(&program).output().with_context(|| format!("cannot run {}", program.display()))?;
    anyhow::ensure!(output.status.success(), "{PACKAGE} cannot list its cases");
    let list = String::from_utf8(output.stdout).context("the list of cases is not UTF-8")?;
    let mut figures = Figures::new();
    for line in list.lines() {
        let (case, times) = line.split_once(' ').with_context(|| format!("`{line}` is no case"))?;
        let times: u64 = times.parse().with_context(|| format!("`{line}` is no case"))?;
        figures.insert(case.to_owned(), collected(&program, case)? / times);
    }
    Ok(figures)
}

/// How many instructions one case took inside `measured`.
fn collected(program: &Path, case: &str) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured*"])
        .arg(program)
        .arg(case)
        .env(COPY_BY_VECTORS.0, COPY_BY_VECTORS.1)
        .output()
        .context("cannot run valgrind (Debian: apt-get install valgrind)")?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{case} failed under valgrind:\n{log}");
    }
    let count = log.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    let count: u64 =
        count.and_then(|count| count.parse().ok()).with_context(|| format!("no count in:\n{log}"))?;
    anyhow::ensure!(count > 0, "{case}: callgrind saw no call of `measured`");
    Ok(count)
}

fn read(text: &str) -> Result<Figures> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (case, figure) =
                line.trim().rsplit_once(' ').with_context(|| format!("{FIGURES}: `{line}`"))?;
            let figure = figure.parse().with_context(|| format!("{FIGURES}: `{line}`"))?;
            Ok((case.trim_end().to_owned(), figure))
        })
        .collect()
}

fn write(figures: &Figures) -> String {
    let mut text =
        String::from("# Instructions a repetition; written by: cargo xtask instructions --bless\n");
    for (case, figure) in figures {
        let _ = writeln!(text, "{case:40} {figure:>10}");
    }
    text
}

/// The table, and what is not in order: rises over the tolerance, and cases on one side only.
fn compare(committed: &Figures, counted: &Figures) -> (String, Vec<String>) {
    let mut table = format!("{:40} {:>10} {:>10} {:>8}\n", "instructions of", "committed", "now", "change");
    let mut complaints = Vec::new();
    for (case, &now) in counted {
        let Some(&before) = committed.get(case) else {
            let _ = writeln!(table, "{case:40} {:>10} {now:>10} {:>8}", "-", "new");
            complaints.push(format!("{case} has no committed figure."));
            continue;
        };
        let change = (now as f64 / before as f64 - 1.0) * 100.0;
        let _ = writeln!(table, "{case:40} {before:>10} {now:>10} {change:>+7.1}%");
        if now * 100 > before * (100 + TOLERANCE) {
            complaints
                .push(format!("{case} takes {change:.1} % more instructions; {TOLERANCE} % is the most."));
        }
    }
    for (case, base, most) in RATIOS {
        let (Some(&case_count), Some(&base_count)) = (counted.get(case), counted.get(base)) else { continue };
        let ratio = case_count as f64 / base_count as f64;
        let _ = writeln!(table, "{case} is {ratio:.3} x {base}");
        if case_count * 100 > base_count * most {
            complaints.push(format!("{case} takes {ratio:.3} x what {base} takes; {most} % is the most."));
        }
    }
    for case in committed.keys().filter(|case| !counted.contains_key(*case)) {
        complaints.push(format!("{case} has a committed figure and is no case any more."));
    }
    (table, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(cases: &[(&str, u64)]) -> Figures {
        cases.iter().map(|&(case, figure)| (case.to_owned(), figure)).collect()
    }

    #[test]
    fn rises_over_the_tolerance_are_complaints() {
        let committed = figures(&[("a", 1000), ("b", 1000), ("gone", 5)]);
        let (table, complaints) = compare(&committed, &figures(&[("a", 1030), ("b", 1031), ("new", 7)]));
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(complaints[0].starts_with("b takes 3.1 % more"), "{complaints:?}");
        assert!(table.contains("+3.0%") && table.contains("new"), "{table}");
    }

    #[test]
    fn what_has_to_stay_flat_is_compared() {
        let counts = |many| figures(&[("exchange/routes/1", 1000), ("exchange/routes/10000", many)]);
        let check = |many| compare(&counts(many), &counts(many)).1;
        assert_eq!(check(1050), [""; 0]);
        assert!(check(1051)[0].contains("takes 1.051 x what exchange/routes/1 takes"), "{:?}", check(1051));
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let figures = figures(&[("head/request, 10 fields", 1234), ("route/10000", 99)]);
        assert_eq!(read(&write(&figures)).expect("our own form"), figures);
    }
}
