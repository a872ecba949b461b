//! The admin API: what an operator, a scraper or a kubelet asks the process. Read only.
//!
//! - `GET /livez`: 200 while the process can answer at all.
//! - `GET /readyz`: 200 while requests should be sent here, else 503 and why ([`Phase`]).
//! - `GET /metrics`: everything that is counted, as OpenMetrics text.
//!
//! - `GET /api/…`: the configuration that runs, its statuses and problems, and what the balancer thinks of each
//!   endpoint, as JSON; see `docs/admin.md`.
//!
//! Anything else is a 404 that lists these.
//!
//! It runs on the control side's runtime and shares nothing with the data plane but counters. It takes little
//! from its peers: heads up to 16 KiB, no bodies, a bounded number of connections of bounded age, a bounded
//! number of scrapes and of views at once. Lists are shown in parts.
//!
//! # Who may ask
//!
//! There is no login; the binary listens on a loopback address unless told otherwise. A web page in the
//! operator's browser must not get at it either: it may resolve its own name to 127.0.0.1 (DNS rebinding), but
//! then its name stands in `Host`. So a connection that came in on a loopback address is answered only if
//! `Host` is an IP address or `localhost`. On other addresses any host is served, since scrapers use
//! names there. No answer carries CORS fields, so that pages of other origins cannot read it; whatever will
//! change state must check `Origin` in addition.

mod api;
mod current;
mod delivery;
mod readiness;
mod server;
mod views;

pub use api::Admin;
pub use current::{Applied, Current, Knowledge, Question};
pub use readiness::{Phase, Readiness};
pub use server::serve;
