//! `BackendPolicy`s: which fields of which policy count for a backend.
//!
//! Field by field: a policy for one port of a Service before one for the whole Service, then the older before the
//! younger, then by name.

use super::backends::Backends;
use super::index::Index;
use crate::kinds::{
    Backend, BackendPolicy, BackendPolicySpec, CORE_GROUP, GatewayDuration, IRONGATE_GROUP, Kind,
    PolicyTargetReference, Service,
};
use crate::problems::UnplacedProblems;
use crate::resources::{Object, Resources};
use crate::yaml::path::At;
use irongate_config::{BackendKind, BackendOptions, ObjectName, Severity};
use std::collections::HashMap;
use std::sync::Arc;

/// What a policy is for: kind, namespace, name, and the name of a port.
type Target<'r> = (BackendKind, &'r str, &'r str, Option<&'r str>);

/// The policies by what they are for, each list with the older first.
pub(super) struct Policies<'r> {
    by_target: HashMap<Target<'r>, Vec<&'r Object<BackendPolicy>>>,
    /// What holds where no policy says anything; shared by nearly all backends.
    defaults: Arc<BackendOptions>,
}

impl<'r> Policies<'r> {
    pub(super) fn new(resources: &'r Resources, index: &Index<'r>, problems: &mut UnplacedProblems) -> Self {
        let mut objects: Vec<_> = resources.backend_policies.iter().collect();
        objects.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut by_target: HashMap<Target<'r>, Vec<_>> = HashMap::new();
        // Who set a field of a target first.
        let mut owners: HashMap<(Target<'r>, &'static str), &ObjectName> = HashMap::new();
        for object in objects {
            let at = At::Root.field("spec");
            let targets = at.field("targetRefs");
            for (place, reference) in object.body.spec.target_refs.iter().enumerate() {
                let target = match target(reference, object.name.namespace(), index) {
                    Ok(target) => target,
                    Err((reason, message)) => {
                        let at = targets.index(place);
                        problems.push(
                            Severity::Error,
                            (BackendPolicy::KIND, object),
                            &at,
                            reason,
                            (message, ""),
                        );
                        continue;
                    }
                };
                for field in set_fields(&object.body.spec) {
                    let owner = *owners.entry((target, field)).or_insert(&object.name);
                    if *owner != object.name {
                        let path = At::Root.field("spec");
                        let (group, name) = field.split_once('.').unwrap_or(("", field));
                        let inner = path.field(group);
                        let at = if group.is_empty() { path.field(name) } else { inner.field(name) };
                        let message =
                            format!("BackendPolicy {owner} is older and says it for {}", reference.name);
                        let text = (message, "The older one counts.");
                        problems.push(
                            Severity::Warning,
                            (BackendPolicy::KIND, object),
                            &at,
                            "Conflicted",
                            text,
                        );
                    }
                }
                by_target.entry(target).or_default().push(object);
            }
        }
        Self { by_target, defaults: Arc::default() }
    }

