//! A client's connection: idle, an exchange, idle again.
//!
//! While it is idle a connection holds its socket, a timer entry and a small future. All else (buffers, heads, the
//! future of the exchange) is made when the first byte of a request comes and given back when nothing is left to do.

mod arrival;

use crate::body::BodyFailure;
use crate::buffer::{Buffer, Size};
use crate::core::Core;
use crate::exchange::{self, Scratch};
use crate::failure::Failure;
use crate::http1::downstream::Http1Downstream;
use crate::http1::{Reader, Writer};
use crate::share::{Held, NoRoom, Share};
use crate::snapshot::{PortFacts, PortId};
use crate::timer::Timer;
use crate::tls::{self, ClientTls};
use crate::transport::Transport;
use irongate_message::{HeadError, HeadParser, Parsed, RequestHead};
use irongate_telemetry::{ListenerMetrics, Panicked};
use irongate_traffic::Time;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

/// After our last answer, what the client still sends is read and dropped for this long, so that it gets to read the
/// answer: closing at once would reset the connection (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
/// And this much of it, in bytes.
const LINGERED: usize = 1 << 20;
/// How long the rest of a body may take that is read only so that the connection can go on.
const DRAIN: Duration = Duration::from_secs(5);

/// What an exchange knows of the client it serves.
pub(crate) struct Client {
    pub(crate) core: Rc<Core>,
    pub(crate) port: PortId,
    pub(crate) address: IpAddr,
    /// Its port; 0 where a PROXY header told none.
    pub(crate) source_port: u16,
    /// What it connected to, where that is not the address that is listened on.
    pub(crate) destination: Option<SocketAddr>,
    /// The address as text.
    pub(crate) text: Box<str>,
    /// No other client of the core has it.
    pub(crate) number: u64,
    /// How large the buffer for the next answer begins.
    pub(crate) flow: Cell<Size>,
    /// Memory of what compresses its answers, in bytes.
    pub(crate) coded: Cell<usize>,
    /// What all its streams hold together, where it may have many.
    pub(crate) share: Option<Rc<Share>>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    /// What it agreed on, over TLS.
    pub(crate) tls: Option<Rc<ClientTls>>,
    /// It is a connection, and counted as one while it lives; a copy of a request has none.
    is_counted: bool,
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        self.metrics.closed();
        self.core.shared.spread().cores[self.core.index].connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection in a task of its own. A panic in it costs this connection only.
pub(crate) fn spawn(core: &Rc<Core>, port: PortId, transport: Transport, peer: SocketAddr) {
    let view = core.view();
    let Some(plan) = view.port(port) else { return };
    let facts = plan.facts.clone();
    let client = Client::accepted(core, &view, port, plan, peer, || transport.local_address());
    // Boxed: a future that is given to the runtime is moved about.
    if facts.options.expects_proxy_header(client.address) || plan.plain().is_some() {
        tokio::task::spawn_local(Box::pin(arrival::serve(client, facts, transport)));
    } else if plan.names.is_some() {
        tokio::task::spawn_local(tls::serve(client, facts, transport));
    } else {
        tokio::task::spawn_local(Box::pin(serve(client, facts, Rc::new(transport))));
    }
}

/// Serves HTTP over TLS, of the version that was agreed on.
pub(crate) async fn serve_tls(
    mut client: Client,
    facts: Arc<PortFacts>,
    transport: Transport,
    tls: ClientTls,
) {
    let is_http2 = tls.is_http2;
    client.tls = Some(Rc::new(tls));
    if is_http2 {
        Box::pin(crate::http2::serve(client, facts, Rc::new(transport), Vec::new())).await;
    } else {
        Box::pin(serve(client, facts, Rc::new(transport))).await;
    }
}

/// An address as text. IPv4 by hand: `Display` costs a new connection a twentieth of its instructions.
fn text_of(address: IpAddr) -> Box<str> {
    let IpAddr::V4(address) = address else { return address.to_string().into_boxed_str() };
    let mut text = String::with_capacity(15);
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        for (least, divisor) in [(100, 100), (10, 10), (0, 1)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / divisor % 10));
            }
        }
    }
    text.into_boxed_str()
}

/// What comes after a burst of requests.
enum Next {
    /// Nothing is left to do until the client sends.
    Idle,
    /// The connection is over.
    Close,
    /// The client speaks HTTP/2; what it sent so far.
    Http2(Vec<u8>),
}

