//! Limits of what is under way, as text.

use super::Writer;
use crate::concurrency::{PRIORITIES, Shed};
use crate::{ConcurrencyMetrics, ConcurrencyReading, Series};
use std::fmt;
use std::sync::Arc;

pub(super) fn concurrency(
    writer: &mut Writer<'_>,
    all: &[Arc<Series<ConcurrencyMetrics>>],
    readings: &[ConcurrencyReading],
) -> fmt::Result {
    let help = "Requests that a limit of what is under way let pass.";
    let admitted = all.iter().flat_map(|series| {
        PRIORITIES.iter().enumerate().map(|(place, priority)| {
            let count = series.parts().map(|part| part.admitted[place].value()).sum::<u64>();
            ([("policy", &**series.labels()), ("priority", *priority)], count)
        })
    });
    writer.counters("irongate_concurrency_admitted", help, None, admitted.filter(|(_, count)| *count > 0))?;
    let help = "Requests that a limit of what is under way refused: there was no room (full), they waited in vain (timeout), a \
                more important one took their place in the queue (displaced).";
    let shed = all.iter().flat_map(|series| {
        PRIORITIES.iter().enumerate().flat_map(move |(place, priority)| {
            Shed::ALL.map(|why| {
                let count = series.parts().map(|part| part.shed[place][why as usize].value()).sum::<u64>();
                let labels =
                    [("policy", &**series.labels()), ("priority", *priority), ("reason", why.as_str())];
                (labels, count)
            })
        })
    });
    writer.counters("irongate_concurrency_shed", help, None, shed.filter(|(_, count)| *count > 0))?;
    type Gauge = (&'static str, &'static str, fn(&ConcurrencyReading) -> u32);
    let gauges: [Gauge; 3] = [
        ("irongate_concurrency_limit", "How many requests may be under way at once.", |one| one.limit),
        ("irongate_concurrency_in_flight", "Requests under way that a limit counts.", |one| one.in_flight),
        ("irongate_concurrency_queued", "Requests that wait for room under a limit.", |one| one.queued),
    ];
    for (name, help, value) in gauges {
        writer.gauges(
            name,
            help,
            None,
            readings.iter().map(|one| ([("policy", &*one.policy)], value(one))),
        )?;
    }
    Ok(())
}
