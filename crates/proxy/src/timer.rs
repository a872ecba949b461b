//! Deadlines: one coarse timer wheel a core.
//!
//! A connection owns one [`Timer`] for its life. Setting a later deadline, which is what almost every step of
//! a request does, only stores a number: the entry stays where it is in the wheel and is moved when its old
//! time comes. Only an earlier deadline touches the wheel. So a request costs no timer operation, and an idle
//! connection one small entry.

use crate::clock::Clock;
use irongate_traffic::Time;
use slab::Slab;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The wait took longer than its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// The timers of one core.
pub(crate) struct Timers {
    clock: Clock,
    wheel: RefCell<Wheel>,
}

#[derive(Default)]
struct Wheel {
    entries: Slab<Entry>,
    /// Which entries are looked at when. Far deadlines share coarse slots.
    slots: BTreeMap<Time, Vec<usize>>,
    /// The time up to which slots have been emptied.
    fired: Time,
    driver: Option<Waker>,
}

struct Entry {
    deadline: Time,
    /// The slot that holds the entry and its place there.
    slot: Option<(Time, usize)>,
    waker: Option<Waker>,
}

/// One wait at a time, with a deadline. Removed from the wheel when dropped.
pub(crate) struct Timer {
    timers: Rc<Timers>,
    id: usize,
}

impl Timers {
    pub(crate) fn new(clock: Clock) -> Rc<Self> {
        Rc::new(Self { clock, wheel: RefCell::default() })
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        let entry = Entry { deadline: Time::NEVER, slot: None, waker: None };
        let id = self.wheel.borrow_mut().entries.insert(entry);
        Timer { timers: self.clone(), id }
    }

