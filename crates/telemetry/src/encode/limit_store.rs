//! Stores of rate limits, as text.

use super::Writer;
use crate::limit_store::{Instead, LimitStoreMetrics, LimitStoreReading, Unanswered};
use crate::{HistogramReading, Series};
use std::fmt;
use std::sync::Arc;

pub(super) fn limit_stores(
    writer: &mut Writer<'_>,
    all: &[Arc<Series<LimitStoreMetrics>>],
    readings: &[LimitStoreReading],
) -> fmt::Result {
    let help = "Whether a store of rate limits is connected to and asked (1) or not (0).";
    let up = readings.iter().map(|one| ([("store", one.store.clone())], u64::from(one.is_up)));
    writer.gauges("irongate_limit_store_up", help, None, up)?;
    let help = "Connections made to a store of rate limits.";
    let made = readings.iter().map(|one| ([("store", one.store.clone())], one.connections));
    writer.counters("irongate_limit_store_connections", help, None, made)?;
    let help = "How long requests waited for the answer of a store of rate limits.";
    let durations = all.iter().map(|series| {
        let mut durations = HistogramReading::default();
        series.parts().for_each(|part| part.durations.add_to(&mut durations));
        ([("store", series.labels().clone())], durations)
    });
    writer.histograms("irongate_limit_store_duration", help, durations)?;
    let help = "Requests that a store of rate limits gave no answer for.";
    let unanswered = all.iter().flat_map(|series| {
        let sum =
            |why: Unanswered| series.parts().map(|part| part.unanswered[why as usize].value()).sum::<u64>();
        let counts = Unanswered::ALL.map(|why| (why.as_str(), sum(why)));
        let label = |(why, count): (&'static str, u64)| {
            ([("store", series.labels().clone()), ("reason", why.into())], count)
        };
        counts.into_iter().filter(|(_, count)| *count > 0).map(label).collect::<Vec<_>>()
    });
    writer.counters("irongate_limit_store_unanswered", help, None, unanswered)?;
    let help = "What decided about limits that a store of rate limits gave no answer for.";
    let instead = all.iter().flat_map(|series| {
        let sum = |what: Instead| series.parts().map(|part| part.instead[what as usize].value()).sum::<u64>();
        let counts = Instead::ALL.map(|what| (what.as_str(), sum(what)));
        let label = |(what, count): (&'static str, u64)| {
            ([("store", series.labels().clone()), ("action", what.into())], count)
        };
        counts.into_iter().filter(|(_, count)| *count > 0).map(label).collect::<Vec<_>>()
    });
    writer.counters("irongate_limit_store_fallbacks", help, None, instead)
}
