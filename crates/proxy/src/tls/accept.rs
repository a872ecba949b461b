//! From the first byte of a connection to a port of TLS to what is spoken inside.

use super::ServerPlan;
use super::hello::{Hello, HelloReader, NoHello};
use super::names::TlsUse;
use super::stream::TlsStream;
use crate::buffer::Buffer;
use crate::connection::{self, Client};
use crate::http1::Reader;
use crate::snapshot::{ListenerPlan, PortFacts, PortPlan, StreamPlan};
use crate::stream;
use crate::timer::Timer;
use crate::transport::Transport;
use irongate_config::ClientValidation;
use irongate_telemetry::{Panicked, Reason};
use irongate_traffic::Time;
use rustls::{CertificateError, Error, HandshakeKind};
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

/// What requests on a connection over TLS have to agree with.
pub(crate) struct ClientTls {
    /// The name that the client asked for, in lower case.
    name: Option<Box<str>>,
    /// What is spoken inside.
    pub(crate) is_http2: bool,
    /// What was asked of it.
    clients: Option<Arc<ClientValidation>>,
    /// The snapshot for which it was last looked whether the same would be asked now, and what came of it.
    looked: Cell<(u64, bool)>,
}

/// Serves a connection to a port of TLS.
pub(crate) async fn serve(client: Client, facts: Arc<PortFacts>, transport: Transport) {
    let _watch = client.core.watch(Panicked::Connection);
    let timer = client.core.timers.timer();
    let deadline = client.core.now().after(facts.options.timeouts.head);
    // Boxed, so that a connection does not carry the room for its handshake.
    let accepted = Box::pin(accept(&client, &timer, deadline, transport)).await;
    drop(timer);
    match accepted {
        Ok(Accepted::Http(transport, tls)) => connection::serve_tls(client, facts, transport, tls).await,
        Ok(Accepted::Stream(transport, reader, plan)) => {
            stream::serve(client, facts, transport, reader, plan).await;
        }
        Err(None) => {}
        Err(Some(refusal)) => {
            client.metrics.refused(Reason::new(refusal));
            client.core.shared.note_handshake(refusal, &client.text, &facts.label);
        }
    }
}

/// What a connection has become.
enum Accepted {
    /// HTTP over TLS.
    Http(Transport, ClientTls),
    /// Bytes that are passed on: those inside of TLS that ends here, or the client's own, of which the first were read.
    Stream(Rc<Transport>, Reader, Arc<StreamPlan>),
}

impl Accepted {
    fn passed_on(transport: Transport, read: Buffer, plan: Arc<StreamPlan>) -> Self {
        let transport = Rc::new(transport);
        let reader = Reader::resume(transport.clone(), read);
        Self::Stream(transport, reader, plan)
    }
}

/// Reads the first message, finds who is to answer it, and has TLS begin where it ends here.
///
/// # Errors
/// Why the connection is over, as a stable token; `None`: nobody wanted anything.
async fn accept(
    client: &Client,
    timer: &Timer,
    deadline: Time,
    transport: Transport,
) -> Result<Accepted, Option<&'static str>> {
    let core = &client.core;
    let hello = read_hello(client, timer, deadline, &transport).await?;
    let name: Option<Box<str>> = hello.accepted.client_hello().server_name().map(Into::into);
    let found = {
        let view = core.view();
        let Some(plan) = view.port(client.port) else { return Err(None) };
        plan.tls_use(name.as_deref()).ok_or_else(|| {
            say_on(plan, &transport, &UNRECOGNIZED_NAME);
            Some("tls_unknown_name")
        })?
    };
    match found {
        TlsUse::Passthrough(plan) => Ok(Accepted::passed_on(transport, hello.read, plan)),
        TlsUse::Stream(streams, plan) => {
            let stream = shake_hands(client, timer, deadline, transport, hello, &plan).await?;
            Ok(Accepted::passed_on(stream.into(), Buffer::new(&core.buffers), streams))
        }
        TlsUse::Http(plan) => {
            let stream = shake_hands(client, timer, deadline, transport, hello, &plan).await?;
            let is_http2 = stream.with_connection(|connection| connection.alpn_protocol() == Some(b"h2"));
            let tls = ClientTls::new(name, is_http2, plan.clients.clone());
            Ok(Accepted::Http(stream.into(), tls))
        }
    }
}

/// Reads the first message.
async fn read_hello(
    client: &Client,
    timer: &Timer,
    deadline: Time,
    transport: &Transport,
) -> Result<Hello, Option<&'static str>> {
    let core = &client.core;
    if transport.is_fresh() {
        // Clients send once they are connected: by the next turn of the core what they send has mostly come.
        tokio::task::yield_now().await;
    }
    let mut reader = HelloReader::new(&core.buffers);
    let hello = timer.within(deadline, |cx| reader.poll(cx, transport)).await;
    match hello.map_err(|_| Some("tls_timeout"))? {
        Ok(hello) => Ok(hello),
        Err(NoHello::Closed { begun }) => Err(begun.then_some("tls_closed")),
        Err(NoHello::Invalid(error, alert)) => {
            if let Some(plan) = core.view().port(client.port) {
                say_on(plan, transport, &alert);
            }
            Err(Some(reason(Some(&error))))
        }
    }
}

