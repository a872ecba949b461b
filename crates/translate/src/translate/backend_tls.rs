//! `BackendTLSPolicy`s and `tls` of Backends: how TLS is begun with instances.
//!
//! A policy for one port of a Service counts before one for the whole Service; between equals the older counts, then the
//! first by name, and the others are `Conflicted`. Where the policy that counts is not valid, nothing goes to the
//! Service: never in cleartext.

use super::backends::Place;
use super::certificates::{Certificates, Unresolved};
use super::gateways::Fault;
use super::index::Index;
use crate::kinds::{
    BackendTlsPolicy, BackendTlsValidation, CONTROLLER_NAME, CORE_GROUP, ConfigMap, GATEWAY_GROUP, Gateway,
    Kind, Service, SubjectAltName, SubjectAltNameType,
};
use crate::problems::{Subject, UnplacedProblems};
use crate::resources::{Object, Resources};
use crate::status::{Condition, ParentRefStatus, PolicyAncestorStatus, PolicyStatus, Statuses};
use crate::yaml::path::{At, FieldPath};
use irongate_config::{Authorities, BackendKind, BackendTls, ObjectName, Severity, SubjectName};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// What a policy is for: the namespace and name of a Service, and the name of a port.
type Target<'r> = (&'r str, &'r str, Option<&'r str>);

/// How TLS is begun; `Err`: it is asked for, and nobody knows how.
pub(super) type Wanted = Result<Arc<BackendTls>, NotValid>;

/// That a policy is not valid: it has been told.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotValid;

/// The Gateways through which requests come to backends for which there is a policy.
pub(super) type Users<'r> = BTreeMap<Place<'r>, BTreeSet<ObjectName>>;

/// The policies, and which of them count where.
pub(super) struct TlsPolicies<'r> {
    judged: Vec<Judged<'r>>,
    /// Indices of `judged`, the one that counts first.
    by_target: HashMap<Target<'r>, Vec<usize>>,
}

/// One policy.
struct Judged<'r> {
    object: &'r Object<BackendTlsPolicy>,
    targets: Vec<Target<'r>>,
    wanted: Wanted,
    /// Why it is not accepted.
    fault: Option<Fault>,
    /// The first reference that does not resolve.
    unresolved: Option<Fault>,
}

impl<'r> TlsPolicies<'r> {
    pub(super) fn new(
        resources: &'r Resources,
        certificates: &mut Certificates<'_, 'r>,
        problems: &mut UnplacedProblems,
    ) -> Self {
        let mut objects: Vec<_> = resources.backend_tls_policies.iter().collect();
        // One that cannot be used comes last: where another is for the same target, it is known what is wanted.
        objects.sort_by(|a, b| {
            a.body.is_stand_in().cmp(&b.body.is_stand_in()).then_with(|| a.age().cmp(&b.age()))
        });
        let mut policies = Self { judged: Vec::new(), by_target: HashMap::new() };
        for object in objects {
            let judged = judge(object, certificates, problems);
            for target in &judged.targets {
                policies.by_target.entry(*target).or_default().push(policies.judged.len());
            }
            policies.judged.push(judged);
        }
        policies.mark_losers(problems);
        policies
    }

    /// A policy that counts for none of its targets is not accepted.
    fn mark_losers(&mut self, problems: &mut UnplacedProblems) {
        for place in 0..self.judged.len() {
            let judged = &self.judged[place];
            let winner =
                |target: &Target<'r>| self.by_target.get(target).and_then(|list| list.first().copied());
            let lost: Vec<_> = judged
                .targets
                .iter()
                .filter_map(|target| Some((target, winner(target)?)))
                .filter(|(_, winner)| *winner != place)
                .collect();
            let Some((_, winner)) = lost.first().filter(|_| !judged.object.body.is_stand_in()) else {
                continue;
            };
            let message = format!(
                "BackendTLSPolicy {} is for the same target, and comes before this one",
                self.judged[*winner].object.name
            );
            let at = At::Root.field("spec");
            let text = (message.as_str(), "The older counts, and of one age the first by name.");
            let about = (BackendTlsPolicy::KIND, judged.object);
            problems.push(Severity::Error, about, &at.field("targetRefs"), "Conflicted", text);
            if lost.len() == judged.targets.len() {
                self.judged[place].fault = Some(Fault::new("Conflicted", message));
            }
        }
    }

