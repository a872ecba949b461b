//! What policies can be for, and what they name.

use super::{Target, TargetKind};
use crate::kinds::{GATEWAY_GROUP, PolicyTargetReference, Text};
use crate::resources::Resources;
use std::collections::HashMap;

/// What there is that policies can be for: the names of its listeners or rules.
pub(super) struct Targets<'r> {
    known: HashMap<(TargetKind, &'r str, &'r str), Vec<&'r str>>,
}

impl<'r> Targets<'r> {
    pub(super) fn new(resources: &'r Resources) -> Self {
        fn names<'n>(rules: impl Iterator<Item = &'n Option<Text>>) -> Vec<&'n str> {
            rules.filter_map(|name| name.as_deref()).collect()
        }
        let mut known = HashMap::new();
        for object in &resources.gateways {
            let names = object.body.spec.listeners.iter().map(|listener| &*listener.name).collect();
            known.insert((TargetKind::Gateway, object.name.namespace(), object.name.name()), names);
        }
        for object in &resources.http_routes {
            let rules = names(object.body.spec.rules.iter().map(|rule| &rule.name));
            known.insert((TargetKind::Http, object.name.namespace(), object.name.name()), rules);
        }
        for object in &resources.grpc_routes {
            let rules = names(object.body.spec.rules.iter().map(|rule| &rule.name));
            known.insert((TargetKind::Grpc, object.name.namespace(), object.name.name()), rules);
        }
        Self { known }
    }

    /// What a reference of a policy names.
    pub(super) fn find(
        &self,
        reference: &'r PolicyTargetReference,
        namespace: &'r str,
    ) -> Result<Target<'r>, (&'static str, (String, String))> {
        let kinds = [TargetKind::Gateway, TargetKind::Http, TargetKind::Grpc];
        let is_meant = |kind: &TargetKind| *reference.kind == *kind.as_str();
        let Some(kind) = kinds.into_iter().find(is_meant).filter(|_| *reference.group == *GATEWAY_GROUP)
        else {
            let message = format!(
                "a {} of the group `{}` cannot be the target of a TrafficPolicy",
                reference.kind, reference.group
            );
            let advice =
                format!("Name a Gateway, an HTTPRoute or a GRPCRoute, each of the group {GATEWAY_GROUP}.");
            return Err(("InvalidKind", (message, advice)));
        };
        let name = &*reference.name;
        let Some(sections) = self.known.get(&(kind, namespace, name)) else {
            let message = format!("there is no {} {namespace}/{name}", kind.as_str());
            return Err((
                "TargetNotFound",
                (message, "A policy is for targets in its own namespace.".into()),
            ));
        };
        let section = reference.section_name.as_deref().filter(|section| !section.is_empty());
        if let Some(section) = section.filter(|section| !sections.contains(section)) {
            let part = if kind == TargetKind::Gateway { "listener" } else { "rule" };
            let message = format!("{} {namespace}/{name} has no {part} named `{section}`", kind.as_str());
            return Err(("TargetNotFound", (message, crate::nearest::advice(section, sections))));
        }
        Ok((kind, namespace, name, section))
    }
}
