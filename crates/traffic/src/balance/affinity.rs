//! Requests that belong to an endpoint: by their session, or by a key.

use super::{Balancer, EndpointIndex};
use std::collections::HashMap;

/// How often a key is looked up before any endpoint will do. With half of them out, one key in 2^32 needs more.
const LOOKS: usize = 32;

/// What ties a request to an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// The [`id`](crate::EndpointState::id) of the endpoint that its session began with.
    pub session: Option<u64>,
    /// The hash of its key, for algorithms that go by one.
    pub key: Option<u64>,
}

/// Slots by the ids of endpoints.
pub(super) type Sessions = HashMap<u64, u32, foldhash::fast::RandomState>;

impl Balancer {
    /// The endpoint of a session, unless it is gone or out, or was tried.
    pub(super) fn of_session(&mut self, id: u64, tried: &[EndpointIndex]) -> Option<u32> {
        let Self { sessions, members, states, .. } = self;
        let known = sessions.get_or_insert_with(|| {
            let id = |&slot: &u32| Some((states[slot as usize].as_ref()?.id(), slot));
            members.iter().filter_map(id).collect()
        });
        let slot = *known.get(&id)?;
        self.can_take(slot, tried).then_some(slot)
    }

    /// The first endpoint of a key that can be used and has room; the first that can be used, if none has.
    pub(super) fn of_key(&self, key: u64, tried: &[EndpointIndex]) -> Option<u32> {
        let table = self.plan.table.as_ref()?;
        let mut full = None;
        for look in 0..LOOKS {
            let slot = *self.members.get(table.owner(key, look) as usize)?;
            if !self.can_take(slot, tried) {
                continue;
            }
            if self.has_room(slot) {
                return Some(slot);
            }
            full = full.or(Some(slot));
        }
        full
    }

    fn can_take(&self, slot: u32, tried: &[EndpointIndex]) -> bool {
        let state = self.states[slot as usize].as_ref();
        state.is_some_and(|state| self.tier.takes(state.word().kind())) && !tried.contains(&self.index(slot))
    }

    /// Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, 2016).
    fn has_room(&self, slot: u32) -> bool {
        let Some(most) = self.plan.max_load else { return true };
        let slot = &self.slots[slot as usize];
        let mean = (self.under_way + 1) as f32 / self.members.len() as f32;
        (slot.pending as f32 * slot.inverse_weight) < (most * mean).ceil()
    }
}
