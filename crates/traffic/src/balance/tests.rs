use super::*;
use irongate_config::BackendOptions;
use std::net::SocketAddr;

fn millis(count: u64) -> Time {
    Time(count * 1_000)
}

/// A backend's endpoints, and random numbers.
struct Fixture {
    backend: Arc<BackendState>,
    endpoints: Vec<Arc<EndpointState>>,
    dice: Dice,
}

impl Fixture {
    fn new(count: usize) -> Self {
        let backend = BackendState::new(&BackendOptions::default());
        let endpoint = |port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port as u16));
            EndpointState::new(address, &backend, Time::ZERO)
        };
        let endpoints = (0..count).map(endpoint).collect();
        Self { backend, endpoints, dice: Dice::new(7) }
    }

    fn balancer(&self, algorithm: Algorithm, weights: &[u32]) -> Balancer {
        self.balancer_of(&plan(algorithm, self.weighted(weights)))
    }

    fn balancer_of(&self, plan: &Arc<BalancePlan>) -> Balancer {
        Balancer::new(self.backend.clone(), plan, 0, Time::ZERO)
    }

    fn weighted(&self, weights: &[u32]) -> Vec<Member> {
        let members = self.endpoints.iter().zip(weights);
        members.map(|(state, &weight)| Member::new(state.clone(), weight)).collect()
    }

    fn pick(&mut self, balancer: &mut Balancer, now: Time, tried: &[EndpointIndex]) -> Option<Picked> {
        let random = self.dice.next();
        balancer.pick(now, &PickRequest { random, tried, replayable: true, affinity: None })
    }

    /// Which endpoint so many requests went to that are over at once.
    fn counts(&mut self, balancer: &mut Balancer, now: Time, requests: usize) -> Vec<usize> {
        let mut counts = vec![0; self.endpoints.len()];
        for _ in 0..requests {
            let picked = self.pick(balancer, now, &[]).unwrap();
            counts[port(balancer, picked.index)] += 1;
        }
        counts
    }
}

fn plan(algorithm: Algorithm, members: Vec<Member>) -> Arc<BalancePlan> {
    BalancePlan::new(&BackendOptions { algorithm, ..BackendOptions::default() }, members, 1)
}

fn port(balancer: &Balancer, index: EndpointIndex) -> usize {
    usize::from(balancer.endpoint(index).unwrap().address().port())
}

/// The endpoint itself, without a pick.
fn picked(balancer: &Balancer, slot: u32) -> Picked {
    Picked { index: balancer.index(slot), trial: false, panic: false }
}

/// A request to the endpoint that takes this long.
fn request(balancer: &mut Balancer, slot: u32, from: u64, to: u64) {
    let mut ticket = balancer.begin(&picked(balancer, slot), millis(from), Begin::Whole);
    balancer.answered(&mut ticket, millis(to), 200);
    balancer.end(ticket, millis(to), Outcome::Complete);
}

fn estimate(balancer: &Balancer, slot: usize, now: Time) -> u128 {
    balancer.snapshot(now)[slot].estimate.as_millis()
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::PeakEwma,
    Algorithm::LeastRequest,
    Algorithm::RoundRobin,
    Algorithm::Random,
    Algorithm::RingHash,
    Algorithm::Maglev,
];

mod affinity;
mod levels;

#[test]
fn idle_endpoints_get_shares_by_weight() {
    let check = |weights: &[u32], slack: usize| {
        for algorithm in ALGORITHMS {
            let mut fixture = Fixture::new(weights.len());
            let mut balancer = fixture.balancer(algorithm, weights);
            let counts = fixture.counts(&mut balancer, millis(1), 10_000);
            let sum: u32 = weights.iter().sum();
            for (count, weight) in counts.iter().zip(weights) {
                let expected = 10_000 * *weight as usize / sum as usize;
                assert!(count.abs_diff(expected) <= slack, "{algorithm:?} {weights:?}: {counts:?}");
            }
        }
    };
    check(&[1], 0);
    check(&[1, 1], 200);
    check(&[3, 1], 200);
    check(&[1, 2, 3, 4], 200);
    check(&[1_000_000, 1, 1], 20);
    check(&[5; 40], 100);
}

