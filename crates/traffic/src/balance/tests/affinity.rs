//! Keys and sessions.

use super::*;
use irongate_config::Hashing;
use std::collections::HashMap;

const HASHED: [Algorithm; 2] = [Algorithm::RingHash, Algorithm::Maglev];

/// Which endpoint, by port, requests of so many keys go to.
fn by_key(balancer: &mut Balancer, now: Time, tried: &[EndpointIndex]) -> Vec<usize> {
    let one = |key: u64| {
        let affinity = Affinity { session: None, key: Some(crate::stable::hash(&key.to_le_bytes())) };
        let request = PickRequest { random: key, tried, replayable: true, affinity: Some(&affinity) };
        let picked = balancer.pick(now, &request).unwrap();
        port(balancer, picked.index)
    };
    (0..1000).map(one).collect()
}

#[test]
fn a_key_has_one_endpoint_on_all_cores() {
    for algorithm in HASHED {
        let fixture = Fixture::new(300);
        let plan = plan(algorithm, fixture.weighted(&[1; 300]));
        let mut cores = [0, 1].map(|core| Balancer::new(fixture.backend.clone(), &plan, core, Time::ZERO));
        let first = by_key(&mut cores[0], millis(1), &[]);
        assert_eq!(first, by_key(&mut cores[1], millis(2), &[]));
        assert!(first.iter().collect::<std::collections::HashSet<_>>().len() > 200, "{algorithm:?}");
    }
}

#[test]
fn only_the_keys_of_one_that_is_out_move_and_they_come_back() {
    for algorithm in HASHED {
        let fixture = Fixture::new(4);
        let mut balancer = fixture.balancer(algorithm, &[1; 4]);
        let before = by_key(&mut balancer, millis(1), &[]);
        fixture.endpoints[2].connect_failed(millis(2));
        let meanwhile = by_key(&mut balancer, millis(3), &[]);
        let mut moved: HashMap<usize, usize> = HashMap::new();
        for (before, meanwhile) in before.iter().zip(&meanwhile) {
            if *before == 2 {
                *moved.entry(*meanwhile).or_default() += 1;
            } else {
                assert_eq!(before, meanwhile, "{algorithm:?}");
            }
        }
        assert!(moved.len() == 3 && moved.values().all(|&count| count > 20), "{algorithm:?} {moved:?}");
        fixture.endpoints[2].connect_succeeded(millis(4));
        assert_eq!(before, by_key(&mut balancer, millis(5), &[]));
        // The same for a request that was tried there.
        let tried = [balancer.index(2)];
        assert_eq!(meanwhile, by_key(&mut balancer, millis(6), &tried));
    }
}

#[test]
fn a_hot_key_spreads_where_load_is_bounded() {
    for algorithm in HASHED {
        for (max_load, most) in [(None, 40), (Some(125), 13)] {
            let fixture = Fixture::new(4);
            let hashing = Hashing { max_load, ..Hashing::default() };
            let options = BackendOptions { algorithm, hashing, ..BackendOptions::default() };
            let plan = BalancePlan::new(&options, fixture.weighted(&[1; 4]), 1);
            let mut balancer = fixture.balancer_of(&plan);
            let affinity = Affinity { session: None, key: Some(7) };
            let request = PickRequest { random: 1, tried: &[], replayable: true, affinity: Some(&affinity) };
            let tickets: Vec<Ticket> = (0..40)
                .map(|_| {
                    let picked = balancer.pick(millis(1), &request).unwrap();
                    balancer.begin(&picked, millis(1), Begin::Whole)
                })
                .collect();
            let pending = balancer.snapshot(millis(1)).into_iter().map(|load| load.pending).max();
            assert_eq!(Some(most), pending, "{algorithm:?}");
            for ticket in tickets {
                balancer.end(ticket, millis(2), Outcome::Complete);
            }
            assert_eq!(0, balancer.under_way);
        }
    }
}

#[test]
fn a_session_stays_until_its_endpoint_goes() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(4);
        let mut balancer = fixture.balancer(algorithm, &[1; 4]);
        let affinity = Affinity { session: Some(fixture.endpoints[1].id()), key: None };
        let counts = |balancer: &mut Balancer, fixture: &mut Fixture, now: u64| {
            let mut counts = [0; 4];
            for _ in 0..100 {
                let random = fixture.dice.next();
                let request = PickRequest { random, tried: &[], replayable: true, affinity: Some(&affinity) };
                let picked = balancer.pick(millis(now), &request).unwrap();
                counts[port(balancer, picked.index)] += 1;
            }
            counts
        };
        assert_eq!([0, 100, 0, 0], counts(&mut balancer, &mut fixture, 1));
        // Out, it is left; back, the session finds it again.
        fixture.endpoints[1].connect_failed(millis(2));
        assert_eq!(0, counts(&mut balancer, &mut fixture, 3)[1]);
        fixture.endpoints[1].connect_succeeded(millis(4));
        assert_eq!([0, 100, 0, 0], counts(&mut balancer, &mut fixture, 5));
        // Gone.
        let mut left = fixture.weighted(&[1; 4]);
        left.remove(1);
        balancer.update(&plan(algorithm, left), millis(6));
        assert_eq!(0, counts(&mut balancer, &mut fixture, 7)[1]);
        // An id that nobody has is none.
        let unknown = Affinity { session: Some(1), key: None };
        let request = PickRequest { random: 5, tried: &[], replayable: true, affinity: Some(&unknown) };
        assert!(balancer.pick(millis(8), &request).is_some());
    }
}

#[test]
fn what_has_no_key_goes_by_weight() {
    for algorithm in HASHED {
        let mut fixture = Fixture::new(2);
        let mut balancer = fixture.balancer(algorithm, &[3, 1]);
        let counts = fixture.counts(&mut balancer, millis(1), 4000);
        assert!((2800..3200).contains(&counts[0]), "{counts:?}");
    }
}
