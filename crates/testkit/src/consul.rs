//! A stand-in for Consul: `/v1/health/service/NAME` of its documented HTTP API, with blocking queries, and nothing else.

use crate::http::Request;
use crate::origin::Origin;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A catalog with one service. Dropped, it is gone.
pub struct ConsulStandIn {
    origin: Origin,
    catalog: Arc<Catalog>,
}

#[derive(Default)]
struct Catalog {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    index: u64,
    /// The instances, as JSON.
    instances: String,
    /// What is answered in their place.
    failure: Option<u16>,
    is_over: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { index: 1, instances: "[]".to_owned(), failure: None, is_over: false }
    }
}

impl ConsulStandIn {
    /// Starts one whose service has these instances, all passing.
    #[must_use]
    pub fn start(instances: &[SocketAddr]) -> Self {
        let catalog = Arc::<Catalog>::default();
        let of_origin = catalog.clone();
        let origin = Origin::start(move |connection| {
            loop {
                let request = connection.request()?;
                connection.send(of_origin.answer(&request))?;
            }
        });
        let consul = Self { origin, catalog };
        consul.set(instances);
        consul
    }

    /// Where its API is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// The service has these instances from now on; who waits for news gets them.
    pub fn set(&self, instances: &[SocketAddr]) {
        let weighted: Vec<_> = instances.iter().map(|address| (*address, 1)).collect();
        self.set_weighted(&weighted);
    }

    /// The same with weights.
    pub fn set_weighted(&self, instances: &[(SocketAddr, u32)]) {
        let mut text = String::new();
        for (number, (address, weight)) in instances.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _infallible = write!(
                text,
                "{comma}{{\"Node\":{{\"Node\":\"n\",\"Address\":\"192.0.2.1\"}},\"Service\":{{\"ID\":\"web-{number}\",\"Service\":\"web\",\
                 \"Address\":\"{}\",\"Port\":{},\"Weights\":{{\"Passing\":{weight},\"Warning\":1}}}},\
                 \"Checks\":[{{\"CheckID\":\"serfHealth\",\"Status\":\"passing\"}}]}}",
                address.ip(),
                address.port()
            );
        }
        self.change(|state| {
            state.index += 1;
            state.instances = format!("[{text}]");
        });
    }

    /// It has lost its state: the index begins anew, below what it was.
    pub fn lose_index(&self) {
        self.change(|state| state.index = 1);
    }

    /// It answers with this status from now on; `None`: as it should.
    pub fn fail(&self, status: Option<u16>) {
        self.change(|state| state.failure = status);
    }

    /// Every request that it got.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.origin.requests()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.catalog.state.lock().expect("no holder panics"));
        self.catalog.changed.notify_all();
    }
}

impl Drop for ConsulStandIn {
    fn drop(&mut self) {
        self.change(|state| state.is_over = true);
    }
}

impl Catalog {
    fn answer(&self, request: &Request) -> String {
        let target = request.target();
        let parameter = |name: &str| {
            let query = target.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let index: u64 = parameter("index").and_then(|text| text.parse().ok()).unwrap_or(0);
        let wait: u64 =
            parameter("wait").and_then(|text| text.strip_suffix('s')?.parse().ok()).unwrap_or(300);
        let until = Instant::now() + Duration::from_secs(wait);
        let mut state = self.state.lock().expect("no holder panics");
        // A server whose index is lower waits until it has passed the one that is asked for.
        while index != 0 && state.index <= index && state.failure.is_none() && !state.is_over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
        let (status, body) = match state.failure {
            Some(status) => (status, "rpc error: No cluster leader"),
            None if target.starts_with("/v1/health/service/web?") => (200, state.instances.as_str()),
            None => (404, "there is only one service"),
        };
        format!(
            "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nX-Consul-Index: {}\r\nContent-Length: {}\r\n\r\n{body}",
            state.index,
            body.len()
        )
    }
}
