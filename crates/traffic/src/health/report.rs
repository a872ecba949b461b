//! Health for display, and what changes it.

use crate::Time;

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
}

/// What failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nothing yet.
    #[default]
    None,
    /// Connecting.
    Connect,
    /// The connection broke, or what came was no valid answer.
    Transport,
    /// No answer in time.
    Timeout,
    /// An answer with this status.
    Status(u16),
    /// An answer with this status of gRPC.
    Grpc(u8),
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
            Self::Transport => Some("transport".to_owned()),
            Self::Timeout => Some("timeout".to_owned()),
            Self::Status(status) => Some(format!("status {status}")),
            Self::Grpc(code) => Some(format!("gRPC status {code}")),
        }
    }

    pub(super) fn pack(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Connect => 1,
            Self::Transport => 2,
            Self::Timeout => 3,
            Self::Status(status) => u32::from(status) << 2 | 1 << 31,
            Self::Grpc(code) => u32::from(code) | 1 << 30,
        }
    }

    pub(super) fn unpack(packed: u32) -> Self {
        match packed {
            0 => Self::None,
            1 => Self::Connect,
            2 => Self::Transport,
            3 => Self::Timeout,
            packed if packed & 1 << 31 != 0 => Self::Status((packed >> 2) as u16),
            packed => Self::Grpc(packed as u8),
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
