//! Drawing candidates by chance and weight.

use super::View;
use std::cell::Cell;

/// How often a candidate is drawn anew before the list is gone through.
const DRAWS: usize = 4;

/// Random numbers from one: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(random: u64) -> Self {
        Self(random)
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// From 0 to less than `bound`; 0 for an empty one. Uneven by `bound` / 2^32 at most.
    #[inline]
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (((self.next() >> 32) * bound as u64) >> 32) as usize
    }

    /// From 0 to less than 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

/// The slots to pick from, and how to draw one by weight in constant time.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub(super) list: Vec<u32>,
    /// Weights as parts of the largest, 65,535; empty if all are equal.
    pub(super) parts: Vec<u16>,
    /// The alias method (Walker 1974, Vose 1991): how much of a place is its own, of 2^32, and whose the rest is.
    places: Vec<(u32, u32)>,
    small: Vec<u32>,
    large: Vec<u32>,
    /// Round robin's place in its sequence.
    pub(super) turn: Cell<Option<u64>>,
}

impl Candidates {
    /// Makes the tables for what is in `list`.
    pub(super) fn weigh(&mut self, weight: impl Fn(u32) -> u32) {
        self.parts.clear();
        self.places.clear();
        let weights = || self.list.iter().map(|&slot| weight(slot));
        let (Some(least), Some(most)) = (weights().min(), weights().max()) else { return };
        if least == most {
            return;
        }
        let most = u64::from(most.max(1));
        self.parts.extend(weights().map(|weight| (u64::from(weight) * 65_535).div_ceil(most) as u16));
        let sum: u64 = weights().map(u64::from).sum();
        let count = self.list.len() as u64;
        // Each place holds `sum`; a weight brings `count` times itself.
        let mut rest: Vec<u64> = weights().map(|weight| u64::from(weight) * count).collect();
        self.places.extend((0..count).map(|place| (u32::MAX, place as u32)));
        (self.small, self.large) = (0..count as u32).partition(|&place| rest[place as usize] < sum);
        while let (Some(small), Some(&large)) = (self.small.pop(), self.large.last()) {
            let own = (u128::from(rest[small as usize]) << 32) / u128::from(sum);
            self.places[small as usize] = (u32::try_from(own).unwrap_or(u32::MAX), large);
            rest[large as usize] -= sum - rest[small as usize];
            if rest[large as usize] < sum {
                self.large.pop();
                self.small.push(large);
            }
        }
    }

    /// A position in `list`, by weight.
    #[inline]
    fn draw(&self, dice: &mut Dice) -> usize {
        let place = dice.below(self.list.len());
        match self.places.get(place) {
            Some(&(own, other)) if dice.next() >> 32 >= u64::from(own) => other as usize,
            _ => place,
        }
    }
}

impl View<'_> {
    /// A candidate by weight, and by its slow start; one that was not tried, if there is any. Its position and slot.
    #[inline]
    pub(super) fn draw(&self, dice: &mut Dice) -> Option<(usize, u32)> {
        let candidates = self.candidates;
        if candidates.list.is_empty() {
            return None;
        }
        for _ in 0..DRAWS {
            let position = candidates.draw(dice);
            if let Some(slot) = self.accepted(position, dice) {
                return Some((position, slot));
            }
        }
        let count = candidates.list.len();
        let start = dice.below(count);
        let mut positions = (start..count).chain(0..start);
        let untried = positions.find_map(|position| Some((position, self.untried(position)?)));
        Some(untried.unwrap_or((start, candidates.list[start])))
    }

    /// Another candidate than the one at this position, each with the same chance.
    #[inline]
    pub(super) fn draw_other(&self, position: usize, dice: &mut Dice) -> Option<u32> {
        let count = self.candidates.list.len();
        if count < 2 {
            return None;
        }
        let mut other = position + 1 + dice.below(count - 1);
        if other >= count {
            other -= count;
        }
        self.accepted(other, dice)
    }

    /// The candidate's slot, unless it was tried or is starting and has to wait.
    #[inline]
    pub(super) fn accepted(&self, position: usize, dice: &mut Dice) -> Option<u32> {
        let slot = self.untried(position)?;
        let ramp = self.load(slot).ramp(self.now);
        (ramp >= 1.0 || dice.unit() < ramp).then_some(slot)
    }
}
