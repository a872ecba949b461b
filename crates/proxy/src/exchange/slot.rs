//! A request's place among those that may be under way at once.

use super::{Downstream, Outcome};
use crate::connection::Client;
use crate::core::Core;
use crate::exchange::duplex::Presence;
use crate::failure::Failure;
use crate::snapshot::ConcurrencyUse;
use crate::timer::Timer;
use irongate_config::Priority;
use irongate_telemetry::Shed;
use irongate_traffic::Time;
use irongate_traffic::concurrency::{Begin, Waited};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A place under a limit, or the wish for one. However the request ends, it is given back when this is dropped.
pub(super) struct Slot {
    limit: Arc<ConcurrencyUse>,
    priority: Priority,
    stage: Stage,
}

enum Stage {
    /// It was not asked for yet.
    Wanted,
    /// It waits under this number, until that time at most.
    Waits(u64, Time),
    /// It is under way since then.
    Held(Time),
}

/// How a wait came out.
enum Came {
    Out(Waited),
    TooLate,
    ClientGone,
}

impl Slot {
    /// Asks for a place: the request has it, or waits for it, or is refused. One that waits for something else first has its place
    /// when all that has come: how long its client takes is not to count.
    pub(super) fn ask(
        limit: &Arc<ConcurrencyUse>,
        priority: Priority,
        later: bool,
        core: &Core,
    ) -> Result<Self, Failure> {
        if later {
            return Ok(Self { limit: limit.clone(), priority, stage: Stage::Wanted });
        }
        Self::begin(limit, priority, core)
    }

    fn begin(limit: &Arc<ConcurrencyUse>, priority: Priority, core: &Core) -> Result<Self, Failure> {
        let stage = match limit.state.begin(priority) {
            Begin::Admitted => Stage::Held(core.now()),
            Begin::Waits(number) => Stage::Waits(number, core.now().after(limit.timeout)),
            Begin::Refused => return Err(shed(limit, priority, core, Shed::Full)),
        };
        if matches!(stage, Stage::Held(_)) {
            limit.metrics.core(core.index).admitted(priority as usize);
        }
        Ok(Self { limit: limit.clone(), priority, stage })
    }

    /// Whether the request cannot begin yet.
    pub(super) fn waits(&self) -> bool {
        !matches!(self.stage, Stage::Held(_))
    }

    /// Waits until the request has its place. The failure is why it does not get one.
    pub(super) async fn wait<D: Downstream>(
        &mut self,
        client: &Client,
        timer: &Timer,
        downstream: &mut D,
    ) -> Result<(), Failure> {
        let core = &*client.core;
        if let Stage::Wanted = self.stage {
            *self = Self::begin(&self.limit, self.priority, core)?;
        }
        let Stage::Waits(number, until) = self.stage else { return Ok(()) };
        let begun = core.now();
        let mut presence = Presence::default();
        let came = poll_fn(|cx| {
            if let Some(waited) = self.limit.state.poll_wait(number, cx.waker()) {
                return Poll::Ready(Came::Out(waited));
            }
            if !presence.look(cx, core, downstream) {
                return Poll::Ready(Came::ClientGone);
            }
            let gone = presence.until(begun);
            let late = if until <= gone { Came::TooLate } else { Came::ClientGone };
            timer.poll(cx, core.now(), until.min(gone)).map(|()| late)
        });
        match came.await {
            Came::Out(Waited::Admitted) => self.hold(core),
            Came::Out(Waited::Displaced) => return Err(self.shed(core, Shed::Displaced)),
            // It may have come in the last moment.
            Came::TooLate if self.limit.state.leave(number) => self.hold(core),
            Came::TooLate => {
                self.stage = Stage::Wanted;
                return Err(self.shed(core, Shed::Timeout));
            }
            // Dropping this leaves.
            Came::ClientGone => return Err(Failure::ClientGone),
        }
        Ok(())
    }

    /// Tells the limit how the request ended. It learns from what was answered and from what took too long; what was tried
    /// several times, what failed, and tunnels say nothing of how long a request takes.
    pub(super) fn learn(&self, outcome: &Outcome, random: u64) {
        let Stage::Held(begun) = self.stage else { return };
        if outcome.attempts != 1 {
            return;
        }
        let timed_out = matches!(
            outcome.failure,
            Some(Failure::AttemptTimeout | Failure::RequestTimeout | Failure::UpstreamSilent)
        );
        let answered = (200..500).contains(&outcome.status) && outcome.status != 429;
        if timed_out {
            self.limit.state.record(begun, outcome.ended, random);
        } else if answered && outcome.answered != Time::ZERO {
            self.limit.state.record(begun, outcome.answered, random);
        }
    }

    fn hold(&mut self, core: &Core) {
        self.stage = Stage::Held(core.now());
        self.limit.metrics.core(core.index).admitted(self.priority as usize);
    }

    fn shed(&mut self, core: &Core, why: Shed) -> Failure {
        self.stage = Stage::Wanted;
        shed(&self.limit, self.priority, core, why)
    }
}

#[cold]
fn shed(limit: &ConcurrencyUse, priority: Priority, core: &Core, why: Shed) -> Failure {
    limit.metrics.core(core.index).shed(priority as usize, why);
    Failure::Overloaded
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self.stage {
            Stage::Wanted => {}
            Stage::Waits(number, _) => {
                if self.limit.state.leave(number) {
                    self.limit.state.end();
                }
            }
            Stage::Held(_) => self.limit.state.end(),
        }
    }
}
