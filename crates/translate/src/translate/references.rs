//! What backend references of routes come to.

use super::backends::{Backends, Place, Purpose};
use super::gateways::Fault;
use super::index::Index;
use super::suggest;
use crate::kinds::{
    Backend, BackendObjectReference, BackendRef, CORE_GROUP, GATEWAY_GROUP, IRONGATE_GROUP, Kind,
    RouteObject, Service, StreamBackendRef,
};
use crate::problems::{Subject, UnplacedProblems};
use crate::resources::{Object, Origin};
use crate::yaml::path::At;
use irongate_config::{
    BackendKey, BackendKind, BackendTarget, InvalidBackend, ObjectName, SessionPersistence, Severity,
};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Resolves the references of one route, and notes what does not resolve.
pub(super) struct Resolver<'t, 'r> {
    kind: &'static str,
    name: &'r ObjectName,
    origin: Origin,
    purpose: Purpose,
    index: &'t Index<'r>,
    backends: &'t mut Backends<'r>,
    problems: &'t mut UnplacedProblems,
    /// The first reference that does not resolve.
    pub(super) unresolved: Option<Fault>,
    /// The backends for which a policy says how TLS is begun.
    pub(super) secured: BTreeSet<Place<'r>>,
}

impl<'t, 'r> Resolver<'t, 'r> {
    pub(super) fn new<K: RouteObject>(
        object: &'r Object<K>,
        index: &'t Index<'r>,
        backends: &'t mut Backends<'r>,
        problems: &'t mut UnplacedProblems,
    ) -> Self {
        let (name, origin, purpose) = (&object.name, object.origin, Purpose::of(K::ROUTE_KIND));
        Self {
            kind: K::KIND,
            name,
            origin,
            purpose,
            index,
            backends,
            problems,
            unresolved: None,
            secured: BTreeSet::new(),
        }
    }

    /// Adds a problem of a field of the route.
    pub(super) fn report(
        &mut self,
        severity: Severity,
        at: &At<'_>,
        reason: &'static str,
        text: (impl Into<String>, impl Into<String>),
    ) {
        let subject = Subject { kind: self.kind, name: self.name, origin: self.origin };
        self.problems.push_about(severity, subject, at, reason, text);
    }

    /// A reference does not resolve.
    pub(super) fn unresolved(
        &mut self,
        at: &At<'_>,
        reason: InvalidBackend,
        message: String,
        advice: impl Into<String>,
    ) {
        self.report(Severity::Error, at, reason.as_str(), (message.clone(), advice));
        if self.unresolved.is_none() {
            self.unresolved = Some(Fault::new(reason.as_str(), message));
        }
    }

    /// What a backend reference comes to.
    pub(super) fn target(&mut self, reference: &Reference<'r>, at: &At<'_>) -> BackendTarget {
        match self.resolve(reference) {
            Ok(target) => target,
            // The policy says what is wrong; the reference itself is good.
            Err((InvalidBackend::InvalidTls, ..)) => BackendTarget::Invalid(InvalidBackend::InvalidTls),
            Err((invalid, message, advice)) => {
                self.unresolved(at, invalid, message, advice);
                BackendTarget::Invalid(invalid)
            }
        }
    }

    /// How sessions stay with the instances of a backend, where a policy says it.
    pub(super) fn backend_session(&self, target: &BackendTarget) -> Option<Arc<SessionPersistence>> {
        match target {
            BackendTarget::Backend(key) => self.backends.options(key)?.session.clone(),
            BackendTarget::Invalid(_) => None,
        }
    }

    /// The same, telling nobody.
    ///
    /// # Errors
    /// Why it does not resolve, and what to do.
    pub(super) fn resolve(
        &mut self,
        reference: &Reference<'r>,
    ) -> Result<BackendTarget, (InvalidBackend, String, Cow<'static, str>)> {
        let &Reference { group_kind: (group, kind), namespace, name, port } = reference;
        let backend_kind = match (group, kind) {
            (CORE_GROUP, Service::KIND) => BackendKind::Service,
            (IRONGATE_GROUP, Backend::KIND) => BackendKind::Backend,
            _ => {
                let what = self.purpose.subject();
                let message = format!("{what} cannot go to a {kind} of the group `{group}`");
                let advice = "Name a Service, or a Backend of irongate.dev.";
                return Err((InvalidBackend::InvalidKind, message, advice.into()));
            }
        };
        let own = self.name.namespace();
        let namespace = namespace.unwrap_or(own);
        let is_allowed = namespace == own
            || self.index.is_granted((GATEWAY_GROUP, self.kind, own), (group, kind), (namespace, name));
        if !is_allowed {
            let message =
                format!("no ReferenceGrant lets {}s of {own} use {kind} {namespace}/{name}", self.kind);
            let advice = "Add a ReferenceGrant in the namespace of what is named.";
            return Err((InvalidBackend::RefNotPermitted, message, advice.into()));
        }
        let port = if backend_kind == BackendKind::Service { port.unwrap_or_default() } else { 0 };
        let place = (backend_kind, namespace, name, port);
        if self.purpose != Purpose::Datagrams && self.backends.has_tls_policy(place) {
            self.secured.insert(place);
        }
        let resolved = self.backends.resolve(place, self.purpose, self.problems);
        resolved.map(BackendTarget::Backend).map_err(|(invalid, message)| {
            let is_missing = invalid == InvalidBackend::BackendNotFound;
            let advice = if is_missing { self.advice(place) } else { "".into() };
            (invalid, message, advice)
        })
    }

    /// What to do where there is no such backend, or no such port of it.
    fn advice(&self, (kind, namespace, name, _): Place<'r>) -> Cow<'static, str> {
        let Index { services, backends, .. } = self.index;
        let place = (namespace, name);
        match kind {
            BackendKind::Service if services.contains_key(&place) => {
                "Name a port that the Service has.".into()
            }
            BackendKind::Service => {
                suggest::advice(Service::KIND, place, services.keys().copied(), self.problems)
            }
            BackendKind::Backend => {
                suggest::advice(Backend::KIND, place, backends.keys().copied(), self.problems)
            }
        }
    }
}

/// What a backend reference names, wherever it stands.
pub(super) struct Reference<'r> {
    group_kind: (&'r str, &'r str),
    /// `None`: the route's own.
    namespace: Option<&'r str>,
    name: &'r str,
    port: Option<u16>,
}

impl<'r> Reference<'r> {
    pub(super) fn of_backend<F>(backend: &'r BackendRef<F>) -> Self {
        let group_kind = backend.group_kind();
        Self { group_kind, namespace: backend.namespace.as_deref(), name: &backend.name, port: backend.port }
    }

    pub(super) fn of_stream(backend: &'r StreamBackendRef) -> Self {
        let group_kind = backend.group_kind();
        Self { group_kind, namespace: backend.namespace.as_deref(), name: &backend.name, port: backend.port }
    }

    /// What has to be written to name a backend.
    pub(super) fn of_key(key: &'r BackendKey) -> Self {
        let group_kind = match key.kind {
            BackendKind::Service => (CORE_GROUP, Service::KIND),
            BackendKind::Backend => (IRONGATE_GROUP, Backend::KIND),
        };
        let (namespace, name) = (key.name.namespace(), key.name.name());
        Self { group_kind, namespace: Some(namespace), name, port: Some(key.port) }
    }

    pub(super) fn of_object(object: &'r BackendObjectReference) -> Self {
        let group_kind = object.group_kind();
        Self { group_kind, namespace: object.namespace.as_deref(), name: &object.name, port: object.port }
    }
}
