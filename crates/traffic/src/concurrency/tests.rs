use super::*;
use irongate_config::ConcurrencyQueue;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

const SECOND: u64 = 1_000_000;
/// Microseconds that an origin takes for a request.
const SERVICE: u64 = 5_000;

/// What happens, in order of time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    /// An origin is done with a request that came and began at these times.
    Done {
        origin: usize,
        came: u64,
        begun: u64,
    },
}

/// Origins with slots and endless queues, the one with the least requests first, behind one limit.
struct World {
    origins: usize,
    slots: usize,
    /// Microseconds that a request takes, by time.
    service: fn(u64) -> u64,
    options: Concurrency,
    until: u64,
}

impl Default for World {
    fn default() -> Self {
        Self { origins: 4, slots: 8, service: |_| SERVICE, options: options(), until: 20 * SECOND }
    }
}

/// What became of requests: when each was over, and how long it took, with its wait; and how many were refused, by priority.
#[derive(Default)]
struct Seen {
    over: Vec<(u64, u64)>,
    refused: [u64; 3],
}

impl Seen {
    /// The requests that were over in a span, a second, and the 99th percentile of what they took.
    fn within(&self, from: u64, to: u64) -> (f64, u64) {
        let mut took: Vec<u64> =
            self.over.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, took)| *took).collect();
        took.sort_unstable();
        (took.len() as f64 * 1e6 / (to - from) as f64, percentile(&took))
    }
}

fn percentile(sorted: &[u64]) -> u64 {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(0)
}

/// A run of a world.
struct Run<'w> {
    world: &'w World,
    state: ConcurrencyState,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    busy: Vec<usize>,
    queues: Vec<VecDeque<(u64, u64)>>,
    /// Who waits for the limit, since when, and how important it is.
    waiting: VecDeque<(u64, u64, Priority)>,
    seen: Seen,
}

impl World {
    /// What they can do, a second.
    fn most(&self) -> f64 {
        (self.origins * self.slots) as f64 * 1e6 / SERVICE as f64
    }

    /// `load` gives requests a second at a time, which come by chance (Poisson); one in ten has the high priority.
    fn run(&self, load: impl Fn(u64) -> f64) -> Seen {
        let mut run = Run {
            world: self,
            state: ConcurrencyState::new(&self.options),
            events: BinaryHeap::from([Reverse((1, Event::Arrives))]),
            busy: vec![0; self.origins],
            queues: vec![VecDeque::new(); self.origins],
            waiting: VecDeque::new(),
            seen: Seen::default(),
        };
        let mut dice = 88_172_645_463_325_252_u64;
        while let Some(Reverse((now, event))) = run.events.pop().filter(|Reverse((now, _))| *now < self.until)
        {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            match event {
                Event::Arrives => {
                    let share = (dice >> 11) as f64 / (1_u64 << 53) as f64;
                    let gap = (-(1.0 - share).ln() * 1e6 / load(now)).max(1.0) as u64;
                    run.events.push(Reverse((now + gap, Event::Arrives)));
                    run.arrive(now, if dice.is_multiple_of(10) { Priority::High } else { Priority::Normal });
                }
                Event::Done { origin, came, begun } => {
                    run.state.end();
                    run.state.record(Time(begun), Time(now), dice);
                    run.seen.over.push((now, now - came));
                    match run.queues[origin].pop_front() {
                        Some((came, begun)) => run.serve(now, origin, came, begun),
                        None => run.busy[origin] -= 1,
                    }
                }
            }
            run.look(now);
        }
        run.seen
    }
}

impl Run<'_> {
    fn arrive(&mut self, now: u64, priority: Priority) {
        match self.state.begin(priority) {
            Begin::Admitted => self.begin(now, now),
            Begin::Waits(number) => self.waiting.push_back((number, now, priority)),
            Begin::Refused => self.seen.refused[priority as usize] += 1,
        }
    }

    /// Looks what became of those who wait.
    fn look(&mut self, now: u64) {
        let timeout = self.world.options.queue.map_or(0, |queue| queue.timeout.as_micros() as u64);
        for (number, came, priority) in std::mem::take(&mut self.waiting) {
            match self.state.poll_wait(number, Waker::noop()) {
                Some(Waited::Admitted) => self.begin(now, came),
                None if now < came + timeout => self.waiting.push_back((number, came, priority)),
                left => {
                    assert!(left.is_some() || !self.state.leave(number), "nobody was let pass unseen");
                    self.seen.refused[priority as usize] += 1;
                }
            }
        }
    }

    fn begin(&mut self, now: u64, came: u64) {
        let least = |origin: &usize| self.busy[*origin] + self.queues[*origin].len();
        let origin = (0..self.busy.len()).min_by_key(least).expect("there are origins");
        if self.busy[origin] < self.world.slots {
            self.busy[origin] += 1;
            self.serve(now, origin, came, now);
        } else {
            self.queues[origin].push_back((came, now));
        }
    }

    fn serve(&mut self, now: u64, origin: usize, came: u64, begun: u64) {
        let done = Event::Done { origin, came, begun };
        self.events.push(Reverse((now + (self.world.service)(now), done)));
    }
}

