//! How many handshakes a core begins in one turn of its runtime.
//!
//! A handshake is a hundred microseconds and more of computing. If all that are ready went at once, a storm of new
//! clients would hold up every request that is under way. So a few go each turn, in the order in which they came, and what
//! else is ready has its turn in between. A turn costs a hundredth of what a handshake does.

use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Semaphore;

/// Handshakes that begin in one turn.
const A_TURN: usize = 2;

/// The handshakes of a core.
pub(crate) struct Handshakes {
    places: Semaphore,
    /// The next turn's places will be given out.
    renewing: Cell<bool>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { places: Semaphore::new(A_TURN), renewing: Cell::new(false) }
    }
}

impl Handshakes {
    /// Waits for a place among the handshakes of a turn.
    pub(crate) async fn place(self: &Rc<Self>) {
        // The semaphore is never closed.
        let Ok(place) = self.places.acquire().await else { return };
        place.forget();
        if !self.renewing.replace(true) {
            tokio::task::spawn_local(self.clone().renew());
        }
    }

    /// Gives out new places, turn by turn, until nobody takes any.
    async fn renew(self: Rc<Self>) {
        loop {
            tokio::task::yield_now().await;
            let taken = A_TURN - self.places.available_permits();
            if taken == 0 {
                self.renewing.set(false);
                return;
            }
            self.places.add_permits(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn few_go_in_a_turn_and_all_go_in_order() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime without IO needs nothing from the system");
        runtime.block_on(async {
            let handshakes = Rc::<Handshakes>::default();
            let begun = Rc::<RefCell<Vec<usize>>>::default();
            for number in 0..20 {
                let (handshakes, begun) = (handshakes.clone(), begun.clone());
                tokio::task::spawn_local(async move {
                    handshakes.place().await;
                    begun.borrow_mut().push(number);
                });
            }
            let mut last = 0;
            for _ in 0..100 {
                tokio::task::yield_now().await;
                let now = begun.borrow().len();
                // The places of one turn, and those of the next where it was given out meanwhile.
                assert!(now - last <= 2 * A_TURN, "{last} → {now}");
                last = now;
            }
            assert_eq!(*begun.borrow(), (0..20).collect::<Vec<_>>());
        });
    }
}
