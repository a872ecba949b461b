//! `irongate explain`: what would become of a request, a connection or a datagram, and why.
//!
//! The engine's own code decides: the table of hosts finds the listener, the compiled table of routes the rule, and the
//! filters are carried out. The naive matcher only says why the others were not taken.

mod backends;
mod connection;
mod decide;
mod describe;
mod destination;
mod filters;
mod limits;
mod live;
mod places;
mod request;
mod streams;
mod text;
mod view;

pub(crate) use decide::explain;
pub(crate) use places::Places;
pub(crate) use request::{Question, Request};

use crate::command_line::{ExplainOptions, OutputFormat};
use crate::output::{self, Style};
use std::process::ExitCode;

/// Prints the explanation. Exit status 0, whatever becomes of the request; 2 if a path cannot be read.
///
/// # Errors
/// A path cannot be read, what was typed is no request, or the admin address does not answer.
pub(crate) fn command(options: &ExplainOptions) -> anyhow::Result<ExitCode> {
    let question = Question {
        method: options.method.clone(),
        url: options.url.clone(),
        headers: options.headers.clone(),
    };
    let request = Request::new(&question)?;
    let sources = crate::files::read(&options.paths)?;
    let (resources, problems) = irongate_translate::read(&sources);
    let translation = irongate_translate::translate(&resources);
    let places = Places::of(&resources, &translation.policies, &translation.traffic_policies);
    let mut explanation = explain(request, &translation.config, &places);
    if let Some(address) = options.admin {
        live::add(&mut explanation, &live::ask(address)?);
    }
    match options.output {
        OutputFormat::Text => output::print(&text::render(&explanation, Style::stdout())),
        OutputFormat::Json => {
            let json = serde_json::to_string_pretty(&explanation)?;
            output::print(&format!("{json}\n"));
        }
    }
    let errors = problems.iter().chain(&translation.problems);
    let errors = errors.filter(|problem| problem.severity == irongate_config::Severity::Error).count();
    if errors > 0 {
        eprintln!("irongate: the configuration has errors ({errors}): irongate check tells them");
    }
    Ok(ExitCode::SUCCESS)
}
