use super::*;
use crate::Time;
use irongate_config::{RetryBudget, RetryConditions};
use proptest::prelude::*;

const GET: RequestFacts = RequestFacts {
    idempotent: true,
    replayable: true,
    answer_started: false,
    tries: 1,
    other_endpoint: true,
    doubted: false,
};
const POST: RequestFacts = RequestFacts { idempotent: false, ..GET };

fn check(failure: AttemptFailure, facts: RequestFacts, again: bool) {
    let expected = match again {
        true => Decision::Again { other_endpoint: facts.other_endpoint, wait: Duration::ZERO },
        false => Decision::GiveUp,
    };
    assert_eq!(expected, decide(failure, &facts, None, 0), "{failure:?} {facts:?}");
}

#[test]
fn what_was_not_acted_on_is_tried_elsewhere() {
    for failure in [AttemptFailure::Connect, AttemptFailure::Refused, AttemptFailure::Reset { sent: false }] {
        check(failure, GET, true);
        check(failure, POST, true);
        check(failure, RequestFacts { tries: 7, ..POST }, true);
        check(failure, RequestFacts { tries: 8, ..POST }, false);
    }
    check(AttemptFailure::Connect, RequestFacts { other_endpoint: false, ..GET }, false);
    check(AttemptFailure::Refused, RequestFacts { other_endpoint: false, ..POST }, true);
}

#[test]
fn what_may_have_been_acted_on_is_sent_again_only_if_idempotent() {
    for failure in [AttemptFailure::StaleConnection, AttemptFailure::Reset { sent: true }] {
        check(failure, GET, true);
        check(failure, POST, false);
        // As often as it takes where three of four instances die in one moment.
        check(failure, RequestFacts { tries: 3, ..GET }, true);
        check(failure, RequestFacts { tries: 4, ..GET }, false);
    }
    check(AttemptFailure::StaleConnection, RequestFacts { other_endpoint: false, ..GET }, true);
    let alone = RequestFacts { other_endpoint: false, ..GET };
    let expected = Decision::Again { other_endpoint: false, wait: Duration::from_millis(25) };
    assert_eq!(expected, decide(AttemptFailure::Reset { sent: true }, &alone, None, 0));
}

#[test]
fn an_answer_is_the_answer() {
    for status in [404, 429, 500, 503] {
        check(AttemptFailure::Status(status), GET, false);
    }
    check(AttemptFailure::Timeout, GET, false);
    check(AttemptFailure::BadAnswer, GET, false);
    // But for an endpoint that was in doubt before.
    let doubted = RequestFacts { doubted: true, ..GET };
    check(AttemptFailure::Status(503), doubted, true);
    check(AttemptFailure::Status(503), RequestFacts { tries: 2, ..doubted }, false);
    check(AttemptFailure::Status(503), RequestFacts { other_endpoint: false, ..doubted }, false);
    check(AttemptFailure::Status(503), RequestFacts { idempotent: false, ..doubted }, false);
    check(AttemptFailure::Status(404), doubted, false);
}

#[test]
fn nothing_is_tried_that_cannot_be() {
    check(AttemptFailure::Connect, RequestFacts { answer_started: true, ..GET }, false);
    check(AttemptFailure::Connect, RequestFacts { replayable: false, ..GET }, false);
}

#[test]
fn a_route_says_what_else_is_tried() {
    let policy = RetryPolicy { attempts: 3, codes: vec![500, 429], ..RetryPolicy::default() };
    let check = |failure, facts: RequestFacts, again: bool| {
        let decision = decide(failure, &facts, Some(&policy), 0);
        assert_eq!(again, decision != Decision::GiveUp, "{failure:?} {facts:?}");
    };
    for failure in [AttemptFailure::Status(500), AttemptFailure::Status(429), AttemptFailure::Timeout] {
        for tries in 1..=3 {
            check(failure, RequestFacts { tries, ..GET }, true);
            check(failure, RequestFacts { tries, other_endpoint: false, ..GET }, true);
        }
        check(failure, RequestFacts { tries: 4, ..GET }, false);
        check(failure, POST, false);
    }
    check(AttemptFailure::Connect, RequestFacts { tries: 3, other_endpoint: false, ..POST }, true);
    check(AttemptFailure::Connect, RequestFacts { tries: 4, other_endpoint: false, ..POST }, false);
    check(AttemptFailure::BadAnswer, GET, false);
    // Its list is the whole list.
    check(AttemptFailure::Status(503), RequestFacts { doubted: true, ..GET }, false);
}

#[test]
fn a_policy_names_its_conditions() {
    let none =
        RetryConditions { connect_failure: false, refused_stream: false, reset: false, timeout: false };
    let failures = [
        (AttemptFailure::Timeout, RetryConditions { timeout: true, ..none }),
        (AttemptFailure::Reset { sent: true }, RetryConditions { reset: true, ..none }),
        (AttemptFailure::Connect, RetryConditions { connect_failure: true, ..none }),
        (AttemptFailure::Refused, RetryConditions { refused_stream: true, ..none }),
    ];
    for (failure, of_it) in failures {
        for (_, conditions) in failures {
            let policy = RetryPolicy { attempts: 9, conditions, ..RetryPolicy::default() };
            // More often than for every route.
            let facts = RequestFacts { tries: 8, ..GET };
            let again = decide(failure, &facts, Some(&policy), 0) != Decision::GiveUp;
            assert_eq!(again, conditions == of_it, "{failure:?} {conditions:?}");
        }
    }
}

