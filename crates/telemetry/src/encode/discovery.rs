//! Sources of endpoints.

use super::Writer;
use crate::DiscoveryReading;
use prometheus_client::registry::Unit;
use std::fmt;
use std::sync::Arc;

pub(super) fn discovery(writer: &mut Writer<'_>, all: &[DiscoveryReading]) -> fmt::Result {
    let labels =
        |one: &DiscoveryReading| [("backend", one.backend.clone()), ("source", Arc::from(one.source))];
    let help = "Answers of the sources of endpoints: changed (other endpoints), unchanged, failed (no answer that can be used).";
    let answers = all.iter().flat_map(|one| {
        let results = [("changed", one.changed), ("unchanged", one.unchanged), ("failed", one.failed)];
        results.map(|(result, count)| {
            let [backend, source] = labels(one);
            ([backend, source, ("result", result.into())], count)
        })
    });
    writer.counters("irongate_discovery_answers", help, None, answers)?;
    let help = "How long ago the last answer of a source of endpoints came that was no failure.";
    let ages = all.iter().filter_map(|one| Some((labels(one), one.age?.as_secs_f64())));
    writer.gauges("irongate_discovery_answer_age", help, Some(&Unit::Seconds), ages)
}
