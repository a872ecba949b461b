//! What came out the last time, of which the next time may use what still holds.
//!
//! A route's rules say what the route says, which backends its references come to, and how sessions stay with them; nothing
//! else. So they hold as long as the object is the same and each of its references still comes to the same backend with the
//! same sessions, which is worked out anew each time. Whoever lets anything else decide about a rule has to ask for it in [`FormerRoutes::find`], too, or leave
//! such routes out of [`FormerRoutes::keep`]: those of which there is anything to be told, those with a regular expression
//! (all of them share a bound), and those to whose backends TLS is spoken.

use super::backends::Backends;
use super::index::Index;
use super::references::{Reference, Resolver};
use super::regex::Sizes;
use crate::kinds::RouteObject;
use crate::problems::UnplacedProblems;
use crate::resources::{Declared, Object};
use foldhash::fast::RandomState;
use irongate_config::{BackendTarget, ObjectName, Route, RouteRule};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// What a translation leaves for the next one.
#[derive(Debug, Default)]
pub(super) struct Former {
    pub(super) routes: FormerRoutes,
    pub(super) regexes: Sizes,
}

/// Routes of requests, by the address of the object that each was made of.
#[derive(Debug, Default)]
pub(super) struct FormerRoutes {
    by_object: HashMap<usize, FormerRoute, RandomState>,
}

#[derive(Debug)]
struct FormerRoute {
    /// Held, so that no other object can have its address.
    _object: Arc<dyn Any + Send + Sync>,
    route: Arc<Route>,
}

impl FormerRoutes {
    pub(super) fn with_capacity(routes: usize) -> Self {
        Self { by_object: HashMap::with_capacity_and_hasher(routes, RandomState::default()) }
    }

    /// The route that an object came to the last time, if working it out again would come to the same rules.
    pub(super) fn find<'r, K: RouteObject>(
        &'r self,
        object: &'r Object<K>,
        index: &Index<'r>,
        backends: &mut Backends<'r>,
        problems: &mut UnplacedProblems,
    ) -> Option<&'r Arc<Route>> {
        let route = &self.by_object.get(&address(object.declared()))?.route;
        let mut resolver = Resolver::new(object, index, backends, problems);
        let is_same = route.rules.iter().flat_map(|rule| rule.targets()).all(|key| {
            let target = resolver.resolve(&Reference::of_key(key));
            matches!(target, Ok(BackendTarget::Backend(found)) if found == *key)
        });
        // Policies of backends say how sessions stay with their instances.
        let keeps_sessions = |rule: &Arc<RouteRule>| {
            let session = |target| resolver.backend_session(target).filter(|_| rule.session.is_none());
            rule.backends.iter().all(|backend| session(&backend.target) == backend.session)
        };
        let is_same = is_same && resolver.secured.is_empty() && route.rules.iter().all(keeps_sessions);
        is_same.then_some(route)
    }

    /// Keeps what an object came to.
    pub(super) fn keep<K: RouteObject>(&mut self, object: &Object<K>, route: &Arc<Route>) {
        let declared = object.declared();
        let kept = FormerRoute { _object: declared.clone(), route: route.clone() };
        self.by_object.insert(address(declared), kept);
    }
}

fn address<K>(declared: &Arc<Declared<K, ObjectName>>) -> usize {
    Arc::as_ptr(declared).addr()
}
