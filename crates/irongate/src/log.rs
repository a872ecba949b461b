//! The log: on standard error.

use crate::command_line::LogFormat;
use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// Starts the log, which tells of panics too. Called once.
///
/// # Errors
/// The level is none, or a log was started already.
pub(crate) fn start(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| format!("--log {level}: not a level"))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("the log cannot be started: {error}"))?;
    crate::panics::log();
    Ok(())
}
