//! The rule of a `TLSRoute`, a `TCPRoute` or a `UDPRoute`.

use super::backends::Backends;
use super::index::Index;
use super::references::{Reference, Resolver};
use super::rules::Outcome;
use crate::kinds::StreamRouteObject;
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{BackendRef, RouteKey, StreamRoute};

/// The route, and what became of its references. It was checked on reading that it has one rule.
pub(super) fn translate<'r, K: StreamRouteObject>(
    object: &'r Object<K>,
    age: u32,
    index: &Index<'r>,
    backends: &mut Backends<'r>,
    problems: &mut UnplacedProblems,
) -> (StreamRoute, Outcome<'r>) {
    let mut resolver = Resolver::new(object, index, backends, problems);
    let key = RouteKey { kind: K::ROUTE_KIND, name: object.name.clone() };
    let mut route = StreamRoute { key, age, rule: None, backends: Vec::new() };
    let at = At::Root.field("spec");
    let at = at.field("rules");
    if let Some(rule) = object.body.rules().first() {
        route.rule.clone_from(&rule.name);
        let at = at.index(0);
        let at = at.field("backendRefs");
        for (place, backend) in rule.backend_refs.iter().enumerate() {
            let target = resolver.target(&Reference::of_stream(backend), &at.index(place));
            route.backends.push(BackendRef {
                weight: backend.weight,
                target,
                filters: Vec::new(),
                session: None,
            });
        }
    }
    let Resolver { unresolved, secured, .. } = resolver;
    (route, Outcome { unresolved, secured, ..Outcome::default() })
}
