//! Rate limits: one request of one of many clients.

use crate::Case;
use irongate_config::{RateLimit, RateLimitKey};
use irongate_message::{HeadLimits, HeadParser, Parsed, RequestHead};
use irongate_traffic::{LimitState, RateLimiter, Time};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// Clients that ask in turn.
const CLIENTS: u32 = 64;

pub(crate) const CASES: &[Case] = &[
    Case { name: "limit/all", times: 6400, prepare: || limit(Vec::new()) },
    Case { name: "limit/by-client", times: 6400, prepare: by_client },
];

fn by_client() -> Box<dyn FnMut()> {
    limit(vec![RateLimitKey::Client { ipv4_bits: 32, ipv6_bits: 64 }])
}

fn limit(key: Vec<RateLimitKey>) -> Box<dyn FnMut()> {
    let state = LimitState::new((!key.is_empty()).then_some(65_536));
    let limit = RateLimit {
        name: "bench".into(),
        scope: "bench".into(),
        requests: 1_000_000,
        per: Duration::from_secs(1),
        burst: 1000,
        key,
        max_keys: 65_536,
        dry_run: false,
        shared: None,
    };
    let limiter = RateLimiter::new(&limit, Arc::new(state), 1);
    let mut head = RequestHead::new();
    let text = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let parsed = HeadParser::new().request(text, &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
    let mut turn = 0;
    Box::new(move || {
        turn += 1;
        let client = IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + turn % CLIENTS));
        black_box(black_box(&limiter).take(black_box(&head), client, Time(u64::from(turn) * 10)));
    })
}
