//! The record of a request and of a connection, and the metrics that they feed.
//!
//! Counting costs a data thread a handful of plain instructions: every core has counters of its own with one
//! writer ([`Counter`]), and a scrape sums them. Nothing is looked up by label on the way of a request: handles
//! ([`Series`], or one core's part of it) are taken out of the [`Registry`] by key when a snapshot is built, and
//! live as long as somebody holds them. A series that nobody has held for [`RETENTION`] is forgotten, so
//! memory follows the configuration and a scrape never shows a total that went back.
//!
//! Of a route only the number of its requests is kept, by status: one core's part is one cache line, and a
//! scrape of 10,000 routes has a line or two for each. Durations, retries, body bytes and how many are under
//! way are kept by listener and backend ([`ExchangeMetrics`]). They are counted there, not summed from the
//! routes, so that they do not go back when a route is forgotten.
//!
//! What the proxy writes at the end of each request is a [`RequestRecord`], and at the end of each attempt an
//! [`AttemptRecord`]: plain data, no allocation. Metrics read them now.
//!
//! Absent on purpose: sockets, an async runtime, and the knowledge of who serves `/metrics`.

mod accepting;
mod backend;
mod compression;
mod concurrency;
mod counter;
mod discovery;
mod encode;
mod endpoint;
mod exchange;
mod flow;
mod histogram;
mod limit_store;
mod listener;
mod log_limit;
mod process;
mod reason;
mod registry;
mod request;
mod series;
mod status;
mod stream;
mod window;

pub use accepting::AcceptPause;
pub use backend::{BackendHealth, BackendMetrics};
pub use compression::{CompressionLabels, CompressionMetrics};
pub use concurrency::{ConcurrencyMetrics, ConcurrencyReading, Shed};
pub use counter::{Counter, Gauge};
pub use discovery::DiscoveryReading;
pub use endpoint::{AttemptRecord, EndpointLabels, EndpointMetrics, EndpointReading};
pub use exchange::{ExchangeLabels, ExchangeMetrics};
pub use flow::{FlowLabels, FlowMetrics};
pub use histogram::{CoarseHistogram, FineHistogram, Histogram, HistogramReading};
pub use limit_store::{Instead, LimitStoreMetrics, LimitStoreReading, Unanswered};
pub use listener::ListenerMetrics;
pub use log_limit::LogLimit;
pub use reason::Reason;
pub use registry::{CONTENT_TYPE, CoreMetrics, Panicked, Registry, ReloadPhases};
pub use request::{RequestLabels, RequestMetrics, RequestRecord};
pub use series::{Metrics, RETENTION, Series};
pub use stream::StreamMetrics;
pub use window::Window;
