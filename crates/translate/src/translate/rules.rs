//! The rules of an `HTTPRoute` or a `GRPCRoute`.
//!
//! A filter that is not served is never skipped: requests of its rule are answered with 500, as Gateway API asks
//! of custom filters that cannot be resolved. A rule whose regular expression cannot be used is dropped.
//! Either way the route is accepted with `PartiallyInvalid` while it has another rule that is whole, and
//! otherwise not accepted (`UnsupportedValue`).

use super::backends::{Backends, Place};
use super::filters::{self, Failing};
use super::gateways::Fault;
use super::index::Index;
use super::matches;
use super::references::{Reference, Resolver};
use super::regex::Regexes;
use super::sessions::{self, of_rule};
use crate::kinds::{GrpcRoute, GrpcRouteFilter, HttpRoute, HttpRouteFilter, HttpRouteRule, Kind as _, Text};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{
    BackendRef, BackendTarget, RequestMatch, RetryPolicy, RouteRule, RouteTimeouts, SessionPersistence,
};
use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// What became of a route's rules.
#[derive(Default)]
pub(super) struct Outcome<'r> {
    pub(super) rules: Vec<Arc<RouteRule>>,
    /// Why the route is not accepted, wherever it attaches.
    pub(super) fault: Option<Fault>,
    /// The first reference that does not resolve.
    pub(super) unresolved: Option<Fault>,
    /// Which rules are not served as they were written.
    pub(super) partially_invalid: Option<String>,
    /// The backends for which a policy says how TLS is begun.
    pub(super) secured: BTreeSet<Place<'r>>,
}

impl Outcome<'_> {
    /// Whether it is all in the rules, and each reference comes to a backend to which TLS is not spoken by a policy.
    pub(super) fn is_plain(&self) -> bool {
        let Self { rules, fault, unresolved, partially_invalid, secured } = self;
        let mut backends = rules.iter().flat_map(|rule| &rule.backends);
        fault.is_none()
            && unresolved.is_none()
            && partially_invalid.is_none()
            && secured.is_empty()
            && backends.all(|backend| matches!(backend.target, BackendTarget::Backend(_)))
    }
}

/// A route that is translated, and what that needs.
pub(super) struct Translator<'t, 'r> {
    resolver: Resolver<'t, 'r>,
    pub(super) regexes: &'t mut Regexes<'r>,
}

impl<'t, 'r> Deref for Translator<'t, 'r> {
    type Target = Resolver<'t, 'r>;

    fn deref(&self) -> &Self::Target {
        &self.resolver
    }
}

impl DerefMut for Translator<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.resolver
    }
}

/// Translates the rules of an `HTTPRoute`.
pub(super) fn of_http<'r>(
    object: &'r Object<HttpRoute>,
    index: &Index<'r>,
    backends: &mut Backends<'r>,
    regexes: &mut Regexes<'r>,
    problems: &mut UnplacedProblems,
) -> Outcome<'r> {
    let resolver = Resolver::new(object, index, backends, problems);
    let translator = Translator { resolver, regexes };
    let rules = &object.body.spec.rules;
    let route = (HttpRoute::KIND, &object.name);
    translator.outcome(rules, |translator, rule, at| {
        let place = rules.iter().position(|one| std::ptr::eq(one, rule));
        let matches = matches::of_http(translator, &rule.matches, &at.field("matches"));
        let backends = rule.backend_refs.iter().map(|backend| BackendParts {
            reference: Reference::of_backend(backend),
            weight: backend.weight,
            filters: backend.filters.iter().collect(),
        });
        let parts = Parts {
            name: rule.name.clone(),
            filters: rule.filters.iter().collect(),
            backends: backends.collect(),
            timeouts: timeouts(rule),
            retry: retry(rule),
            session: of_rule(rule.session_persistence.as_deref(), sessions::path(rule), route, place),
        };
        translator.rule(matches, parts, at)
    })
}

/// Translates the rules of a `GRPCRoute`.
pub(super) fn of_grpc<'r>(
    object: &'r Object<GrpcRoute>,
    index: &Index<'r>,
    backends: &mut Backends<'r>,
    regexes: &mut Regexes<'r>,
    problems: &mut UnplacedProblems,
) -> Outcome<'r> {
    let resolver = Resolver::new(object, index, backends, problems);
    let translator = Translator { resolver, regexes };
    let rules = &object.body.spec.rules;
    let route = (GrpcRoute::KIND, &object.name);
    translator.outcome(rules, |translator, rule, at| {
        let place = rules.iter().position(|one| std::ptr::eq(one, rule));
        let matches = matches::of_grpc(translator, &rule.matches, &at.field("matches"));
        let backends = rule.backend_refs.iter().map(|backend| BackendParts {
            reference: Reference::of_backend(backend),
            weight: backend.weight,
            filters: backend.filters.iter().map(|GrpcRouteFilter(filter)| filter).collect(),
        });
        let parts = Parts {
            name: rule.name.clone(),
            filters: rule.filters.iter().map(|GrpcRouteFilter(filter)| filter).collect(),
            backends: backends.collect(),
            timeouts: RouteTimeouts::default(),
            retry: None,
            session: of_rule(rule.session_persistence.as_deref(), "/", route, place),
        };
        translator.rule(matches, parts, at)
    })
}

