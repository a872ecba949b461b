//! Zones, priorities and the subsets of cores.

use super::*;
use irongate_config::Locality;

/// Endpoints of which the first are near; the rest is not, or of this priority.
fn members(fixture: &Fixture, near: usize, priority: u16) -> Vec<Member> {
    let mut members = fixture.weighted(&vec![1; fixture.endpoints.len()]);
    for (place, member) in members.iter_mut().enumerate() {
        member.is_near = place < near && priority == 0;
        member.priority = if place < near { 0 } else { priority };
    }
    members
}

#[test]
fn the_own_zone_is_asked_first() {
    for algorithm in &ALGORITHMS[..4] {
        let mut fixture = Fixture::new(6);
        let mut balancer = fixture.balancer_of(&plan(*algorithm, members(&fixture, 3, 0)));
        let counts = fixture.counts(&mut balancer, millis(1), 900);
        assert!(counts[..3].iter().all(|&count| count > 200), "{algorithm:?} {counts:?}");
        assert_eq!([0; 3], counts[3..]);
        // Two thirds of it are well: times 1.4 that is 0.93.
        fixture.endpoints[0].connect_failed(millis(2));
        let counts = fixture.counts(&mut balancer, millis(3), 10_000);
        let far: usize = counts[3..].iter().sum();
        assert!((550..800).contains(&far), "{algorithm:?} {counts:?}");
        fixture.endpoints[1].connect_failed(millis(4));
        fixture.endpoints[2].connect_failed(millis(4));
        let counts = fixture.counts(&mut balancer, millis(5), 900);
        assert!(counts[3..].iter().all(|&count| count > 200), "{algorithm:?} {counts:?}");
        for endpoint in &fixture.endpoints[..3] {
            endpoint.connect_succeeded(millis(6));
        }
        let counts = fixture.counts(&mut balancer, millis(6000), 900);
        assert_eq!([0; 3], counts[3..]);
    }
}

#[test]
fn a_zone_that_fills_spills_over() {
    for algorithm in &ALGORITHMS[..4] {
        let mut fixture = Fixture::new(4);
        let mut balancer = fixture.balancer_of(&plan(*algorithm, members(&fixture, 1, 0)));
        let mut tickets = Vec::new();
        let mut begin = |fixture: &mut Fixture, balancer: &mut Balancer| {
            let picked = fixture.pick(balancer, millis(1), &[]).unwrap();
            tickets.push(balancer.begin(&picked, millis(1), Begin::Body));
            port(balancer, picked.index)
        };
        let first: Vec<usize> = (0..3).map(|_| begin(&mut fixture, &mut balancer)).collect();
        assert_eq!(vec![0; 3], first, "{algorithm:?}");
        let later: Vec<usize> = (0..20).map(|_| begin(&mut fixture, &mut balancer)).collect();
        assert!(later.iter().filter(|&&port| port > 0).count() >= 9, "{algorithm:?} {later:?}");
        for ticket in tickets {
            balancer.end(ticket, millis(2), Outcome::Complete);
        }
    }
}

#[test]
fn zones_mean_nothing_where_they_are_switched_off() {
    let mut fixture = Fixture::new(4);
    let options = BackendOptions { locality: Locality::Any, ..BackendOptions::default() };
    let mut balancer = fixture.balancer_of(&BalancePlan::new(&options, members(&fixture, 1, 0), 1));
    let counts = fixture.counts(&mut balancer, millis(1), 4000);
    assert!(counts.iter().all(|&count| count > 800), "{counts:?}");
}

#[test]
fn a_retry_leaves_its_level_rather_than_be_tried_there_again() {
    let mut fixture = Fixture::new(3);
    let mut balancer = fixture.balancer_of(&plan(Algorithm::PeakEwma, members(&fixture, 1, 0)));
    let tried = [balancer.index(0)];
    assert!(balancer.has_other(&tried));
    for _ in 0..50 {
        let picked = fixture.pick(&mut balancer, millis(1), &tried).unwrap();
        assert_ne!(0, port(&balancer, picked.index));
    }
    let all = [0, 1, 2].map(|slot| balancer.index(slot));
    assert!(!balancer.has_other(&all));
    assert!(fixture.pick(&mut balancer, millis(1), &all).is_some());
}

#[test]
fn a_higher_number_waits_until_the_lower_is_gone() {
    for algorithm in ALGORITHMS {
        let mut fixture = Fixture::new(3);
        let mut balancer = fixture.balancer_of(&plan(algorithm, members(&fixture, 1, 9)));
        // However busy the first is.
        let tickets: Vec<Ticket> =
            (0..20).map(|_| balancer.begin(&picked(&balancer, 0), millis(1), Begin::Body)).collect();
        assert_eq!(vec![200, 0, 0], fixture.counts(&mut balancer, millis(1), 200), "{algorithm:?}");
        fixture.endpoints[0].connect_failed(millis(2));
        assert_eq!(0, fixture.counts(&mut balancer, millis(3), 200)[0], "{algorithm:?}");
        for ticket in tickets {
            balancer.end(ticket, millis(3), Outcome::Cancelled);
        }
    }
}

#[test]
fn many_endpoints_are_divided_among_the_cores() {
    let fixture = Fixture::new(1000);
    let share = |count: usize, cores: usize, algorithm: Algorithm| {
        let members = fixture.weighted(&vec![1; count]);
        let plan =
            BalancePlan::new(&BackendOptions { algorithm, ..BackendOptions::default() }, members, cores);
        let lists: Vec<Vec<usize>> = (0..cores)
            .map(|core| {
                let balancer = Balancer::new(fixture.backend.clone(), &plan, core, Time::ZERO);
                let slots = balancer.first.candidates.list.iter();
                slots.map(|&slot| port(&balancer, balancer.index(slot))).collect()
            })
            .collect();
        lists
    };
    // Few enough for all.
    assert!(share(399, 4, Algorithm::PeakEwma).iter().all(|list| list.len() == 399));
    // A key means the same on each core.
    assert!(share(1000, 4, Algorithm::Maglev).iter().all(|list| list.len() == 1000));
    let lists = share(1000, 4, Algorithm::PeakEwma);
    assert!(lists.iter().all(|list| list.len() == 250));
    let mut all = lists.concat();
    all.sort_unstable();
    assert_eq!((0..1000).collect::<Vec<_>>(), all, "each is asked by one core");
    // When one goes, few change cores.
    let fewer = share(999, 4, Algorithm::PeakEwma);
    let moved: usize = lists
        .iter()
        .zip(&fewer)
        .map(|(before, after)| after.iter().filter(|port| !before.contains(port)).count())
        .sum();
    assert!(moved <= 10, "{moved}");
}

#[test]
fn a_core_whose_part_is_out_uses_the_others() {
    let mut fixture = Fixture::new(200);
    let plan = BalancePlan::new(&BackendOptions::default(), fixture.weighted(&[1; 200]), 2);
    let mut balancer = fixture.balancer_of(&plan);
    let mine: Vec<u32> = balancer.first.candidates.list.clone();
    assert_eq!(100, mine.len());
    for &slot in &mine {
        fixture.endpoints[slot as usize].connect_failed(millis(1));
    }
    let picked = fixture.pick(&mut balancer, millis(2), &[]).unwrap();
    assert!(!mine.contains(&(picked.index.position() as u32)) && !picked.panic);
}
