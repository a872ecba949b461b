//! `healthChecks`: what the instances of a backend are asked, and how often.

use crate::checks::Checks;
use crate::kinds::GatewayDuration;
use crate::yaml::path::At;
use irongate_config::{BeforeFirstCheck, HealthCheck, HealthChecks, HttpCheck};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// How the instances are checked: by exactly one of `http`, `grpc` and `tcp`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckFields {
    /// From the beginning of one check of an instance to that of the next. Not written: 10s.
    pub interval: Option<GatewayDuration>,
    /// Up to this share of the interval is added by chance, in per cent. Not written: 20.
    #[schemars(range(max = 100))]
    pub jitter_percent: Option<u8>,
    /// How long a check may take, connecting and all. Not written: 2s.
    pub timeout: Option<GatewayDuration>,
    /// So many failed checks in a row take an instance out. Not written: 3.
    #[schemars(range(min = 1))]
    pub unhealthy_threshold: Option<u32>,
    /// So many passed checks in a row bring it back. Not written: 2.
    #[schemars(range(min = 1))]
    pub healthy_threshold: Option<u32>,
    /// The port that is asked. Not written: the instance's own.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// What holds for a new instance until it was checked. Not written: `Ready`.
    pub before_first: Option<BeforeFirstName>,
    /// A request of HTTP, in the version that the instances are spoken to.
    pub http: Option<HttpCheckFields>,
    /// `grpc.health.v1.Health/Check`.
    pub grpc: Option<GrpcCheckFields>,
    /// A connection.
    pub tcp: Option<TcpCheckFields>,
}

/// What holds for a new instance until its first check.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, JsonSchema)]
pub enum BeforeFirstName {
    /// It gets requests.
    Ready,
    /// It gets none until a check has passed, while there is another instance that may have them.
    Waiting,
}

/// A check by a request of HTTP.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpCheckFields {
    /// Path and query. Not written: `/`.
    pub path: Option<String>,
    /// `Host`. Not written: the instance's address.
    pub host: Option<String>,
    /// The method. Not written: `GET`.
    pub method: Option<String>,
    /// Statuses that are good, such as `200` or `200-299`. Not written: 200 to 299.
    pub statuses: Vec<StatusRange>,
    /// A text that the first 64 KiB of the answer's body must hold.
    pub body: Option<String>,
}

/// One status or a range of them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(untagged)]
pub enum StatusRange {
    /// One.
    One(u16),
    /// From the first to the last, as `200-299`.
    Range(String),
}

impl StatusRange {
    /// First and last status; from 100 to 599.
    fn bounds(&self) -> Option<(u16, u16)> {
        let (first, last) = match self {
            Self::One(status) => (*status, *status),
            Self::Range(text) => {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                (first.trim().parse().ok()?, last.trim().parse().ok()?)
            }
        };
        (first <= last && (100..=599).contains(&first) && (100..=599).contains(&last))
            .then_some((first, last))
    }
}

/// A check by gRPC's health service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrpcCheckFields {
    /// The service that is asked about. Not written: the server as a whole.
    pub service: Option<String>,
}

/// A check by a connection.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpCheckFields {
    /// A text that is sent first.
    pub send: Option<String>,
    /// A text that has to come back first.
    pub expect: Option<String>,
}

