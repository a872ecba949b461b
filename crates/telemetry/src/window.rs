//! Readings over the last few seconds.

use crate::{EndpointLabels, EndpointReading};
use std::collections::{BTreeMap, VecDeque};

/// What was counted of each endpoint in the last few turns. A turn is whatever time lies between two calls of
/// [`Window::advance`]: a second, in the demo.
#[derive(Debug)]
pub struct Window {
    turns: usize,
    readings: VecDeque<BTreeMap<EndpointLabels, EndpointReading>>,
}

impl Window {
    /// A window over the last `turns` turns, at least one.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self { turns: turns.max(1), readings: VecDeque::new() }
    }

    /// Takes a new reading ([`crate::Registry::endpoints`]) and gives what was counted in the window that
    /// ends with it, for each endpoint that it has. The first reading is given whole.
    pub fn advance(
        &mut self,
        now: BTreeMap<EndpointLabels, EndpointReading>,
    ) -> BTreeMap<EndpointLabels, EndpointReading> {
        let earlier = self.readings.front();
        let since = |(labels, reading): (&EndpointLabels, &EndpointReading)| {
            let before = earlier.and_then(|readings| readings.get(labels));
            (labels.clone(), before.map_or_else(|| reading.clone(), |before| reading.since(before)))
        };
        let counted = now.iter().map(since).collect();
        self.readings.push_back(now);
        if self.readings.len() > self.turns {
            self.readings.pop_front();
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(attempts: u64) -> BTreeMap<EndpointLabels, EndpointReading> {
        let labels =
            EndpointLabels { backend: "Service a/b:80".into(), address: ([127, 0, 0, 1], 80).into() };
        BTreeMap::from([(labels, EndpointReading { attempts, ..EndpointReading::default() })])
    }

    #[test]
    fn old_turns_leave_the_window() {
        let mut window = Window::new(2);
        for (total, counted) in [(5, 5), (7, 2), (10, 5), (10, 3), (10, 0), (11, 1)] {
            assert_eq!(window.advance(reading(total)), reading(counted), "total {total}");
        }
        assert_eq!(window.advance(BTreeMap::new()), BTreeMap::new());
    }
}
