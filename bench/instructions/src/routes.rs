//! Routes: finding the rule of a request among one, a hundred and ten thousand.

use crate::Case;
use irongate_config::{
    AttachedRoute, BackendRef, HostPattern, ObjectName, PathMatch, RequestMatch, Route, RouteKey, RouteKind,
    RouteRule,
};
use irongate_message::{HeadLimits, HeadParser, Parsed, RequestHead};
use irongate_traffic::RouteTable;
use std::hint::black_box;
use std::sync::Arc;

/// Requests that are looked up in turn, spread over all routes.
pub(crate) const REQUESTS: usize = 64;

pub(crate) const CASES: &[Case] = &[
    Case { name: "route/find/1", times: 6400, prepare: || find(1) },
    Case { name: "route/find/100", times: 6400, prepare: || find(100) },
    Case { name: "route/find/10000", times: 6400, prepare: || find(10_000) },
];

fn find(routes: usize) -> Box<dyn FnMut()> {
    let (table, errors) = RouteTable::compile(&attached(routes, &[]));
    assert!(errors.is_empty(), "{errors:?}");
    let heads: Vec<RequestHead> = (0..REQUESTS).map(|turn| head(&request(turn, routes))).collect();
    let mut turn = 0;
    Box::new(move || {
        turn = (turn + 1) % REQUESTS;
        let found = black_box(&table).find(black_box(&heads[turn]));
        assert!(found.is_some());
    })
}

/// One route for everything; the others half by host, half by prefix. All have these backends.
pub(crate) fn attached(count: usize, backends: &[BackendRef]) -> Vec<AttachedRoute> {
    let route = |name: &str, age, host, prefix: &str| route(name, age, host, prefix, backends);
    let mut routes = vec![route("all", 0, HostPattern::Any, "/")];
    for index in 0..count / 2 {
        let host = HostPattern::parse(&format!("host-{index}.example")).expect("a valid host");
        routes.push(route(&format!("host-{index}"), routes.len(), host, "/"));
        let prefix = format!("/prefix-{index}/v1");
        routes.push(route(&format!("prefix-{index}"), routes.len(), HostPattern::Any, &prefix));
    }
    routes
}

fn route(name: &str, age: usize, host: HostPattern, prefix: &str, backends: &[BackendRef]) -> AttachedRoute {
    let matched = RequestMatch { path: PathMatch::Prefix(prefix.into()), ..RequestMatch::default() };
    let rule = RouteRule { matches: vec![matched], backends: backends.to_vec(), ..RouteRule::default() };
    let name = ObjectName::new("default", name).expect("a valid name");
    let key = RouteKey { kind: RouteKind::Http, name };
    AttachedRoute {
        hostnames: vec![host],
        route: Arc::new(Route { key, age: age as u32, rules: vec![Arc::new(rule)] }),
    }
}

/// Half of the requests go by host, half by prefix; spread evenly over the routes.
pub(crate) fn request(turn: usize, routes: usize) -> String {
    let index = turn * (routes / 2) / REQUESTS;
    match turn % 2 {
        0 => format!("GET /prefix-{index}/v1/items HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
        _ => format!("GET /some/items HTTP/1.1\r\nHost: host-{index}.example\r\n\r\n"),
    }
}

fn head(text: &str) -> RequestHead {
    let mut head = RequestHead::new();
    let parsed = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
    assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
    head
}
