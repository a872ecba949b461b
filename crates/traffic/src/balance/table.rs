//! Which endpoint a key belongs to: a ring of hashes, or Maglev's table.
//!
//! Both give a key a sequence of endpoints, the same on every core and in every process. Requests go to the first of
//! it that can be used; so while one is out only its own keys move, evenly to all others, and they come back with it.

use crate::stable::rehash;

/// Points of a ring an endpoint of mean weight (as libketama has it), and how many there are together at least and at most:
/// 4 MiB.
const POINTS: usize = 160;
const LEAST_POINTS: usize = 1 << 10;
const MOST_POINTS: usize = 1 << 18;
/// Sizes of Maglev's table: primes, the smaller one where an endpoint then has a hundred places (Maglev, 5.3); 2.5 MiB at the
/// most.
const SMALL_TABLE: usize = 65_537;
const LARGE_TABLE: usize = 655_373;

/// An endpoint that a table is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    /// Its place in its plan.
    pub(super) place: u32,
    /// Its hash.
    pub(super) id: u64,
    pub(super) weight: u32,
}

/// By key, places in a plan.
#[derive(Debug)]
pub(super) enum Table {
    Ring {
        /// In order, with whose they are.
        points: Box<[(u64, u32)]>,
        /// The range of hashes is cut into as many equal pieces as there are points: the first point in each or behind it.
        starts: Box<[u32]>,
    },
    Maglev(Box<[u32]>),
}

impl Table {
    /// A ring; `None` if nobody is there.
    pub(super) fn ring(owners: &[Owner]) -> Option<Self> {
        let sum = sum(owners)?;
        let count = (owners.len() * POINTS).clamp(LEAST_POINTS, MOST_POINTS) as u64;
        let mut points = Vec::new();
        for owner in owners {
            let its = (u128::from(count) * u128::from(owner.weight) / u128::from(sum)).max(1) as u64;
            points.extend((0..its).map(|turn| (rehash(owner.id, turn), owner.place)));
        }
        points.sort_unstable();
        let mut next = 0;
        let start = |piece: usize| {
            while next < points.len() && piece_of(points[next].0, points.len()) < piece {
                next += 1;
            }
            next as u32
        };
        let starts = (0..points.len()).map(start).collect();
        Some(Self::Ring { points: points.into(), starts })
    }

    /// Maglev's table (Eisenbud et al., 2016, 3.4); `None` if nobody is there.
    ///
    /// Each endpoint has an order of all places of its own, and the endpoints take the next free one of theirs in turn, one
    /// of twice the mean weight two at a time, until each has its share.
    pub(super) fn maglev(owners: &[Owner]) -> Option<Self> {
        let sum = u128::from(sum(owners)?);
        let size = if owners.len() * 100 <= SMALL_TABLE { SMALL_TABLE } else { LARGE_TABLE };
        let (width, count) = (size as u64, owners.len() as u64);
        let mut owners = owners.to_vec();
        owners.sort_unstable_by_key(|owner| (owner.id, owner.place));
        let mut turns: Vec<Turn> = Vec::with_capacity(owners.len());
        let mut weights = 0;
        let mut given = 0;
        for owner in &owners {
            weights += u128::from(owner.weight);
            // What is left over by rounding goes to those at whom the running sum steps on.
            let up_to = (weights * u128::from(width) / sum) as u64;
            let share = up_to - given;
            given = up_to;
            turns.push(Turn {
                at: owner.id % width,
                step: rehash(owner.id, 1) % (width - 1) + 1,
                left: share,
                at_once: ((share * count + width / 2) / width).max(1),
            });
        }
        let mut places = vec![u32::MAX; size].into_boxed_slice();
        while turns.iter().any(|turn| turn.left > 0) {
            for (turn, owner) in turns.iter_mut().zip(&owners) {
                for _ in 0..turn.at_once.min(turn.left) {
                    while places[turn.at as usize] != u32::MAX {
                        turn.at = (turn.at + turn.step) % width;
                    }
                    places[turn.at as usize] = owner.place;
                    turn.left -= 1;
                }
            }
        }
        Some(Self::Maglev(places))
    }

