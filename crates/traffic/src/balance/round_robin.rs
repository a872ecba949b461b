//! In turn, and by weight.
//!
//! Static strides (gRPC A58): each endpoint in turn is passed over or taken by whether its weight, summed up over the
//! rounds, steps over a multiple of the largest. Weights are kept exactly, turns are spread, and a step costs the
//! same however many endpoints there are.

use super::View;
use super::draw::Dice;

const WHOLE: u64 = 65_535;

/// The first turn is drawn, so that cores don't walk in step.
pub(super) fn choose(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    let candidates = view.candidates;
    let count = candidates.list.len();
    let mut turn = candidates.turn.get().unwrap_or_else(|| dice.next() >> 40);
    // One with the largest weight is met within a round, unless it was tried or is starting.
    for _ in 0..count * 2 {
        let position = (turn % count as u64) as usize;
        let round = turn / count as u64;
        turn += 1;
        if is_its_turn(candidates.parts.get(position).copied(), position as u64, round)
            && let Some(slot) = view.accepted(position, dice)
        {
            candidates.turn.set(Some(turn));
            return Some(slot);
        }
    }
    candidates.turn.set(Some(turn));
    view.draw(dice).map(|(_, slot)| slot)
}

fn is_its_turn(part: Option<u16>, position: u64, round: u64) -> bool {
    let part = part.map_or(WHOLE, u64::from);
    // Endpoints are half a stride apart, so that equal ones don't all come in one round.
    let sum = part * round + position * (WHOLE / 2);
    sum % WHOLE >= WHOLE - part
}