async fn serve(client: Client, mut facts: Arc<PortFacts>, transport: Rc<Transport>) {
    let _watch = client.core.watch(Panicked::Connection);
    let timer = client.core.timers.timer();
    // A connection on which nothing was ever sent has no longer than a head may take.
    let mut deadline = client.core.now().after(facts.options.timeouts.head);
    let mut pace = Pace::default();
    if transport.is_fresh() {
        // Clients send once they are connected: by the next turn of the core what they send has mostly come.
        tokio::task::yield_now().await;
    }
    loop {
        if wait_for_request(&client, &transport, &timer, deadline).await.is_break() {
            return;
        }
        pace.woken(client.core.now());
        // Boxed, so that an idle connection does not carry the room for an exchange.
        match Box::pin(burst(&client, &mut facts, &transport, &timer, &mut pace)).await {
            // Woken for nothing: the first request is still waited for.
            Next::Idle if pace.idle_since == Time::default() => {}
            Next::Idle => deadline = pace.idle_since.after(facts.options.timeouts.idle),
            Next::Close => return,
            Next::Http2(start) => {
                drop(timer);
                return Box::pin(crate::http2::serve(client, facts, transport, start)).await;
            }
        }
    }
}

/// How quickly the client's requests follow each other. Where they do, the room for an exchange is kept for a
/// moment instead of being given back and taken again for each of them.
#[derive(Default)]
struct Pace {
    idle_since: Time,
    is_quick: bool,
}

/// How soon the next request has to come for the room to be worth keeping.
pub(crate) const QUICK: Duration = Duration::from_millis(20);

impl Pace {
    fn woken(&mut self, now: Time) {
        self.is_quick = now.saturating_since(self.idle_since) < QUICK;
    }
}

/// Waits for the first byte of a request.
async fn wait_for_request(
    client: &Client,
    transport: &Transport,
    timer: &Timer,
    deadline: Time,
) -> ControlFlow<()> {
    let ready = timer.within(deadline, |cx| {
        match transport.poll_readable(cx) {
            // What has come already is still answered.
            Poll::Pending if client.core.closes_idle() => Poll::Ready(ControlFlow::Break(())),
            readable => readable.map(ControlFlow::Continue),
        }
    });
    ready.await.unwrap_or(ControlFlow::Break(()))
}

/// Serves requests until nothing more of one has come.
async fn burst(
    client: &Client,
    facts: &mut Arc<PortFacts>,
    transport: &Rc<Transport>,
    timer: &Timer,
    pace: &mut Pace,
) -> Next {
    let core = &client.core;
    let reader = Reader::new(transport.clone(), &core.buffers);
    let writer = Writer::new(transport.clone(), core.take_memory());
    let mut downstream = Http1Downstream::new(transport.clone(), reader, writer);
    downstream.set_quick(pace.is_quick);
    let mut scratch = core.take_scratch();
    let next = requests(client, facts, timer, pace, &mut downstream, &mut scratch).await;
    core.give_scratch(scratch);
    core.give_memory(downstream.writer.take_memory());
    next
}

async fn requests(
    client: &Client,
    facts: &mut Arc<PortFacts>,
    timer: &Timer,
    pace: &mut Pace,
    downstream: &mut Http1Downstream,
    scratch: &mut Scratch,
) -> Next {
    let core = &client.core;
    let mut served = 0;
    loop {
        let length = match read_head(client, timer, facts, pace, downstream, scratch).await {
            Ok(HeadEnd::Head(length)) => length,
            Ok(HeadEnd::Http2) => return Next::Http2(downstream.reader.buffered().to_vec()),
            Ok(HeadEnd::Idle) => return Next::Idle,
            Ok(HeadEnd::Closed) => return Next::Close,
            Err(failure) => {
                client.metrics.refused(failure.reason());
                downstream.begin_refused();
                exchange::refuse(client, timer, facts, downstream, scratch, failure).await;
                linger(client, timer, downstream).await;
                return Next::Close;
            }
        };
        downstream.begin(&scratch.request, length, !core.draining.get());
        pace.idle_since = exchange::serve(client, timer, facts, downstream, scratch).await;
        if downstream.is_broken() {
            return Next::Close;
        }
        if !downstream.can_go_on() && !drain_body(client, timer, downstream).await {
            linger(client, timer, downstream).await;
            return Next::Close;
        }
        served += 1;
        if served >= facts.options.limits.pipelined && !downstream.reader.buffered().is_empty() {
            // The others have their turn; what was pipelined beyond waits for the next.
            served = 0;
            tokio::task::yield_now().await;
        }
    }
}