fn timeouts(rule: &HttpRouteRule) -> RouteTimeouts {
    rule.timeouts.as_ref().map_or_else(RouteTimeouts::default, |timeouts| RouteTimeouts {
        request: timeouts.request.map(|duration| duration.0),
        backend_request: timeouts.backend_request.map(|duration| duration.0),
    })
}

fn retry(rule: &HttpRouteRule) -> Option<RetryPolicy> {
    rule.retry.as_ref().map(|retry| RetryPolicy {
        // The API leaves it to implementations how often when only codes are named: once.
        attempts: retry.attempts.unwrap_or(1),
        codes: retry.codes.clone(),
        backoff: retry.backoff.map(|duration| duration.0),
        ..RetryPolicy::default()
    })
}

/// A rule, apart from its matches, whatever kind of route it stands in.
struct Parts<'r> {
    name: Option<Text>,
    filters: Vec<&'r HttpRouteFilter>,
    backends: Vec<BackendParts<'r>>,
    timeouts: RouteTimeouts,
    retry: Option<RetryPolicy>,
    session: Option<Arc<SessionPersistence>>,
}

struct BackendParts<'r> {
    reference: Reference<'r>,
    weight: u32,
    filters: Vec<&'r HttpRouteFilter>,
}

/// What became of one rule.
enum Rule {
    Whole(RouteRule),
    /// Its requests are answered with 500.
    Failing(RouteRule),
    /// It cannot be matched.
    Dropped,
}

impl<'r> Translator<'_, 'r> {
    /// Translates rules one after the other.
    fn outcome<R>(
        mut self,
        rules: &'r [R],
        mut one: impl FnMut(&mut Self, &'r R, &At<'_>) -> Rule,
    ) -> Outcome<'r> {
        let at = At::Root.field("spec");
        let at = at.field("rules");
        let mut outcome = Outcome::default();
        let (mut dropped, mut failing) = (Vec::new(), Vec::new());
        for (place, rule) in rules.iter().enumerate() {
            match one(&mut self, rule, &at.index(place)) {
                Rule::Whole(rule) => outcome.rules.push(Arc::new(RouteRule { place, ..rule })),
                Rule::Failing(rule) => {
                    outcome.rules.push(Arc::new(RouteRule { place, ..rule }));
                    failing.push(place.to_string());
                }
                Rule::Dropped => dropped.push(place.to_string()),
            }
        }
        outcome.unresolved = self.resolver.unresolved;
        outcome.secured = self.resolver.secured;
        let count = dropped.len() + failing.len();
        if count == 0 {
            return outcome;
        }
        let mut texts = Vec::new();
        if !dropped.is_empty() {
            let rules = dropped.join(", ");
            texts.push(format!("Dropped Rule(s) {rules}: a regular expression cannot be used"));
        }
        if !failing.is_empty() {
            // The API wants the message to begin with these words, whatever becomes of requests.
            let rules = failing.join(", ");
            texts.push(format!(
                "Dropped Rule(s) {rules}: a filter is not served, requests are answered with 500"
            ));
        }
        let message = texts.join(". ");
        if count == rules.len() {
            outcome.fault = Some(Fault::new("UnsupportedValue", message));
        } else {
            outcome.partially_invalid = Some(message);
        }
        outcome
    }

    fn rule(&mut self, matches: Option<Vec<RequestMatch>>, parts: Parts<'r>, at: &At<'_>) -> Rule {
        let Parts { name, filters, backends: references, timeouts, retry, session } = parts;
        let filters = filters::translate(self, &filters, &at.field("filters"));
        let mut failing = filters.as_ref().err().copied();
        let mut backends = Vec::with_capacity(references.len());
        let list = at.field("backendRefs");
        for (place, backend) in references.into_iter().enumerate() {
            let at = list.index(place);
            let target = self.target(&backend.reference, &at);
            match filters::translate(self, &backend.filters, &at.field("filters")) {
                Ok(filters) => {
                    // What a rule says counts before what a policy says of its backends.
                    let session = self.backend_session(&target).filter(|_| session.is_none());
                    backends.push(BackendRef { weight: backend.weight, target, filters, session });
                }
                Err(other) => failing = Some(failing.map_or(other, |failing| failing.worse(other))),
            }
        }
        let Some(matches) = matches else { return Rule::Dropped };
        if let Some(failing) = failing {
            let rule = RouteRule { name, matches, ..RouteRule::default() };
            // Whose reference does not resolve is valid all the same.
            return if failing == Failing::Unresolved { Rule::Whole(rule) } else { Rule::Failing(rule) };
        }
        let filters = filters.unwrap_or_default();
        Rule::Whole(RouteRule {
            place: 0,
            name,
            matches,
            filters,
            backends,
            timeouts,
            retry,
            session,
            traffic: None,
        })
    }
}