#[test]
fn a_turn_takes_everybody() {
    let mut fixture = Fixture::new(5);
    let mut balancer = fixture.balancer(Algorithm::RoundRobin, &[1; 5]);
    assert_eq!(vec![7; 5], fixture.counts(&mut balancer, millis(1), 35));
    balancer.update(&plan(Algorithm::RoundRobin, fixture.weighted(&[2, 1, 1, 2, 1])), millis(1));
    let counts = fixture.counts(&mut balancer, millis(1), 700);
    for (count, expected) in counts.iter().zip([200_usize, 100, 100, 200, 100]) {
        assert!(count.abs_diff(expected) <= 1, "{counts:?}");
    }
}

#[test]
fn no_endpoint_is_none() {
    let mut fixture = Fixture::new(0);
    for algorithm in ALGORITHMS {
        let mut balancer = fixture.balancer(algorithm, &[]);
        assert_eq!(None, fixture.pick(&mut balancer, millis(1), &[]));
        assert!(!balancer.has_other(&[]));
    }
}

#[test]
fn what_was_tried_is_not_taken_while_another_is_left() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(3);
        let mut balancer = fixture.balancer(algorithm, &[1000, 1, 1]);
        let tried = [balancer.index(0), balancer.index(2)];
        for _ in 0..100 {
            let picked = fixture.pick(&mut balancer, millis(1), &tried).unwrap();
            assert_eq!(1, port(&balancer, picked.index), "{algorithm:?}");
        }
        assert!(balancer.has_other(&tried));
        let all = [balancer.index(0), balancer.index(1), balancer.index(2)];
        assert!(!balancer.has_other(&all));
        assert!(fixture.pick(&mut balancer, millis(1), &all).is_some());
    }
}

#[test]
fn the_slower_and_the_busier_get_less() {
    let mut fixture = Fixture::new(2);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1]);
    request(&mut balancer, 0, 0, 9);
    request(&mut balancer, 1, 0, 99);
    let counts = fixture.counts(&mut balancer, millis(100), 1000);
    assert!((1..=20).contains(&counts[1]), "{counts:?}");
    let tickets: Vec<Ticket> =
        (0..9).map(|_| balancer.begin(&picked(&balancer, 0), millis(100), Begin::Whole)).collect();
    let counts = fixture.counts(&mut balancer, millis(100), 1000);
    assert!((400..=600).contains(&counts[1]), "{counts:?}");
    for ticket in tickets {
        balancer.end(ticket, millis(101), Outcome::Cancelled);
    }
    let mut balancer = fixture.balancer(Algorithm::LeastRequest, &[1, 1]);
    let ticket = balancer.begin(&picked(&balancer, 0), millis(100), Begin::Whole);
    assert_eq!(vec![0, 1000], fixture.counts(&mut balancer, millis(100), 1000));
    balancer.end(ticket, millis(101), Outcome::Complete);
}

#[test]
fn estimates_peak_decay_and_fade() {
    let fixture = Fixture::new(3);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1, 1]);
    assert_eq!(30, estimate(&balancer, 0, millis(0)));
    // The first sample stands for the others as well.
    request(&mut balancer, 0, 0, 10);
    assert_eq!([10, 10, 10], [0, 1, 2].map(|slot| estimate(&balancer, slot, millis(10))));
    request(&mut balancer, 0, 20, 120);
    assert_eq!(100, estimate(&balancer, 0, millis(120)));
    // What is typical moves by a sixty-fourth.
    assert_eq!(11, estimate(&balancer, 2, millis(120)));
    // A sample ten seconds later weighs 1 - 1/e, if the endpoint had not been idle.
    let busy = balancer.begin(&picked(&balancer, 0), millis(120), Begin::Body);
    request(&mut balancer, 0, 10_110, 10_120);
    assert_eq!(43, estimate(&balancer, 0, millis(10_120)));
    balancer.end(busy, millis(10_120), Outcome::Complete);
    // Idle for more than a second, it goes to what is typical.
    assert_eq!(43, estimate(&balancer, 0, millis(11_000)));
    assert_eq!(14, estimate(&balancer, 0, millis(13_120)));
    assert_eq!(11, estimate(&balancer, 0, millis(60_000)));
}

