//! Which endpoints there are, and which of them are picked from.

use super::slot::Slot;
use super::{BalancePlan, Balancer, EndpointIndex, Member, PickRequest, Picked};
use crate::Time;
use crate::health::{EndpointState, Kind};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use std::sync::Arc;

/// Whom the candidates are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// Those that nothing speaks against.
    Ready,
    /// Too much is out: all that can be reached.
    Reachable,
    /// None can be reached: all.
    Unreachable,
}

impl Balancer {
    /// Takes another plan. Those of the endpoints that stay (by identity) keep their load; requests
    /// to those that go end as usual, and with the last of them the balancer lets go of the endpoint.
    pub fn update(&mut self, plan: &Arc<BalancePlan>, now: Time) {
        self.plan = plan.clone();
        self.algorithm = plan.algorithm;
        self.sessions = None;
        let had_members = !self.members.is_empty();
        let occupied =
            self.states.iter().enumerate().filter_map(|(slot, state)| Some((slot, state.as_ref()?)));
        // There may be 10,000, on a thread that has requests to serve.
        let known: HashMap<*const EndpointState, u32, RandomState> =
            occupied.map(|(slot, state)| (Arc::as_ptr(state), slot as u32)).collect();
        let before = std::mem::take(&mut self.members);
        for &slot in &before {
            self.slots[slot as usize].is_member = false;
        }
        for Member { state, weight, .. } in plan.members() {
            let slot = match known.get(&Arc::as_ptr(state)) {
                Some(&slot) => slot,
                None => self.add(state.clone(), had_members.then_some(now)),
            };
            let member = &mut self.slots[slot as usize];
            member.is_member = true;
            member.weight = (*weight).max(1);
            self.members.push(slot);
        }
        for &slot in &before {
            if !self.slots[slot as usize].is_member {
                self.remove(slot, now);
            }
        }
        let sum: f32 = self.members.iter().map(|&slot| self.slots[slot as usize].weight as f32).sum();
        let mean = sum / self.members.len().max(1) as f32;
        for &slot in &self.members {
            let member = &mut self.slots[slot as usize];
            member.inverse_weight = mean / member.weight as f32;
        }
        self.backend.set_endpoints(self.members.len());
        self.look_again(now);
    }

    /// Whether an endpoint is one of the backend's, by the position of its [`EndpointIndex`].
    #[must_use]
    pub fn is_member(&self, position: usize, state: &Arc<EndpointState>) -> bool {
        let known = self.states.get(position).and_then(Option::as_ref);
        known.is_some_and(|known| Arc::ptr_eq(known, state)) && self.slots[position].is_member
    }

    /// Whether an endpoint is one of the backend's still; one with requests under way may have been removed.
    #[inline]
    #[must_use]
    pub fn is_used(&self, index: EndpointIndex) -> bool {
        let slot = self.slots.get(index.position());
        slot.is_some_and(|slot| slot.generation == index.generation && slot.is_member)
    }

    /// Works out the candidates anew: an endpoint's health changed.
    pub(super) fn look_again(&mut self, now: Time) {
        // Read first: what changes from here on is seen the next time.
        self.version = self.backend.version();
        self.due = [Time::NEVER; 2];
        let panic = self.backend.is_panicking();
        let (mut ready, mut ejected) = (false, false);
        for (&slot, place) in self.members.iter().zip(&self.plan.places) {
            let Some(state) = &self.states[slot as usize] else { continue };
            let word = state.word();
            ready |= matches!(word.kind(), Kind::Ready | Kind::Failing);
            ejected |= matches!(word.kind(), Kind::Ejected | Kind::Trial);
            if place.is_of(self.core) {
                self.due[0] = self.due[0].min(state.due(true));
                self.due[1] = self.due[1].min(state.due(false));
            }
            let incarnation = state.incarnation();
            let slot = &mut self.slots[slot as usize];
            if slot.incarnation != incarnation {
                slot.incarnation = incarnation;
                slot.start(now);
            }
        }
        self.tier = match (ready, ejected) {
            (true, true) if panic => Tier::Reachable,
            (true, _) => Tier::Ready,
            (false, true) => Tier::Reachable,
            (false, false) => Tier::Unreachable,
        };
        self.fill_levels();
        if self.levels().all(|level| level.candidates.list.is_empty()) {
            // Health changed between the two looks.
            let slots = &self.slots;
            self.first.candidates.list.extend(&self.members);
            self.first.candidates.weigh(|slot| slots[slot as usize].weight);
        }
    }

    /// Claims the trial of an ejected endpoint whose time is over, if no other core was quicker.
    pub(super) fn claim_trial(&mut self, now: Time, request: &PickRequest<'_>) -> Option<Picked> {
        let claims = |&slot: &u32| {
            self.states[slot as usize]
                .as_ref()
                .is_some_and(|state| state.claim_trial(now, request.replayable, request.random))
        };
        let mine = self.members.iter().zip(&self.plan.places).filter(|(_, place)| place.is_of(self.core));
        let slot = mine.map(|(&slot, _)| slot).find(claims);
        self.look_again(now);
        Some(Picked { index: self.index(slot?), trial: true, panic: self.tier != Tier::Ready })
    }

    /// A request has ended.
    pub(super) fn release(&mut self, index: EndpointIndex) {
        let Some(slot) = self.slot(index) else { return };
        slot.pending = slot.pending.saturating_sub(1);
        let is_last = slot.pending == 0 && !slot.is_member;
        self.under_way = self.under_way.saturating_sub(1);
        if is_last {
            self.vacate(index.slot);
        }
    }

    /// `starting`: when it begins its slow start; it has none when there is nobody to spare it.
    fn add(&mut self, state: Arc<EndpointState>, starting: Option<Time>) -> u32 {
        let incarnation = state.incarnation();
        let mut added = Slot::new(0, incarnation);
        if let Some(now) = starting {
            added.start(now);
        }
        if let Some(slot) = self.free.pop() {
            added.generation = self.slots[slot as usize].generation;
            self.slots[slot as usize] = added;
            self.states[slot as usize] = Some(state);
            return slot;
        }
        self.slots.push(added);
        self.states.push(Some(state));
        (self.slots.len() - 1) as u32
    }

    fn remove(&mut self, slot: u32, now: Time) {
        if let Some(state) = &self.states[slot as usize] {
            state.retire(now);
        }
        if self.slots[slot as usize].pending == 0 {
            self.vacate(slot);
        }
    }

    fn vacate(&mut self, slot: u32) {
        self.states[slot as usize] = None;
        let vacated = &mut self.slots[slot as usize];
        vacated.generation = vacated.generation.wrapping_add(1);
        self.free.push(slot);
    }
}

impl Tier {
    pub(super) fn takes(self, kind: Kind) -> bool {
        match kind {
            Kind::Ready | Kind::Failing => self != Self::Unreachable,
            Kind::Ejected | Kind::Trial => self == Self::Reachable,
            Kind::Unreachable | Kind::Waiting => self == Self::Unreachable,
        }
    }
}