fn options() -> Concurrency {
    Concurrency { scope: "test".into(), min: 4, max: 1000, queue: None }
}

fn queue(size: u32, millis: u64) -> Option<ConcurrencyQueue> {
    Some(ConcurrencyQueue { size, timeout: Duration::from_millis(millis) })
}

/// Offered three times what the origins can do for ten seconds: they do nearly all that they can, what is let pass is quick,
/// what is important is not refused, and all is well again soon after; without a queue and with a short one.
#[test]
fn three_times_what_can_be_done() {
    for queue in [None, queue(10, 10)] {
        let world = World { options: Concurrency { queue, ..options() }, ..World::default() };
        let most = world.most();
        let load = |now| if (3 * SECOND..13 * SECOND).contains(&now) { most * 3.0 } else { most * 0.5 };
        let seen = world.run(load);
        let (before, normal) = seen.within(SECOND, 3 * SECOND);
        let (goodput, p99) = seen.within(3 * SECOND, 13 * SECOND);
        let (after, p99_after) = seen.within(13 * SECOND + SECOND / 10, 20 * SECOND);
        println!(
            "normal: {before:.0}/s, p99 {normal} us; 3 times: {:.1} % of {most}/s, p99 {p99} us, refused {:?}; \
             after: {after:.0}/s, p99 {p99_after} us",
            goodput / most * 100.0,
            seen.refused
        );
        assert!(goodput >= most * 0.95, "{goodput} of {most}");
        assert!(p99 <= normal * 3, "{p99} us, {normal} us without load");
        assert_eq!(seen.refused[Priority::High as usize], 0, "nothing of high priority is refused");
        assert!(after >= before * 0.97 && p99_after <= normal * 2, "{after} of {before}, {p99_after} us");
    }
}

/// Measuring anew costs little, however long the load lasts.
#[test]
fn measuring_anew_costs_little() {
    let world = World { until: 60 * SECOND, ..World::default() };
    let most = world.most();
    let seen = world.run(|_| most * 2.0);
    let (goodput, p99) = seen.within(2 * SECOND, 60 * SECOND);
    assert!(goodput >= most * 0.97, "{goodput} of {most}");
    assert!(p99 <= SERVICE * 3, "{p99} us");
}

/// Load is there from the first moment, and more than the origins can do within the limit that is begun with: the first
/// measurement is far off, and the next ones are not.
#[test]
fn what_was_measured_under_load_is_measured_again() {
    let world = World { origins: 1, slots: 4, until: 30 * SECOND, ..World::default() };
    let most = world.most();
    let seen = world.run(|_| most * 3.0);
    let (goodput, p99) = seen.within(10 * SECOND, 30 * SECOND);
    assert!(goodput >= most * 0.9, "{goodput} of {most}");
    assert!(p99 <= SERVICE * 4, "{p99} us");
}

/// Origins that become four times slower, as many slots as they had, are not starved for long.
#[test]
fn slower_origins_get_what_they_can_do() {
    let world = World {
        service: |now| if now > 5 * SECOND { 4 * SERVICE } else { SERVICE },
        until: 30 * SECOND,
        ..World::default()
    };
    let most = world.most();
    let seen = world.run(|_| most * 2.0);
    let (goodput, p99) = seen.within(10 * SECOND, 30 * SECOND);
    assert!(goodput >= most / 4.0 * 0.95, "{goodput} of {}", most / 4.0);
    assert!(p99 <= 4 * SERVICE * 3, "{p99} us");
}

/// A limit that is far too low for what comes is no hindrance for long.
#[test]
fn the_limit_grows_quickly_where_nothing_stands_in_the_way() {
    let world = World { origins: 40, until: 3 * SECOND, ..World::default() };
    let offered = world.most() * 0.8;
    let seen = world.run(|_| offered);
    let (goodput, _) = seen.within(SECOND, 3 * SECOND);
    assert!(goodput >= offered * 0.98, "{goodput} of {offered}");
}

fn fixed(limit: u32, queue: Option<ConcurrencyQueue>) -> ConcurrencyState {
    ConcurrencyState::new(&Concurrency { min: limit, max: limit, queue, ..options() })
}

