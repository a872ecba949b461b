//! Power of two choices by requests under way (Mitzenmacher 2001).
//!
//! One is drawn by weight, another by chance; the other gets the request if it has less to do for its weight.
//! Doubt counts as more to do: what fails at once never has much under way.

use super::View;
use super::draw::Dice;

pub(super) fn choose(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    let (position, first) = view.draw(dice)?;
    let Some(second) = view.draw_other(position, dice) else { return Some(first) };
    Some(if cost(view, second) < cost(view, first) { second } else { first })
}

fn cost(view: &View<'_>, slot: u32) -> f32 {
    let load = view.load(slot);
    load.load() * view.doubt_factor(slot)
}
