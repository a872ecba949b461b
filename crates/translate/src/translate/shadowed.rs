//! Matches that never decide anything, since another one always wins.
//!
//! Among the matches of one host and one path, those with more conditions come first. So one that comes first can only
//! hide another whose conditions are the same: of equal ones the older route's wins, then the first in the route. And a
//! pattern that fits every path, without conditions, hides all prefixes of its host, since patterns come before
//! prefixes. Each is one look into a map, so that the work grows with the number of matches.

use crate::kinds::{GrpcRoute, HttpRoute, Kind};
use crate::problems::{Subject, UnplacedProblems};
use crate::resources::{Origin, Resources};
use crate::yaml::path::{At, FieldPath};
use foldhash::fast::RandomState;
use irongate_config::{
    FieldMatch, HostPattern, Listener, ObjectName, PathMatch, Position, RequestMatch, RouteKey, RouteKind,
    Severity,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Patterns that fit every path.
const EVERYTHING: &[&str] = &[".*", "/.*", "^.*", "^/.*", ".*$", "/.*$", "^.*$", "^/.*$"];

/// One match: its route, and the places of its rule and of itself as they were written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place<'c> {
    route: &'c RouteKey,
    rule: usize,
    request_match: usize,
}

/// What decides whether two matches fit the same requests.
#[derive(PartialEq, Eq, Hash)]
struct Conditions<'c> {
    host: &'c HostPattern,
    path: &'c PathMatch,
    method: Option<&'c str>,
    headers: Vec<&'c FieldMatch>,
    query: Vec<&'c FieldMatch>,
}

impl<'c> Conditions<'c> {
    fn of(host: &'c HostPattern, one: &'c RequestMatch) -> Self {
        let sorted = |fields: &'c [FieldMatch]| {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable();
            fields
        };
        let (headers, query) = (sorted(&one.headers), sorted(&one.query));
        Self { host, path: &one.path, method: one.method.as_deref(), headers, query }
    }
}

/// Tells of each match that never wins, on whatever listener and for whatever host.
pub(super) fn check(listeners: &[Arc<Listener>], resources: &Resources, problems: &mut UnplacedProblems) {
    let seen: Vec<_> = listeners.iter().map(|listener| look(listener)).collect();
    let mut hidden: BTreeMap<Place<'_>, Place<'_>> = BTreeMap::new();
    for (place, winner) in seen.iter().flatten() {
        if let Some(winner) = winner {
            hidden.insert(*place, *winner);
        }
    }
    if hidden.is_empty() {
        return;
    }
    // One that wins somewhere is not hidden, whatever happens elsewhere.
    for (place, _) in seen.iter().flatten().filter(|(_, winner)| winner.is_none()) {
        hidden.remove(place);
    }
    let origins = origins(resources);
    let positions = positions(hidden.values().copied(), &origins, resources);
    for (place, winner) in hidden {
        let RouteKey { kind, name } = place.route;
        let Some((kind, origin)) = origins.get(&(*kind, name)).copied() else { continue };
        let at_winner = positions.get(&winner).map(|position| format!(" ({position})")).unwrap_or_default();
        let message = format!(
            "never decides anything: {}{at_winner} fits the same requests and always wins",
            described(&winner, place.route == winner.route)
        );
        let advice = "Remove one of the two, or tell them apart by another condition.";
        with_place(&place, |at| {
            let subject = Subject { kind, name, origin };
            problems.push_about(Severity::Warning, subject, at, "Shadowed", (message.as_str(), advice));
        });
    }
}

/// The name of a route's kind, and where it was written.
type Origins<'r> = HashMap<(RouteKind, &'r ObjectName), (&'static str, Origin)>;

fn origins(resources: &Resources) -> Origins<'_> {
    let http = resources.http_routes.iter();
    let http = http.map(|one| ((RouteKind::Http, &one.name), (HttpRoute::KIND, one.origin)));
    let grpc = resources.grpc_routes.iter();
    let grpc = grpc.map(|one| ((RouteKind::Grpc, &one.name), (GrpcRoute::KIND, one.origin)));
    http.chain(grpc).collect()
}

/// For each match of a listener, host by host, who hides it; `None` where it wins.
fn look(listener: &Listener) -> Vec<(Place<'_>, Option<Place<'_>>)> {
    let mut routes: Vec<_> = listener.routes.iter().collect();
    routes.sort_by_key(|attached| attached.route.age);
    let room = routes.len();
    let mut first: HashMap<Conditions<'_>, Place<'_>, RandomState> =
        HashMap::with_capacity_and_hasher(room, RandomState::default());
    let mut everything: HashMap<&HostPattern, Place<'_>, RandomState> = HashMap::default();
    let mut matches = Vec::with_capacity(room);
    for attached in routes {
        for rule in &attached.route.rules {
            for (request_match, one) in rule.matches.iter().enumerate() {
                let place = Place { route: &attached.route.key, rule: rule.place, request_match };
                for host in &attached.hostnames {
                    matches.push((host, one, place));
                    if fits_everything(one) {
                        everything.entry(host).or_insert(place);
                    }
                }
            }
        }
    }
    let winner = |(host, one, place)| {
        let equal = *first.entry(Conditions::of(host, one)).or_insert(place);
        let winner = if equal != place {
            Some(equal)
        } else if let PathMatch::Prefix(_) = one.path {
            everything.get(host).copied()
        } else {
            None
        };
        (place, winner)
    };
    matches.into_iter().map(winner).collect()
}

fn fits_everything(one: &RequestMatch) -> bool {
    let is_bare = one.method.is_none() && one.headers.is_empty() && one.query.is_empty();
    is_bare && matches!(&one.path, PathMatch::Regex(pattern) if EVERYTHING.contains(&&**pattern))
}

fn described(winner: &Place<'_>, is_same_route: bool) -> String {
    let Place { route, rule, request_match } = winner;
    let field = format!("spec.rules[{rule}].matches[{request_match}]");
    if is_same_route { field } else { format!("{field} of {route}") }
}

fn with_place(place: &Place<'_>, then: impl FnOnce(&At<'_>)) {
    let at = At::Root.field("spec");
    let at = at.field("rules");
    let at = at.index(place.rule);
    let at = at.field("matches");
    then(&at.index(place.request_match));
}

/// Where the winners are written: each document is read once.
fn positions<'c>(
    winners: impl Iterator<Item = Place<'c>>,
    origins: &Origins<'_>,
    resources: &Resources,
) -> HashMap<Place<'c>, Position> {
    let mut by_document: BTreeMap<u32, Vec<(Place<'c>, FieldPath)>> = BTreeMap::new();
    for winner in winners {
        if let Some((_, origin)) = origins.get(&(winner.route.kind, &winner.route.name)) {
            let list = by_document.entry(origin.document).or_default();
            with_place(&winner, |at| list.push((winner, at.to_path())));
        }
    }
    let mut positions = HashMap::new();
    for (document, list) in by_document {
        let Some(place) = resources.documents.get(document as usize) else { continue };
        let fields = list.iter().filter_map(|(winner, path)| {
            Some((origins.get(&(winner.route.kind, &winner.route.name))?.1, path))
        });
        let found = place.find(fields);
        positions.extend(list.iter().map(|(winner, _)| *winner).zip(found));
    }
    positions
}
