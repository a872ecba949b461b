//! What endpoints, and the backend as a whole, are expected to take.

use super::{Balancer, EndpointIndex};
use crate::Time;
use crate::time::as_f32;

/// What an endpoint is taken to need when nobody has answered yet.
const FIRST_ESTIMATE: f32 = 30_000.0;
/// The part of the way to a new sample that a backend's typical latency goes.
const TYPICAL_STEP: f32 = 1.0 / 64.0;
/// So many times what requests usually take is long.
const OVERDUE: f32 = 8.0;

impl Balancer {
    /// What a request to this backend usually takes.
    pub(super) fn typical(&self) -> f32 {
        if self.typical < 0.0 { FIRST_ESTIMATE } else { self.typical }
    }

    /// An answer came, and it is no failure.
    pub(super) fn sample(&mut self, index: EndpointIndex, waited: f32, now: Time) {
        self.typical =
            if self.typical < 0.0 { waited } else { self.typical + (waited - self.typical) * TYPICAL_STEP };
        self.measure(index, waited, now);
        if let Some(state) = self.endpoint(index) {
            state.record_latency(now, waited as u64);
        }
    }

    /// What an endpoint took goes into its estimate, and where others left it alone as well, they are told.
    fn measure(&mut self, index: EndpointIndex, waited: f32, now: Time) {
        let typical = self.typical();
        let told = self.slot(index).and_then(|slot| slot.sample(waited, now, typical));
        if let (Some(estimate), Some(state)) = (told, self.endpoint(index)) {
            state.sighting().tell(now, estimate);
        }
    }

    /// What an endpoint is expected to take, in microseconds.
    #[inline]
    pub(super) fn latency(&self, slot: u32, now: Time) -> f32 {
        let load = &self.slots[slot as usize];
        match &self.states[slot as usize] {
            Some(state) if load.is_left_alone(now) => {
                load.latency_left_alone(now, self.typical(), state.sighting())
            }
            _ => load.latency(now, self.typical()),
        }
    }

    /// Whether a request that began to wait then waits for so long that its endpoint may not be there any more.
    #[must_use]
    pub fn is_overdue(&self, now: Time, begun: Time) -> bool {
        as_f32(now.micros_since(begun)) > OVERDUE * self.typical()
    }

    /// What gave no proper answer would have taken at least this long; failing quickly is nothing to be preferred for.
    pub(super) fn sample_at_least(&mut self, index: EndpointIndex, waited: Option<f32>, now: Time) {
        let Some(waited) = waited else { return };
        if self.slot(index).is_some() && waited > self.latency(index.slot, now) {
            self.measure(index, waited, now);
        }
    }
}
