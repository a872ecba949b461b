use super::*;
use irongate_config::RateLimitKey;
use irongate_message::{HeadLimits, HeadParser, Parsed};
use proptest::prelude::*;
use std::sync::atomic::AtomicUsize;
use std::sync::{Barrier, Mutex};

/// Requests that are admitted, and when.
fn most_in_any_window(times: &[u64], rate: &Rate, burst: u64) -> Result<(), String> {
    let mut times = times.to_vec();
    times.sort_unstable();
    // Any window begins with one that was admitted; it is as long as it has to be to hold the last.
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let admitted = (last - first + 1) as u64;
            let allowed = burst + (to - from) * 1000 / rate.interval + 1;
            if admitted > allowed {
                return Err(format!("{admitted} in {} us, and {allowed} are allowed", to - from));
            }
        }
    }
    Ok(())
}

#[test]
fn a_burst_and_then_the_rate() {
    let state = LimitState::new(None);
    let rate = Rate::new(2, Duration::from_secs(1), 3);
    let take = |millis: u64| state.take(&rate, 0, Time(millis * 1000));
    for _ in 0..3 {
        assert_eq!(take(0), LimitVerdict::Admitted);
    }
    assert_eq!(take(0), LimitVerdict::Refused(Duration::from_millis(500)));
    assert_eq!(take(499), LimitVerdict::Refused(Duration::from_millis(1)));
    assert_eq!(take(500), LimitVerdict::Admitted);
    assert_eq!(take(500), LimitVerdict::Refused(Duration::from_millis(500)));
    // After a long rest the burst is whole, and no more than that.
    for _ in 0..3 {
        assert_eq!(take(60_000), LimitVerdict::Admitted);
    }
    assert!(matches!(take(60_000), LimitVerdict::Refused(_)));
}

#[test]
fn a_clock_that_steps_back_lets_nothing_more_pass() {
    let state = LimitState::new(None);
    let rate = Rate::new(1, Duration::from_secs(1), 1);
    assert_eq!(state.take(&rate, 0, Time(5_000_000)), LimitVerdict::Admitted);
    let wait = Duration::from_secs(1) + Duration::from_millis(4);
    assert_eq!(state.take(&rate, 0, Time(4_996_000)), LimitVerdict::Refused(wait));
}

proptest! {
    /// One thread, any times and any rate.
    #[test]
    fn no_window_has_more(
        requests in 1_u32..2000,
        burst in 1_u32..20,
        steps in proptest::collection::vec(0_u64..20_000, 1..200),
    ) {
        let rate = Rate::new(requests, Duration::from_secs(1), burst);
        for state in [LimitState::new(None), LimitState::new(Some(4))] {
            let (mut now, mut admitted) = (0, Vec::new());
            for step in &steps {
                now += step;
                if state.take(&rate, 7, Time(now)) == LimitVerdict::Admitted {
                    admitted.push(now);
                }
            }
            prop_assert_eq!(most_in_any_window(&admitted, &rate, u64::from(burst)), Ok(()));
        }
    }
}

/// Several threads on one virtual clock, many keys in a table that has room for them: of no key is more admitted than the
/// limit says, in any window, whatever the threads do to each other; and not much less either.
#[test]
fn threads_together_admit_no_more() {
    const THREADS: usize = 4;
    const KEYS: u64 = 24;
    let rate = Rate::new(1000, Duration::from_secs(1), 5);
    let state = LimitState::new(Some(64));
    let clock = AtomicU64::new(1);
    let admitted: Vec<Mutex<Vec<u64>>> = (0..KEYS).map(|_| Mutex::default()).collect();
    let barrier = Barrier::new(THREADS);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let (state, clock, admitted, barrier, asked) = (&state, &clock, &admitted, &barrier, &asked);
            scope.spawn(move || {
                barrier.wait();
                for turn in 0..20_000_u64 {
                    // Threads run over the same keys at the same time, and time passes as they ask.
                    let key = (turn / 4 + thread * 7 * (turn & 1)) % KEYS;
                    let now = clock.fetch_add(2, Relaxed);
                    asked.fetch_add(1, Relaxed);
                    let hash = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    if state.take(&rate, hash, Time(now)) == LimitVerdict::Admitted {
                        admitted[key as usize].lock().expect("no thread panics").push(now);
                    }
                }
            });
        }
    });
    for (key, times) in admitted.iter().enumerate() {
        let times = times.lock().expect("no thread panics");
        // A thread may be late with the time that it took: windows are widened by what all of them may lack.
        let result = most_in_any_window(&times, &rate, 5 + THREADS as u64);
        assert_eq!(result, Ok(()), "key {key}");
        assert!(times.len() > 40, "key {key}: {}", times.len());
    }
}

