//! The data plane: everything that waits.
//!
//! One thread a core, each with its own single-threaded runtime, listening sockets, pools, buffers and counters;
//! no lock and no `Send` type on the path of a request. The way of a request is the way through the files:
//! [`listener`] → [`connection`] → [`exchange`] (route, admit, shape, attempt) → [`reply`] → record. The message
//! engine, routing and balancing are elsewhere and know no sockets; here they are fed.

mod backend;
mod body;
mod buffer;
mod clock;
mod connection;
mod control;
mod core;
mod datagram;
mod discovery;
mod exchange;
mod failure;
mod http1;
mod http2;
mod http3;
mod limit_store;
mod listener;
mod live;
#[cfg(feature = "memory")]
mod memory_gateway;
mod mirror;
mod place;
mod proxy_header;
mod reply;
mod share;
mod snapshot;
mod stream;
mod timer;
mod tls;
mod transport;
mod upstream;

#[cfg(feature = "memory")]
pub use memory_gateway::MemoryGateway;
#[cfg(feature = "memory")]
pub use transport::{MemoryStream, memory_pair};

pub use control::{
    BackendReport, Drain, EndpointReport, Proxy, Resolved, StartOptions, Unopened, available_threads,
    give_way,
};
pub use discovery::SourceReport;
pub use limit_store::LimitStoreReport;