    /// How TLS is begun with a Service's port; `None`: not at all.
    pub(super) fn of_service(&self, namespace: &str, name: &str, port: Option<&str>) -> Option<Wanted> {
        let of = |port| self.by_target.get(&(namespace, name, port)).and_then(|list| list.first());
        let place = port.and_then(|port| of(Some(port))).or_else(|| of(None))?;
        Some(self.judged[*place].wanted.clone())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_target.is_empty()
    }

    /// Whether any policy is for a backend, or for one of its ports.
    pub(super) fn concerns(&self, (kind, namespace, name, _): Place<'_>, port: Option<&str>) -> bool {
        let has = |port| self.by_target.contains_key(&(namespace, name, port));
        kind == BackendKind::Service && (has(None) || port.is_some_and(|port| has(Some(port))))
    }

    /// The status of each policy for whose targets requests come through a Gateway of ours.
    pub(super) fn statuses(&self, users: &Users<'r>, index: &Index<'r>, statuses: &mut Statuses) {
        let mut ancestors: BTreeMap<usize, BTreeSet<&ObjectName>> = BTreeMap::new();
        for ((kind, namespace, name, port), gateways) in users {
            let service = index.services.get(&(*namespace, *name)).filter(|_| *kind == BackendKind::Service);
            let ports = service.map_or(&[][..], |service| &service.body.spec.ports);
            let section = ports.iter().find(|one| one.port == *port && one.is_tcp());
            let section = section.and_then(|port| port.name.as_deref());
            let targets = [(*namespace, *name, None), (*namespace, *name, section)];
            for place in targets.iter().filter_map(|target| self.by_target.get(target)).flatten() {
                ancestors.entry(*place).or_default().extend(gateways);
            }
        }
        for (place, gateways) in ancestors {
            let judged = &self.judged[place];
            // The API has room for so many.
            let ancestors = gateways.into_iter().take(16).map(|gateway| judged.ancestor(gateway)).collect();
            statuses.backend_tls_policies.insert(judged.object.name.clone(), PolicyStatus { ancestors });
        }
    }
}

impl Judged<'_> {
    fn ancestor(&self, gateway: &ObjectName) -> PolicyAncestorStatus {
        let generation = self.object.generation;
        let accepted = match &self.fault {
            None => Condition::accepted(generation),
            Some(fault) => Condition::not_accepted(fault.reason, fault.message.clone(), generation),
        };
        let resolved = match &self.unresolved {
            None => Condition::new("ResolvedRefs", true, "ResolvedRefs", "", generation),
            Some(fault) => {
                Condition::new("ResolvedRefs", false, fault.reason, fault.message.clone(), generation)
            }
        };
        PolicyAncestorStatus {
            ancestor_ref: ParentRefStatus {
                group: GATEWAY_GROUP,
                kind: Gateway::KIND,
                namespace: Some(gateway.namespace().into()),
                name: gateway.name().into(),
                section_name: None,
                port: None,
            },
            controller_name: CONTROLLER_NAME,
            conditions: vec![accepted, resolved],
        }
    }
}

