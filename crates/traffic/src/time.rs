//! A moment, as a number: nothing in this crate reads a clock.

use std::time::Duration;

/// A moment: microseconds since the process's own start, from the proxy's clock. It never goes back by more
/// than a coarse clock's step, and everything here bears such a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The process's start.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// From `earlier` to this; zero if it is not earlier.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros_since(earlier))
    }

    /// The same in microseconds.
    #[must_use]
    pub fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This much later; [`Time::NEVER`] where that cannot be told.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

/// Microseconds as a number to reckon with. Signed integers convert in one instruction, unsigned ones do not.
pub(crate) fn as_f32(micros: u64) -> f32 {
    (micros & (u64::MAX >> 1)) as i64 as f32
}

/// About e^(-`age` / `tau`), both in microseconds, by (1 + x/64)^-64: never below it, above it by at most 0.43
/// per cent of 1, and of itself by x²/128.
pub(crate) fn decay(age: u64, tau: f32) -> f32 {
    let x = as_f32(age) / tau;
    let mut power = 1.0 + x * (1.0 / 64.0);
    for _ in 0..6 {
        power *= power;
    }
    1.0 / power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_saturate() {
        let second = Duration::from_secs(1);
        assert_eq!(Time(1_000_000), Time::ZERO.after(second));
        assert_eq!(second, Time(1_000_000).saturating_since(Time::ZERO));
        assert_eq!(Duration::ZERO, Time::ZERO.saturating_since(Time(1)));
        assert_eq!(Time::NEVER, Time(5).after(Duration::MAX));
    }

    #[test]
    fn decay_is_near_the_exponential() {
        for age in (0..40_000_000).step_by(10_000) {
            let (ours, exact) = (decay(age, 2_000_000.0), (-(age as f32) / 2_000_000.0).exp());
            assert!(ours >= exact - 1e-6 && ours - exact < 0.0043, "{age}: {ours} {exact}");
        }
        assert_eq!(0.0, decay(u64::MAX, 1.0));
    }
}
