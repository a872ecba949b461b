//! What the kernel says about this process.

use std::fs;
use std::io::Read as _;

/// `/proc` counts processor time in hundredths of a second on every architecture that we build for
/// (`USER_HZ`, proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Where the kernel does not tell the number of open files in one call (before Linux 6.2) they are counted,
/// and no further than this: a scrape must not take longer because there are many connections.
const COUNTED_FILES: usize = 4096;

/// What the kernel says; `None` for what it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) max_files: Option<u64>,
    pub(crate) threads: Option<u64>,
}

/// Reads a handful of small files below `/proc/self`; everything is `None` where there is no such place.
pub(crate) fn read() -> Process {
    let status = read_text("/proc/self/status");
    Process {
        cpu_seconds: cpu_seconds(&read_text("/proc/self/stat")),
        resident_bytes: field(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
        open_files: open_files(),
        max_files: field(&read_text("/proc/self/limits"), "Max open files"),
        threads: field(&status, "Threads:"),
    }
}

fn read_text(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = fs::File::open(path) {
        // These files have a few KiB at most; a partial read leaves fields out and nothing else.
        let _ = file.take(16 << 10).read_to_string(&mut text);
    }
    text
}

/// The first number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// User and system time: the 14th and 15th fields, counted after the process's name, which may itself hold
/// spaces and parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_PER_SECOND)
}

fn open_files() -> Option<u64> {
    let directory = "/proc/self/fd";
    match fs::metadata(directory).ok()?.len() {
        0 => {
            let counted = fs::read_dir(directory).ok()?.take(COUNTED_FILES).count();
            (counted < COUNTED_FILES).then_some(counted as u64)
        }
        length => Some(length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let status = "Name:\tirongate\nVmRSS:\t   12345 kB\nThreads:\t3\n";
        assert_eq!(field(status, "VmRSS:"), Some(12345));
        assert_eq!(field(status, "VmSwap:"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(field(limits, "Max open files"), Some(1024));
        assert_eq!(field("Max open files  unlimited unlimited", "Max open files"), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 3 0";
        for name in ["irongate", "a) b (c", ""] {
            assert_eq!(cpu_seconds(&format!("42 ({name}) {rest}")), Some(4.0), "{name}");
        }
        assert_eq!(cpu_seconds(""), None);
        assert_eq!(cpu_seconds("1 (a) S 1"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        if cfg!(target_os = "linux") {
            let process = read();
            assert!(process.resident_bytes.is_some_and(|bytes| bytes > 0));
            assert!(process.open_files.is_some_and(|files| files > 0));
            assert!(process.cpu_seconds.is_some());
        }
    }
}
