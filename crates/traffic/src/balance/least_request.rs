//! Power of two choices by requests under way (Mitzenmacher 2001).
//!
//! One is drawn by weight, another by chance; the other gets the request if it has less to do for its weight. If the one
//! that would get it is more in doubt than the one that would not, it mostly does not: what fails at once
//! never has much under way.

use super::View;
use super::draw::Dice;

pub(super) fn choose(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    let (position, first) = view.draw(dice)?;
    let Some(second) = view.draw_other(position, dice) else { return Some(first) };
    let is_less = view.load(second).load() < view.load(first).load();
    let (chosen, other) = if is_less { (second, first) } else { (first, second) };
    let ratio = view.doubt_factor(other) / view.doubt_factor(chosen);
    Some(if ratio < 1.0 && dice.unit() >= ratio * ratio { other } else { chosen })
}
