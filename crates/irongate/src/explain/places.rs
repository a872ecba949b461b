//! Where things were written, as far as the resources are at hand.

use super::view::Setting;
use irongate_config::{BackendKey, ListenerKey, Position, RouteKey};
use irongate_translate::{FieldOrigin, PolicyField, Resources, RulePlace};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What policies say of which backend.
type Policies = BTreeMap<BackendKey, Vec<PolicyField>>;

/// What policies say of which rule.
type TrafficPolicies = BTreeMap<RulePlace, Arc<Vec<PolicyField>>>;

/// Finds lines and the origins of settings. A running gateway that has dropped its resources knows of none.
#[derive(Clone, Copy, Default)]
pub(crate) struct Places<'r> {
    resources: Option<(&'r Resources, &'r Policies)>,
    traffic: Option<&'r TrafficPolicies>,
}

impl<'r> Places<'r> {
    /// The places of these resources.
    pub(crate) fn of(resources: &'r Resources, policies: &'r Policies, traffic: &'r TrafficPolicies) -> Self {
        Self { resources: Some((resources, policies)), traffic: Some(traffic) }
    }

    /// A match of a rule, by their indices as written.
    pub(super) fn rule(self, route: &RouteKey, rule: usize, request_match: usize) -> Option<Position> {
        self.resources?.0.route_position(route, rule, request_match)
    }

    /// A field of a rule, `timeouts.request` or the like.
    pub(super) fn rule_field(self, route: &RouteKey, rule: usize, field: &str) -> Option<Position> {
        self.resources?.0.rule_field_position(route, rule, field)
    }

    /// What a backend reference of a rule names, by their indices as written.
    pub(super) fn backend_name(self, route: &RouteKey, rule: usize, backend: usize) -> Option<String> {
        self.resources?.0.backend_name(route, rule, backend)
    }

    pub(super) fn listener(self, listener: &ListenerKey) -> Option<Position> {
        self.resources?.0.listener_position(listener)
    }

    /// What policies say of a backend.
    pub(super) fn policy(self, backend: &BackendKey) -> Vec<Setting> {
        let fields = self.resources.and_then(|(resources, policies)| {
            policies.get(backend).map(|fields| resources.policy_settings(fields))
        });
        settings(fields)
    }

    /// What `TrafficPolicy`s say of a rule, on one listener.
    pub(super) fn traffic_policy(
        self,
        listener: &ListenerKey,
        route: &RouteKey,
        rule: usize,
    ) -> Vec<Setting> {
        let place = RulePlace { listener: listener.clone(), route: route.clone(), rule };
        let fields = self.traffic.and_then(|policies| policies.get(&place)).zip(self.resources);
        settings(fields.map(|(fields, (resources, _))| resources.traffic_settings(fields)))
    }

    /// What `GatewayParameters` say of a listener.
    pub(super) fn parameters(self, listener: &ListenerKey) -> Vec<Setting> {
        settings(self.resources.map(|(resources, _)| resources.gateway_settings(&listener.gateway)))
    }
}

fn settings(fields: Option<Vec<FieldOrigin>>) -> Vec<Setting> {
    let setting = |FieldOrigin { field, said }: FieldOrigin| {
        let mut said = said.into_iter().map(|said| Setting {
            field: field.clone(),
            value: said.value,
            from: Some(said.resource),
            position: Some(said.position),
            overridden: Vec::new(),
        });
        let mut first = said.next()?;
        first.overridden = said.collect();
        Some(first)
    };
    fields.unwrap_or_default().into_iter().filter_map(setting).collect()
}
