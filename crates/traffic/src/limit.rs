//! Rate limits: exact over all cores, by any part of a request, in bounded memory.
//!
//! The rule is GCRA (ITU-T I.371): of each key one moment is kept, at which its burst would be whole again. A request
//! moves it on by one interval and is refused where that would lead too far ahead. So a key is one number, which cores
//! change by compare-and-swap.

mod key;
mod store_health;
mod table;
#[cfg(test)]
mod tests;

pub use key::LimitKey;
pub use store_health::StoreHealth;

use crate::Time;
use irongate_config::RateLimit;
use irongate_message::RequestHead;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use table::Table;

/// How many requests there may be.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// From one request to the next, in nanoseconds; at least 1.
    interval: u64,
    /// How far ahead the moment may be, in nanoseconds.
    tolerance: u64,
}

/// What a limit says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitVerdict {
    /// It is within the limit, and counted.
    Admitted,
    /// It is not; the earliest that another might be, from now.
    Refused(Duration),
}

impl Rate {
    /// So many requests in a time, and so many at once. The interval is rounded up, to the safe side.
    #[must_use]
    pub fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let interval = per.div_ceil(u64::from(requests.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.max(1)) - 1) }
    }

    /// From one request to the next, and how far ahead the moment may be, in nanoseconds: for those who count elsewhere by
    /// the same rule.
    #[must_use]
    pub fn numbers(&self) -> (u64, u64) {
        (self.interval, self.tolerance)
    }

    /// The moment after one more request, if that may be; else how long it has to wait, in nanoseconds.
    fn advance(&self, moment: u64, now: u64) -> Result<u64, u64> {
        let from = moment.max(now);
        let ahead = from - now;
        if ahead > self.tolerance {
            return Err(ahead - self.tolerance);
        }
        Ok(from.saturating_add(self.interval))
    }
}

/// What is kept of a limit, shared by the cores: it outlives configurations.
#[derive(Debug)]
pub struct LimitState {
    /// Where all requests are counted together.
    one: AtomicU64,
    /// Where they are counted by key.
    table: Option<Table>,
}

impl LimitState {
    /// Nothing is counted yet. `max_keys`: how many keys are kept apart, each for 32 bytes; `None`: there are no keys.
    #[must_use]
    pub fn new(max_keys: Option<u32>) -> Self {
        Self { one: AtomicU64::new(0), table: max_keys.map(Table::new) }
    }

    /// Bytes that its keys take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.table.as_ref().map_or(0, Table::memory)
    }

    /// Counts a request of a key that was hashed.
    #[must_use]
    pub fn take(&self, rate: &Rate, key: u64, now: Time) -> LimitVerdict {
        let now = now.0.saturating_mul(1000);
        let result = match &self.table {
            Some(table) => table.take(key, now, |moment| rate.advance(moment, now)),
            None => advance(&self.one, rate, now),
        };
        match result {
            Ok(()) => LimitVerdict::Admitted,
            Err(nanos) => LimitVerdict::Refused(Duration::from_nanos(nanos)),
        }
    }
}

/// Counts a request at a moment that nobody else's can take the place of.
fn advance(moment: &AtomicU64, rate: &Rate, now: u64) -> Result<(), u64> {
    let mut known = moment.load(Relaxed);
    loop {
        let next = rate.advance(known, now)?;
        match moment.compare_exchange_weak(known, next, Relaxed, Relaxed) {
            Ok(_) => return Ok(()),
            Err(other) => known = other,
        }
    }
}

/// A limit, ready to be asked.
#[derive(Debug)]
pub struct RateLimiter {
    rate: Rate,
    key: LimitKey,
    state: Arc<LimitState>,
}

impl RateLimiter {
    /// A limit with what is kept of it; `seed`: keys are hashed by a number that nobody outside can know.
    #[must_use]
    pub fn new(limit: &RateLimit, state: Arc<LimitState>, seed: u64) -> Self {
        let rate = Rate::new(limit.requests, limit.per, limit.burst);
        Self { rate, key: LimitKey::new(&limit.key, seed), state }
    }

    /// What a request is counted under by [`take_key`](Self::take_key).
    #[must_use]
    pub fn key(&self, request: &RequestHead, client: IpAddr) -> u64 {
        self.key.of(request, client)
    }

    /// Counts a request whose key was worked out before.
    #[must_use]
    pub fn take_key(&self, key: u64, now: Time) -> LimitVerdict {
        self.state.take(&self.rate, key, now)
    }

    /// Counts a request of a client.
    #[must_use]
    pub fn take(&self, request: &RequestHead, client: IpAddr, now: Time) -> LimitVerdict {
        self.state.take(&self.rate, self.key.of(request, client), now)
    }
}
