//! A choice by weight, from a random number that the caller brings.

/// Chooses among alternatives by their weights: each gets its weight over the sum.
///
/// Held as running sums, so that a pick is one multiplication and a binary search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedChoice {
    /// `sums[i]` is the sum of the weights up to and including `i`. At most 2³² weights of 32 bits: no overflow.
    sums: Box<[u64]>,
}

impl WeightedChoice {
    /// Prepares a choice among `weights.len()` alternatives. A weight of 0 is never chosen.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let running = |sum: &mut u64, weight: &u32| {
            *sum += u64::from(*weight);
            Some(*sum)
        };
        Self { sums: weights.iter().scan(0, running).collect() }
    }

    /// The index of the alternative that a random number, even over all 64 bits, falls on. `None` if no
    /// alternative has a weight.
    ///
    /// The range of `random` is cut into consecutive pieces, in the order of the alternatives. Each piece is
    /// within 1 of its exact size, so that the error of a share is below 2⁻⁶³.
    #[must_use]
    pub fn pick(&self, random: u64) -> Option<usize> {
        let sum = *self.sums.last()?;
        if sum == 0 {
            return None;
        }
        // The usual rule has one backend: nothing to draw.
        if self.sums.len() == 1 {
            return Some(0);
        }
        let point = ((u128::from(random) * u128::from(sum)) >> 64) as u64;
        Some(self.sums.partition_point(|&up_to| up_to <= point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first random number of each alternative's piece, by arithmetic: the least `r` with
    /// `r * sum / 2^64 >= start`.
    fn first_of(start: u64, sum: u64) -> u128 {
        (u128::from(start) << 64).div_ceil(u128::from(sum))
    }

    fn check(weights: &[u32]) {
        let choice = WeightedChoice::new(weights);
        let sum: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut start = 0;
        for (index, &weight) in weights.iter().enumerate() {
            let (first, end) = (first_of(start, sum), first_of(start + u64::from(weight), sum));
            start += u64::from(weight);
            let size = end - first;
            // Compared as size × sum against weight × 2^64, in whole numbers.
            let exact = u128::from(weight) << 64;
            assert!((size * u128::from(sum)).abs_diff(exact) <= u128::from(sum), "{weights:?} {index}");
            if size > 0 {
                let middle = first + size / 2;
                for random in [first, middle, end - 1] {
                    assert_eq!(choice.pick(random as u64), Some(index), "{weights:?} at {random}");
                }
            }
        }
        assert_eq!(first_of(start, sum), 1 << 64, "the pieces cover the whole range");
    }

    #[test]
    fn shares_are_exact_over_the_whole_range() {
        for weights in [
            &[1][..],
            &[70, 30, 0],
            &[0, 1],
            &[0, 0, 5, 0, 1, 0],
            &[1, 1, 1],
            &[u32::MAX, 1, u32::MAX],
            &[3, 7, 11, 13, 17, 19, 23],
        ] {
            check(weights);
        }
    }

    #[test]
    fn nothing_is_chosen_where_nothing_has_weight() {
        for weights in [&[][..], &[0], &[0, 0, 0]] {
            let choice = WeightedChoice::new(weights);
            assert_eq!([0, 1, u64::MAX].map(|random| choice.pick(random)), [None; 3], "{weights:?}");
        }
    }

    #[test]
    #[allow(non_snake_case)]
    fn HTTPRouteWeight() {
        let choice = WeightedChoice::new(&[70, 30, 0]);
        let mut counts = [0_u32; 3];
        // Weyl's sequence by the golden ratio spreads evenly over the range.
        for step in 0..500_u64 {
            counts[choice.pick(step.wrapping_mul(0x9E37_79B9_7F4A_7C15)).expect("there is weight")] += 1;
        }
        assert!((348..=352).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
    }
}
