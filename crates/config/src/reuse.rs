//! What did not change from one configuration to the next stays the same by pointer.

use crate::{AttachedRoute, AttachedStreamRoute, Config, Listener, Route, RouteKey, RouteRule, StreamRoute};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Config {
    /// Puts the parts of a former configuration in the place of those that are equal to them: listeners, routes, rules
    /// and backends, each by its key. What is meant stays the same; whoever compiled the former one has only to look
    /// at pointers to see what is new.
    pub fn reuse(&mut self, former: &Self) {
        for (key, backend) in &mut self.backends {
            if let Some(old) = former.backends.get(key)
                && old == backend
            {
                *backend = old.clone();
            }
        }
        let mut routes = Routes::new(self, former);
        let listeners: HashMap<_, _> = former.listeners.iter().map(|old| (&old.key, old)).collect();
        for listener in &mut self.listeners {
            let new = Arc::make_mut(listener);
            new.routes.iter_mut().for_each(|attached| routes.reuse(&mut attached.route));
            new.stream_routes.iter_mut().for_each(|attached| routes.reuse_stream(&mut attached.route));
            if let Some(old) = listeners.get(&new.key).filter(|old| is_same_listener(old, new)) {
                *listener = Arc::clone(old);
            }
        }
    }
}

/// The routes of the former configuration that the next does not have by pointer already, and what became of those of
/// the next: one that is attached to several listeners stays one.
struct Routes<'f> {
    /// Those that both have: nearly all, where whoever made the next keeps what did not change.
    kept: HashSet<*const Route>,
    /// Of one key there may be several: what a policy for a listener asks, or a certificate for backends that a Gateway
    /// has, is in the routes that are served there.
    former: HashMap<&'f RouteKey, Vec<&'f Arc<Route>>>,
    former_streams: HashMap<&'f RouteKey, &'f Arc<StreamRoute>>,
    done: HashMap<RouteKey, Vec<Arc<Route>>>,
}

impl<'f> Routes<'f> {
    fn new(next: &Config, former: &'f Config) -> Self {
        let pointers = next.listeners.iter().flat_map(|listener| &listener.routes);
        let next: HashSet<*const Route> = pointers.map(|attached| Arc::as_ptr(&attached.route)).collect();
        let mut routes = Self {
            kept: HashSet::with_capacity(next.len()),
            former: HashMap::new(),
            former_streams: HashMap::new(),
            done: HashMap::new(),
        };
        for listener in &former.listeners {
            for AttachedRoute { route, .. } in &listener.routes {
                if next.contains(&Arc::as_ptr(route)) {
                    routes.kept.insert(Arc::as_ptr(route));
                } else {
                    let former = routes.former.entry(&route.key).or_default();
                    if !former.iter().any(|one| Arc::ptr_eq(one, route)) {
                        former.push(route);
                    }
                }
            }
            let streams = listener.stream_routes.iter();
            routes.former_streams.extend(streams.map(|old| (&old.route.key, &old.route)));
        }
        routes
    }

    fn reuse(&mut self, route: &mut Arc<Route>) {
        if self.kept.contains(&Arc::as_ptr(route)) {
            return;
        }
        let Some(olds) = self.former.get(&route.key) else { return };
        if let Some(old) = olds.iter().find(|old| **old == route) {
            *route = Arc::clone(old);
            return;
        }
        let done = self.done.entry(route.key.clone()).or_default();
        if let Some(done) = done.iter().find(|done| *done == route) {
            *route = done.clone();
            return;
        }
        // Not by number: some rules may not be served.
        let same = |rule: &Arc<RouteRule>| {
            let mut formers = olds.iter().flat_map(|old| &old.rules);
            formers.find(|former| *former == rule).unwrap_or(rule).clone()
        };
        let rules: Vec<_> = route.rules.iter().map(same).collect();
        if !rules.iter().zip(&route.rules).all(|(one, other)| Arc::ptr_eq(one, other)) {
            *route = Arc::new(Route { key: route.key.clone(), age: route.age, rules });
        }
        done.push(route.clone());
    }

    fn reuse_stream(&self, route: &mut Arc<StreamRoute>) {
        if let Some(old) = self.former_streams.get(&route.key)
            && *old == route
        {
            *route = Arc::clone(old);
        }
    }
}

/// Whether two listeners are equal, once their routes are the same by pointer where they are equal.
fn is_same_listener(one: &Listener, other: &Listener) -> bool {
    let Listener { key, addresses, protocol, hostname, options, tls, routes, stream_routes } = one;
    let is_same = |(one, other): (&AttachedRoute, &AttachedRoute)| {
        Arc::ptr_eq(&one.route, &other.route) && one.hostnames == other.hostnames
    };
    let is_same_stream = |(one, other): (&AttachedStreamRoute, &AttachedStreamRoute)| {
        Arc::ptr_eq(&one.route, &other.route) && one.hostnames == other.hostnames
    };
    *key == other.key
        && *addresses == other.addresses
        && *protocol == other.protocol
        && *hostname == other.hostname
        && *options == other.options
        && *tls == other.tls
        && routes.len() == other.routes.len()
        && routes.iter().zip(&other.routes).all(is_same)
        && stream_routes.len() == other.stream_routes.len()
        && stream_routes.iter().zip(&other.stream_routes).all(is_same_stream)
}