#[test]
fn what_one_core_sees_of_a_slow_endpoint_the_others_know() {
    let fixture = Fixture::new(2);
    let [mut one, mut other] = [(); 2].map(|()| fixture.balancer(Algorithm::PeakEwma, &[1, 1]));
    for balancer in [&mut one, &mut other] {
        (0..100).for_each(|turn| request(balancer, 1, 4 * turn, 4 * turn + 4));
        request(balancer, 0, 400, 900);
        assert_eq!(500, estimate(balancer, 0, millis(1_900)));
        // Left alone for two seconds more.
        assert!((50..60).contains(&estimate(balancer, 0, millis(3_900))));
    }
    // It is slow still: nobody else has to try it.
    request(&mut one, 0, 3_900, 4_400);
    assert_eq!([500, 500], [estimate(&one, 0, millis(4_500)), estimate(&other, 0, millis(4_500))]);
    // It is quick again: for both, with half of what is left of doubt at each look.
    request(&mut one, 0, 7_400, 7_404);
    for balancer in [&one, &other] {
        assert!(
            (20..40).contains(&estimate(balancer, 0, millis(7_404))),
            "{}",
            estimate(balancer, 0, millis(7_404))
        );
    }
    request(&mut other, 0, 7_500, 7_504);
    request(&mut other, 0, 7_510, 7_514);
    assert!((8..20).contains(&estimate(&other, 0, millis(7_600))), "{}", estimate(&other, 0, millis(7_600)));
    // What a core measured itself lately counts for it.
    assert!((20..40).contains(&estimate(&one, 0, millis(7_600))));
    assert!((7..20).contains(&estimate(&one, 0, millis(8_500))));
}

#[test]
fn the_oldest_that_waits_is_a_bound() {
    let fixture = Fixture::new(1);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1]);
    request(&mut balancer, 0, 0, 5);
    let hangs = balancer.begin(&picked(&balancer, 0), millis(10), Begin::Whole);
    assert_eq!(90, estimate(&balancer, 0, millis(100)));
    // Later ones come and go.
    for start in [20, 30, 40] {
        request(&mut balancer, 0, start, start + 5);
    }
    assert_eq!(90, estimate(&balancer, 0, millis(100)));
    // It gave no answer, and would have taken at least that.
    balancer.end(hangs, millis(110), Outcome::Cancelled);
    assert_eq!(100, estimate(&balancer, 0, millis(110)));
}

#[test]
fn what_waits_for_the_client_is_no_latency() {
    let fixture = Fixture::new(1);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1]);
    request(&mut balancer, 0, 0, 5);
    let mut upload = balancer.begin(&picked(&balancer, 0), millis(10), Begin::Body);
    assert_eq!(5, estimate(&balancer, 0, millis(500)));
    balancer.sent(&mut upload, millis(500));
    balancer.answered(&mut upload, millis(510), 200);
    assert_eq!(10, estimate(&balancer, 0, millis(510)));
    // The answer takes long to go out: load, but no latency.
    assert_eq!(1, balancer.snapshot(millis(900))[0].pending);
    assert_eq!(10, estimate(&balancer, 0, millis(900)));
    balancer.end(upload, millis(900), Outcome::Complete);
    assert_eq!(0, balancer.snapshot(millis(900))[0].pending);
    // An answer before the body has come gives no sample.
    let mut early = balancer.begin(&picked(&balancer, 0), millis(900), Begin::Body);
    balancer.answered(&mut early, millis(990), 413);
    balancer.end(early, millis(990), Outcome::Complete);
    assert_eq!(10, estimate(&balancer, 0, millis(990)));
}

