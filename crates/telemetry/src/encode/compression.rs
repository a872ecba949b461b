//! Compression, as text.

use super::Writer;
use crate::{CompressionMetrics, Series};
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::Arc;

type Count = (&'static str, fn(&CompressionMetrics) -> u64);

pub(super) fn compression(writer: &mut Writer<'_>, all: &[Arc<Series<CompressionMetrics>>]) -> fmt::Result {
    let help = "Answers that a policy wanted compressed: those that were, and those left as they are since there was no memory for it.";
    let counts = counted(
        all,
        "result",
        [("compressed", |part| part.answers.value()), ("left", |part| part.left.value())],
    );
    writer.counters("irongate_compressed_answers", help, None, counts)?;
    let help = "Bytes of answers before they were compressed, and after.";
    let sides: [Count; 2] = [("before", |part| part.before.value()), ("after", |part| part.after.value())];
    writer.counters("irongate_compression", help, Some(&Unit::Bytes), counted(all, "side", sides))
}

type Labels<'s> = [(&'static str, &'s str); 3];

/// Those of the counts that are not zero, with what tells them apart.
fn counted<'s>(
    all: &'s [Arc<Series<CompressionMetrics>>],
    label: &'static str,
    counts: [Count; 2],
) -> impl Iterator<Item = (Labels<'s>, u64)> {
    all.iter().flat_map(move |series| {
        let labels = series.labels();
        let sums = counts.map(|(name, count)| {
            let sum = series.parts().map(count).sum::<u64>();
            ([("policy", &*labels.scope), ("coding", labels.coding), (label, name)], sum)
        });
        sums.into_iter().filter(|(_, sum)| *sum > 0)
    })
}