/// One policy by itself.
fn judge<'r>(
    object: &'r Object<BackendTlsPolicy>,
    certificates: &mut Certificates<'_, 'r>,
    problems: &mut UnplacedProblems,
) -> Judged<'r> {
    let spec = &object.body.spec;
    let at = At::Root.field("spec");
    let list = at.field("targetRefs");
    let mut targets = Vec::with_capacity(spec.target_refs.len());
    for (place, target) in spec.target_refs.iter().enumerate() {
        let section = target.section_name.as_deref().filter(|name| !name.is_empty());
        let namespace = object.name.namespace();
        let found = (&*target.group, &*target.kind) == (CORE_GROUP, Service::KIND);
        let service = certificates.index().services.get(&(namespace, &*target.name));
        let fault = if !found {
            let message = format!("a {} of the group `{}` cannot be its target", target.kind, target.group);
            Some(("InvalidKind", message, "Name a Service; a Backend has tls of its own."))
        } else if let Some(service) = service {
            let has = |section| service.body.spec.ports.iter().any(|port| port.name() == section);
            let missing = section.filter(|section| !has(*section));
            missing.map(|section| {
                let message = format!("Service {namespace}/{} has no port named `{section}`", target.name);
                ("TargetNotFound", message, "")
            })
        } else {
            let message = format!("there is no Service {namespace}/{}", target.name);
            Some(("TargetNotFound", message, "A policy is for targets in its own namespace."))
        };
        // What is wrong with one that cannot be used has been told.
        if let Some((reason, message, advice)) = fault.filter(|_| !object.body.is_stand_in()) {
            let about = (BackendTlsPolicy::KIND, object);
            problems.push(Severity::Error, about, &list.index(place), reason, (message, advice));
        }
        if found {
            targets.push((namespace, &*target.name, section));
        }
    }
    let Validated { wanted, fault, unresolved, told } =
        validate(&spec.validation, object.name.namespace(), &at.field("validation"), certificates);
    for (path, reason, message, advice) in told {
        let subject = Subject { kind: BackendTlsPolicy::KIND, name: &object.name, origin: object.origin };
        problems.push_path(Severity::Error, subject, path, reason, (message, advice));
    }
    Judged { object, targets, wanted, fault, unresolved }
}

/// What Backends themselves say of TLS, by namespace and name.
#[derive(Default)]
pub(super) struct OwnTls<'r> {
    /// `spec.tls`: how it is begun with their instances.
    pub(super) instances: HashMap<(&'r str, &'r str), Wanted>,
    /// `spec.consul.tls`: how it is begun with the Consul that is asked for them.
    pub(super) consul: HashMap<(&'r str, &'r str), Wanted>,
}

/// How TLS is begun with what each Backend names.
pub(super) fn of_backends<'r>(
    resources: &'r Resources,
    certificates: &mut Certificates<'_, 'r>,
    problems: &mut UnplacedProblems,
) -> OwnTls<'r> {
    let spec = At::Root.field("spec");
    let consul = spec.field("consul");
    let mut own = OwnTls::default();
    for object in &resources.backends {
        let (namespace, name) = (object.name.namespace(), object.name.name());
        let mut wanted = |validation: &BackendTlsValidation, at: &At<'_>| {
            of_object(object, validation, at, certificates, problems)
        };
        let body = &object.body.spec;
        if let Some(validation) = &body.tls {
            own.instances.insert((namespace, name), wanted(validation, &spec.field("tls")));
        }
        if let Some(validation) = body.consul.as_ref().and_then(|consul| consul.tls.as_ref()) {
            own.consul.insert((namespace, name), wanted(validation, &consul.field("tls")));
        }
    }
    own
}

/// How TLS is begun with what an object of ours names.
pub(super) fn of_object<K: Kind>(
    object: &Object<K>,
    validation: &BackendTlsValidation,
    at: &At<'_>,
    certificates: &mut Certificates<'_, '_>,
    problems: &mut UnplacedProblems,
) -> Wanted {
    let validated = validate(validation, object.name.namespace(), at, certificates);
    for (path, reason, message, advice) in validated.told {
        let subject = Subject { kind: K::KIND, name: &object.name, origin: object.origin };
        problems.push_path(Severity::Error, subject, path, reason, (message, advice));
    }
    validated.wanted
}