#[test]
fn failing_quickly_is_not_being_quick() {
    let mut fixture = Fixture::new(2);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1]);
    request(&mut balancer, 0, 0, 10);
    request(&mut balancer, 1, 0, 10);
    let mut ticket = balancer.begin(&picked(&balancer, 0), millis(10), Begin::Whole);
    assert_eq!(Verdict::default(), balancer.answered(&mut ticket, millis(11), 503));
    balancer.end(ticket, millis(11), Outcome::Complete);
    assert_eq!(10, estimate(&balancer, 0, millis(11)));
    let counts = fixture.counts(&mut balancer, millis(11), 1000);
    assert!(counts[0] < 60, "{counts:?}");
    // Now it is in doubt, and the other is not.
    let mut ticket = balancer.begin(&picked(&balancer, 0), millis(12), Begin::Whole);
    assert!(balancer.answered(&mut ticket, millis(13), 503).elsewhere);
    balancer.end(ticket, millis(13), Outcome::Complete);
    for _ in 0..2 {
        let ticket = balancer.begin(&picked(&balancer, 1), millis(13), Begin::Whole);
        balancer.end(ticket, millis(14), Outcome::Failed);
    }
    let mut ticket = balancer.begin(&picked(&balancer, 0), millis(15), Begin::Whole);
    assert!(!balancer.answered(&mut ticket, millis(16), 503).elsewhere);
    balancer.end(ticket, millis(16), Outcome::Complete);
}

#[test]
fn an_ejected_one_comes_back_by_one_request() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(2);
        let mut balancer = fixture.balancer(algorithm, &[1, 1]);
        for _ in 0..5 {
            let mut ticket = balancer.begin(&picked(&balancer, 0), millis(1), Begin::Whole);
            balancer.answered(&mut ticket, millis(2), 500);
            balancer.end(ticket, millis(2), Outcome::Complete);
        }
        assert_eq!(vec![0, 100], fixture.counts(&mut balancer, millis(3), 100));
        // Not by one that is tried again, and not before the time.
        let tried = [balancer.index(1)];
        assert!(!fixture.pick(&mut balancer, millis(1600), &tried).unwrap().trial);
        let trial = fixture.pick(&mut balancer, millis(1600), &[]).unwrap();
        assert_eq!((true, 0), (trial.trial, port(&balancer, trial.index)));
        assert_eq!(vec![0, 100], fixture.counts(&mut balancer, millis(1600), 100));
        let mut ticket = balancer.begin(&trial, millis(1600), Begin::Whole);
        assert_eq!(Some(Change::Ready), balancer.answered(&mut ticket, millis(1605), 200).change);
        // It is used from the answer's head on, a little at first.
        balancer.end(ticket, millis(1605), Outcome::Complete);
        let counts = fixture.counts(&mut balancer, millis(1605), 1000);
        assert!((1..200).contains(&counts[0]), "{algorithm:?} {counts:?}");
    }
}

#[test]
fn what_is_out_is_used_rather_than_nothing() {
    let mut fixture = Fixture::new(2);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1]);
    let fail = |balancer: &mut Balancer, slot: u32, outcome: Outcome| {
        let ticket = balancer.begin(&picked(balancer, slot), millis(1), Begin::Whole);
        balancer.end(ticket, millis(1), outcome)
    };
    assert_eq!(Some(Change::Unreachable), fail(&mut balancer, 0, Outcome::ConnectFailed));
    assert_eq!(vec![0, 100], fixture.counts(&mut balancer, millis(2), 100));
    for _ in 0..5 {
        fail(&mut balancer, 1, Outcome::TimedOut);
    }
    // The other is ejected: rather that than one that cannot be reached.
    let only = fixture.pick(&mut balancer, millis(2), &[]).unwrap();
    assert_eq!((1, false, true), (port(&balancer, only.index), only.trial, only.panic));
    fail(&mut balancer, 1, Outcome::ConnectFailed);
    let counts = fixture.counts(&mut balancer, millis(2), 100);
    assert!(counts[0] > 20 && counts[1] > 20, "{counts:?}");
    // The first that can be reached gets everything.
    fixture.endpoints[1].connect_succeeded(millis(3));
    assert_eq!(vec![0, 100], fixture.counts(&mut balancer, millis(3), 100));
}