#[test]
fn priorities_have_room_in_their_order() {
    let state = fixed(10, None);
    let admitted = |priority| (0..100).take_while(|_| state.begin(priority) == Begin::Admitted).count();
    assert_eq!(admitted(Priority::Low), 8);
    assert_eq!(admitted(Priority::Normal), 2);
    assert_eq!(admitted(Priority::High), 10);
    assert_eq!((state.reading().limit, state.reading().under_way), (10, 20));
    (0..20).for_each(|_| state.end());
    assert_eq!(state.reading().under_way, 0);
    assert_eq!(fixed(1, None).begin(Priority::Low), Begin::Admitted, "everybody has room somewhere");
}

/// A request that has to wait, and its number.
#[track_caller]
fn wait(state: &ConcurrencyState, priority: Priority) -> u64 {
    match state.begin(priority) {
        Begin::Waits(number) => number,
        other => unreachable!("{other:?}"),
    }
}

fn look(state: &ConcurrencyState, number: u64) -> Option<Waited> {
    state.poll_wait(number, Waker::noop())
}

#[test]
fn the_more_important_waits_in_front() {
    let state = fixed(1, queue(3, 100));
    assert_eq!(state.begin(Priority::Normal), Begin::Admitted);
    let (low, first, second) =
        (wait(&state, Priority::Low), wait(&state, Priority::Normal), wait(&state, Priority::Normal));
    assert_eq!(state.begin(Priority::Low), Begin::Refused, "the queue is full");
    assert_eq!(state.begin(Priority::High), Begin::Admitted, "it has room of its own");
    let third = wait(&state, Priority::High);
    assert_eq!(look(&state, low), Some(Waited::Displaced), "the least important makes place");
    assert_eq!(state.reading().waiting, 3);
    for (number, others) in [(third, [first, second]), (first, [second, second])] {
        state.end();
        if number == first {
            assert_eq!(look(&state, number), None, "two are under way");
            state.end();
        }
        assert_eq!(look(&state, number), Some(Waited::Admitted));
        others.into_iter().for_each(|other| assert_eq!(look(&state, other), None));
    }
    assert!(!state.leave(second));
    state.end();
    assert_eq!(state.reading(), ConcurrencyReading { waiting: 0, under_way: 0, ..state.reading() });
}

#[test]
fn who_leaves_gives_back_what_it_was_given() {
    let state = fixed(1, queue(3, 100));
    assert_eq!(state.begin(Priority::Normal), Begin::Admitted);
    let (first, second) = (wait(&state, Priority::Normal), wait(&state, Priority::Normal));
    state.end();
    assert!(state.leave(first), "it was let pass and did not know");
    state.end();
    assert_eq!(look(&state, second), Some(Waited::Admitted));
    state.end();
    assert_eq!(state.reading().under_way, 0);
}

/// A limit that rises lets those pass who wait, and a queue that is taken away keeps those who are in it.
#[test]
fn other_bounds_are_taken_at_once() {
    let state = fixed(1, queue(3, 100));
    assert_eq!(state.begin(Priority::Normal), Begin::Admitted);
    let (first, second) = (wait(&state, Priority::Normal), wait(&state, Priority::Normal));
    state.set(&Concurrency { min: 2, max: 2, ..options() });
    assert_eq!((look(&state, first), look(&state, second)), (Some(Waited::Admitted), None));
    assert_eq!(state.begin(Priority::Normal), Begin::Refused);
    state.end();
    assert_eq!(look(&state, second), Some(Waited::Admitted));
}

/// Threads that begin, wait, leave and end: nobody is forgotten, and in the end nothing is under way.
#[test]
fn cores_share_a_limit() {
    let state = fixed(3, queue(8, 100));
    let one = |state: &ConcurrencyState, priority, gives_up: bool| match state.begin(priority) {
        Begin::Admitted => state.end(),
        Begin::Refused => {}
        Begin::Waits(number) if gives_up => {
            if state.leave(number) {
                state.end();
            }
        }
        Begin::Waits(number) => loop {
            match look(state, number) {
                Some(Waited::Admitted) => break state.end(),
                Some(Waited::Displaced) => break,
                None => std::thread::yield_now(),
            }
        },
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let state = &state;
            scope.spawn(move || {
                (0..20_000).for_each(|turn| one(state, Priority::ALL[(turn + thread) % 3], turn % 7 == 0));
            });
        }
    });
    let ConcurrencyReading { under_way, waiting, .. } = state.reading();
    assert_eq!((under_way, waiting), (0, 0));
}