    /// How a backend is treated.
    pub(super) fn options(
        &self,
        kind: BackendKind,
        name: &ObjectName,
        port: Option<&str>,
    ) -> Arc<BackendOptions> {
        let of = |port| {
            self.by_target.get(&(kind, name.namespace(), name.name(), port)).map_or(&[][..], Vec::as_slice)
        };
        let specific = if port.is_some() { of(port) } else { &[] };
        let general = of(None);
        if specific.is_empty() && general.is_empty() {
            return self.defaults.clone();
        }
        let mut options = BackendOptions::default();
        // What counts most is applied last.
        for policy in general.iter().rev().chain(specific.iter().rev()) {
            apply(&policy.body.spec, &mut options);
        }
        Arc::new(options)
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
                            .filter(|one| port.is_none_or(|port| one.name.as_deref() == Some(port)))
                            .map(|one| one.port)
                            .collect()
                    }
                    _ => vec![0],
                };
                for port in ports {
                    // A port that is not spoken is no problem until a route refers to it.
                    let _ = backends.resolve(kind, namespace, name, port, problems);
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
) -> Result<Target<'r>, (&'static str, String)> {
    let name = &*reference.name;
    let port = reference.section_name.as_deref();
    match (&*reference.group, &*reference.kind) {
        (CORE_GROUP, Service::KIND) => {
            let Some(service) = index.services.get(&(namespace, name)) else {
                return Err(("TargetNotFound", format!("there is no Service {namespace}/{name}")));
            };
            let has =
                |port: &str| service.body.spec.ports.iter().any(|one| one.name.as_deref() == Some(port));
            match port.filter(|port| !has(port)) {
                Some(port) => {
                    Err(("TargetNotFound", format!("Service {namespace}/{name} has no port named `{port}`")))
                }
                None => Ok((BackendKind::Service, namespace, name, port)),
            }
        }
        (IRONGATE_GROUP, Backend::KIND) => {
            if !index.backends.contains_key(&(namespace, name)) {
                return Err(("TargetNotFound", format!("there is no Backend {namespace}/{name}")));
            }
            match port {
                Some(_) => Err(("TargetNotFound", "a Backend has no sections".into())),
                None => Ok((BackendKind::Backend, namespace, name, None)),
            }
        }
        (group, kind) => {
            Err(("InvalidKind", format!("policies for a {kind} of the group `{group}` mean nothing")))
        }
    }
}

/// The fields that a policy sets.
fn set_fields(spec: &BackendPolicySpec) -> impl Iterator<Item = &'static str> {
    let BackendPolicySpec { target_refs: _, algorithm, connect_timeout, pool, ejection, retry_budget } = spec;
    [
        ("algorithm", algorithm.is_some()),
        ("connectTimeout", connect_timeout.is_some()),
        ("pool.idleTimeout", pool.idle_timeout.is_some()),
        ("pool.maxIdle", pool.max_idle.is_some()),
        ("ejection.consecutiveFailures", ejection.consecutive_failures.is_some()),
        ("ejection.baseTime", ejection.base_time.is_some()),
        ("ejection.maxTime", ejection.max_time.is_some()),
        ("ejection.maxPercent", ejection.max_percent.is_some()),
        ("retryBudget.percent", retry_budget.percent.is_some()),
        ("retryBudget.interval", retry_budget.interval.is_some()),
        ("retryBudget.minPerSecond", retry_budget.min_per_second.is_some()),
    ]
    .into_iter()
    .filter_map(|(field, is_set)| is_set.then_some(field))
}

/// Puts what a policy says over what was said before.
fn apply(spec: &BackendPolicySpec, options: &mut BackendOptions) {
    let BackendPolicySpec { target_refs: _, algorithm, connect_timeout, pool, ejection, retry_budget } = spec;
    let duration = |duration: GatewayDuration| duration.0;
    set(&mut options.algorithm, algorithm.map(Into::into));
    if let Some(timeout) = connect_timeout {
        options.connect_timeout = Some(timeout.0);
    }
    set(&mut options.pool.idle_timeout, pool.idle_timeout.map(duration));
    set(&mut options.pool.max_idle, pool.max_idle);
    set(&mut options.ejection.consecutive_failures, ejection.consecutive_failures);
    set(&mut options.ejection.base_time, ejection.base_time.map(duration));
    set(&mut options.ejection.max_time, ejection.max_time.map(duration));
    set(&mut options.ejection.max_percent, ejection.max_percent);
    set(&mut options.retry_budget.percent, retry_budget.percent);
    set(&mut options.retry_budget.interval, retry_budget.interval.map(duration));
    set(&mut options.retry_budget.min_per_second, retry_budget.min_per_second);
}

fn set<T>(to: &mut T, from: Option<T>) {
    if let Some(value) = from {
        *to = value;
    }
}