impl HealthCheckFields {
    pub(super) fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let kinds = [self.http.is_some(), self.grpc.is_some(), self.tcp.is_some()];
        if kinds.iter().filter(|written| **written).count() != 1 {
            let advice = "Write one of them; `tcp: {}` only connects.";
            checks.invalid(at, "must have exactly one of http, grpc and tcp", advice);
        }
        for (value, name) in [(self.interval, "interval"), (self.timeout, "timeout")] {
            if value.is_some_and(|value| value.0 < Duration::from_millis(10)) {
                checks.invalid(&at.field(name), "must be at least 10ms", "");
            }
        }
        for (value, name) in
            [(self.unhealthy_threshold, "unhealthyThreshold"), (self.healthy_threshold, "healthyThreshold")]
        {
            if value == Some(0) {
                checks.invalid(&at.field(name), "must be at least 1", "");
            }
        }
        if self.jitter_percent.is_some_and(|percent| percent > 100) {
            checks.invalid(&at.field("jitterPercent"), "must be from 0 to 100", "");
        }
        if self.port == Some(0) {
            checks.invalid(&at.field("port"), "must be from 1 to 65535", "");
        }
        if let Some(http) = &self.http {
            http.check(&at.field("http"), checks);
        }
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        if let Some(tcp) = &self.tcp {
            for (text, name) in [(&tcp.send, "send"), (&tcp.expect, "expect")] {
                if length(text) > 1024 {
                    checks.invalid(&at.field("tcp").field(name), "must not be longer than 1024 bytes", "");
                }
            }
        }
    }

    /// What is meant; `None` if it is not valid.
    pub(crate) fn meant(&self) -> Option<HealthChecks> {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().as_bytes().into();
        let check = match (&self.http, &self.grpc, &self.tcp) {
            (Some(http), None, None) => HealthCheck::Http(http.meant()?),
            (None, Some(grpc), None) => {
                HealthCheck::Grpc { service: grpc.service.as_deref().unwrap_or_default().into() }
            }
            (None, None, Some(tcp)) => HealthCheck::Tcp { send: text(&tcp.send), expect: text(&tcp.expect) },
            _ => return None,
        };
        let seconds = Duration::from_secs;
        Some(HealthChecks {
            interval: self.interval.map_or(seconds(10), |interval| interval.0),
            jitter_percent: self.jitter_percent.unwrap_or(20),
            timeout: self.timeout.map_or(seconds(2), |timeout| timeout.0),
            unhealthy_threshold: self.unhealthy_threshold.unwrap_or(3),
            healthy_threshold: self.healthy_threshold.unwrap_or(2),
            port: self.port,
            before_first: match self.before_first {
                Some(BeforeFirstName::Waiting) => BeforeFirstCheck::Waiting,
                Some(BeforeFirstName::Ready) | None => BeforeFirstCheck::Ready,
            },
            check,
        })
    }
}

impl HttpCheckFields {
    fn check(&self, at: &At<'_>, checks: &mut Checks) {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self
            .path
            .as_ref()
            .is_some_and(|path| !path.starts_with('/') || !visible(path) || path.len() > 1024)
        {
            checks.invalid(
                &at.field("path"),
                "must begin with / and hold no spaces",
                "Write it as in a URL.",
            );
        }
        if self.host.as_ref().is_some_and(|host| host.is_empty() || !visible(host) || host.len() > 255) {
            checks.invalid(&at.field("host"), "is not a host", "Write a name, with a port if need be.");
        }
        let token = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        if self.method.as_ref().is_some_and(|method| !token(method) || method == "CONNECT") {
            checks.invalid(
                &at.field("method"),
                "is not a method that checks",
                "GET, HEAD and OPTIONS are usual.",
            );
        }
        let statuses = at.field("statuses");
        checks.no_more_than(&statuses, self.statuses.len(), 16);
        for (place, status) in self.statuses.iter().enumerate() {
            if status.bounds().is_none() {
                let advice = "Write a status from 100 to 599, or a range such as 200-299.";
                checks.invalid(&statuses.index(place), "is neither a status nor a range of them", advice);
            }
        }
    }

    fn meant(&self) -> Option<HttpCheck> {
        let statuses: Option<Vec<_>> = self.statuses.iter().map(StatusRange::bounds).collect();
        let statuses: Vec<_> = statuses?.into_iter().map(|(first, last)| first..=last).collect();
        Some(HttpCheck {
            path: self.path.as_deref().unwrap_or("/").into(),
            host: self.host.as_deref().map(Into::into),
            method: self.method.as_deref().unwrap_or("GET").into(),
            statuses: if statuses.is_empty() { vec![200..=299] } else { statuses },
            body: self.body.as_deref().filter(|body| !body.is_empty()).map(Into::into),
        })
    }
}
