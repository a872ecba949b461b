//! What is known of a source: for people and for metrics.

use irongate_config::Endpoints;
use std::time::Duration;
use tokio::time::Instant;

/// A source as it is now, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// `Configuration`, `DNS` or `Consul`.
    pub kind: &'static str,
    /// Where it is and what it is asked for; empty for the configuration.
    pub place: String,
    /// Endpoints that it gave and that are used.
    pub endpoints: usize,
    /// Answers that changed the endpoints.
    pub updates: u64,
    /// Answers that changed nothing.
    pub confirmations: u64,
    /// Times that it could not be asked, or gave nothing that can be used.
    pub failures: u64,
    /// How often in a row it failed.
    pub failures_in_a_row: u32,
    /// How often in a row it said that there is no endpoint.
    pub denials_in_a_row: u32,
    /// How long ago its last answer came.
    pub last_answer: Option<Duration>,
    /// How long ago it failed, and how.
    pub last_failure: Option<(Duration, String)>,
    /// In what time it is asked again; `None`: it is being asked, or never is.
    pub next: Option<Duration>,
    /// What had to be left out of its last answer.
    pub remark: Option<String>,
}

/// The same with points in time.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) endpoints: usize,
    pub(super) updates: u64,
    pub(super) confirmations: u64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u32,
    pub(super) denials_in_a_row: u32,
    pub(super) last_answer: Option<Instant>,
    pub(super) last_failure: Option<(Instant, String)>,
    pub(super) next: Option<Instant>,
    pub(super) remark: Option<String>,
}

impl State {
    pub(super) fn report(&self, origin: &Endpoints, now: Instant) -> SourceReport {
        let (kind, place) = match origin {
            Endpoints::Static(_) => ("Configuration", String::new()),
            Endpoints::Dns(dns) => ("DNS", dns.to_string()),
            Endpoints::Consul(consul) => ("Consul", consul.to_string()),
        };
        let ago = |then: Instant| now.saturating_duration_since(then);
        SourceReport {
            kind,
            place,
            endpoints: self.endpoints,
            updates: self.updates,
            confirmations: self.confirmations,
            failures: self.failures,
            failures_in_a_row: self.failures_in_a_row,
            denials_in_a_row: self.denials_in_a_row,
            last_answer: self.last_answer.map(ago),
            last_failure: self.last_failure.as_ref().map(|(then, text)| (ago(*then), text.clone())),
            next: self.next.map(|then| then.saturating_duration_since(now)),
            remark: self.remark.clone(),
        }
    }
}

impl SourceReport {
    /// Endpoints that stand in the configuration.
    pub(crate) fn configured(endpoints: usize) -> Self {
        let state = State { endpoints, ..State::default() };
        state.report(&Endpoints::Static(Vec::new()), Instant::now())
    }
}
