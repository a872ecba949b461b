//! HTTP/2 to clients and to origins, in cleartext with prior knowledge or over TLS.
//!
//! A client's connection is one task that reads frames and sends ([`server`]); each of its streams is a task of its own that
//! runs the same [`exchange`](crate::exchange) as HTTP/1 does. So a panic costs one stream, and a stream that waits
//! holds up no other. Streams write their frames straight to where they wait to be sent, which is once a turn of the
//! connection's task.
//!
//! Connections to origins ([`client`]) are the `h2` crate's. What it writes is collected and sent once a turn too
//! ([`stream::Stream`]).
//!
//! WebSocket comes and goes by an extended `CONNECT` (RFC 8441); inside it is a `GET` that upgrades, whatever the version.
//!
//! Not here: any other `CONNECT` (refused; an HTTP/1.1 client's upgrade to anything else, or to an origin that does not
//! offer it, goes on as a plain request, which RFC 9110 §7.8 allows), server push (never offered, never taken), priorities
//! (RFC 9113 §5.3 deprecates them).

mod body;
pub(crate) mod client;
mod gathered;
pub(crate) mod head;
mod queue;
pub(crate) mod resets;
mod server;
mod stream;

pub(crate) use server::serve;

/// How much of a body a peer may send ahead on one stream.
const STREAM_WINDOW: u32 = 64 << 10;
