//! By chance, and weight.

use super::View;
use super::draw::Dice;

pub(super) fn choose(view: &View<'_>, dice: &mut Dice) -> Option<u32> {
    view.draw(dice).map(|(_, slot)| slot)
}
