//! How many threads the data plane should have, and which threads come after them.

use std::num::NonZero;

/// How much lower the priority of a thread is that gives way (nice(2)): it gets about a quarter of a core that another wants.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Lets the calling thread, and those that it starts from now on, give way to the data plane: for work that takes
/// milliseconds in one piece, such as a reload, on a machine that has no core to spare for it.
///
/// Such a thread must hold no lock that a data thread takes. Where threads have no priority of their own it does nothing.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICER) {
        tracing::debug!(%error, "the priority of a thread cannot be lowered");
    }
}

/// The cores that the process may run on, bounded by the cgroup's CPU quota rounded up; at least 1.
#[must_use]
pub fn available_threads() -> usize {
    // The standard library looks at the affinity mask and at the cgroup's quota, and rounds the quota down.
    let affine = std::thread::available_parallelism().map_or(1, NonZero::get);
    match quota() {
        Some(quota) => cores().min(quota).max(affine),
        None => affine,
    }
}

/// Cores that may be used by affinity alone.
fn cores() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map_or(1, |list| list.trim().split(',').map(range_length).sum())
}

fn range_length(range: &str) -> usize {
    let mut ends = range.split('-').map(|end| end.trim().parse::<usize>().unwrap_or(0));
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) => last.saturating_sub(first) + 1,
        _ => 1,
    }
}

/// The quota of cgroup v2, in cores, rounded up.
fn quota() -> Option<usize> {
    let text = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok()?;
    parse_quota(&text)
}

fn parse_quota(text: &str) -> Option<usize> {
    let mut words = text.split_ascii_whitespace();
    let quota: u64 = words.next()?.parse().ok()?;
    let period: u64 = words.next()?.parse().ok()?;
    if period == 0 {
        return None;
    }
    usize::try_from(quota.div_ceil(period)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_rounded_up() {
        assert_eq!(parse_quota("150000 100000\n"), Some(2));
        assert_eq!(parse_quota("100000 100000"), Some(1));
        assert_eq!(parse_quota("max 100000"), None);
        assert_eq!(parse_quota("1 0"), None);
        assert_eq!(range_length("0-3"), 4);
        assert_eq!(range_length("7"), 1);
    }
}