enum HeadEnd {
    /// A whole head of this many bytes.
    Head(usize),
    /// The HTTP/2 preface.
    Http2,
    /// Nothing has come.
    Idle,
    /// The client closed, having sent nothing or only a part of a head.
    Closed,
}

/// Reads and parses a head. The deadline counts from its first byte.
async fn read_head(
    client: &Client,
    timer: &Timer,
    facts: &PortFacts,
    pace: &Pace,
    downstream: &mut Http1Downstream,
    scratch: &mut Scratch,
) -> Result<HeadEnd, Failure> {
    let mut parser = HeadParser::new();
    let reader = &mut downstream.reader;
    let mut deadline = None;
    let result = std::future::poll_fn(move |cx| {
        loop {
            if !reader.buffered().is_empty() {
                match parser.request(reader.buffered(), &facts.head_limits, &mut scratch.request) {
                    Ok(Parsed::Head { length }) => return Poll::Ready(Ok(HeadEnd::Head(length))),
                    Ok(Parsed::Http2Preface) => return Poll::Ready(Ok(HeadEnd::Http2)),
                    Ok(Parsed::Partial) => {}
                    Err(error) => return Poll::Ready(Err(Failure::Head(error))),
                }
            }
            match reader.poll_read(cx) {
                Poll::Ready(
                    Ok(0) | Err(BodyFailure::Closed | BodyFailure::Reset(_) | BodyFailure::Truncated),
                ) => {
                    return Poll::Ready(Ok(HeadEnd::Closed));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(BodyFailure::Malformed(_))) => {
                    return Poll::Ready(Err(Failure::Head(HeadError::TooLarge)));
                }
                Poll::Pending if reader.buffered().is_empty() => {
                    reader.release();
                    if !pace.is_quick || client.core.closes_idle() {
                        return Poll::Ready(Ok(HeadEnd::Idle));
                    }
                    let until = pace.idle_since.after(QUICK);
                    return timer.poll(cx, pace.idle_since, until).map(|()| Ok(HeadEnd::Idle));
                }
                Poll::Pending => {
                    let now = client.core.now();
                    let until = *deadline.get_or_insert_with(|| now.after(facts.options.timeouts.head));
                    return timer.poll(cx, now, until).map(|()| Err(Failure::HeadTimeout));
                }
            }
        }
    });
    result.await
}

/// Reads the rest of a body that nobody wanted, if it is short, so that the connection can go on.
async fn drain_body(client: &Client, timer: &Timer, downstream: &mut Http1Downstream) -> bool {
    if !downstream.is_worth_draining() {
        return false;
    }
    let deadline = client.core.now().after(DRAIN);
    let mut drained = 0;
    timer.within(deadline, |cx| downstream.poll_drain(cx, &mut drained)).await.unwrap_or(false)
}

/// Ends our side and reads on for a while.
async fn linger(client: &Client, timer: &Timer, downstream: &mut Http1Downstream) {
    if downstream.is_clean() {
        return;
    }
    let transport = downstream.transport.clone();
    let deadline = client.core.now().after(LINGER);
    let mut space = Buffer::new(&client.core.buffers);
    let mut left = LINGERED;
    transport.shutdown();
    let _ = timer
        .within(deadline, |cx| {
            loop {
                match transport.poll_read(cx, space.space()) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(length)) if length >= left => return Poll::Ready(()),
                    Poll::Ready(Ok(length)) => left -= length,
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
}

impl Client {
    /// The same for a copy of one of its requests, which may outlive the connection.
    pub(crate) fn copy(&self) -> Self {
        Self {
            core: self.core.clone(),
            port: self.port,
            address: self.address,
            source_port: self.source_port,
            destination: self.destination,
            text: self.text.clone(),
            number: self.number,
            flow: Cell::default(),
            coded: Cell::default(),
            share: None,
            metrics: self.metrics.clone(),
            tls: self.tls.clone(),
            is_counted: false,
        }
    }

    /// Takes room for a request's head among what all of its streams hold, for as long as that is kept.
    ///
    /// # Errors
    /// There is none: long heads take it all.
    pub(crate) fn hold_head(&self, head: &mut RequestHead) -> Result<Option<Held>, NoRoom> {
        let Some(share) = &self.share else { return Ok(None) };
        head.fields.fit();
        share.take_head(head.fields.memory())
    }

    /// Whether the client's forwarding fields are believed, and it may know why a request failed.
    pub(crate) fn is_trusted(&self, facts: &PortFacts) -> bool {
        facts.options.trusts(self.address)
    }
}

#[cfg(test)]
mod tests;