/// TLS with a host that the authorities of the system vouch for.
pub(super) fn of_system(host: &str) -> BackendTls {
    BackendTls {
        hostname: host.to_ascii_lowercase().into(),
        names: Vec::new(),
        authorities: Authorities::System,
        certificate: None,
    }
}

/// What a way of validating instances comes to.
struct Validated {
    wanted: Wanted,
    /// Why it is not accepted.
    fault: Option<Fault>,
    /// The first reference that does not resolve.
    unresolved: Option<Fault>,
    /// What is to be told: where, the reason, what is wrong and what to do.
    told: Vec<(FieldPath, &'static str, String, &'static str)>,
}

/// Works out how instances are validated, for what is written in a namespace.
fn validate(
    validation: &BackendTlsValidation,
    namespace: &str,
    at: &At<'_>,
    certificates: &mut Certificates<'_, '_>,
) -> Validated {
    let mut validated = Validated { wanted: Err(NotValid), fault: None, unresolved: None, told: Vec::new() };
    let authorities = match validation.well_known_ca_certificates.as_deref() {
        Some("System") => Some(Authorities::System),
        None | Some("") => validated.authorities(validation, namespace, at, certificates),
        Some(other) => {
            let message = format!("the authorities `{other}` are not known");
            let path = at.field("wellKnownCACertificates").to_path();
            validated.told.push((path, "Invalid", message.clone(), "Write System."));
            validated.fault = Some(Fault::new("Invalid", message));
            None
        }
    };
    if let Some(authorities) = authorities {
        validated.wanted = Ok(Arc::new(BackendTls {
            hostname: validation.hostname.to_ascii_lowercase().into(),
            names: validation.subject_alt_names.iter().filter_map(subject_name).collect(),
            authorities,
            certificate: None,
        }));
    }
    validated
}

impl Validated {
    /// The authorities of the references that resolve; `None` if none does.
    fn authorities(
        &mut self,
        validation: &BackendTlsValidation,
        namespace: &str,
        at: &At<'_>,
        certificates: &mut Certificates<'_, '_>,
    ) -> Option<Authorities> {
        let mut found: Vec<Arc<Vec<_>>> = Vec::new();
        let list = at.field("caCertificateRefs");
        for (place, reference) in validation.ca_certificate_refs.iter().enumerate() {
            let result = if (&*reference.group, &*reference.kind) == (CORE_GROUP, ConfigMap::KIND) {
                certificates.config_map(namespace, &reference.name)
            } else {
                let message = format!(
                    "certificates of authorities cannot come from a {} of the group `{}`",
                    reference.kind, reference.group
                );
                Err((Unresolved::Kind, message, "Name a ConfigMap."))
            };
            match result {
                Ok(more) => found.push(more),
                Err((unresolved, message, advice)) => {
                    let reason = if unresolved == Unresolved::Kind {
                        "InvalidKind"
                    } else {
                        "InvalidCACertificateRef"
                    };
                    self.told.push((list.index(place).to_path(), reason, message.clone(), advice));
                    self.unresolved.get_or_insert(Fault::new(reason, message));
                }
            }
        }
        match found.as_slice() {
            [] => {
                let message = "no certificate of an authority can be used to validate instances";
                self.fault = Some(Fault::new("NoValidCACertificate", message));
                None
            }
            [one] => Some(Authorities::These(one.clone())),
            several => Some(Authorities::These(Arc::new(
                several.iter().flat_map(|list| list.iter().cloned()).collect(),
            ))),
        }
    }
}

fn subject_name(name: &SubjectAltName) -> Option<SubjectName> {
    match name.kind {
        SubjectAltNameType::Hostname => {
            name.hostname.as_ref().map(|host| SubjectName::Host(host.to_ascii_lowercase().into()))
        }
        SubjectAltNameType::Uri => name.uri.clone().map(SubjectName::Uri),
    }
}
