//! The rules of an `HTTPRoute`.
//!
//! A filter that is not served is never skipped: requests of its rule are answered with 500, as Gateway API asks
//! of custom filters that cannot be resolved. A rule whose regular expression cannot be used is dropped.
//! Either way the route is accepted with `PartiallyInvalid` while it has another rule that is whole, and
//! otherwise not accepted (`UnsupportedValue`).

use super::backends::Backends;
use super::filters::{self, Failing};
use super::gateways::Fault;
use super::index::Index;
use super::matches;
use super::references::{Reference, Resolver};
use super::regex::Regexes;
use crate::kinds::{HttpRoute, HttpRouteRule};
use crate::problems::UnplacedProblems;
use crate::resources::Object;
use crate::yaml::path::At;
use irongate_config::{BackendRef, RetryPolicy, RouteRule, RouteTimeouts};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// What became of a route's rules.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) rules: Vec<Arc<RouteRule>>,
    /// Why the route is not accepted, wherever it attaches.
    pub(super) fault: Option<Fault>,
    /// The first reference that does not resolve.
    pub(super) unresolved: Option<Fault>,
    /// Which rules are not served as they were written.
    pub(super) partially_invalid: Option<String>,
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

pub(super) fn translate<'r>(
    object: &'r Object<HttpRoute>,
    index: &Index<'r>,
    backends: &mut Backends<'r>,
    regexes: &mut Regexes<'r>,
    problems: &mut UnplacedProblems,
) -> Outcome {
    let resolver = Resolver::new(object, index, backends, problems);
    let mut translator = Translator { resolver, regexes };
    let at = At::Root.field("spec");
    let at = at.field("rules");
    let mut outcome = Outcome::default();
    let (mut dropped, mut failing) = (Vec::new(), Vec::new());
    for (place, rule) in object.body.spec.rules.iter().enumerate() {
        match translator.rule(rule, &at.index(place)) {
            Rule::Whole(rule) => outcome.rules.push(Arc::new(RouteRule { place, ..rule })),
            Rule::Failing(rule) => {
                outcome.rules.push(Arc::new(RouteRule { place, ..rule }));
                failing.push(place.to_string());
            }
            Rule::Dropped => dropped.push(place.to_string()),
        }
    }
    outcome.unresolved = translator.resolver.unresolved;
    let count = dropped.len() + failing.len();
    if count > 0 {
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
        if count == object.body.spec.rules.len() {
            outcome.fault = Some(Fault::new("UnsupportedValue", message));
        } else {
            outcome.partially_invalid = Some(message);
        }
    }
    outcome
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
    fn rule(&mut self, rule: &'r HttpRouteRule, at: &At<'_>) -> Rule {
        let matches = matches::translate(self, &rule.matches, &at.field("matches"));
        let filters = filters::translate(self, &rule.filters, &at.field("filters"));
        let mut failing = filters.as_ref().err().copied();
        let mut backends = Vec::with_capacity(rule.backend_refs.len());
        let list = at.field("backendRefs");
        for (place, backend) in rule.backend_refs.iter().enumerate() {
            let at = list.index(place);
            let target = self.target(&Reference::of_backend(backend), &at);
            match filters::translate(self, &backend.filters, &at.field("filters")) {
                Ok(filters) => backends.push(BackendRef { weight: backend.weight, target, filters }),
                Err(other) => failing = Some(failing.map_or(other, |failing| failing.worse(other))),
            }
        }
        let Some(matches) = matches else { return Rule::Dropped };
        let name = rule.name.clone();
        if let Some(failing) = failing {
            let rule = RouteRule { name, matches, ..RouteRule::default() };
            // Whose reference does not resolve is valid all the same.
            return if failing == Failing::Unresolved { Rule::Whole(rule) } else { Rule::Failing(rule) };
        }
        let timeouts = rule.timeouts.as_ref().map_or_else(RouteTimeouts::default, |timeouts| RouteTimeouts {
            request: timeouts.request.map(|duration| duration.0),
            backend_request: timeouts.backend_request.map(|duration| duration.0),
        });
        let retry = rule.retry.as_ref().map(|retry| RetryPolicy {
            // The API leaves it to implementations how often when only codes are named: once.
            attempts: retry.attempts.unwrap_or(1),
            codes: retry.codes.clone(),
            backoff: retry.backoff.map(|duration| duration.0),
        });
        let filters = filters.unwrap_or_default();
        Rule::Whole(RouteRule { place: 0, name, matches, filters, backends, timeouts, retry })
    }
}
