//! An explanation, as it is shown: the JSON of `irongate explain -o json` and of `/api/explain`, documented in
//! `docs/explain.md`. Fields are added, never renamed.

use super::limits::LimitView;
use super::request::Request;
use irongate_config::Position;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What would become of a request, and why.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    pub(crate) request: Request,
    pub(crate) verdict: Verdict,
    /// Where it comes in; `None` where nobody listens.
    pub(crate) listener: Option<ListenerView>,
    /// Listeners that do not get it, and why; the nearest first.
    pub(crate) other_listeners: Vec<OtherListener>,
    /// The rule that serves it.
    pub(crate) rule: Option<RuleView>,
    /// Matches that were not taken, the nearest first.
    pub(crate) others: Vec<OtherMatch>,
    /// How many more there are.
    pub(crate) more_others: usize,
    /// What is done to it, in order.
    pub(crate) filters: Vec<FilterView>,
    /// What the backend is sent, apart from forwarding fields.
    pub(crate) forwarded: Option<Forwarded>,
    pub(crate) timeouts: Vec<Setting>,
    pub(crate) retry: Option<String>,
    /// Where it was written.
    #[serde(serialize_with = "position")]
    pub(crate) retry_position: Option<Position>,
    /// How requests of one session stay together.
    pub(crate) session: Option<String>,
    /// Fields of `TrafficPolicy`s that count for the rule.
    pub(crate) policy: Vec<Setting>,
    /// Rate limits of the rule, in order.
    pub(crate) limits: Vec<LimitView>,
    pub(crate) backends: Vec<BackendView>,
    /// Fields of `GatewayParameters` that are written for the listener.
    pub(crate) parameters: Vec<Setting>,
}

/// What the client gets.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    /// `forwarded`, `redirected`, `failed` (an error of the configuration), `notFound`, `refused` (the request is not
    /// valid, or not for its connection), `closed` (the connection is), `noListener`.
    pub(crate) outcome: &'static str,
    /// The status, where we give it ourselves.
    pub(crate) status: Option<u16>,
    /// The same in a sentence.
    pub(crate) summary: String,
}

/// A listener.
#[derive(Debug, Serialize)]
pub(crate) struct ListenerView {
    pub(crate) listener: String,
    pub(crate) address: String,
    pub(crate) hostname: String,
    /// It takes HTTP/3 on the same address, too.
    pub(crate) http3: bool,
    #[serde(serialize_with = "position")]
    pub(crate) position: Option<Position>,
    /// Why this one.
    pub(crate) why: String,
}

/// A listener that does not get the request.
#[derive(Debug, Serialize)]
pub(crate) struct OtherListener {
    pub(crate) listener: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) hostname: String,
    pub(crate) why: String,
}

/// A rule.
#[derive(Debug, Serialize)]
pub(crate) struct RuleView {
    pub(crate) route: String,
    /// Its index in the route, as written.
    pub(crate) rule: usize,
    pub(crate) name: Option<String>,
    /// The match that was taken: its index, and what it says.
    #[serde(rename = "match")]
    pub(crate) request_match: usize,
    pub(crate) conditions: String,
    #[serde(serialize_with = "position")]
    pub(crate) position: Option<Position>,
}

/// A match that was not taken.
#[derive(Debug, Serialize)]
pub(crate) struct OtherMatch {
    #[serde(flatten)]
    pub(crate) rule: RuleView,
    /// Whether the request meets all its conditions.
    pub(crate) fits: bool,
    /// By which criterion it loses, where it fits.
    pub(crate) criterion: Option<&'static str>,
    /// Why it is not the one: a sentence a condition.
    pub(crate) why: Vec<String>,
}

/// A filter, and what it did.
#[derive(Debug, Serialize)]
pub(crate) struct FilterView {
    /// `rule`, or the backend whose it is.
    pub(crate) of: String,
    /// Its type.
    pub(crate) kind: &'static str,
    /// What it does where nothing of the request changes.
    pub(crate) note: Option<String>,
    pub(crate) changes: Vec<Change>,
}

/// A change of the request.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    /// `host`, `path`, or `header NAME`.
    pub(crate) what: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// What the backend is sent.
#[derive(Debug, Serialize)]
pub(crate) struct Forwarded {
    pub(crate) method: String,
    pub(crate) host: String,
    /// With the query.
    pub(crate) target: String,
}

/// A setting, and where it comes from.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Setting {
    pub(crate) field: String,
    pub(crate) value: String,
    /// Who says it; `None` where it is the default.
    pub(crate) from: Option<String>,
    #[serde(serialize_with = "position")]
    pub(crate) position: Option<Position>,
    /// Who says otherwise, and does not count.
    pub(crate) overridden: Vec<Setting>,
}

/// A backend of the rule.
#[derive(Debug, Serialize)]
pub(crate) struct BackendView {
    pub(crate) backend: String,
    pub(crate) weight: u32,
    /// Its share of the requests, in per cent.
    pub(crate) share: f64,
    /// What the reference names, where it does not resolve.
    pub(crate) reference: Option<String>,
    /// Why its requests are answered with 500.
    pub(crate) invalid: Option<&'static str>,
    /// `HTTP1`, `HTTP2`, `TCP` or `UDP`.
    pub(crate) protocol: Option<&'static str>,
    /// The name that is asked for where TLS is begun with it.
    pub(crate) tls: Option<String>,
    /// The name that is looked up, with the port.
    pub(crate) dns: Option<String>,
    /// The service that Consul is asked for, and where Consul is.
    pub(crate) consul: Option<String>,
    pub(crate) endpoints: Vec<EndpointView>,
    /// How many more there are.
    pub(crate) more_endpoints: usize,
    /// What policies say of it.
    pub(crate) policy: Vec<Setting>,
}

impl BackendView {
    /// Whether its endpoints are found while the gateway runs, and so only known to one that does.
    pub(crate) fn is_discovered(&self) -> bool {
        self.dns.is_some() || self.consul.is_some()
    }
}

/// An instance.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointView {
    pub(crate) address: String,
    pub(crate) weight: u32,
    /// What the running gateway knows of it, as `/api/backends` has it.
    pub(crate) live: Option<Value>,
}

fn position<S: Serializer>(position: &Option<Position>, serializer: S) -> Result<S::Ok, S::Error> {
    match position {
        Some(position) => serializer.collect_str(&format_args!("{}:{}", position.file, position.line)),
        None => serializer.serialize_none(),
    }
}