/// What a million keys cost, and that hardly one is forgotten.
#[test]
fn a_million_keys_have_room() {
    let state = LimitState::new(Some(1_000_000));
    assert!(state.memory() <= 40 << 20, "{}", state.memory());
    let rate = Rate::new(1, Duration::from_secs(3600), 1);
    let hash = |key: u64| {
        let key = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (key ^ (key >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
    };
    for key in 0..1_000_000 {
        let _ = state.take(&rate, hash(key), Time(key));
    }
    let again =
        (0..1_000_000).filter(|key| state.take(&rate, hash(*key), Time(1_000_000)) == LimitVerdict::Admitted);
    // The second round puts those that were forgotten in again, at the cost of others.
    assert!(again.count() < 20_000);
}

/// A table that is full forgets the key that is nearest to being whole, and goes on.
#[test]
fn more_keys_than_room() {
    let state = LimitState::new(Some(1));
    let rate = Rate::new(1, Duration::from_secs(1), 2);
    let late = 17;
    for _ in 0..2 {
        assert_eq!(state.take(&rate, late, Time(1)), LimitVerdict::Admitted);
    }
    for key in 100..1000 {
        assert_eq!(state.take(&rate, key, Time(1)), LimitVerdict::Admitted);
    }
    assert!(matches!(state.take(&rate, late, Time(1)), LimitVerdict::Refused(_)), "it is the farthest ahead");
}

#[test]
fn keys_are_told_apart_by_what_they_are_made_of() {
    let head = |target: &str, fields: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
        let mut head = RequestHead::new();
        let read = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
        assert!(matches!(read, Ok(Parsed::Head { .. })), "{read:?}");
        head
    };
    let check = |key: &[RateLimitKey], one: (&str, &str, &str), other: (&str, &str, &str), same: bool| {
        let key = LimitKey::new(key, 5);
        let of = |(target, fields, client): (&str, &str, &str)| {
            key.of(&head(target, fields), client.parse().expect("an address"))
        };
        assert_eq!(of(one) == of(other), same, "{one:?} {other:?}");
    };
    let net = [RateLimitKey::Client { ipv4_bits: 24, ipv6_bits: 64 }];
    check(&net, ("/", "", "192.0.2.77"), ("/x", "", "192.0.2.1"), true);
    check(&net, ("/", "", "192.0.2.77"), ("/", "", "192.0.3.77"), false);
    check(&net, ("/", "", "2001:db8::1"), ("/", "", "2001:db8::ffff:1"), true);
    check(&net, ("/", "", "2001:db8::1"), ("/", "", "2001:db8:0:1::1"), false);
    let header = [RateLimitKey::Header("x-user".into())];
    check(&header, ("/", "X-User: a\r\n", "::1"), ("/y", "x-user: a\r\n", "::2"), true);
    check(&header, ("/", "X-User: a\r\n", "::1"), ("/", "", "::1"), false);
    check(&header, ("/", "", "::1"), ("/", "y: a\r\n", "::2"), true);
    check(&header, ("/", "x-user: a\r\nx-user: b\r\n", "::1"), ("/", "x-user: ab\r\n", "::1"), false);
    let query = [RateLimitKey::Query("k".into())];
    check(&query, ("/?k=a%62", "", "::1"), ("/?x=1&k=ab", "", "::1"), true);
    check(&query, ("/?k=", "", "::1"), ("/", "", "::1"), false);
    let both = [RateLimitKey::Path, RateLimitKey::Method];
    check(&both, ("/a?1", "", "::1"), ("/a?2", "", "::2"), true);
    check(&both, ("/a", "", "::1"), ("/b", "", "::1"), false);
}
