//! `BackendPolicy`s: which fields of which policy count for a backend.
//!
//! Field by field, the first policy that says a field counts: one for the port of a Service before one for the whole
//! Service, then the older before the younger, then by name. What no policy says has its default.

mod fields;

use super::backends::{Backends, Purpose};
use super::index::Index;
use super::precedence::{self, Field, FieldPolicy, PolicyField};
use super::sessions::default_name;
use crate::kinds::{
    Backend, BackendPolicy, BackendPolicySpec, CORE_GROUP, IRONGATE_GROUP, Kind, PolicyTargetReference,
    Service,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{BackendKind, BackendOptions, ObjectName, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a policy is for: kind, namespace, name, and the name of a port.
type Target<'r> = (BackendKind, &'r str, &'r str, Option<&'r str>);

/// The policies by what they are for, each list with the older first.
pub(super) struct Policies<'r> {
    by_target: BTreeMap<Target<'r>, Vec<&'r Object<BackendPolicy>>>,
    /// What holds where no policy says anything; shared by nearly all backends.
    defaults: Arc<BackendOptions>,
}

/// How a backend is treated, and who says so.
pub(super) struct Chosen {
    pub(super) options: Arc<BackendOptions>,
    pub(super) fields: Vec<PolicyField>,
}

impl FieldPolicy for BackendPolicy {
    type Spec = BackendPolicySpec;
    type Options = BackendOptions;
    const FIELDS: &'static [Field<BackendPolicySpec, BackendOptions>] = fields::FIELDS;

    fn spec(&self) -> &BackendPolicySpec {
        &self.spec
    }
}

impl<'r> Policies<'r> {
    pub(super) fn new(resources: &'r Resources, index: &Index<'r>, problems: &mut UnplacedProblems) -> Self {
        let mut objects: Vec<_> = resources.backend_policies.iter().collect();
        objects.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut by_target: BTreeMap<Target<'r>, Vec<_>> = BTreeMap::new();
        let at = At::Root.field("spec");
        let targets = at.field("targetRefs");
        for object in objects {
            for (place, reference) in object.body.spec.target_refs.iter().enumerate() {
                match target(reference, object.name.namespace(), index) {
                    Ok(target) => by_target.entry(target).or_default().push(object),
                    Err((reason, text)) => {
                        let at = targets.index(place);
                        problems.push(Severity::Error, (BackendPolicy::KIND, object), &at, reason, text);
                    }
                }
            }
        }
        for (target, list) in &by_target {
            let (_, _, name, port) = target;
            let target = port.map_or_else(|| (*name).to_owned(), |port| format!("port `{port}` of {name}"));
            precedence::tell_losers(&target, list, problems);
        }
        let policies = Self { by_target, defaults: Arc::default() };
        for (kind, namespace, name, port) in policies.by_target.keys() {
            let order = policies.order(*kind, namespace, name, *port);
            check_times(&order, name, problems);
        }
        policies
    }

