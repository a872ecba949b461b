//! What is counted, as OpenMetrics text. Names and labels are part of what users build on: a change here is
//! a change for them.

mod compression;
mod concurrency;
mod discovery;
mod flow;
mod health;
mod limit_store;
mod streams;

use crate::exchange::GRPC_CODES;
use crate::histogram::HistogramReading;
use crate::process::Process;
use crate::request::RequestMetrics;
use crate::status::StatusReading;
use crate::{AcceptPause, BackendMetrics, ExchangeMetrics, ListenerMetrics, Panicked, Registry, Series};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry as Exposition, Unit};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Writes the text for one scrape.
pub(crate) fn encode(
    registry: &Arc<Registry>,
    process: Process,
    writer: &mut impl fmt::Write,
) -> fmt::Result {
    let mut exposition = Exposition::default();
    exposition.register_collector(Box::new(Scrape { registry: registry.clone(), process }));
    text::encode(writer, &exposition)
}

/// One scrape under way.
#[derive(Debug)]
struct Scrape {
    registry: Arc<Registry>,
    process: Process,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut writer = Writer { encoder };
        let now = self.registry.now();
        requests(&mut writer, &self.registry.requests.all(now))?;
        exchanges(&mut writer, &self.registry.exchanges.all(now))?;
        failures(&mut writer, &self.registry)?;
        streams::streams(&mut writer, &self.registry.streams.all(now))?;
        flow::flow(&mut writer, &self.registry.flow.all(now))?;
        compression::compression(&mut writer, &self.registry.compression.all(now))?;
        let limits = self.registry.concurrency_limits();
        concurrency::concurrency(&mut writer, &self.registry.concurrency.all(now), &limits)?;
        let stores = self.registry.limit_stores.all(now);
        limit_store::limit_stores(&mut writer, &stores, &self.registry.limit_store_readings())?;
        listeners(&mut writer, &self.registry.listeners.all(now))?;
        backends(&mut writer, &self.registry, &self.registry.backends.all(now))?;
        health::health(&mut writer, &self.registry.backend_health())?;
        health::limited(&mut writer, &self.registry.backends.all(now))?;
        discovery::discovery(&mut writer, &self.registry.discovery())?;
        config(&mut writer, &self.registry)?;
        accept_pauses(&mut writer, &self.registry)?;
        panics(&mut writer, &self.registry)?;
        process(&mut writer, &self.registry, &self.process)
    }
}

fn requests(writer: &mut Writer<'_>, all: &[Arc<Series<RequestMetrics>>]) -> fmt::Result {
    let help = "Requests that are over, by the status sent; the class where the status is a rare one.";
    // There may be 10,000 series: each is read when its turn has come, and one that counted nothing says nothing.
    let codes = all.iter().flat_map(|series| {
        let mut statuses = StatusReading::default();
        series.parts().for_each(|part| part.statuses.add_to(&mut statuses));
        let labels = series.labels();
        statuses.codes().map(move |(code, count)| {
            let labels = [
                ("listener", &*labels.listener),
                ("route", &*labels.route),
                ("backend", &*labels.backend),
                ("code", code),
            ];
            (labels, count)
        })
    });
    writer.counters("irongate_requests", help, None, codes)
}

fn exchanges(writer: &mut Writer<'_>, all: &[Arc<Series<ExchangeMetrics>>]) -> fmt::Result {
    let labels = |series: &Series<ExchangeMetrics>| {
        [("listener", series.labels().listener.clone()), ("backend", series.labels().backend.clone())]
    };
    let help = "From the first byte of a request to the last byte of its answer.";
    let durations = all.iter().map(|series| {
        let mut durations = HistogramReading::default();
        series.parts().for_each(|part| part.durations.add_to(&mut durations));
        (labels(series), durations)
    });
    writer.histograms("irongate_request_duration", help, durations)?;
    let help = "Requests under way.";
    let in_flight = all.iter().map(|series| {
        // A begin and an end may be read a moment apart.
        (labels(series), series.parts().map(|part| part.in_flight.value()).sum::<i64>().max(0))
    });
    writer.gauges("irongate_requests_in_flight", help, None, in_flight)?;

    let help = "Requests of gRPC that are over, by gRPC's status.";
    let codes = all.iter().flat_map(|series| {
        let mut codes = [0; GRPC_CODES];
        series.parts().for_each(|part| part.add_grpc_to(&mut codes));
        let [listener, backend] = labels(series);
        let counted = codes.into_iter().enumerate().filter(|(_, count)| *count > 0);
        counted.map(move |(code, count)| {
            ([listener.clone(), backend.clone(), ("code", code.to_string().into())], count)
        })
    });
    writer.counters("irongate_grpc_requests", help, None, codes)?;

    let sums = |count: fn(&ExchangeMetrics) -> u64| {
        all.iter().map(move |series| (labels(series), series.parts().map(count).sum::<u64>()))
    };
    let help = "Attempts after the first.";
    writer.counters("irongate_retries", help, None, sums(|part| part.retries.value()))?;
    let help = "Bytes of bodies taken from clients.";
    let bytes = Some(&Unit::Bytes);
    let counts = sums(|part| part.request_bytes.value());
    writer.counters("irongate_request_body", help, bytes, counts)?;
    let help = "Bytes of bodies given to clients.";
    writer.counters("irongate_response_body", help, bytes, sums(|part| part.response_bytes.value()))
}

