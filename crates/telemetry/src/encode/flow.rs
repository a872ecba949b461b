//! Limits and faults, as text.

use super::Writer;
use crate::{FlowMetrics, Series};
use std::fmt;
use std::sync::Arc;

type Count = (&'static str, fn(&FlowMetrics) -> u64);

pub(super) fn flow(writer: &mut Writer<'_>, all: &[Arc<Series<FlowMetrics>>]) -> fmt::Result {
    let help = "Requests that a rate limit refused, or in a dry run would have refused.";
    let results: [Count; 2] =
        [("refused", |part| part.refused.value()), ("would_refuse", |part| part.would_refuse.value())];
    let counts = counted(all, results).map(|(series, result, count)| {
        let labels = series.labels();
        ([("policy", &*labels.scope), ("limit", &*labels.limit), ("result", result)], count)
    });
    writer.counters("irongate_rate_limited", help, None, counts)?;
    let help = "Requests that were delayed or answered with a failure on purpose.";
    let kinds: [Count; 2] = [("delay", |part| part.delayed.value()), ("abort", |part| part.aborted.value())];
    let counts = counted(all, kinds)
        .map(|(series, kind, count)| ([("policy", &*series.labels().scope), ("kind", kind)], count));
    writer.counters("irongate_faults_injected", help, None, counts)?;
    let help = "Requests whose body was to be read whole first: those of which it was, and those passed on as they came since there was no memory for it.";
    let results: [Count; 2] =
        [("buffered", |part| part.buffered.value()), ("streamed", |part| part.unbuffered.value())];
    let counts = counted(all, results)
        .map(|(series, result, count)| ([("policy", &*series.labels().scope), ("result", result)], count));
    writer.counters("irongate_buffered_requests", help, None, counts)?;
    let help = "Pieces of bodies that were held back, since no more was to pass a second.";
    let held: [Count; 1] = [("", |part| part.held.value())];
    let counts = counted(all, held).map(|(series, _, count)| {
        let labels = series.labels();
        ([("policy", &*labels.scope), ("direction", &*labels.limit)], count)
    });
    writer.counters("irongate_bandwidth_held", help, None, counts)
}

/// Those of the counts that are not zero.
fn counted<const N: usize>(
    all: &[Arc<Series<FlowMetrics>>],
    counts: [Count; N],
) -> impl Iterator<Item = (&Series<FlowMetrics>, &'static str, u64)> {
    all.iter().flat_map(move |series| {
        let sums = counts.map(|(name, count)| (&**series, name, series.parts().map(count).sum::<u64>()));
        sums.into_iter().filter(|(_, _, count)| *count > 0)
    })
}
