//! Certificates that Gateways show to backends (`tls.backend.clientCertificateRef`, GEP-3155).
//!
//! A route may be attached to several Gateways of which only some have one. So what is spoken to over TLS through such a
//! Gateway is a backend of its own there: its connections show who opened them, and are no use to another Gateway.

use super::precedence::PolicyField;
use irongate_config::{
    Backend, BackendKey, BackendRef, BackendTarget, BackendTls, Certificate, Config, Filter, Listener,
    ObjectName, Route, RouteRule, StreamRoute,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The fields of policies by backend.
type Policies = BTreeMap<BackendKey, Vec<PolicyField>>;

/// Gives the routes of Gateways that have a certificate their own backends.
pub(super) fn give(
    config: &mut Config,
    policies: &mut Policies,
    certificates: &BTreeMap<ObjectName, Arc<Certificate>>,
) {
    let has_tls = |backend: &Arc<Backend>| backend.tls.is_some();
    if certificates.is_empty() || !config.backends.values().any(has_tls) {
        return;
    }
    let mut made = BTreeMap::new();
    for (gateway, certificate) in certificates {
        let mut identity = Identity {
            gateway,
            certificate,
            backends: &config.backends,
            made: &mut made,
            routes: HashMap::new(),
            stream_routes: HashMap::new(),
        };
        for listener in config.listeners.iter_mut().filter(|listener| listener.key.gateway == *gateway) {
            identity.listener(listener);
        }
    }
    drop_unused(config, &made);
    for (key, (original, backend)) in made {
        if let Some(fields) = policies.get(&original).cloned() {
            policies.insert(key.clone(), fields);
        }
        config.backends.insert(key, backend);
    }
    policies.retain(|key, _| config.backends.contains_key(key));
}

/// Drops the backends in whose place all routes have others now.
fn drop_unused(config: &mut Config, made: &Made) {
    let mut used = BTreeSet::new();
    for listener in &config.listeners {
        for attached in &listener.routes {
            attached.route.rules.iter().for_each(|rule| used.extend(rule.targets()));
        }
        for attached in &listener.stream_routes {
            used.extend(attached.route.backends.iter().filter_map(target));
        }
    }
    let unused: BTreeSet<BackendKey> =
        made.values().map(|(original, _)| original).filter(|key| !used.contains(key)).cloned().collect();
    config.backends.retain(|key, _| !unused.contains(key));
}

fn target(backend: &BackendRef) -> Option<&BackendKey> {
    match &backend.target {
        BackendTarget::Backend(key) => Some(key),
        BackendTarget::Invalid(_) => None,
    }
}

/// New backends, each with the key of the one that it stands for.
type Made = BTreeMap<BackendKey, (BackendKey, Arc<Backend>)>;

/// One Gateway and its certificate.
struct Identity<'c> {
    gateway: &'c ObjectName,
    certificate: &'c Arc<Certificate>,
    backends: &'c BTreeMap<BackendKey, Arc<Backend>>,
    made: &'c mut Made,
    /// What became of routes, by pointer: one may be attached to several listeners.
    routes: HashMap<*const Route, Arc<Route>>,
    stream_routes: HashMap<*const StreamRoute, Arc<StreamRoute>>,
}

impl Identity<'_> {
    fn listener(&mut self, listener: &mut Arc<Listener>) {
        let mut own = (**listener).clone();
        for attached in &mut own.routes {
            attached.route = self.route(&attached.route);
        }
        for attached in &mut own.stream_routes {
            attached.route = self.stream_route(&attached.route);
        }
        *listener = Arc::new(own);
    }

    fn route(&mut self, route: &Arc<Route>) -> Arc<Route> {
        if let Some(known) = self.routes.get(&Arc::as_ptr(route)) {
            return known.clone();
        }
        let is_concerned = |key: &BackendKey| self.backends.get(key).is_some_and(|one| one.tls.is_some());
        let own = if route.rules.iter().any(|rule| rule.targets().any(is_concerned)) {
            let rules = route.rules.iter().map(|rule| Arc::new(self.rule(rule))).collect();
            Arc::new(Route { key: route.key.clone(), age: route.age, rules })
        } else {
            route.clone()
        };
        self.routes.insert(Arc::as_ptr(route), own.clone());
        own
    }

    fn rule(&mut self, rule: &RouteRule) -> RouteRule {
        let mut own = rule.clone();
        self.filters(&mut own.filters);
        for backend in &mut own.backends {
            self.target(&mut backend.target);
            self.filters(&mut backend.filters);
        }
        own
    }

    fn filters(&mut self, filters: &mut [Filter]) {
        for filter in filters {
            if let Filter::Mirror(mirror) = filter {
                self.key(&mut mirror.backend);
            }
        }
    }

    fn stream_route(&mut self, route: &Arc<StreamRoute>) -> Arc<StreamRoute> {
        if let Some(known) = self.stream_routes.get(&Arc::as_ptr(route)) {
            return known.clone();
        }
        let mut own = (**route).clone();
        own.backends.iter_mut().for_each(|backend| self.target(&mut backend.target));
        let own = Arc::new(own);
        self.stream_routes.insert(Arc::as_ptr(route), own.clone());
        own
    }

    fn target(&mut self, target: &mut BackendTarget) {
        if let BackendTarget::Backend(key) = target {
            self.key(key);
        }
    }

    /// Puts the backend in place that shows the certificate, if that is of any use.
    fn key(&mut self, key: &mut BackendKey) {
        let Some(backend) = self.backends.get(key) else { return };
        let Some(tls) = &backend.tls else { return };
        let own = BackendKey { identity: Some(self.gateway.clone()), ..key.clone() };
        self.made.entry(own.clone()).or_insert_with(|| {
            let tls = BackendTls { certificate: Some(self.certificate.clone()), ..(**tls).clone() };
            let made = Backend { key: own.clone(), tls: Some(Arc::new(tls)), ..(**backend).clone() };
            (key.clone(), Arc::new(made))
        });
        *key = own;
    }
}