fn failures(writer: &mut Writer<'_>, registry: &Registry) -> fmt::Result {
    let mut reasons = BTreeMap::new();
    registry.totals.iter().for_each(|totals| totals.failures.add_to(&mut reasons));
    let help = "Requests that the proxy itself refused, failed or broke off.";
    let counts = reasons.into_iter().map(|(reason, count)| ([("reason", reason)], count));
    writer.counters("irongate_request_failures", help, None, counts)
}

fn listeners(writer: &mut Writer<'_>, all: &[Arc<Series<ListenerMetrics>>]) -> fmt::Result {
    let help = "Connections accepted.";
    let counts = all.iter().map(|series| {
        (
            [("listener", series.labels().clone())],
            series.parts().map(|part| part.connections.value()).sum::<u64>(),
        )
    });
    writer.counters("irongate_connections", help, None, counts)?;
    let help = "Client connections that are open.";
    let counts = all.iter().map(|series| {
        let active = series.parts().map(|part| part.active.value()).sum::<i64>();
        ([("listener", series.labels().clone())], active.max(0))
    });
    writer.gauges("irongate_connections_active", help, None, counts)?;

    let help = "What was refused before it became a request.";
    let counts = all.iter().flat_map(|series| {
        let mut reasons = BTreeMap::new();
        series.parts().for_each(|part| part.refusals.add_to(&mut reasons));
        reasons.into_iter().map(|(reason, count)| {
            ([("listener", series.labels().clone()), ("reason", reason.into())], count)
        })
    });
    writer.counters("irongate_refusals", help, None, counts)?;

    let help = "TLS that was begun with clients, with a new session or by resuming one.";
    let counts = all.iter().flat_map(|series| {
        ["full", "resumed"].map(|kind| {
            let count = |part: &ListenerMetrics| match kind {
                "full" => part.full_handshakes.value(),
                _ => part.resumptions.value(),
            };
            let sum = series.parts().map(count).sum::<u64>();
            ([("listener", series.labels().clone()), ("kind", kind.into())], sum)
        })
    });
    writer.counters("irongate_tls_handshakes", help, None, counts.filter(|(_, count)| *count > 0))
}

fn backends(
    writer: &mut Writer<'_>,
    registry: &Registry,
    all: &[Arc<Series<BackendMetrics>>],
) -> fmt::Result {
    let counts = |count: fn(&BackendMetrics) -> u64| {
        let sum = move |series: &Series<BackendMetrics>| series.parts().map(count).sum::<u64>();
        all.iter().map(move |series| ([("backend", series.labels().clone())], sum(series)))
    };
    let help = "Connections made to endpoints.";
    writer.counters(
        "irongate_upstream_connections_opened",
        help,
        None,
        counts(|part| part.opened.value()),
    )?;
    let help = "Connections to endpoints that could not be made.";
    let failed = counts(|part| part.connect_failures.value());
    writer.counters("irongate_upstream_connect_failures", help, None, failed)?;
    health::ejections(writer, registry, all)?;
    let help = "Requests sent to ejected endpoints because too few were left.";
    writer.counters("irongate_backend_panic_requests", help, None, counts(|part| part.panics.value()))?;

    health::hedges(writer, all)?;
    let help = "Copies of requests (mirrors): answered, failed (no answer came), dropped (not sent, for want of room).";
    let copies = all.iter().flat_map(|series| {
        let sum = |count: fn(&BackendMetrics) -> u64| series.parts().map(count).sum::<u64>();
        let results = [
            ("answered", sum(|part| part.copies_answered.value())),
            ("failed", sum(|part| part.copies_failed.value())),
            ("dropped", sum(|part| part.copies_dropped.value())),
        ];
        // Few backends have any.
        let counted = results.into_iter().filter(|(_, count)| *count > 0);
        counted
            .map(|(result, count)| ([("backend", series.labels().clone()), ("result", result.into())], count))
    });
    writer.counters("irongate_mirrored_requests", help, None, copies)?;

    let gauges = |value: fn(&BackendMetrics) -> i64| {
        let sum = move |series: &Series<BackendMetrics>| series.parts().map(value).sum::<i64>().max(0);
        all.iter().map(move |series| ([("backend", series.labels().clone())], sum(series)))
    };
    let help = "Connections to endpoints that are open, idle ones too.";
    let active = gauges(|part| part.active.value());
    writer.gauges("irongate_upstream_connections_active", help, None, active)?;
    let help = "Connections to endpoints that wait for a request.";
    writer.gauges("irongate_upstream_connections_idle", help, None, gauges(|part| part.idle.value()))
}

