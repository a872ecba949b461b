use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// When the file was written first.
const START: SystemTime = SystemTime::UNIX_EPOCH;

/// One file, read at times that the test says.
struct File {
    known: Option<Known>,
    changed: Duration,
}

impl File {
    fn new(text: &str) -> Self {
        let mut file = Self { known: None, changed: Duration::ZERO };
        file.read(10 * SECOND, text);
        file
    }

    /// Somebody writes it, so long after the start.
    fn write(&mut self, at: Duration) {
        self.changed = at;
    }

    /// Somebody reads it, so long after the start, and finds a text; gives what counts.
    fn read(&mut self, at: Duration, text: &str) -> String {
        let changed = (self.changed.as_secs().cast_signed(), i64::from(self.changed.subsec_nanos()));
        let size = text.len() as u64;
        let stamp = Stamp { device: 1, inode: 1, size, modified: changed, changed };
        let known = Known::new(stamp, text, self.known.take(), START + at);
        self.known.insert(known).text.to_string()
    }

    fn is_restless(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.is_restless)
    }

    fn again(&self, at: Duration) -> Option<Duration> {
        self.known.as_ref().and_then(|known| known.again(START + at))
    }
}

#[test]
fn a_file_that_is_emptied_to_be_written_keeps_what_it_held() {
    let mut file = File::new("kind: Gateway");
    let t = 20 * SECOND;
    file.write(t);
    assert_eq!(file.read(t, ""), "kind: Gateway");
    assert!(file.is_restless(), "it changed just now");
    assert_eq!(file.read(t + 5 * MILLISECOND, "\n"), "kind: Gateway");
    file.write(t + 6 * MILLISECOND);
    assert_eq!(file.read(t + 7 * MILLISECOND, "kind: Service"), "kind: Service");
    assert!(file.is_restless());
    assert_eq!(file.read(t + 17 * MILLISECOND, "kind: Service"), "kind: Service");
    assert!(!file.is_restless());
    assert_eq!(file.again(t + 17 * MILLISECOND), None);
}

#[test]
fn a_broken_text_after_an_empty_one_is_told_of() {
    let mut file = File::new("kind: Gateway");
    let t = 20 * SECOND;
    file.write(t);
    assert_eq!(file.read(t, ""), "kind: Gateway");
    assert_eq!(file.read(t + MILLISECOND, "kind: ["), "kind: [", "the reader keeps its last good form");
}

#[test]
fn a_file_that_stays_empty_is_empty() {
    let mut file = File::new("kind: Gateway");
    let t = 20 * SECOND;
    file.write(t);
    assert_eq!(file.read(t + 15 * MILLISECOND, ""), "kind: Gateway");
    assert!(!file.is_restless());
    assert_eq!(file.again(t + 15 * MILLISECOND), Some(SECOND));
    assert_eq!(file.read(t + 215 * MILLISECOND, ""), "kind: Gateway");
    assert_eq!(file.again(t + 215 * MILLISECOND), Some(800 * MILLISECOND));
    assert_eq!(file.read(t + 1015 * MILLISECOND, ""), "");
    assert_eq!(file.again(t + 1015 * MILLISECOND), None);
    // It is not new again.
    assert_eq!(file.read(t + 1100 * MILLISECOND, ""), "");
    assert_eq!(file.again(t + 1100 * MILLISECOND), None);
}

#[test]
fn clocks_that_are_set_back_hold_nothing_for_ever() {
    let mut file = File::new("kind: Gateway");
    file.write(20 * SECOND);
    assert_eq!(file.read(20 * SECOND, ""), "kind: Gateway");
    assert_eq!(file.read(5 * SECOND, ""), "");
    assert!(!file.is_restless(), "a change in the future says nothing of when it was");
}

#[test]
fn a_file_that_was_empty_at_the_start_is_so_at_once() {
    let mut file = File::new("");
    assert_eq!(file.read(20 * SECOND, "\n"), "\n");
    assert_eq!(file.again(20 * SECOND), None);
}