#[test]
fn a_listed_status_of_grpc_is_tried_again_whatever_the_method() {
    let policy = RetryPolicy { attempts: 1, grpc_codes: vec![8], ..RetryPolicy::default() };
    let again = |code| decide(AttemptFailure::Grpc(code), &POST, Some(&policy), 0) != Decision::GiveUp;
    assert!(again(8) && !again(13));
    assert_eq!(Decision::GiveUp, decide(AttemptFailure::Grpc(8), &POST, None, 0));
}

#[test]
fn without_a_backoff_the_first_comes_at_once_and_others_wait() {
    let policy = RetryPolicy { attempts: 9, codes: vec![503], ..RetryPolicy::default() };
    let wait = |tries, other_endpoint| match decide(
        AttemptFailure::Status(503),
        &RequestFacts { tries, other_endpoint, ..GET },
        Some(&policy),
        0,
    ) {
        Decision::Again { wait, .. } => wait.as_millis(),
        Decision::GiveUp => panic!("{tries}"),
    };
    assert_eq!([0, 50, 100, 25], [wait(1, true), wait(2, true), wait(3, true), wait(1, false)]);
}

#[test]
fn backoff_is_a_lower_bound_that_grows() {
    let check = |tries: u32, random: u64, expected: u64| {
        let backoff = Some(Duration::from_millis(100));
        let policy = RetryPolicy { attempts: 99, codes: vec![503], backoff, ..RetryPolicy::default() };
        let facts = RequestFacts { tries, ..GET };
        match decide(AttemptFailure::Status(503), &facts, Some(&policy), random) {
            Decision::Again { wait, .. } => assert_eq!(expected, wait.as_millis() as u64),
            Decision::GiveUp => panic!("{tries}"),
        }
    };
    check(1, 0, 100);
    check(2, 0, 200);
    check(3, 0, 400);
    check(5, 0, 1000);
    check(70, 0, 1000);
    check(1, u64::MAX, 124);
}

/// Retries that the budget gives when it is asked so often in one moment.
fn granted(budget: &RetryBudgetState, now: Time, asked: u32) -> usize {
    (0..asked).filter(|_| budget.try_retry(now)).count()
}

#[test]
fn the_budget_is_a_part_of_the_requests_and_a_rate() {
    let budget = RetryBudgetState::new(&RetryBudget::default());
    let second = |count: u64| Time(count * 1_000_000);
    assert_eq!(100, granted(&budget, second(1), 500));
    budget.record_requests(second(1), 1000);
    assert_eq!(200, granted(&budget, second(1), 500));
    assert_eq!((300, 300), budget.used(second(1)));
    // The requests are forgotten a tenth before the retries.
    assert_eq!((300, 300), budget.used(second(10)));
    assert_eq!((300, 100), budget.used(second(11)));
    assert_eq!(0, granted(&budget, second(11), 500));
    assert_eq!(100, granted(&budget, second(12), 500));
    // Long after, with the counters reused.
    assert_eq!(100, granted(&budget, second(1_000_000), 500));
}

#[test]
fn the_budget_is_settable() {
    let none = RetryBudget { percent: 0, min_per_second: 0, ..RetryBudget::default() };
    let budget = RetryBudgetState::new(&none);
    budget.record_requests(Time(1), 1000);
    assert_eq!(0, granted(&budget, Time(1), 10));
    budget.set(&RetryBudget { percent: 1, ..none });
    assert_eq!(10, granted(&budget, Time(1), 20));
    let least = RetryBudget { min_per_second: 10, interval: Duration::from_secs(2), percent: 0 };
    assert_eq!(20, granted(&RetryBudgetState::new(&least), Time(1), 50));
}

#[test]
fn cores_share_the_budget() {
    let budget = RetryBudgetState::new(&RetryBudget::default());
    budget.record_requests(Time(5), 500);
    let granted: usize = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..4).map(|_| scope.spawn(|| granted(&budget, Time(5), 1000))).collect();
        cores.into_iter().map(|core| core.join().unwrap()).sum()
    });
    // Two that take the last one together may both leave it.
    assert!((190..=200).contains(&granted), "{granted}");
}

proptest! {
    /// Whatever happens: at each retry, those of the interval that ends there are within the bound.
    #[test]
    fn no_interval_has_more_retries_than_it_may(
        steps in prop::collection::vec((0_u64..800_000, 0_u32..40, 0_u32..60), 1..80)
    ) {
        let interval = 10_000_000;
        let budget = RetryBudgetState::new(&RetryBudget::default());
        let mut now = 0;
        let mut past: Vec<(u64, u64, u64)> = Vec::new();
        for (pause, requests, asked) in steps {
            now += pause;
            budget.record_requests(Time(now), requests);
            let retries = granted(&budget, Time(now), asked);
            past.push((now, u64::from(requests), retries as u64));
            if retries > 0 {
                let within = past.iter().filter(|(at, ..)| *at + interval > now);
                let (requests, retries) =
                    within.fold((0, 0), |sums, (_, requests, retries)| (sums.0 + requests, sums.1 + retries));
                prop_assert!(retries <= requests / 5 + 100, "{retries} retries of {requests} requests");
            }
        }
    }
}
