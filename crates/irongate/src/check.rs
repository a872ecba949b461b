//! `irongate check`: every problem of a configuration, and what would be served of it.

mod text;

use crate::command_line::{CheckOptions, OutputFormat};
use crate::output::{self, Style};
use crate::view;
use irongate_config::{Problem, Severity};
use irongate_translate::{Resources, Source, Statuses};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What there is to say of a configuration.
struct Report {
    files: usize,
    /// In the order of the files, as far as they have a place.
    problems: Vec<Problem>,
    statuses: Statuses,
    resources: Resources,
}

/// Prints what is wrong. Exit status 1 if something would not be served, 2 if a path cannot be read.
///
/// # Errors
/// A path cannot be read.
pub(crate) fn command(options: &CheckOptions) -> anyhow::Result<ExitCode> {
    let report = check(&crate::files::read(&options.paths)?);
    match options.output {
        OutputFormat::Text => output::print(&text::render(&report, Style::stdout())),
        OutputFormat::Json => output::print(&format!("{:#}\n", json(&report))),
    }
    Ok(if report.is_served() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(sources: &[Source]) -> Report {
    let (resources, mut problems) = irongate_translate::read(sources);
    let translation = irongate_translate::translate(&resources);
    problems.extend(translation.problems);
    // The order of files is that of reading, and the sort keeps what has no place where it is: at the end.
    let file_order = |problem: &Problem| {
        let position = problem.position.as_ref();
        let file = position.and_then(|one| sources.iter().position(|source| source.name == one.file));
        (file.unwrap_or(usize::MAX), position.map(|one| (one.line, one.column)))
    };
    problems.sort_by_cached_key(file_order);
    Report { files: sources.len(), problems, statuses: translation.statuses, resources }
}

impl Report {
    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Whether everything that was written would be served.
    fn is_served(&self) -> bool {
        self.count(Severity::Error) == 0 && !self.has_refusal()
    }

    fn has_refusal(&self) -> bool {
        let statuses = &self.statuses;
        let classes = statuses.gateway_classes.values().map(|class| &class.conditions);
        let gateways = statuses.gateways.values().flat_map(|gateway| {
            std::iter::once(&gateway.conditions).chain(gateway.listeners.iter().map(|one| &one.conditions))
        });
        let sets = statuses.listener_sets.values().flat_map(|set| {
            std::iter::once(&set.conditions).chain(set.listeners.iter().map(|one| &one.conditions))
        });
        let routes = statuses.routes().flat_map(|(_, routes)| routes.values());
        let routes = routes.flat_map(|route| &route.parents).map(|one| &one.conditions);
        let policies = statuses.backend_tls_policies.values().chain(statuses.traffic_policies.values());
        let policies = policies.flat_map(|policy| &policy.ancestors);
        let policies = policies.map(|one| &one.conditions);
        let mut all = classes.chain(gateways).chain(sets).chain(routes).chain(policies);
        all.any(|conditions| view::refusal(conditions).is_some())
    }
}

fn json(report: &Report) -> Value {
    json!({
        "served": report.is_served(),
        "files": report.files,
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "problems": report.problems.iter().map(view::problem).collect::<Vec<_>>(),
        "statuses": view::statuses(&report.statuses, &report.resources),
    })
}
