//! A report for people: problems by file, then what is served.

use super::Report;
use crate::output::Style;
use crate::view;
use irongate_config::{ObjectName, Problem, Severity};
use irongate_translate::{Condition, ListenerStatus, RouteStatus};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Routes that are not served are named one by one, as many as a person reads.
const MOST_ROUTES: usize = 20;

pub(super) fn render(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for problems in report.problems.chunk_by(|a, b| file_of(a) == file_of(b)) {
        let _infallible = writeln!(text, "{}", style.bold(file_of(&problems[0])));
        let width = problems.iter().map(|problem| place_of(problem).len()).max().unwrap_or_default();
        for problem in problems {
            write_problem(&mut text, problem, width, style);
        }
        text.push('\n');
    }
    write_gateways(&mut text, report, style);
    if report.statuses.gateways.is_empty() {
        text.push_str("There is no Gateway: nothing would be served.\n");
    }
    write_routes(&mut text, report, style);
    if !text.is_empty() && !text.ends_with("\n\n") {
        text.push('\n');
    }
    let _infallible = writeln!(text, "{}", sum(report));
    text
}

fn file_of(problem: &Problem) -> &str {
    problem.position.as_ref().map_or("(no file)", |position| &position.file)
}

fn place_of(problem: &Problem) -> String {
    problem.position.as_ref().map_or_else(String::new, |at| format!("{}:{}", at.line, at.column))
}

fn write_problem(text: &mut String, problem: &Problem, width: usize, style: Style) {
    let severity = match problem.severity {
        Severity::Error => style.red("error  "),
        Severity::Warning => style.yellow("warning"),
    };
    let subject: Vec<&str> =
        [&*problem.resource, &*problem.field].into_iter().filter(|part| !part.is_empty()).collect();
    let subject = if subject.is_empty() { String::new() } else { format!("  {}", subject.join("  ")) };
    // Writing to a string does not fail, here and below.
    let _infallible = writeln!(
        text,
        "  {:>width$}  {severity}  {}{subject}",
        place_of(problem),
        style.bold(problem.reason)
    );
    let indent = " ".repeat(width + 4);
    let _infallible = writeln!(text, "{indent}{}", problem.message);
    if !problem.advice.is_empty() {
        let _infallible = writeln!(text, "{indent}{}", style.dim(&problem.advice));
    }
}

fn write_gateways(text: &mut String, report: &Report, style: Style) {
    let gateways = report.statuses.gateways.iter();
    let gateways = gateways.map(|(name, one)| (format!("Gateway {name}"), &one.conditions, &one.listeners));
    let sets = report.statuses.listener_sets.iter();
    let sets = sets.map(|(name, one)| (format!("ListenerSet {name}"), &one.conditions, &one.listeners));
    let all: Vec<_> = gateways.chain(sets).collect();
    let width = all.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    for (name, conditions, listeners) in all {
        let _infallible = writeln!(text, "{name:width$}  {}", served(conditions, listeners, style));
    }
}

fn served(conditions: &[Condition], listeners: &[ListenerStatus], style: Style) -> String {
    if let Some(refusal) = view::refusal(conditions) {
        return format!("{}: {}", style.red("not served"), because(refusal.reason, &refusal.message));
    }
    let listener = |listener: &ListenerStatus| match view::refusal(&listener.conditions) {
        Some(refusal) => format!("{} {} ({})", listener.name, style.red("not served"), refusal.reason),
        None => format!("{} with {}", listener.name, counted(listener.attached_routes as usize, "route")),
    };
    let listeners: Vec<String> = listeners.iter().map(listener).collect();
    format!("{}: {}", style.green("served"), listeners.join(", "))
}

fn write_routes(text: &mut String, report: &Report, style: Style) {
    for (kind, routes) in report.statuses.routes().filter(|(_, routes)| !routes.is_empty()) {
        write_routes_of(text, kind, routes, style);
    }
}

fn write_routes_of(text: &mut String, kind: &str, routes: &BTreeMap<ObjectName, RouteStatus>, style: Style) {
    let mut refused = Vec::new();
    for (name, status) in routes {
        for parent in &status.parents {
            if let Some(refusal) = view::refusal(&parent.conditions) {
                let gateway = &parent.parent_ref.name;
                let why = because(refusal.reason, &refusal.message);
                refused
                    .push((name, format!("{kind} {name}  {} at {gateway}: {why}", style.red("not served"))));
            }
        }
    }
    let mut names: Vec<_> = refused.iter().map(|(name, _)| name).collect();
    names.dedup();
    let whole = routes.len() - names.len();
    let _infallible = writeln!(text, "{kind}s: {whole} of {} served", routes.len());
    for (_, line) in refused.iter().take(MOST_ROUTES) {
        let _infallible = writeln!(text, "  {line}");
    }
    if let Some(more) = refused.len().checked_sub(MOST_ROUTES).filter(|more| *more > 0) {
        let _infallible = writeln!(text, "  and {more} more");
    }
}

fn because(reason: &str, message: &str) -> String {
    if message.is_empty() { reason.to_owned() } else { format!("{message} ({reason})") }
}

fn sum(report: &Report) -> String {
    let files = counted(report.files, "file");
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    match (errors, warnings) {
        (0, 0) => format!("no problem in {files}"),
        _ => format!("{}, {} in {files}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
