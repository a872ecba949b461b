//! What the algorithms choose from.

use super::draw::{Candidates, Dice};
use super::slot::Slot;
use super::{Balancer, DOUBT_COST, EndpointIndex, least_request, peak_ewma, random, round_robin};
use crate::Time;
use irongate_config::Algorithm;

/// A level's candidates, with what is known of them.
pub(super) struct View<'a> {
    pub(super) balancer: &'a Balancer,
    pub(super) candidates: &'a Candidates,
    pub(super) now: Time,
    pub(super) tried: &'a [EndpointIndex],
}

impl View<'_> {
    /// By the backend's algorithm; what goes by a key and has none, by chance.
    #[inline]
    pub(super) fn choose(&self, dice: &mut Dice) -> Option<u32> {
        match self.balancer.algorithm {
            Algorithm::PeakEwma => peak_ewma::choose(self, dice),
            Algorithm::LeastRequest => least_request::choose(self, dice),
            Algorithm::Random | Algorithm::RingHash | Algorithm::Maglev => random::choose(self, dice),
            Algorithm::RoundRobin => round_robin::choose(self, dice),
        }
    }

    /// What it costs to ask an endpoint: latency times load where latency counts, else load.
    pub(super) fn cost(&self, slot: u32) -> f32 {
        match self.balancer.algorithm {
            Algorithm::PeakEwma => peak_ewma::cost(self, slot),
            _ => self.load(slot).load() * self.doubt_factor(slot),
        }
    }

    /// The candidate's slot, unless the request was tried there.
    pub(super) fn untried(&self, position: usize) -> Option<u32> {
        let slot = self.candidates.list[position];
        (self.tried.is_empty() || !self.tried.contains(&self.balancer.index(slot))).then_some(slot)
    }

    pub(super) fn load(&self, slot: u32) -> &Slot {
        &self.balancer.slots[slot as usize]
    }

    /// What doubt multiplies a cost by.
    pub(super) fn doubt_factor(&self, slot: u32) -> f32 {
        let state = self.balancer.states[slot as usize].as_ref();
        state.map_or(1.0, |state| 1.0 + DOUBT_COST * state.doubt(self.now))
    }
}
