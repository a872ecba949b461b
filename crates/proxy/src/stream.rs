//! Connections whose bytes are passed on as they come: TCP, and what is inside or outside of TLS.
//!
//! A backend by weight, an endpoint by the balancer that serves requests too, and a [`Tunnel`] between the two. An
//! open connection counts as load, the time that connecting took as its endpoint's latency. Whatever is refused is a
//! plain close: nobody knows what would be understood.

mod connect;
mod side;

use crate::backend::CoreBackend;
use crate::connection::Client;
use crate::exchange::{Tunnel, Way};
use crate::failure::Failure;
use crate::http1::Reader;
use crate::snapshot::{PortFacts, StreamPlan};
use crate::timer::Timer;
use crate::transport::Transport;
use irongate_telemetry::{Panicked, StreamMetrics};
use irongate_traffic::{Outcome, Time};
use side::Side;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

/// Serves a connection. `reader` has what came of it already.
pub(crate) async fn serve(
    client: Client,
    facts: Arc<PortFacts>,
    transport: Rc<Transport>,
    reader: Reader,
    plan: Arc<StreamPlan>,
) {
    let core = &client.core;
    let _watch = core.watch(Panicked::Connection);
    let timer = core.timers.timer();
    let (series, target) = plan.draw(core.random());
    let mut session = Session::begin(series.core(core.index).clone(), core.now());
    let down = Side::new(transport, reader, session.metrics.clone(), StreamMetrics::received);
    let ended = match target {
        Ok(live) => {
            let backend = core.backend(live);
            drop(plan);
            // Boxed, so that the tunnel is not moved about.
            Box::pin(run(&client, &facts, &timer, &backend, down)).await
        }
        Err(failure) => down.refuse(failure),
    };
    session.end(core.now(), ended.err());
}

/// From the choice of an endpoint to the end of both directions.
async fn run(
    client: &Client,
    facts: &PortFacts,
    timer: &Timer,
    backend: &Rc<CoreBackend>,
    mut down: Side,
) -> Result<(), Failure> {
    let core = &client.core;
    let (transport, mut load, _held) = match connect::connect(client, facts, timer, backend).await {
        Ok(connected) => connected,
        Err(failure) => return down.refuse(failure),
    };
    let reader = Reader::new(transport.clone(), &core.buffers);
    let mut up = Side::new(transport, reader, down.metrics().clone(), StreamMetrics::sent);
    let mut tunnel = Tunnel::default();
    let bounds = (&**core, timer, &facts.options.timeouts);
    let ended = poll_fn(|cx| {
        tunnel.poll(cx, bounds, |cx, way, pump| match way {
            Way::Up => pump.poll(cx, &mut down.source, &mut up.sink),
            Way::Down => pump.poll(cx, &mut up.source, &mut down.sink),
        })
    })
    .await;
    match ended {
        // Both have ended, or there was nothing left to pass on.
        Ok(()) | Err(Failure::TunnelIdle) => {
            down.close();
            up.close();
        }
        // What was cut short must not look whole: dropped as they are, both are reset.
        Err(_) => {}
    }
    let is_bad = matches!(ended, Err(Failure::AnswerBroken(_)))
        && tunnel.downloaded() == 0
        && !tunnel.client_has_ended();
    let outcome = match ended {
        // An instance that breaks off before its first byte, while its client waits, is not well. Later it may have its reasons.
        Err(_) if is_bad => Outcome::Failed,
        Ok(()) | Err(Failure::AnswerBroken(_)) => Outcome::Complete,
        Err(_) => Outcome::Cancelled,
    };
    load.end(core.now(), outcome);
    ended
}

/// A connection that is counted; over when it is dropped, if nobody said so before.
struct Session {
    metrics: Arc<StreamMetrics>,
    begun: Time,
    is_over: bool,
}

impl Session {
    fn begin(metrics: Arc<StreamMetrics>, now: Time) -> Self {
        metrics.begun();
        Self { metrics, begun: now, is_over: false }
    }

    fn end(&mut self, now: Time, failure: Option<Failure>) {
        self.is_over = true;
        self.metrics.ended(now.micros_since(self.begun), failure.map(Failure::reason));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(self.begun, Some(Failure::Stopped));
        }
    }
}