    /// The policies for a backend, the first the one that counts most.
    fn order(
        &self,
        kind: BackendKind,
        namespace: &str,
        name: &str,
        port: Option<&str>,
    ) -> Vec<&'r Object<BackendPolicy>> {
        let of = |port| self.by_target.get(&(kind, namespace, name, port)).map_or(&[][..], Vec::as_slice);
        let specific = if port.is_some() { of(port) } else { &[] };
        [specific, of(None)].concat()
    }

    /// How a backend is treated.
    pub(super) fn choose(&self, kind: BackendKind, name: &ObjectName, port: Option<&str>) -> Chosen {
        let order = self.order(kind, name.namespace(), name.name(), port);
        if order.is_empty() {
            return Chosen { options: self.defaults.clone(), fields: Vec::new() };
        }
        let (mut options, chosen) = precedence::choose(&order);
        // A first time out that is longer than the longest was told of.
        options.ejection.base_time = options.ejection.base_time.min(options.ejection.max_time);
        if let Some(session) = options.session.as_mut().map(Arc::make_mut).filter(|one| one.name.is_empty()) {
            session.name = default_name(&format!("{kind:?} {name}")).into();
        }
        Chosen { options: Arc::new(options), fields: chosen }
    }

    /// Makes a backend of everything that a policy names, referred to or not: its health is worth seeing.
    pub(super) fn resolve_targets(
        resources: &'r Resources,
        index: &Index<'r>,
        backends: &mut Backends<'r>,
        problems: &mut UnplacedProblems,
    ) {
        for object in &resources.backend_policies {
            for reference in &object.body.spec.target_refs {
                let Ok((kind, namespace, name, port)) = target(reference, object.name.namespace(), index)
                else {
                    continue;
                };
                let ports: Vec<u16> = match index.services.get(&(namespace, name)) {
                    Some(service) if kind == BackendKind::Service => {
                        let ports = service.body.spec.ports.iter().filter(|one| one.is_tcp());
                        ports
                            .filter(|one| port.is_none_or(|port| one.name() == port))
                            .map(|one| one.port)
                            .collect()
                    }
                    _ => vec![0],
                };
                for port in ports {
                    let place = (kind, namespace, name, port);
                    if !backends.is_mentioned(place) {
                        // A port that is not spoken is no problem until a route refers to it.
                        let _ = backends.resolve(place, Purpose::Http, problems);
                    }
                }
            }
        }
    }
}

/// What a reference of a policy names.
fn target<'r>(
    reference: &'r PolicyTargetReference,
    namespace: &'r str,
    index: &Index<'r>,
) -> Result<Target<'r>, (&'static str, (String, String))> {
    let not_found = |message: String, advice: String| Err(("TargetNotFound", (message, advice)));
    let name = &*reference.name;
    let port = reference.section_name.as_deref();
    match (&*reference.group, &*reference.kind) {
        (CORE_GROUP, Service::KIND) => {
            let Some(service) = index.services.get(&(namespace, name)) else {
                let advice = "A policy is for targets in its own namespace.".into();
                return not_found(format!("there is no Service {namespace}/{name}"), advice);
            };
            let names: Vec<&str> = service.body.spec.ports.iter().map(|one| one.name()).collect();
            match port.filter(|port| !names.contains(port)) {
                Some(port) => {
                    let message = format!("Service {namespace}/{name} has no port named `{port}`");
                    not_found(message, crate::nearest::advice(port, &names))
                }
                None => Ok((BackendKind::Service, namespace, name, port)),
            }
        }
        (IRONGATE_GROUP, Backend::KIND) => {
            if !index.backends.contains_key(&(namespace, name)) {
                let advice = "A policy is for targets in its own namespace.".into();
                return not_found(format!("there is no Backend {namespace}/{name}"), advice);
            }
            match port {
                Some(_) => not_found("a Backend has no sections".into(), "Remove sectionName.".into()),
                None => Ok((BackendKind::Backend, namespace, name, None)),
            }
        }
        (group, kind) => {
            let message = format!("policies for a {kind} of the group `{group}` mean nothing");
            let advice = "Name a Service (with no group), or a Backend of irongate.dev.".into();
            Err(("InvalidKind", (message, advice)))
        }
    }
}

/// Of two policies together, or of one and a default, the first time out may come to be longer than the longest.
fn check_times(order: &[&Object<BackendPolicy>], name: &str, problems: &mut UnplacedProblems) {
    let base = order.iter().find_map(|policy| Some((*policy, policy.body.spec.ejection.base_time?.0)));
    let longest = order.iter().find_map(|policy| Some(policy.body.spec.ejection.max_time?.0));
    let longest = longest.unwrap_or(BackendOptions::default().ejection.max_time);
    if let Some((policy, base)) = base
        && base > longest
    {
        let at = At::Root.field("spec");
        let at = at.field("ejection");
        let message =
            format!("{base:?} is longer than the longest time out of {name}, {longest:?}, which counts");
        let text = (message, "Raise ejection.maxTime.");
        problems.push(
            Severity::Warning,
            (BackendPolicy::KIND, policy),
            &at.field("baseTime"),
            "Conflicted",
            text,
        );
    }
}
