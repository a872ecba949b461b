//! A request on its way through a balancer.

use super::Affinity;
use crate::health::{Change, EndpointState};
use crate::{HealthReport, Time};
use irongate_message::GrpcCode;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint's place in a [`Balancer`](crate::Balancer). It never means another endpoint later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointIndex {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl EndpointIndex {
    /// A small number, for tables beside the balancer. Once the endpoint is gone and its requests have ended,
    /// a later one may get the same.
    #[must_use]
    pub fn position(self) -> usize {
        self.slot as usize
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PickRequest<'a> {
    /// Fresh for each pick.
    pub random: u64,
    /// Endpoints that this request was tried on: taken only if there are no others. Empty for the first try.
    pub tried: &'a [EndpointIndex],
    /// The request is idempotent and can be sent again: it may be the trial of an ejected endpoint.
    pub replayable: bool,
    /// What ties it to an endpoint, where sessions or an algorithm that goes by keys are wanted.
    pub affinity: Option<&'a Affinity>,
}

/// An endpoint for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Which.
    pub index: EndpointIndex,
    /// It is ejected, and this is the one request that may bring it back: a ticket has to be taken for it.
    pub trial: bool,
    /// Health is not looked at, since too much of the backend is out (for metrics).
    pub panic: bool,
}

/// What a request waits for when it is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// It has no body, or all of it is here: from now on the endpoint is waited for.
    Whole,
    /// Its body is still coming from the client: [`Balancer::sent`](crate::Balancer::sent) will tell.
    Body,
}

/// A request under way; has to be given to [`Balancer::end`](crate::Balancer::end).
#[derive(Debug)]
#[must_use = "what is begun has to be ended"]
pub struct Ticket {
    pub(super) index: EndpointIndex,
    pub(super) group: u8,
    pub(super) trial: bool,
    pub(super) stage: Stage,
    pub(super) begun: Time,
    /// From when on the endpoint was waited for.
    pub(super) waits: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Sending,
    Waiting,
    Answered,
    /// Answered with a failure.
    Bad,
}

impl Ticket {
    /// Whose request it is.
    #[must_use]
    pub fn index(&self) -> EndpointIndex {
        self.index
    }
}

/// How a request to an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of the answer came.
    Complete,
    /// The same, and its trailers say how it went in gRPC.
    Grpc(GrpcCode),
    /// The transport failed, the answer was invalid, or it broke off.
    Failed,
    /// No answer in time.
    TimedOut,
    /// There was no connection to be had.
    ConnectFailed,
    /// The same, since nothing came back in time.
    ConnectTimedOut,
    /// It says nothing about the endpoint: the client left, the peer refused the stream, or a pooled connection
    /// turned out to have ended.
    Cancelled,
}

/// What an answer's head means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// It is a failure (5xx but for 501 and 505) of an endpoint in doubt or on trial, and there is another without
    /// doubt: [`RequestFacts::doubted`](crate::RequestFacts::doubted).
    pub elsewhere: bool,
    /// The endpoint's health changed by it.
    pub change: Option<Change>,
}

/// An endpoint's load on one core and its health, for display.
#[derive(Clone, Debug)]
pub struct EndpointLoad {
    /// Whose.
    pub endpoint: Arc<EndpointState>,
    /// Its weight.
    pub weight: u32,
    /// What it is expected to take to answer.
    pub estimate: Duration,
    /// Requests under way.
    pub pending: u32,
    /// Its health.
    pub health: HealthReport,
}

/// Whether a status tells that the endpoint is in trouble. 501 and 505 say something about the request; 429 asks for
/// less.
pub(super) fn is_failure(status: u16) -> bool {
    matches!(status, 429 | 500..=599) && !matches!(status, 501 | 505)
}
