//! Endpoints that are preferred to others: of the gateway's own zone, or of a lower priority number.
//!
//! Each level takes as much as its health allows: all, while at least 1/1.4 of it (by weight) is well, and in proportion
//! below that (Envoy's overprovisioning factor); the next one takes what is left. Where the next level is only
//! farther away, it also gets a request for which the near level offers nothing less than four times as dear:
//! so the zone spills over as it fills, and a lone near endpoint is not run down.

use super::draw::{Candidates, Dice};
use super::members::Tier;
use super::{Balancer, EndpointIndex, PickRequest, View};
use crate::Time;

/// A level takes everything while this part of it, or more, is well: the inverse.
const OVERPROVISIONING: f32 = 1.4;
/// How much dearer a near endpoint has to be than a far one for the far one to be asked.
const DEARER: f32 = 4.0;

/// Endpoints among which nothing but load decides.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) candidates: Candidates,
    /// Requests whose random number from 0 to 1 is below this, and not below the one's before, go here.
    up_to: f32,
    /// The next level is of the same priority.
    spills: bool,
}

impl Balancer {
    /// Fills the levels with the endpoints that are picked from.
    pub(super) fn fill_levels(&mut self) {
        let count = self.plan.spills.len().max(1);
        self.further.resize_with(count - 1, Level::default);
        let mut healths = Vec::with_capacity(count);
        for level in 0..count {
            healths.push(self.fill(level));
        }
        if count == 1 {
            return;
        }
        // Where all together are not well enough, each takes its part.
        let whole = healths.iter().sum::<f32>().min(1.0);
        let mut up_to = 0.0;
        for (level, health) in healths.into_iter().enumerate() {
            up_to += if whole > 0.0 { health / whole } else { 0.0 };
            let spills = self.plan.spills.get(level).copied().unwrap_or(false);
            let level = self.level_mut(level);
            (level.up_to, level.spills) = (up_to, spills);
        }
    }

    /// One level's candidates; gives how much it can take, of 1.
    fn fill(&mut self, number: usize) -> f32 {
        let (core, tier) = (self.core, self.tier);
        let mut candidates = std::mem::take(&mut self.level_mut(number).candidates);
        let Self { members, plan, states, slots, .. } = self;
        let of_level = || {
            let all = members.iter().copied().zip(&plan.places);
            all.filter(move |(_, place)| usize::from(place.level) == number)
        };
        let is_used = |slot: u32, tier: Tier| {
            states[slot as usize].as_ref().is_some_and(|state| tier.takes(state.word().kind()))
        };
        let weight = |slot: u32| slots[slot as usize].weight;
        let list = &mut candidates.list;
        list.clear();
        let mine = of_level().filter(|(slot, place)| place.is_of(core) && is_used(*slot, tier));
        list.extend(mine.map(|(slot, _)| slot));
        if list.is_empty() {
            // The whole of this core's part is out.
            list.extend(of_level().map(|(slot, _)| slot).filter(|&slot| is_used(slot, tier)));
        }
        let mut health = 1.0;
        if plan.spills.len() > 1 {
            let sum =
                |slots: &mut dyn Iterator<Item = u32>| slots.map(|slot| weight(slot) as f32).sum::<f32>();
            let all = sum(&mut of_level().map(|(slot, _)| slot));
            let used = sum(&mut of_level().map(|(slot, _)| slot).filter(|&slot| is_used(slot, tier)));
            health = (used / all.max(1.0) * OVERPROVISIONING).min(1.0);
        }
        candidates.weigh(weight);
        self.level_mut(number).candidates = candidates;
        health
    }

    fn level_mut(&mut self, number: usize) -> &mut Level {
        match number.checked_sub(1) {
            None => &mut self.first,
            Some(number) => &mut self.further[number],
        }
    }

    /// All levels.
    pub(super) fn levels(&self) -> impl Iterator<Item = &Level> {
        std::iter::once(&self.first).chain(&self.further)
    }

    fn view<'a>(&'a self, level: &'a Level, now: Time, tried: &'a [EndpointIndex]) -> View<'a> {
        View { balancer: self, candidates: &level.candidates, now, tried }
    }

    /// An endpoint where there are several levels: one that was not tried, on whatever level, if there is any.
    pub(super) fn choose_by_level(&self, now: Time, request: &PickRequest<'_>) -> Option<u32> {
        let mut dice = Dice::new(request.random);
        let point = dice.unit();
        let tried = request.tried;
        let view = |level| self.view(level, now, tried);
        let drawn = self.levels().position(|level| point < level.up_to).unwrap_or(0);
        let others = (0..=self.further.len()).filter(|&number| number != drawn);
        let mut last_resort = None;
        for number in std::iter::once(drawn).chain(others) {
            let Some(level) = self.levels().nth(number) else { continue };
            let Some(slot) = view(level).choose(&mut dice) else { continue };
            if tried.contains(&self.index(slot)) {
                last_resort = last_resort.or(Some(slot));
                continue;
            }
            let next = self.levels().nth(number + 1).filter(|_| level.spills);
            let Some(far) = next.and_then(|next| Some((view(next), view(next).choose(&mut dice)?))) else {
                return Some(slot);
            };
            let is_dearer = view(level).cost(slot) > DEARER * far.0.cost(far.1);
            return Some(if is_dearer && !tried.contains(&self.index(far.1)) { far.1 } else { slot });
        }
        last_resort
    }
}
