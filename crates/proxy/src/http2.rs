//! HTTP/2 in cleartext with prior knowledge, to clients and to origins, on the `h2` crate.
//!
//! A connection is one task that owns the crate's state machine; each of a client's streams is a task of its own that
//! runs the same [`exchange`](crate::exchange) as HTTP/1 does. So a panic costs one stream, and a stream that waits
//! holds up no other. What the crate writes is collected and sent once a turn of the connection's task
//! ([`stream::Stream`]).
//!
//! WebSocket comes and goes by an extended `CONNECT` (RFC 8441); inside it is a `GET` that upgrades, whatever the version.
//!
//! Not here: any other `CONNECT` (refused; an HTTP/1.1 client's upgrade to anything else, or to an origin that does not
//! offer it, goes on as a plain request, which RFC 9110 §7.8 allows), server push (never offered, never taken), priorities
//! (RFC 9113 §5.3 deprecates them).
//!
//! What the crate does not let us do: it drops what follows a `#` in `:path` before we see it, where we would refuse
//! the request; and it resets a stream whose query holds a raw `"`, `<` or `>`, which HTTP/1.1 requests may.

mod body;
pub(crate) mod client;
mod downstream;
mod gathered;
pub(crate) mod head;
mod heads;
mod queue;
pub(crate) mod resets;
mod server;
mod stream;
mod watch;

pub(crate) use server::serve;

/// How much of a body a peer may send ahead on one stream.
const STREAM_WINDOW: u32 = 64 << 10;
