//! Power of two choices by peak EWMA of latency times load (as Finagle and Linkerd have it), with a soft choice.
//!
//! One endpoint is drawn by weight, another by chance. The second gets the request with the probability
//! 1 − (its cost / the first's cost)², never if it is not cheaper. So equal endpoints get equal shares though their
//! estimates never quite agree, weights are kept exactly where costs are equal, and what is much dearer is hardly asked.
//! A hard choice gives everything to the one of two that is a hair quicker.

use super::View;
use super::draw::Dice;

/// Added to every latency, in microseconds: differences far below it are distance, not load.
const DISTANCE: f32 = 1_000.0;

pub(super) fn choose(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    let (position, first) = view.draw(dice)?;
    let Some(second) = view.draw_other(position, dice) else { return Some(first) };
    let ratio = cost(view, second) / cost(view, first);
    Some(if ratio < 1.0 && dice.unit() >= ratio * ratio { second } else { first })
}

/// What it costs to ask an endpoint.
#[inline]
pub(super) fn cost(view: &View<'_>, slot: u32) -> f32 {
    let latency = view.balancer.latency(slot, view.now) + DISTANCE;
    latency * view.load(slot).load() * view.doubt_factor(slot)
}