async fn shake_hands(
    client: &Client,
    timer: &Timer,
    deadline: Time,
    transport: Transport,
    hello: Hello,
    plan: &ServerPlan,
) -> Result<TlsStream, Option<&'static str>> {
    let core = &client.core;
    let Hello { accepted, mut read, seen } = hello;
    wait_for_place(client, timer, deadline).await?;
    let config = plan.config(accepted.client_hello().cipher_suites());
    let connection = match accepted.into_connection(config) {
        Ok(connection) => connection,
        Err((error, mut alert)) => {
            let mut words = Vec::new();
            let _ = alert.write_all(&mut words);
            say(&transport, &words);
            return Err(Some(reason(Some(&error))));
        }
    };
    read.consume(seen);
    read.release();
    let stream = TlsStream::new(transport, connection.into(), &core.buffers, Some(read));
    if plan.clients.is_some() {
        // Our part of it goes out, and what the client answers is work too: its certificate is verified.
        let has_come = timer.within(deadline, |cx| stream.poll_answer(cx)).await;
        has_come.map_err(|_| Some("tls_timeout"))?;
        wait_for_place(client, timer, deadline).await?;
    }
    let done = timer.within(deadline, |cx| stream.poll_handshake(cx)).await;
    match done.map_err(|_| Some("tls_timeout"))? {
        Ok(()) => {
            let kind = stream.with_connection(|connection| connection.handshake_kind());
            client.metrics.shook_hands(kind == Some(HandshakeKind::Resumed));
            Ok(stream)
        }
        Err(error) => Err(Some(reason(error.as_ref()))),
    }
}

async fn wait_for_place(client: &Client, timer: &Timer, deadline: Time) -> Result<(), Option<&'static str>> {
    let mut place = pin!(client.core.handshakes.place());
    let placed = timer.within(deadline, |cx| place.as_mut().poll(cx)).await;
    placed.map_err(|_| Some("tls_overload"))
}

/// The alert `unrecognized_name` (RFC 6066 §3), fatal.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Sends an alert, where the port's refusals are no plain closes.
fn say_on(plan: &PortPlan, transport: &Transport, alert: &[u8]) {
    if plan.names.as_ref().is_some_and(|names| !names.closes_plainly) {
        say(transport, alert);
    }
}

/// Sends a last word, as far as that needs no waiting.
fn say(transport: &Transport, words: &[u8]) {
    if !words.is_empty() {
        let _ = transport.poll_write(&mut Context::from_waker(Waker::noop()), words);
    }
}

/// Why a handshake with a client failed, as a stable token. `None`: the connection ended.
fn reason(error: Option<&Error>) -> &'static str {
    match error {
        None => "tls_closed",
        Some(Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => "tls_client_certificate_expired",
        // The signature does not fit where an authority that is not trusted has the name of one that is.
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "tls_client_certificate_unknown_issuer"
        }
        Some(Error::InvalidCertificate(_)) => "tls_client_certificate_invalid",
        Some(Error::NoCertificatesPresented) => "tls_client_certificate_missing",
        Some(Error::AlertReceived(_)) => "tls_alert",
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "tls_incompatible",
        Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }) => "tls_malformed",
        Some(_) => "tls_protocol",
    }
}

impl ClientTls {
    pub(super) fn new(
        name: Option<Box<str>>,
        is_http2: bool,
        clients: Option<Arc<ClientValidation>>,
    ) -> Self {
        Self { name, is_http2, clients, looked: Cell::new((0, true)) }
    }

    /// Whether a request may be served by this listener, which its host has chosen: the client's name has to choose the
    /// same (RFC 9110 §15.5.20).
    pub(crate) fn allows(&self, plan: &PortPlan, host: &[u8], listener: &ListenerPlan) -> bool {
        self.name.as_deref().is_some_and(|name| name.as_bytes() == host)
            || plan.tls_listener(self.name.as_deref()).is_some_and(|chosen| std::ptr::eq(&**chosen, listener))
    }

    /// Whether something else would be asked of this client now, as far as was looked.
    pub(crate) fn is_outdated(&self) -> bool {
        !self.looked.get().1
    }

    /// Whether what is asked of clients is still what was asked of this one.
    pub(crate) fn is_current(&self, plan: &PortPlan, version: u64) -> bool {
        let (looked, current) = self.looked.get();
        if looked == version {
            return current;
        }
        let asked = plan.tls_listener(self.name.as_deref()).and_then(|listener| listener.tls.as_ref());
        // Whoever would not be let in at all is told by 421.
        let current = asked.is_none_or(|plan| plan.clients == self.clients);
        self.looked.set((version, current));
        current
    }
}
