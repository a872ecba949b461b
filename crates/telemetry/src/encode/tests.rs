use super::encode;
use crate::process::Process;
use crate::{
    AcceptPause, AttemptRecord, BackendHealth, ExchangeMetrics, Panicked, RETENTION, Reason, Registry,
    RequestLabels, RequestMetrics, RequestRecord, Series,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const LISTENER: &str = "listener=\"default/web/http\"";
const BACKEND: &str = "backend=\"Service default/shop:80\"";

fn labels(route: &str) -> RequestLabels {
    RequestLabels {
        listener: "default/web/http".into(),
        route: format!("HTTPRoute default/{route}").into(),
        backend: "Service default/shop:80".into(),
    }
}

fn serve(
    registry: &Arc<Registry>,
    route: &str,
    core: usize,
    status: u16,
    duration_micros: u64,
    reason: Option<Reason>,
) {
    let metrics = registry.core(core).requests(&labels(route));
    metrics.begin();
    RequestRecord {
        metrics: &metrics,
        status,
        grpc: (status == 200).then_some(14),
        reason,
        duration_micros,
        attempts: 1 + u32::from(status == 503),
        request_bytes: 10,
        response_bytes: 1024,
    }
    .record();
    metrics.end();
}

fn text(registry: &Arc<Registry>, process: Process) -> String {
    let mut text = String::new();
    encode(registry, process, &mut text).expect("a string takes everything");
    text
}

/// The samples of one family, without its descriptions.
fn check(registry: &Arc<Registry>, family: &str, expected: &[&str]) {
    let text = text(registry, Process::default());
    let samples: Vec<&str> = text.lines().filter(|line| line.starts_with(family)).collect();
    assert_eq!(samples, expected, "{text}");
}

#[test]
fn streams_are_summed_over_the_cores() {
    let registry = Registry::new(2);
    let series = registry.streams(&labels("db"));
    let unused = registry.streams(&labels("unused"));
    let (first, second) = (series.core(0), series.core(1));
    first.begun();
    second.begun();
    first.received(10);
    second.received_datagram(5);
    second.sent_datagram(7);
    second.dropped(Reason::new("upstream_full"));
    first.ended(300, Some(Reason::new("client_gone")));
    let labels = format!("{LISTENER},route=\"HTTPRoute default/db\",{BACKEND}");
    for (family, value) in [
        ("irongate_streams_total", "2"),
        ("irongate_streams_active", "1"),
        ("irongate_stream_received_bytes_total", "15"),
        ("irongate_stream_sent_bytes_total", "7"),
        ("irongate_datagrams_received_total", "1"),
        ("irongate_datagrams_sent_total", "1"),
        ("irongate_stream_duration_seconds_count", "1"),
    ] {
        check(&registry, family, &[&format!("{family}{{{labels}}} {value}")]);
    }
    let failed = format!("irongate_stream_failures_total{{{labels},reason=\"client_gone\"}} 1");
    check(&registry, "irongate_stream_failures_total", &[&failed]);
    let dropped = format!("irongate_datagrams_dropped_total{{{labels},reason=\"upstream_full\"}} 1");
    check(&registry, "irongate_datagrams_dropped_total", &[&dropped]);
    drop(unused);
}

#[test]
fn requests_are_summed_over_the_cores() {
    let registry = Registry::new(2);
    serve(&registry, "shop", 0, 200, 1_000, None);
    serve(&registry, "shop", 1, 200, 300, None);
    serve(&registry, "cart", 1, 503, 70_000_000, Some(Reason::new("no_endpoint")));
    serve(&registry, "shop", 0, 418, 100, None);
    let unused = registry.core(0).requests(&labels("unused"));
    let running = registry.core(1).requests(&labels("running"));
    running.begin();

    let counted = |route: &str, code: &str, count: u64| {
        let labels = format!("{LISTENER},route=\"HTTPRoute default/{route}\",{BACKEND},code=\"{code}\"");
        format!("irongate_requests_total{{{labels}}} {count}")
    };
    check(
        &registry,
        "irongate_requests_total",
        &[&counted("cart", "503", 1), &counted("shop", "200", 2), &counted("shop", "4xx", 1)],
    );
    let failures = ["irongate_request_failures_total{reason=\"no_endpoint\"} 1"];
    check(&registry, "irongate_request_failures_total", &failures);
    drop(unused);
}

#[test]
fn all_but_the_number_of_requests_is_counted_by_listener_and_backend() {
    let registry = Registry::new(2);
    serve(&registry, "shop", 0, 200, 1_000, None);
    serve(&registry, "cart", 1, 200, 300, None);
    serve(&registry, "cart", 0, 503, 70_000_000, None);
    serve(&registry, "shop", 0, 418, 100, None);
    let running = registry.core(1).requests(&labels("running"));
    running.begin();

    let one = |sample: &str, value: &str| {
        let line = format!("{sample}{{{LISTENER},{BACKEND}}} {value}");
        check(&registry, sample, &[&line]);
    };
    one("irongate_requests_in_flight", "1");
    let grpc = format!("irongate_grpc_requests_total{{{LISTENER},{BACKEND},code=\"14\"}} 2");
    check(&registry, "irongate_grpc_requests_total", &[&grpc]);
    one("irongate_retries_total", "1");
    one("irongate_request_body_bytes_total", "40");
    one("irongate_response_body_bytes_total", "4096");
    let name = "irongate_request_duration_seconds";
    one(&format!("{name}_sum"), "70.0014");
    one(&format!("{name}_count"), "4");
    for (bound, count) in
        [("0.000128", 1), ("0.000256", 1), ("0.000512", 2), ("0.001024", 3), ("67.108864", 3), ("+Inf", 4)]
    {
        let line = format!("{name}_bucket{{le=\"{bound}\",{LISTENER},{BACKEND}}}");
        check(&registry, &line, &[&format!("{line} {count}")]);
    }
}

#[test]
fn a_route_that_is_forgotten_takes_nothing_from_its_listener_and_backend() {
    let registry = Registry::new(1);
    let shown = |now| {
        let retries = |series: &Arc<Series<ExchangeMetrics>>| {
            series.parts().map(|part| part.retries.value()).sum::<u64>()
        };
        let routes = registry.requests.all(now).len();
        (routes, registry.exchanges.all(now).iter().map(retries).collect::<Vec<_>>())
    };
    serve(&registry, "gone", 0, 503, 1_000, None);
    let kept = registry.core(0).requests(&labels("kept"));
    serve(&registry, "kept", 0, 503, 1_000, None);
    let (begun, moment) = (registry.now(), Duration::from_secs(1));
    assert_eq!(shown(begun), (2, vec![2]));
    assert_eq!(shown(begun + RETENTION), (1, vec![2]));

    drop(kept);
    assert_eq!(shown(begun + 2 * RETENTION - moment), (1, vec![2]), "still in its time");
    assert_eq!(shown(begun + 2 * RETENTION), (0, vec![2]), "its own time begins when its last route is gone");
    assert_eq!(shown(begun + 3 * RETENTION), (0, vec![]));
}

#[test]
fn endpoints_that_are_gone_are_forgotten_soon() {
    let registry = Registry::new(1);
    let held = registry.core(0).endpoint("web", ([127, 0, 0, 1], 1).into());
    drop(registry.core(0).endpoint("web", ([127, 0, 0, 1], 2).into()));
    let ports = |later| {
        let all = registry.endpoints.all(registry.now() + Duration::from_secs(later));
        all.iter().map(|series| series.labels().address.port()).collect::<Vec<_>>()
    };
    assert_eq!((ports(0), ports(50), ports(61)), (vec![1, 2], vec![1, 2], vec![1]));
    drop(held);
    assert_eq!(ports(200), []);
}

/// One core's part of one of 10,000 routes.
#[test]
fn a_route_takes_one_cache_line() {
    assert_eq!(size_of::<RequestMetrics>(), 64);
}

#[test]
fn connections_and_backends_are_shown() {
    let registry = Registry::new(2);
    for core in 0..2 {
        let listener = registry.core(core).listener("default/web/http");
        listener.accepted();
        listener.accepted();
        listener.closed();
        listener.refused(Reason::new("head_too_large"));
        let backend = registry.core(core).backend("Service default/shop:80");
        backend.opened();
        backend.parked();
        backend.connect_failed();
        backend.limited(3);
    }
    registry.set_backend_health(|| {
        vec![BackendHealth {
            backend: "Service default/shop:80".into(),
            ready: 2,
            ejected: 1,
            unreachable: 0,
            unhealthy: 3,
            checks: [5, 6],
            ejections: 7,
            in_use: vec![("requests", 8)],
            ..BackendHealth::default()
        }]
    });
    let (listener, backend) = (LISTENER, BACKEND);
    for (sample, value) in [
        (format!("irongate_connections_total{{{listener}}}"), 4),
        (format!("irongate_connections_active{{{listener}}}"), 2),
        (format!("irongate_refusals_total{{{listener},reason=\"head_too_large\"}}"), 2),
        (format!("irongate_upstream_connections_opened_total{{{backend}}}"), 2),
        (format!("irongate_upstream_connections_active{{{backend}}}"), 2),
        (format!("irongate_upstream_connections_idle{{{backend}}}"), 2),
        (format!("irongate_upstream_connect_failures_total{{{backend}}}"), 2),
        (format!("irongate_backend_endpoints{{{backend},state=\"ready\"}}"), 2),
        (format!("irongate_backend_endpoints{{{backend},state=\"ejected\"}}"), 1),
        (format!("irongate_backend_endpoints{{{backend},state=\"unreachable\"}}"), 0),
        (format!("irongate_backend_endpoints{{{backend},state=\"unhealthy\"}}"), 3),
        (format!("irongate_backend_ejections_total{{{backend}}}"), 7),
        (format!("irongate_health_checks_total{{{backend},result=\"failed\"}}"), 6),
        (format!("irongate_backend_limit_in_use{{{backend},limit=\"requests\"}}"), 8),
        (format!("irongate_backend_limited_total{{{backend},limit=\"retries\"}}"), 2),
    ] {
        check(&registry, &sample, &[&format!("{sample} {value}")]);
    }
}

#[test]
fn the_process_and_its_configuration_are_shown() {
    let registry = Registry::new(1);
    registry.config_applied(3, SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
    registry.config_failed();
    let process = Process { resident_bytes: Some(4096), cpu_seconds: Some(1.5), ..Process::default() };
    let text = text(&registry, process);
    for line in [
        "irongate_config_version 3",
        "irongate_config_last_reload_successful 0",
        "irongate_config_last_reload_success_timestamp_seconds 1000",
        "irongate_config_reloads_total{result=\"success\"} 1",
        "irongate_config_reloads_total{result=\"failure\"} 1",
        concat!("irongate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "process_resident_memory_bytes 4096",
        "process_cpu_seconds_total 1.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("process_open_fds"), "what is not known is not shown");
    assert!(text.ends_with("# EOF\n"));
    registry.config_applied(4, SystemTime::UNIX_EPOCH);
    check(&registry, "irongate_config_last_reload_successful", &["irongate_config_last_reload_successful 1"]);
}

/// What OpenMetrics asks of a text: a family is described once, its samples follow its description, and no
/// sample is there twice.
#[test]
fn the_text_is_well_formed() {
    let registry = Registry::new(2);
    serve(&registry, "shop", 0, 200, 1_000, None);
    serve(&registry, "shop", 1, 502, 1_000, Some(Reason::new("bad_answer")));
    registry.core(0).listener("a\"b\\c\n").accepted();
    registry.core(0).backend("b").opened();
    let text = registry.encode();
    let mut family = "";
    let (mut described, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(description) = line.strip_prefix("# TYPE ") {
            family = description.split(' ').next().expect("a name");
            assert!(described.insert(family), "{family} is described twice");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            assert!(sample.starts_with(family), "{sample} is not of {family}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(seen.insert(sample), "{sample} is there twice");
        }
    }
    assert!(text.contains(r#"irongate_connections_total{listener="a\"b\\c\n"} 1"#), "{text}");
}

#[test]
fn endpoints_are_read_in_the_process() {
    let registry = Registry::new(2);
    let address = ([127, 0, 0, 1], 8080).into();
    for core in 0..2 {
        let endpoint = registry.core(core).endpoint("Service default/shop:80", address);
        AttemptRecord { endpoint: &endpoint, failed: false, first_byte_micros: Some(5_000) }.record();
        AttemptRecord { endpoint: &endpoint, failed: true, first_byte_micros: None }.record();
    }
    let readings = registry.endpoints();
    let [(labels, reading)] = readings.iter().collect::<Vec<_>>()[..] else { panic!("one endpoint") };
    assert_eq!((&*labels.backend, labels.address), ("Service default/shop:80", address));
    assert_eq!((reading.attempts, reading.failures, reading.latency.count()), (4, 2, 2));
    let median = reading.latency.quantile_micros(0.5).expect("two were answered");
    assert!((4_000..6_000).contains(&median), "{median}");
}

#[test]
fn pauses_of_accepting_are_counted_by_reason() {
    let registry = Registry::new(1);
    registry.accept_paused(AcceptPause::Files);
    registry.accept_paused(AcceptPause::Files);
    registry.accept_paused(AcceptPause::System);
    check(
        &registry,
        "irongate_accept_pauses",
        &[
            "irongate_accept_pauses_total{reason=\"connections\"} 0",
            "irongate_accept_pauses_total{reason=\"files\"} 2",
            "irongate_accept_pauses_total{reason=\"system\"} 1",
        ],
    );
}

#[test]
fn panics_are_counted_by_what_they_ended() {
    let registry = Registry::new(1);
    registry.panicked(Panicked::Stream);
    registry.panicked(Panicked::Core);
    registry.panicked(Panicked::Stream);
    check(
        &registry,
        "irongate_panics",
        &[
            "irongate_panics_total{ended=\"connection\"} 0",
            "irongate_panics_total{ended=\"stream\"} 2",
            "irongate_panics_total{ended=\"task\"} 0",
            "irongate_panics_total{ended=\"core\"} 1",
        ],
    );
}
