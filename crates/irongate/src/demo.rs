//! The demo: a gateway before three origins of its own, with light traffic and a live table. Needs no files.
//!
//! The pieces stand apart from what runs the gateway: [`origins`] are asked, [`traffic`] asks, and [`table`] and
//! [`screen`] show what telemetry counted in between.

pub(crate) mod origins;
pub(crate) mod screen;
pub(crate) mod table;
pub(crate) mod traffic;

use crate::command_line::{DemoOptions, LogFormat};
use crate::log;
use crate::run::{Gateway, control_runtime};
use anyhow::{Context, bail};
use irongate_admin::Phase;
use irongate_proxy::{Drain, EndpointReport};
use irongate_telemetry::{EndpointLabels, Window};
use irongate_translate::Source;
use screen::Screen;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;
use table::Row;
use tokio::signal::unix::{SignalKind, signal};

/// How many seconds the shown shares and latencies look back.
const LOOK_BACK: usize = 5;
/// The threads that carry the demo's traffic.
const THREADS: usize = 1;

/// Runs until Ctrl-C.
///
/// # Errors
/// A port is taken, or standard output is closed.
pub(crate) fn command(options: &DemoOptions) -> anyhow::Result<()> {
    log::start("error", LogFormat::Text)?;
    let runtime = control_runtime()?;
    runtime.block_on(run(options))?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

async fn run(options: &DemoOptions) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let origins = origins::start().await.context("the demo's origins cannot be started")?;
    let mut gateway = Gateway::start(THREADS, options.admin.0, None).await?;
    let (resources, mut problems) =
        irongate_translate::read(&[Source::new("demo.yaml", manifest(&origins, options.port))]);
    let translation = irongate_translate::translate(&resources);
    problems.extend(translation.problems.iter().cloned());
    problems.extend(gateway.apply(&translation.config).await);
    let unopened = gateway.unopened(&resources);
    if let Some(problem) = problems.iter().chain(&unopened).next() {
        bail!("{problem} (another port: irongate demo --port N)");
    }
    gateway.publish(resources, translation, problems);
    gateway.readiness.set(Phase::Ready);
    let address = SocketAddr::from(([127, 0, 0, 1], options.port));
    introduce(address, options.admin.0);
    let seen = traffic::start(address);
    let mut screen = Screen::stdout();
    let mut window = Window::new(LOOK_BACK);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            _ = second.tick() => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
        let rows = rows(&gateway, &origins, &mut window).await;
        let mut text = table::render(&rows, screen.width());
        // Writing to a string does not fail.
        let _infallible = writeln!(text, "\ncallers: {} answered, {} failed", seen.answered(), seen.failed());
        if screen.show(&text).is_err() {
            break;
        }
    }
    println!("\nending");
    gateway.proxy.drain(Drain { delay: Duration::ZERO, timeout: Duration::from_secs(2) }).await;
    Ok(())
}

fn introduce(address: SocketAddr, admin: Option<SocketAddr>) {
    println!("Irongate is listening on http://{address}, before three origins of its own. Try:");
    println!("  curl -i http://{address}/");
    if let Some(admin) = admin {
        println!("  curl http://{admin}/metrics");
    }
    println!("Ctrl-C ends it.\n");
}

/// What there is to show of each origin.
async fn rows(gateway: &Gateway, origins: &[SocketAddr], window: &mut Window) -> Vec<Row> {
    let totals = gateway.metrics.endpoints();
    let recent = window.advance(totals.clone());
    let attempts = recent.values().map(|reading| reading.attempts).sum();
    let reports = gateway.proxy.backends().await;
    let reported = |address| -> Option<&EndpointReport> {
        reports.iter().flat_map(|report| &report.endpoints).find(|endpoint| endpoint.address == address)
    };
    let row = |(name, &address): (&&str, &SocketAddr)| {
        let labels: Option<&EndpointLabels> = totals.keys().find(|labels| labels.address == address);
        let total = labels.and_then(|labels| totals.get(labels)).cloned().unwrap_or_default();
        let lately = labels.and_then(|labels| recent.get(labels)).cloned().unwrap_or_default();
        let mut row = Row::measured(name, &total, &lately, attempts);
        if let Some(report) = reported(address) {
            row.estimate = Some(report.estimate);
            row.health = report.health.health.as_str();
            row.since = Some(report.since);
        }
        row
    };
    origins::NAMES.iter().zip(origins).map(row).collect()
}

/// What the demo configures: the gateway on 127.0.0.1 and this port, one Service whose instances are these
/// origins, and a few routes to try. As a user would write it.
pub(crate) fn manifest(origins: &[SocketAddr], port: u16) -> String {
    let mut yaml = include_str!("demo/gateway.yaml").replace("__PORT__", &port.to_string());
    for (number, origin) in origins.iter().enumerate() {
        // One slice an origin, since each has a port of its own. Writing to a string does not fail.
        let _infallible = write!(
            yaml,
            "---\n\
             apiVersion: discovery.k8s.io/v1\n\
             kind: EndpointSlice\n\
             metadata: {{name: demo-{number}, labels: {{kubernetes.io/service-name: demo}}}}\n\
             addressType: IPv4\n\
             ports: [{{name: http, port: {}}}]\n\
             endpoints: [{{addresses: ['{}']}}]\n",
            origin.port(),
            origin.ip()
        );
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_the_port_and_every_origin() {
        let origins = [4001, 4002, 4003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let yaml = manifest(&origins, 8123);
        assert!(yaml.contains("port: 8123,") && !yaml.contains("__"), "{yaml}");
        for port in 4001..4004 {
            assert_eq!(yaml.matches(&format!("port: {port}}}")).count(), 1, "{yaml}");
        }
        assert_eq!(yaml.matches("\nkind: EndpointSlice\n").count(), 3);
    }

    #[test]
    fn the_manifest_is_read_without_a_problem() {
        let origins = [4001, 4002, 4003].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let source = Source::new("demo.yaml", manifest(&origins, 8123));
        let (_, problems) = irongate_translate::read(&[source]);
        assert_eq!(problems, []);
    }
}
