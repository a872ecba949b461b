//! What can be typed.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An API gateway: routes requests to the right instance of the right service.
#[derive(Parser, Debug)]
#[command(name = "irongate", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the gateway before three built-in origins, with light traffic and a live table; needs no files
    Demo(DemoOptions),
    /// Run the gateway from YAML files
    Run(RunOptions),
    /// Tell every problem of YAML files, and what would be served of them
    Check(CheckOptions),
    /// Tell what would become of a request, and why
    Explain(ExplainOptions),
    /// Print JSON schemas of the kinds, for editors
    Schema(SchemaOptions),
    /// Print the version
    Version,
}

#[derive(Args, Debug)]
pub(crate) struct DemoOptions {
    /// The port on 127.0.0.1 to listen on
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Where the admin endpoints listen, or "off"
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9990")]
    pub(crate) admin: AdminAddress,
}

#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// A YAML file, or a folder of them (*.yaml, *.yml); may be given several times
    #[arg(short = 'c', long = "config", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) paths: Vec<PathBuf>,
    /// Where /livez, /readyz and /metrics listen, or "off"
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9990")]
    pub(crate) admin: AdminAddress,
    /// Threads that carry traffic; default: the cores that the process may use
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// The zone that the gateway is in: instances there are preferred; default: $IRONGATE_ZONE
    #[arg(long, value_name = "ZONE")]
    pub(crate) zone: Option<String>,
    /// What is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: String,
    /// How it is logged
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// On SIGTERM: how long what runs may take to finish
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) drain: Duration,
    /// On SIGTERM: how long connections are still accepted, while /readyz already says no
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(crate) drain_delay: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct CheckOptions {
    /// A YAML file, or a folder of them (*.yaml, *.yml); may be given several times
    #[arg(short = 'c', long = "config", value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) paths: Vec<PathBuf>,
    /// How it is told
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: OutputFormat,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainOptions {
    /// A YAML file, or a folder of them (*.yaml, *.yml); may be given several times
    #[arg(short = 'c', long = "config", value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,
    /// The request's method
    #[arg(short = 'X', long = "request", value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A header field of the request; may be given several times. Host counts before that of the URL
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The admin address of a running gateway, which knows how the endpoints are
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) admin: Option<SocketAddr>,
    /// How it is told
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: OutputFormat,
    /// The request's URL; without a port, that of its scheme
    pub(crate) url: String,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaOptions {
    /// The kind; without one, the schema is for files that hold objects of all kinds
    pub(crate) kind: Option<String>,
    /// List the kinds instead
    #[arg(long, conflicts_with = "kind")]
    pub(crate) list: bool,
}

/// A span of time, as it is typed.
fn time(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "not a time like 30s, 500ms or 1m30s")
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OutputFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Where the admin endpoints listen, if anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminAddress(pub(crate) Option<SocketAddr>);

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse();
        address
            .map(|address| Self(Some(address)))
            .map_err(|_| "not an address like 127.0.0.1:9990, nor \"off\"".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn run_takes_what_the_documents_say() {
        let typed = "irongate run -c a.yaml -c dir --admin off --threads 2 --log warn --log-format json --drain 5s --drain-delay 200ms";
        let parsed = CommandLine::try_parse_from(typed.split(' ')).expect("valid");
        let Command::Run(options) = parsed.command else { panic!("not run") };
        assert_eq!(options.paths.len(), 2);
        assert!(options.admin.0.is_none());
        assert_eq!(
            (options.drain, options.drain_delay),
            (Duration::from_secs(5), Duration::from_millis(200))
        );
        let error = CommandLine::try_parse_from(["irongate", "run", "-c", "x", "--drain", "5"]);
        assert!(error.expect_err("no unit").to_string().contains("like 30s"));
        assert!(CommandLine::try_parse_from(["irongate", "run"]).is_err());
        assert!(CommandLine::try_parse_from(["irongate", "run", "-c", "x", "--admin", "nowhere"]).is_err());
    }
}
