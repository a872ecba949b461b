//! The moments of many keys in a table of fixed size.
//!
//! Buckets of slots, each a key and its moment. A key that is there is counted without a lock. One that is new takes a
//! slot whose moment has passed (its key would begin anew anyway), and for that its bucket is locked for a moment: so
//! no key ever has two slots. While a slot changes hands its moment is [`TAKEN`], and then never again what it was:
//! whoever has read the moment, then the key, and swaps the moment then, has counted for that key.

use std::hint::spin_loop;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Slots of a bucket. With twice as many slots as keys, one bucket in 250 is full.
const SLOTS: usize = 16;
/// A moment that no key has.
const TAKEN: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Table {
    buckets: Box<[Bucket]>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// 0: nobody's.
    keys: [AtomicU64; SLOTS],
    moments: [AtomicU64; SLOTS],
    /// Somebody puts a key in.
    locked: AtomicBool,
}

/// What became of a slot that was looked at.
enum Tried {
    Done(Result<(), u64>),
    /// The key is not here, or not any more.
    Absent,
}

impl Table {
    pub(super) fn new(max_keys: u32) -> Self {
        let slots = (max_keys.max(1) as usize).saturating_mul(2);
        let buckets = slots.div_ceil(SLOTS).next_power_of_two();
        Self { buckets: (0..buckets).map(|_| Bucket::default()).collect() }
    }

    pub(super) fn memory(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Moves the moment of a key on by what `advance` says.
    pub(super) fn take(
        &self,
        key: u64,
        now: u64,
        advance: impl Fn(u64) -> Result<u64, u64>,
    ) -> Result<(), u64> {
        let key = key.max(1);
        let bucket = &self.buckets[(key >> 32) as usize & (self.buckets.len() - 1)];
        if let Tried::Done(result) = bucket.count(key, &advance) {
            return result;
        }
        let lock = bucket.lock();
        // Another core may have put it in meanwhile.
        if let Tried::Done(result) = bucket.count(key, &advance) {
            return result;
        }
        let result = bucket.put_in(key, now, &advance);
        drop(lock);
        result
    }
}

/// A bucket that no other core puts a key into.
struct Lock<'b>(&'b AtomicBool);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl Bucket {
    /// Waits for a few dozen instructions at most, unless whoever holds it was put to sleep by the system.
    fn lock(&self) -> Lock<'_> {
        while self.locked.compare_exchange_weak(false, true, Acquire, Relaxed).is_err() {
            spin_loop();
        }
        Lock(&self.locked)
    }

    fn count(&self, key: u64, advance: &impl Fn(u64) -> Result<u64, u64>) -> Tried {
        let Some(slot) = self.keys.iter().position(|one| one.load(Acquire) == key) else {
            return Tried::Absent;
        };
        let (owner, moment) = (&self.keys[slot], &self.moments[slot]);
        loop {
            // First the moment, then whose it is.
            let known = moment.load(Acquire);
            if known == TAKEN || owner.load(Acquire) != key {
                return Tried::Absent;
            }
            match advance(known) {
                Err(wait) => return Tried::Done(Err(wait)),
                Ok(next) => {
                    if moment.compare_exchange_weak(known, next.min(TAKEN - 1), AcqRel, Relaxed).is_ok() {
                        return Tried::Done(Ok(()));
                    }
                }
            }
        }
    }

    /// Gives a key that is not here the slot whose moment comes first. With the lock.
    fn put_in(&self, key: u64, now: u64, advance: &impl Fn(u64) -> Result<u64, u64>) -> Result<(), u64> {
        let next = advance(now)?;
        loop {
            let mut first = (0, TAKEN);
            for (slot, moment) in self.moments.iter().enumerate() {
                let moment = moment.load(Acquire);
                if moment < first.1 {
                    first = (slot, moment);
                }
                if moment <= now {
                    break;
                }
            }
            let (slot, moment) = first;
            // It may have been counted on since.
            if self.moments[slot].compare_exchange(moment, TAKEN, AcqRel, Relaxed).is_ok() {
                self.keys[slot].store(key, Release);
                // Not what it was, so that nobody takes it for the former key's.
                let next = if next == moment { next.saturating_add(1) } else { next };
                self.moments[slot].store(next.min(TAKEN - 1), Release);
                return Ok(());
            }
        }
    }
}