    /// Wakes every task that waits with a deadline, so that it looks around.
    pub(crate) fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.wheel.borrow_mut().entries.iter_mut().filter_map(|(_, entry)| entry.waker.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Wakes what is due, for ever. One task a core runs this.
    pub(crate) async fn drive(self: Rc<Self>) {
        let mut sleep = Box::pin(tokio::time::sleep_until(self.clock.instant(self.now())));
        poll_fn(|cx| {
            loop {
                let first = {
                    let mut wheel = self.wheel.borrow_mut();
                    wheel.driver = Some(cx.waker().clone());
                    wheel.slots.first_key_value().map(|(time, _)| *time)
                };
                let Some(first) = first else { return Poll::Pending };
                let now = self.now();
                if first <= now {
                    self.fire(now);
                    continue;
                }
                sleep.as_mut().reset(self.clock.instant(first));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn fire(&self, now: Time) {
        let mut due = Vec::new();
        {
            let mut wheel = self.wheel.borrow_mut();
            wheel.fired = now;
            while let Some(slot) = wheel.slots.first_entry() {
                if *slot.key() > now {
                    break;
                }
                for id in slot.remove() {
                    let entry = &mut wheel.entries[id];
                    entry.slot = None;
                    let deadline = entry.deadline;
                    if deadline <= now {
                        due.extend(entry.waker.take());
                    } else if deadline != Time::NEVER {
                        wheel.insert(id, now, deadline);
                    }
                }
            }
        }
        due.into_iter().for_each(Waker::wake);
    }
}

impl Wheel {
    fn insert(&mut self, id: usize, now: Time, deadline: Time) {
        let time = slot_of(now, deadline);
        let slot = self.slots.entry(time).or_default();
        slot.push(id);
        self.entries[id].slot = Some((time, slot.len() - 1));
    }

    fn remove(&mut self, id: usize) {
        let Some((time, place)) = self.entries[id].slot.take() else { return };
        let Some(slot) = self.slots.get_mut(&time) else { return };
        slot.swap_remove(place);
        match slot.get(place) {
            Some(&moved) => self.entries[moved].slot = Some((time, place)),
            None if slot.is_empty() => {
                self.slots.remove(&time);
            }
            None => {}
        }
    }
}

/// Rounds a deadline up to a multiple of about a sixty-fourth of its distance, between 1 ms and 1 s.
fn slot_of(now: Time, deadline: Time) -> Time {
    let distance = deadline.0.saturating_sub(now.0) / 64;
    let granule = distance.clamp(1_000, 1_000_000).next_power_of_two();
    Time(deadline.0.div_ceil(granule).saturating_mul(granule))
}

impl Timer {
    /// Ready once `deadline` has passed; else the task is woken when it has. `now` is any recent reading.
    pub(crate) fn poll(&self, cx: &Context<'_>, now: Time, deadline: Time) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let mut wheel = self.timers.wheel.borrow_mut();
        if wheel.fired >= deadline {
            return Poll::Ready(());
        }
        let entry = &mut wheel.entries[self.id];
        entry.deadline = deadline;
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        // A slot is never before its deadline, which mostly answers the question.
        let earlier = entry.slot.is_none_or(|(time, _)| deadline < time && slot_of(now, deadline) < time);
        if earlier && deadline != Time::NEVER {
            let first = wheel.slots.first_key_value().map(|(time, _)| *time);
            wheel.remove(self.id);
            wheel.insert(self.id, now, deadline);
            let new_first = wheel.slots.first_key_value().map(|(time, _)| *time);
            if new_first != first
                && let Some(driver) = wheel.driver.take()
            {
                drop(wheel);
                driver.wake();
            }
        }
        Poll::Pending
    }

    /// Polls until it is ready, but not past the deadline.
    pub(crate) async fn within<R>(
        &self,
        deadline: Time,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<R>,
    ) -> Result<R, Elapsed> {
        poll_fn(move |cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll(cx, self.timers.now(), deadline).map(|()| Err(Elapsed)),
        })
        .await
    }

    /// Waits until the time has come.
    pub(crate) async fn sleep_until(&self, time: Time) {
        poll_fn(|cx| self.poll(cx, self.timers.now(), time)).await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut wheel = self.timers.wheel.borrow_mut();
        wheel.remove(self.id);
        wheel.entries.remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(test: impl AsyncFnOnce(Rc<Timers>)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let timers = Timers::new(Clock::start());
            tokio::task::spawn_local(timers.clone().drive());
            test(timers).await;
        });
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_not_before() {
        run(async |timers| {
            let timer = timers.timer();
            for milliseconds in [1, 7, 100, 950, 10_000, 75_000] {
                let begin = timers.now();
                let deadline = begin.after(Duration::from_millis(milliseconds));
                let result = timer.within(deadline, |_| Poll::<()>::Pending).await;
                assert_eq!(result, Err(Elapsed));
                let late = timers.now().saturating_since(deadline);
                assert!(timers.now() >= deadline, "{milliseconds} ms: early");
                assert!(
                    late <= Duration::from_millis(3 + milliseconds / 32),
                    "{milliseconds} ms: {late:?} late"
                );
            }
        });
    }

    #[test]
    fn an_earlier_deadline_moves_the_entry_and_a_later_one_does_not_wake() {
        run(async |timers| {
            let timer = timers.timer();
            let begin = timers.now();
            let far = begin.after(Duration::from_secs(75));
            let _ = timer.within(far, |_| Poll::Ready(())).await;
            poll_fn(|cx| {
                let _ = timer.poll(cx, begin, far);
                Poll::Ready(())
            })
            .await;
            let near = begin.after(Duration::from_millis(20));
            assert_eq!(timer.within(near, |_| Poll::<()>::Pending).await, Err(Elapsed));
            assert!(timers.now().saturating_since(near) < Duration::from_millis(5));
        });
    }

    #[test]
    fn dropped_timers_leave_nothing() {
        run(async |timers| {
            let many: Vec<_> = (0..1000).map(|_| timers.timer()).collect();
            poll_fn(|cx| {
                let now = timers.now();
                for (index, timer) in many.iter().enumerate() {
                    let wait = Duration::from_millis(10 * (index as u64 % 90));
                    let _ = timer.poll(cx, now, now.after(wait));
                }
                Poll::Ready(())
            })
            .await;
            drop(many);
            let wheel = timers.wheel.borrow();
            assert!(wheel.slots.is_empty() && wheel.entries.is_empty());
        });
    }
}
