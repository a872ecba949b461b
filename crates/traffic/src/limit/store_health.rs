//! Whether it is worth asking a store that counts limits.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What a failure adds, and what an answer takes away: more than a quarter of failures leads to the end.
const FAILURE: u32 = 3;
const ANSWER: u32 = 1;
/// Five failures in a row, and no request waits for it any more.
const MOST: u32 = 15;

/// How a connection to a store does, as all cores see it: failures weigh, answers make them forgotten. When it has failed too
/// often nobody asks it any more, so that a dead store costs a few requests their wait, and not every one.
#[derive(Debug, Default)]
pub struct StoreHealth {
    weight: AtomicU32,
}

impl StoreHealth {
    /// It answered. Costs one load while all is well.
    pub fn answered(&self) {
        if self.weight.load(Relaxed) > 0 {
            let lighter = |weight: u32| (weight < MOST).then(|| weight.saturating_sub(ANSWER));
            let _ = self.weight.fetch_update(Relaxed, Relaxed, lighter);
        }
    }

    /// It gave no answer, or none in time. True for the one who finds that this was once too often.
    pub fn failed(&self) -> bool {
        let heavier = |weight: u32| (weight < MOST).then_some(weight + FAILURE);
        self.weight.fetch_update(Relaxed, Relaxed, heavier).is_ok_and(|before| before + FAILURE >= MOST)
    }

    /// Whether it is asked at all.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.weight.load(Relaxed) < MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `x`: a failure, `.`: an answer. Gives after how many it is asked no more.
    fn ends_after(outcomes: &str) -> Option<usize> {
        let health = StoreHealth::default();
        let mut told = 0;
        let end = outcomes.bytes().position(|outcome| {
            match outcome {
                b'x' => told += u32::from(health.failed()),
                _ => health.answered(),
            }
            !health.is_asked()
        });
        // It stays so, and nobody is told again.
        if end.is_some() {
            assert!(!health.failed());
            health.answered();
            assert!(!health.is_asked() && told == 1);
        }
        end.map(|place| place + 1)
    }

    #[test]
    fn it_is_given_up_when_it_fails_too_often() {
        assert_eq!(ends_after("xxxxx"), Some(5));
        assert_eq!(ends_after("xxxx."), None);
        assert_eq!(ends_after("xxxx.x"), None);
        assert_eq!(ends_after("xxxx.xx"), Some(7));
        assert_eq!(ends_after(&"x...".repeat(100)), None);
        assert_eq!(ends_after(&"x..".repeat(100)), Some(37));
        assert_eq!(ends_after(&".".repeat(1000)), None);
    }
}