#[test]
fn too_much_failing_is_panic() {
    let mut fixture = Fixture::new(4);
    let mut balancer = fixture.balancer(Algorithm::Random, &[1; 4]);
    for slot in 0..3 {
        for _ in 0..5 {
            let ticket = balancer.begin(&picked(&balancer, slot), millis(1), Begin::Whole);
            balancer.end(ticket, millis(1), Outcome::Failed);
        }
        let any = fixture.pick(&mut balancer, millis(2), &[]).unwrap();
        assert_eq!(slot == 2, any.panic);
    }
    assert!(fixture.counts(&mut balancer, millis(2), 1000).iter().all(|&count| count > 200));
}

#[test]
fn a_new_endpoint_starts_slowly() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(4);
        let mut first = fixture.weighted(&[1; 4]);
        let last = first.split_off(3);
        let mut balancer = fixture.balancer_of(&plan(algorithm, first.clone()));
        balancer.update(&plan(algorithm, [first, last].concat()), millis(1000));
        let mut share = |at: u64| fixture.counts(&mut balancer, millis(at), 4000)[3];
        assert!(share(1000) < 250, "{algorithm:?}");
        assert!((300..800).contains(&share(2500)), "{algorithm:?}");
        assert!((900..1100).contains(&share(4000)), "{algorithm:?}");
    }
}

#[test]
fn requests_outlive_their_endpoint() {
    let mut fixture = Fixture::new(2);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1]);
    let gone = Arc::downgrade(&fixture.endpoints[0]);
    let index = balancer.index(0);
    let mut first = balancer.begin(&picked(&balancer, 0), millis(1), Begin::Whole);
    let second = balancer.begin(&picked(&balancer, 0), millis(1), Begin::Body);
    fixture.endpoints.remove(0);
    balancer.update(&plan(Algorithm::PeakEwma, fixture.weighted(&[1])), millis(2));
    assert_eq!(1, balancer.snapshot(millis(2)).len());
    assert!(!balancer.is_used(index) && balancer.endpoint(index).is_some());
    assert!(!balancer.is_member(index.position(), &gone.upgrade().expect("it has requests under way")));
    let left = fixture.pick(&mut balancer, millis(2), &[]).unwrap();
    assert_eq!(1, port(&balancer, left.index));
    // A new one does not get the slot while requests are under way.
    let added = SocketAddr::from(([127, 0, 0, 1], 2));
    fixture.endpoints.push(EndpointState::new(added, &fixture.backend, millis(2)));
    balancer.update(&plan(Algorithm::PeakEwma, fixture.weighted(&[1, 1])), millis(2));
    assert_eq!(0, port(&balancer, index));
    balancer.answered(&mut first, millis(3), 200);
    balancer.end(first, millis(3), Outcome::Complete);
    assert!(gone.upgrade().is_some());
    balancer.end(second, millis(3), Outcome::Cancelled);
    assert!(gone.upgrade().is_none(), "the last request lets go of it");
    assert!(balancer.endpoint(index).is_none());
    // The next one gets the slot, and is not taken for the old one.
    let added = SocketAddr::from(([127, 0, 0, 1], 3));
    fixture.endpoints.push(EndpointState::new(added, &fixture.backend, millis(4)));
    balancer.update(&plan(Algorithm::PeakEwma, fixture.weighted(&[1; 3])), millis(4));
    assert_eq!((3, 3), (balancer.slots.len(), balancer.snapshot(millis(4)).len()));
    assert!(balancer.endpoint(index).is_none());
    assert_eq!(0, balancer.snapshot(millis(4))[2].pending);
}

