//! Answers counted by status.

use crate::Counter;
use std::sync::OnceLock;

/// The statuses that are counted one by one, the [`FREQUENT`] ones first; the rest is counted by class, so that a
/// backend that makes up statuses cannot make up series.
const EXACT: [(u16, &str); 22] = [
    (200, "200"),
    (204, "204"),
    (304, "304"),
    (404, "404"),
    (101, "101"),
    (201, "201"),
    (202, "202"),
    (206, "206"),
    (301, "301"),
    (302, "302"),
    (307, "307"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (429, "429"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// No status was sent: the client left first, or the connection broke.
const NONE: &str = "none";
const SLOTS: usize = EXACT.len() + CLASSES.len() + 1;
/// How many statuses have a counter from the start. Most routes never answer with any other, and there may be
/// 10,000 routes.
const FREQUENT: usize = 4;

/// Where each status is counted; made once by the compiler.
static SLOT_OF: [u8; 600] = slots();

const fn slots() -> [u8; 600] {
    let mut slots = [(SLOTS - 1) as u8; 600];
    let mut status = 100;
    while status < 600 {
        slots[status] = (EXACT.len() + status / 100 - 1) as u8;
        status += 1;
    }
    let mut index = 0;
    while index < EXACT.len() {
        slots[EXACT[index].0 as usize] = index as u8;
        index += 1;
    }
    slots
}

/// Counts by status. Written by one thread at a time.
#[derive(Debug, Default)]
pub(crate) struct StatusCounts {
    frequent: [Counter; FREQUENT],
    /// Made when the first of them comes.
    others: OnceLock<Box<[Counter; SLOTS - FREQUENT]>>,
}

impl StatusCounts {
    /// Counts one answer; 0, or anything outside 100 to 599, says that there was none.
    #[inline]
    pub(crate) fn record(&self, status: u16) {
        let slot = SLOT_OF.get(usize::from(status)).map_or(SLOTS - 1, |&slot| usize::from(slot));
        match self.frequent.get(slot) {
            Some(count) => count.increment(),
            None => self.others.get_or_init(Box::default)[slot.min(SLOTS - 1) - FREQUENT].increment(),
        }
    }

    pub(crate) fn add_to(&self, reading: &mut StatusReading) {
        let others = self.others.get().into_iter().flat_map(|others| &**others);
        for (sum, count) in reading.0.iter_mut().zip(self.frequent.iter().chain(others)) {
            *sum += count.value();
        }
    }
}

/// What was counted, on all cores.
#[derive(Debug, Default)]
pub(crate) struct StatusReading([u64; SLOTS]);

impl StatusReading {
    /// The counts that are not zero, with the value of their `code` label.
    pub(crate) fn codes(self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = EXACT.iter().map(|&(_, name)| name).chain(CLASSES).chain([NONE]);
        names.zip(self.0).filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_statuses_stand_alone_and_the_rest_goes_by_class() {
        for (status, code) in [
            (200, "200"),
            (504, "504"),
            (101, "101"),
            (103, "1xx"),
            (226, "2xx"),
            (308, "3xx"),
            (418, "4xx"),
            (599, "5xx"),
            (0, "none"),
            (99, "none"),
            (600, "none"),
            (u16::MAX, "none"),
        ] {
            let counts = StatusCounts::default();
            counts.record(status);
            let mut reading = StatusReading::default();
            counts.add_to(&mut reading);
            assert_eq!(reading.codes().collect::<Vec<_>>(), [(code, 1)], "{status}");
        }
    }
}
