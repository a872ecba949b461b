//! Connections of plain bytes and sessions of datagrams, as text.

use super::Writer;
use crate::histogram::HistogramReading;
use crate::reason::ReasonCounts;
use crate::{Series, StreamMetrics};
use prometheus_client::registry::Unit;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

type Labels<'a> = [(&'static str, &'a str); 3];

pub(super) fn streams(writer: &mut Writer<'_>, all: &[Arc<Series<StreamMetrics>>]) -> fmt::Result {
    let help = "Connections that were passed on as bytes, and sessions of datagrams.";
    writer.counters("irongate_streams", help, None, sums(all, |part| part.begun.value()))?;
    let help = "Those of them that are open.";
    let active = all.iter().filter(is_used).map(|series| {
        let active = series.parts().map(|part| part.active.value()).sum::<i64>();
        (labels(series), active.max(0))
    });
    writer.gauges("irongate_streams_active", help, None, active)?;
    let help = "From their beginning to their end.";
    let durations = all.iter().filter(is_used).map(|series| {
        let mut durations = HistogramReading::default();
        series.parts().for_each(|part| part.durations.add_to(&mut durations));
        (labels(series), durations)
    });
    writer.histograms("irongate_stream_duration", help, durations)?;
    let bytes = Some(&Unit::Bytes);
    let help = "Bytes of clients that were passed on.";
    writer.counters(
        "irongate_stream_received",
        help,
        bytes,
        sums(all, |part| part.received_bytes.value()),
    )?;
    let help = "Bytes of backends that were passed on.";
    writer.counters("irongate_stream_sent", help, bytes, sums(all, |part| part.sent_bytes.value()))?;
    let help = "Those that did not end well, by the reason.";
    writer.counters("irongate_stream_failures", help, None, reasons(all, |part| &part.failures))?;

    let help = "Datagrams of clients that were passed on.";
    let received = sums(all, |part| part.received_datagrams.value());
    writer.counters("irongate_datagrams_received", help, None, received.filter(|(_, count)| *count > 0))?;
    let help = "Datagrams of backends that were passed on.";
    let sent = sums(all, |part| part.sent_datagrams.value());
    writer.counters("irongate_datagrams_sent", help, None, sent.filter(|(_, count)| *count > 0))?;
    let help = "Datagrams that were not passed on, by the reason.";
    writer.counters("irongate_datagrams_dropped", help, None, reasons(all, |part| &part.drops))
}

fn labels(series: &Series<StreamMetrics>) -> Labels<'_> {
    let labels = series.labels();
    [("listener", &*labels.listener), ("route", &*labels.route), ("backend", &*labels.backend)]
}

/// Most routes lead to some backend always: what is counted where they do not says nothing.
fn is_used(series: &&Arc<Series<StreamMetrics>>) -> bool {
    series.parts().any(|part| part.begun.value() > 0)
}

fn sums<'a>(
    all: &'a [Arc<Series<StreamMetrics>>],
    count: fn(&StreamMetrics) -> u64,
) -> impl Iterator<Item = (Labels<'a>, u64)> {
    let used = all.iter().filter(is_used);
    used.map(move |series| (labels(series), series.parts().map(count).sum::<u64>()))
}

fn reasons(
    all: &[Arc<Series<StreamMetrics>>],
    counts: fn(&StreamMetrics) -> &ReasonCounts,
) -> impl Iterator<Item = ([(&'static str, &str); 4], u64)> {
    all.iter().flat_map(move |series| {
        let mut reasons = BTreeMap::new();
        series.parts().for_each(|part| counts(part).add_to(&mut reasons));
        let [listener, route, backend] = labels(series);
        reasons
            .into_iter()
            .map(move |(reason, count)| ([listener, route, backend, ("reason", reason)], count))
    })
}
