//! How long a request and each of its attempts may take.

use crate::Time;
use irongate_config::RouteTimeouts;
use std::time::Duration;

/// How long connecting may take while another endpoint is left to try: quickly on to that one.
const CONNECT_WITH_OTHERS: Duration = Duration::from_secs(1);
/// And when there is no other.
const CONNECT_ALONE: Duration = Duration::from_secs(5);

/// How long connecting may take: what the backend's policy says, else 1 s while another endpoint is left to
/// try, else 5 s.
#[must_use]
pub fn connect_timeout(configured: Option<Duration>, another_is_left: bool) -> Duration {
    configured.unwrap_or(if another_is_left { CONNECT_WITH_OTHERS } else { CONNECT_ALONE })
}

/// The moments by which one request has to be through (GEP-1742).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// The whole of it: from the request's head to the end of the answer, retries and all. `NEVER` if the
    /// route gives none.
    pub request: Time,
    attempt: Option<Duration>,
    response: Option<Duration>,
}

/// Which bound it is that a wait ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The whole request's: 504, nothing is tried again.
    Request,
    /// One attempt's, from the route: 504, or another try where the route asks for retries.
    BackendRequest,
    /// Ours, from the end of the request to the head of the answer: 504.
    Response,
}

impl Deadlines {
    /// Of a request whose head came at `now`. `response` is the listener's own bound on the wait for an
    /// answer's head; it does not apply where the route says how long an attempt may take (be it zero, which
    /// switches the bound off), nor to upgrades and gRPC (pass `None`).
    #[must_use]
    pub fn new(now: Time, route: &RouteTimeouts, response: Option<Duration>) -> Self {
        let given = |timeout: Option<Duration>| timeout.filter(|timeout| !timeout.is_zero());
        Self {
            request: given(route.request).map_or(Time::NEVER, |timeout| now.after(timeout)),
            attempt: given(route.backend_request),
            response: if route.backend_request.is_none() { response } else { None },
        }
    }

    /// The same for a client that waits for so long (`grpc-timeout`) from `now` on.
    #[must_use]
    pub fn within(self, now: Time, timeout: Duration) -> Self {
        Self { request: self.request.min(now.after(timeout)), ..self }
    }

    /// How long an attempt has that begins at `now`; `None` if nothing bounds it.
    #[must_use]
    pub fn left(&self, now: Time) -> Option<Duration> {
        let request = (self.request != Time::NEVER).then(|| self.request.saturating_since(now));
        [request, self.attempt].into_iter().flatten().min()
    }

    /// By when an attempt has to have its answer's head, and whose bound that is. `begun`: when its first byte
    /// was sent; `sent`: when the last one was, if so already.
    #[must_use]
    pub fn attempt(&self, begun: Time, sent: Option<Time>) -> (Time, Bound) {
        let mut nearest = (self.request, Bound::Request);
        let mut consider = |time: Time, bound| {
            if time < nearest.0 {
                nearest = (time, bound);
            }
        };
        if let Some(attempt) = self.attempt {
            consider(begun.after(attempt), Bound::BackendRequest);
        }
        if let (Some(response), Some(sent)) = (self.response, sent) {
            consider(sent.after(response), Bound::Response);
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn connecting_hurries_while_another_is_left() {
        assert_eq!(seconds(1), connect_timeout(None, true));
        assert_eq!(seconds(5), connect_timeout(None, false));
        assert_eq!(seconds(9), connect_timeout(Some(seconds(9)), true));
    }

    #[test]
    fn what_the_client_asks_for_only_shortens() {
        let left = |request: Option<u64>, attempt: Option<u64>, asked: Option<u64>| {
            let route =
                RouteTimeouts { request: request.map(seconds), backend_request: attempt.map(seconds) };
            let deadlines = Deadlines::new(Time::ZERO, &route, None);
            let deadlines = asked.map_or(deadlines, |asked| deadlines.within(Time::ZERO, seconds(asked)));
            deadlines.left(Time::ZERO.after(seconds(1)))
        };
        assert_eq!(left(None, None, None), None);
        assert_eq!(left(None, None, Some(5)), Some(seconds(4)));
        assert_eq!(left(Some(3), None, Some(5)), Some(seconds(2)));
        assert_eq!(left(Some(9), Some(2), Some(5)), Some(seconds(2)));
        assert_eq!(left(Some(9), Some(7), Some(5)), Some(seconds(4)));
        assert_eq!(left(None, None, Some(0)), Some(Duration::ZERO));
    }

    #[test]
    fn the_nearest_bound_counts() {
        let check =
            |request: Option<u64>, attempt: Option<u64>, sent: Option<u64>, expected: (Time, Bound)| {
                let route =
                    RouteTimeouts { request: request.map(seconds), backend_request: attempt.map(seconds) };
                let deadlines = Deadlines::new(Time::ZERO, &route, Some(seconds(60)));
                let second = |count: u64| Time::ZERO.after(seconds(count));
                assert_eq!(expected, deadlines.attempt(second(1), sent.map(second)));
            };
        let at = |count: u64| Time::ZERO.after(seconds(count));
        check(None, None, None, (Time::NEVER, Bound::Request));
        check(None, None, Some(2), (at(62), Bound::Response));
        check(Some(3), None, Some(2), (at(3), Bound::Request));
        check(Some(3), Some(1), Some(2), (at(2), Bound::BackendRequest));
        check(Some(3), Some(8), None, (at(3), Bound::Request));
        // Zero switches a bound off; an attempt's, ours as well.
        check(Some(0), Some(0), Some(2), (Time::NEVER, Bound::Request));
        check(Some(0), None, Some(2), (at(62), Bound::Response));
    }
}
