//! Health for display, and what changes it.

use super::word::Kind;
use super::{CheckFault, EndpointState};
use crate::Time;
use std::sync::atomic::Ordering::Relaxed;

/// An endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is used.
    Ready,
    /// It fails and would be ejected, but as many are as may be: it is used.
    Failing,
    /// Connecting fails: it is not used while another is left.
    Unreachable {
        /// When connecting is tried next, in the background.
        next_probe: Time,
    },
    /// It answers badly and is left out.
    Ejected {
        /// When one request may try it.
        until: Time,
    },
    /// It was ejected, and one request is trying it.
    Trial,
    /// Active checks say that it answers wrongly, and it is left out until they pass.
    Unhealthy,
    /// It was never checked, and gets no requests before.
    Waiting,
}

impl Health {
    /// One lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failing => "failing",
            Self::Unreachable { .. } => "unreachable",
            Self::Ejected { .. } => "ejected",
            Self::Trial => "trial",
            Self::Unhealthy => "unhealthy",
            Self::Waiting => "waiting",
        }
    }
}

/// A change of an endpoint's health; exactly one caller gets to know of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is used again.
    Ready,
    /// It fails, and no more of its backend may be out: panic.
    Failing,
    /// Connecting failed: it is to be probed in the background.
    Unreachable,
    /// It is out, or out again after a trial that failed.
    Ejected {
        /// Until then.
        until: Time,
    },
    /// It is out until active checks pass.
    Unhealthy,
}

/// What failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nothing yet.
    #[default]
    None,
    /// Connecting.
    Connect,
    /// Connecting, and nothing came back.
    Silent,
    /// The connection broke, or what came was no valid answer.
    Transport,
    /// No answer in time.
    Timeout,
    /// An answer with this status.
    Status(u16),
    /// An answer with this status of gRPC.
    Grpc(u8),
    /// So few of its requests succeed, in per cent.
    SuccessRate(u8),
    /// It takes so long, in milliseconds, and the others do not.
    Latency(u16),
    /// Active checks.
    Check(CheckFault),
}

impl Cause {
    /// Whether it counts for ejection. 429 and gRPC's resource exhausted do not: that is how an endpoint asks for less,
    /// and it makes it dear.
    pub(crate) fn counts_in_a_row(self) -> bool {
        !matches!(self, Self::Status(429) | Self::Grpc(8))
    }

    /// In a word or two; `None` where there is none.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Connect => Some("connect".to_owned()),
            Self::Silent => Some("connect: no answer".to_owned()),
            Self::Transport => Some("transport".to_owned()),
            Self::Timeout => Some("timeout".to_owned()),
            Self::Status(status) => Some(format!("status {status}")),
            Self::Grpc(code) => Some(format!("gRPC status {code}")),
            Self::SuccessRate(percent) => Some(format!("success rate {percent} %")),
            Self::Latency(millis) => Some(format!("latency {millis} ms")),
            Self::Check(fault) => Some(format!("check: {}", fault.text())),
        }
    }

    /// Upper 8 bits: which; lower: its value.
    pub(super) fn pack(self) -> u32 {
        let (kind, value) = match self {
            Self::None => (0, 0),
            Self::Connect => (1, 0),
            Self::Transport => (2, 0),
            Self::Timeout => (3, 0),
            Self::Status(status) => (4, u32::from(status)),
            Self::Grpc(code) => (5, u32::from(code)),
            Self::Silent => (6, 0),
            Self::SuccessRate(percent) => (7, u32::from(percent)),
            Self::Latency(millis) => (8, u32::from(millis)),
            Self::Check(CheckFault::Connect) => (16, 0),
            Self::Check(CheckFault::Timeout) => (17, 0),
            Self::Check(CheckFault::Status(status)) => (18, u32::from(status)),
            Self::Check(CheckFault::Content) => (19, 0),
            Self::Check(CheckFault::NotServing(code)) => (20, u32::from(code)),
            Self::Check(CheckFault::Broken) => (21, 0),
        };
        kind << 24 | value
    }

    pub(super) fn unpack(packed: u32) -> Self {
        let value = packed as u16;
        match packed >> 24 {
            0 => Self::None,
            1 => Self::Connect,
            2 => Self::Transport,
            3 => Self::Timeout,
            4 => Self::Status(value),
            5 => Self::Grpc(value as u8),
            6 => Self::Silent,
            7 => Self::SuccessRate(value as u8),
            8 => Self::Latency(value),
            16 => Self::Check(CheckFault::Connect),
            17 => Self::Check(CheckFault::Timeout),
            18 => Self::Check(CheckFault::Status(value)),
            19 => Self::Check(CheckFault::Content),
            20 => Self::Check(CheckFault::NotServing(value as u8)),
            _ => Self::Check(CheckFault::Broken),
        }
    }
}

impl CheckFault {
    /// In a few words.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Connect => "connect".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status(status) => format!("status {status}"),
            Self::Content => "unexpected content".to_owned(),
            Self::NotServing(0) => "not serving".to_owned(),
            Self::NotServing(code) => format!("gRPC status {code}"),
            Self::Broken => "no valid answer".to_owned(),
        }
    }
}

/// An endpoint's health with its reasons, for people.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HealthReport {
    /// What it is.
    pub health: Health,
    /// Since when.
    pub since: Time,
    /// What last changed it for the worse.
    pub cause: Cause,
    /// Failures in a row.
    pub streak: u32,
    /// Ejections in a row.
    pub ejections: u32,
    /// How much its failures of late weigh, 0 to 1.
    pub doubt: f32,
}

impl EndpointState {
    /// For display: health, why and since when.
    #[must_use]
    pub fn report(&self, now: Time) -> HealthReport {
        let word = self.load();
        let health = match word.kind() {
            Kind::Ready => Health::Ready,
            Kind::Failing => Health::Failing,
            Kind::Unreachable => Health::Unreachable { next_probe: word.until() },
            Kind::Ejected if word.is_held() => Health::Unhealthy,
            Kind::Ejected => Health::Ejected { until: word.until() },
            Kind::Trial => Health::Trial,
            Kind::Waiting => Health::Waiting,
        };
        HealthReport {
            health,
            since: Time(self.since.load(Relaxed)),
            cause: Cause::unpack(self.cause.load(Relaxed)),
            streak: self.streak.load(Relaxed),
            ejections: self.ejections.load(Relaxed),
            doubt: self.doubt.at(now),
        }
    }
}
