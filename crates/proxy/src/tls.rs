//! TLS, on rustls: what listeners show and ask of their clients, and the same towards origins.
//!
//! What was configured is built into rustls's own configurations when a Snapshot is compiled ([`server`], [`client`]),
//! and kept as long as it does not change, so that sessions can be resumed across reloads and by every core. A client's
//! first words are read before anything is decided ([`hello`]): the name that it asks for chooses the listener, which may
//! as well want its bytes as they came. After the handshake the connection is a [`Transport`](crate::transport::Transport)
//! like any other ([`stream`]).

mod accept;
mod certificates;
mod client;
mod clients;
mod handshakes;
mod hello;
mod names;
mod provider;
mod quic;
mod server;
mod stream;

pub(crate) use accept::{ClientTls, serve};
pub(crate) use client::{ClientPlan, EndpointTls, peer_configuration, reason as backend_reason};
pub(crate) use handshakes::Handshakes;
pub(crate) use names::{ServerNames, TlsUse};
pub(crate) use quic::{QuicCrypto, QuicHandshake, reason as quic_reason};
pub(crate) use server::{ServerPlan, ServerPlans};
pub(crate) use stream::TlsStream;