fn config(writer: &mut Writer<'_>, registry: &Registry) -> fmt::Result {
    let config = &registry.config;
    let help = "Which configuration is in use; grows by one with each.";
    writer.gauge("irongate_config_version", help, None, &config.version.load(Ordering::Relaxed))?;
    let help = "Whether all of the last configuration that was read could be used (1) or not (0).";
    let good = u64::from(!config.last_failed.load(Ordering::Relaxed));
    writer.gauge("irongate_config_last_reload_successful", help, None, &good)?;
    let help = "When the configuration in use was put into use, since 1970.";
    let at = config.last_applied_seconds.load(Ordering::Relaxed);
    writer.gauge("irongate_config_last_reload_success_timestamp", help, Some(&Unit::Seconds), &at)?;
    let help = "Configurations that were read.";
    let results = [("success", &config.applied), ("failure", &config.failed)];
    let counts = results.map(|(result, count)| ([("result", result)], count.load(Ordering::Relaxed)));
    writer.counters("irongate_config_reloads", help, None, counts)?;
    let help = "How long the parts of the last reload took.";
    let seconds = |phase: &AtomicU64| Duration::from_micros(phase.load(Ordering::Relaxed)).as_secs_f64();
    let phases = ["read", "translate", "apply"].into_iter().zip(&config.phases);
    let phases = phases.map(|(phase, micros)| ([("phase", phase)], seconds(micros)));
    writer.gauges("irongate_config_last_reload_duration", help, Some(&Unit::Seconds), phases)
}

fn accept_pauses(writer: &mut Writer<'_>, registry: &Registry) -> fmt::Result {
    let help = "How often a core had to wait before it could accept connections: for the number that may be open \
                (connections), for file descriptors (files), for anything else of the system (system).";
    let counts =
        AcceptPause::ALL.map(|pause| ([("reason", pause.as_str())], registry.accept_pauses.count(pause)));
    writer.counters("irongate_accept_pauses", help, None, counts)
}

fn panics(writer: &mut Writer<'_>, registry: &Registry) -> fmt::Result {
    let help = "Panics, by what they ended: mistakes in the program. Please report them, with the log.";
    let counts = Panicked::ALL
        .map(|what| ([("ended", what.as_str())], registry.panics[what as usize].load(Ordering::Relaxed)));
    writer.counters("irongate_panics", help, None, counts)
}

fn process(writer: &mut Writer<'_>, registry: &Registry, process: &Process) -> fmt::Result {
    let help = "What is running.";
    writer.info("irongate_build", help, &[("version", env!("CARGO_PKG_VERSION"))])?;
    let help = "When the process began, since 1970.";
    let started = registry.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    writer.gauge("process_start_time", help, Some(&Unit::Seconds), &started)?;
    if let Some(seconds) = process.cpu_seconds {
        let help = "Processor time, user and system.";
        writer.cpu_seconds("process_cpu", help, seconds)?;
    }
    let files = [
        ("process_open_fds", "Open file descriptors.", process.open_files),
        ("process_max_fds", "How many file descriptors may be open.", process.max_files),
        ("process_threads", "Threads of the process.", process.threads),
    ];
    for (name, help, value) in files {
        if let Some(value) = value {
            writer.gauge(name, help, None, &value)?;
        }
    }
    match process.resident_bytes {
        Some(bytes) => writer.gauge("process_resident_memory", "Memory in use.", Some(&Unit::Bytes), &bytes),
        None => Ok(()),
    }
}

/// Families in the shape of the exposition format. The unit becomes the end of the name.
struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Writer<'_> {
    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, count) in series {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        Ok(())
    }

    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histograms<const SUB: u32, const BUCKETS: usize, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, HistogramReading<SUB, BUCKETS>)>,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut family = self.encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, reading) in series {
            let buckets: Vec<(f64, u64)> = reading.buckets().collect();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                reading.sum_seconds(),
                reading.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn gauge<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &V,
    ) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(value)
    }

    fn cpu_seconds(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.encoder
            .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Counter)?
            .encode_counter::<NoLabelSet, f64, f64>(&seconds, None)
    }

    fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> fmt::Result {
        self.encoder.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }
}

#[cfg(test)]
mod tests;