#[test]
fn an_endpoint_that_comes_back_in_time_keeps_its_load() {
    let fixture = Fixture::new(2);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 1]);
    let ticket = balancer.begin(&picked(&balancer, 0), millis(1), Begin::Whole);
    let only = vec![Member::new(fixture.endpoints[1].clone(), 1)];
    balancer.update(&plan(Algorithm::PeakEwma, only), millis(2));
    balancer.update(&plan(Algorithm::PeakEwma, fixture.weighted(&[1, 1])), millis(3));
    assert_eq!((1, 2), (balancer.snapshot(millis(3))[0].pending, balancer.slots.len()));
    balancer.end(ticket, millis(4), Outcome::Complete);
    assert_eq!(0, balancer.snapshot(millis(4))[0].pending);
}

#[test]
fn requests_are_counted_for_the_budget() {
    let mut fixture = Fixture::new(1);
    let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1]);
    fixture.counts(&mut balancer, millis(1), 1009);
    // In batches of 16, and all when a retry is wanted; tries beyond the first are no requests.
    assert_eq!((0, 301), fixture.backend.budget().used(millis(1)));
    let tried = [balancer.index(0)];
    fixture.pick(&mut balancer, millis(1), &tried);
    assert!(balancer.try_retry(millis(1)));
    assert_eq!((1, 301), fixture.backend.budget().used(millis(1)));
    fixture.counts(&mut balancer, millis(1), 1);
    assert!(balancer.try_retry(millis(1)));
    assert_eq!((2, 302), fixture.backend.budget().used(millis(1)));
}

proptest::proptest! {
    /// However requests and changes of the endpoints are mixed, each count is given back and nobody is kept.
    #[test]
    fn nothing_is_left_over(steps in proptest::collection::vec((0_u8..8, 0_u64..u64::MAX), 1..200)) {
        let fixture = Fixture::new(5);
        let mut balancer = fixture.balancer(Algorithm::PeakEwma, &[1, 2, 3, 4, 5]);
        let mut tickets = Vec::new();
        for (at, (step, random)) in steps.into_iter().enumerate() {
            let now = millis(at as u64 * 50);
            let request = PickRequest { random, tried: &[], replayable: random % 3 > 0, affinity: None };
            match step {
                0 => {
                    let some = fixture.weighted(&[5, 4, 3, 2, 1]).into_iter().enumerate();
                    let some = some.filter(|(bit, _)| random >> bit & 1 == 1).map(|(_, endpoint)| endpoint);
                    balancer.update(&plan(Algorithm::PeakEwma, some.collect()), now);
                }
                1..=4 => {
                    if let Some(picked) = balancer.pick(now, &request) {
                        let begin = if random % 2 == 0 { Begin::Whole } else { Begin::Body };
                        tickets.push(balancer.begin(&picked, now, begin));
                    }
                }
                _ if tickets.is_empty() => {}
                _ => {
                    let mut ticket = tickets.swap_remove(random as usize % tickets.len());
                    if step == 5 {
                        balancer.sent(&mut ticket, now);
                        balancer.answered(&mut ticket, now, if random % 4 == 0 { 200 } else { 503 });
                    }
                    let outcomes = [Outcome::Complete, Outcome::Failed, Outcome::Cancelled, Outcome::ConnectFailed];
                    balancer.end(ticket, now, outcomes[(random >> 8) as usize % 4]);
                }
            }
            let pending: usize = balancer.slots.iter().map(|slot| slot.pending as usize).sum();
            proptest::prop_assert_eq!(tickets.len(), pending);
        }
        balancer.update(&plan(Algorithm::PeakEwma, Vec::new()), millis(0));
        for ticket in tickets {
            balancer.end(ticket, millis(20_000), Outcome::Cancelled);
        }
        proptest::prop_assert_eq!(balancer.slots.len(), balancer.free.len());
        proptest::prop_assert!(fixture.endpoints.iter().all(|endpoint| Arc::strong_count(endpoint) == 1));
        let Fixture { backend, endpoints, .. } = fixture;
        drop(endpoints);
        proptest::prop_assert_eq!((0, false), (backend.ejected(), backend.is_panicking()));
    }
}