    /// Whose a key is at the first look, the second and so on. They may repeat.
    #[inline]
    pub(super) fn owner(&self, key: u64, look: usize) -> u32 {
        match self {
            Self::Ring { points, starts } => {
                let mut first = starts[piece_of(key, points.len())] as usize;
                while first < points.len() && points[first].0 < key {
                    first += 1;
                }
                points[(first + look) % points.len()].1
            }
            Self::Maglev(places) => {
                let key = if look == 0 { key } else { rehash(key, look as u64) };
                places[(key % places.len() as u64) as usize]
            }
        }
    }
}

/// An endpoint's way through Maglev's places.
struct Turn {
    at: u64,
    step: u64,
    /// Places that it takes yet, and how many in one turn.
    left: u64,
    at_once: u64,
}

fn sum(owners: &[Owner]) -> Option<u64> {
    let sum = owners.iter().map(|owner| u64::from(owner.weight)).sum();
    (sum > 0).then_some(sum)
}

/// Which of so many equal pieces of the range of hashes a hash is in.
#[inline]
fn piece_of(hash: u64, pieces: usize) -> usize {
    ((u128::from(hash) * pieces as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(weights: &[u32]) -> Vec<Owner> {
        let one = |(place, &weight): (usize, &u32)| Owner {
            place: place as u32,
            id: crate::stable::hash(&place.to_le_bytes()),
            weight,
        };
        weights.iter().enumerate().map(one).collect()
    }

    type Make = fn(&[Owner]) -> Option<Table>;
    const KINDS: [(&str, Make); 2] = [("ring", Table::ring), ("maglev", Table::maglev)];

    fn keys() -> impl Iterator<Item = u64> {
        (0..100_000_u64).map(|key| rehash(7, key))
    }

    #[test]
    fn shares_follow_weights() {
        for (name, make) in KINDS {
            // What a ring's points leave to chance, of each endpoint's share.
            let slack = if name == "ring" { 0.3 } else { 0.02 };
            for weights in [&[1][..], &[1; 4], &[5, 1, 1, 1], &[1; 100], &[1000, 1000, 1]] {
                let table = make(&owners(weights)).expect("somebody is there");
                let mut counts = vec![0_u32; weights.len()];
                keys().for_each(|key| counts[table.owner(key, 0) as usize] += 1);
                let sum: u32 = weights.iter().sum();
                for (count, weight) in counts.iter().zip(weights) {
                    let expected = 100_000.0 * f64::from(*weight) / f64::from(sum);
                    let off = (f64::from(*count) - expected).abs();
                    assert!(
                        off <= expected * slack + 4.0 * expected.sqrt() + 100.0,
                        "{name} {weights:?}: {counts:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn few_keys_move_when_one_goes_or_comes() {
        for (name, make) in KINDS {
            let all = owners(&[1; 20]);
            let (before, after) = (make(&all).expect("a table"), make(&all[..19]).expect("a table"));
            let moved = keys().filter(|&key| before.owner(key, 0) != after.owner(key, 0)).count();
            // A twentieth has to; Maglev moves a few more.
            let most = if name == "ring" { 8_000 } else { 9_000 };
            assert!((3_000..most).contains(&moved), "{name}: {moved}");
        }
    }

    #[test]
    fn later_looks_spread() {
        for (name, make) in KINDS {
            let table = make(&owners(&[1; 4])).expect("a table");
            let mut counts = [0_u32; 4];
            for key in keys().filter(|&key| table.owner(key, 0) == 0) {
                let next = (1..).map(|look| table.owner(key, look)).find(|&owner| owner != 0);
                counts[next.expect("there are others") as usize] += 1;
            }
            assert!(counts[1..].iter().all(|&count| count > 5_000), "{name}: {counts:?}");
        }
    }

    #[test]
    fn nobody_is_no_table_and_memory_is_bounded() {
        for (_, make) in KINDS {
            assert!(make(&[]).is_none());
        }
        let many = owners(&vec![1; 10_000]);
        match (Table::ring(&many), Table::maglev(&many)) {
            (Some(Table::Ring { points, starts }), Some(Table::Maglev(places))) => {
                assert!(points.len() <= MOST_POINTS && starts.len() == points.len());
                assert_eq!(LARGE_TABLE, places.len());
                assert!(places.iter().all(|&place| place < 10_000));
            }
            other => unreachable!("{other:?}"),
        }
        // One that outweighs all others by far takes no longer.
        let mut uneven = vec![1; 2_000];
        uneven[0] = 1_000_000;
        assert!(Table::maglev(&owners(&uneven)).is_some());
    }
}
