//! What did not change from one configuration to the next stays the same by pointer.

use crate::{AttachedRoute, AttachedStreamRoute, Config, Listener, Route, RouteKey, RouteRule, StreamRoute};
use std::collections::HashMap;
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
        let mut routes = Routes::new(former);
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

/// The routes of the former configuration, and what became of those of the next: one that is attached to several
/// listeners stays one.
struct Routes<'f> {
    former: HashMap<&'f RouteKey, &'f Arc<Route>>,
    former_streams: HashMap<&'f RouteKey, &'f Arc<StreamRoute>>,
    /// Of one key there may be several: through a Gateway with a certificate of its own for backends it goes to others.
    done: HashMap<RouteKey, Vec<Arc<Route>>>,
}

impl<'f> Routes<'f> {
    fn new(former: &'f Config) -> Self {
        let mut routes =
            Self { former: HashMap::new(), former_streams: HashMap::new(), done: HashMap::new() };
        for listener in &former.listeners {
            routes.former.extend(listener.routes.iter().map(|old| (&old.route.key, &old.route)));
            let streams = listener.stream_routes.iter();
            routes.former_streams.extend(streams.map(|old| (&old.route.key, &old.route)));
        }
        routes
    }

    fn reuse(&mut self, route: &mut Arc<Route>) {
        let Some(old) = self.former.get(&route.key) else { return };
        if *old == route {
            *route = Arc::clone(old);
            return;
        }
        let done = self.done.entry(route.key.clone()).or_default();
        if let Some(done) = done.iter().find(|done| *done == route) {
            *route = done.clone();
            return;
        }
        let mut new = Route::clone(route);
        for rule in &mut new.rules {
            // Not by number: some rules may not be served.
            let is_same = |former: &&Arc<RouteRule>| former == &rule;
            if let Some(former) = old.rules.iter().find(is_same) {
                *rule = former.clone();
            }
        }
        *route = Arc::new(new);
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
