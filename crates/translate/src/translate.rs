//! Resources to Config, statuses and problems.
//!
//! Gateways and ListenerSets with their listeners are the nodes of a small graph, and each route is attached to those that let it.
//! The graph is worked out once; Config and statuses are two readings of it.

mod attach;
mod backend_tls;
mod backends;
mod certificates;
mod classes;
mod conflicts;
mod filters;
mod former;
mod gateways;
mod hosts;
mod identities;
mod index;
mod limit_stores;
mod listener_sets;
mod listeners;
mod matches;
mod parameters;
mod policies;
mod precedence;
mod provenance;
mod references;
mod regex;
mod rules;
mod served;
mod sessions;
mod shadowed;
mod statuses;
mod streams;
mod suggest;
mod traffic;
mod translator;

use crate::kinds::Protocol;
use crate::problems::UnplacedProblems;
use crate::resources::Resources;
use crate::status::Statuses;
use backend_tls::TlsPolicies;
use backends::Backends;
use certificates::Certificates;
use classes::Classes;
use former::Former;
use gateways::{GatewayNode, Gateways};
use index::Index;
use irongate_config::{BackendKey, Config, Listener, ListenerProtocol, Problem, ProxyOptions};
use limit_stores::LimitStores;
use policies::Policies;
pub use precedence::PolicyField;
pub use provenance::{FieldOrigin, Said};
use std::collections::BTreeMap;
use std::sync::Arc;
pub use traffic::RulePlace;
use traffic::TrafficPolicies;
pub use translator::Translator;

/// What resources mean, in three readings.
#[derive(Clone, Debug, Default)]
pub struct Translation {
    /// What is to run.
    pub config: Config,
    /// What became of each object.
    pub statuses: Statuses,
    /// For each backend that a policy says something of, the fields and the policies, in the order of the kind.
    pub policies: BTreeMap<BackendKey, Vec<PolicyField>>,
    /// For each rule that a `TrafficPolicy` says something of, the fields and the policies, in the order of the kind.
    pub traffic_policies: BTreeMap<RulePlace, Arc<Vec<PolicyField>>>,
    /// What is wrong between objects; what is wrong within one was told by [`read`](crate::read()).
    pub problems: Vec<Problem>,
}

/// Works out what resources mean.
///
/// Pure, and never fails: what is wrong is in the statuses and the problems, and everything else is served. The
/// work grows with the number of objects, not with its square.
#[must_use]
pub fn translate(resources: &Resources) -> Translation {
    translate_after(resources, &Former::default()).0
}

/// The same, with what another time has left; and what this time leaves.
fn translate_after(resources: &Resources, former: &Former) -> (Translation, Former) {
    let mut problems = UnplacedProblems::new(&resources.unusable);
    let mut statuses = Statuses::default();
    let index = Index::new(resources);
    let policies = Policies::new(resources, &index, &mut problems);
    let classes = Classes::new(resources, &index, &mut statuses, &mut problems);
    let mut certificates = Certificates::new(&index);
    let mut gateways = Gateways::new(resources, &classes, &index, &mut certificates, &mut problems);
    let tls_policies = TlsPolicies::new(resources, &mut certificates, &mut problems);
    let own_tls = backend_tls::of_backends(resources, &mut certificates, &mut problems);
    let stores = LimitStores::new(resources, &index, &mut certificates, &mut problems);
    let mut backends = Backends::new(&index, &policies, &tls_policies, own_tls);
    let (users, former) =
        attach::routes(resources, former, &index, &mut gateways, &mut backends, &mut statuses, &mut problems);
    tls_policies.statuses(&users, &index, &mut statuses);
    backends::slices::check(resources, &index, &mut problems);
    Policies::resolve_targets(resources, &index, &mut backends, &mut problems);

    let (backends, mut policies) = backends.into_built();
    let identities = gateways.identities();
    let traffic = TrafficPolicies::new(resources, stores, &mut problems);
    let mut config = Config { listeners: Vec::new(), backends, limit_stores: traffic.stores() };
    for node in gateways.nodes {
        statuses.gateways.insert(node.object.name.clone(), statuses::gateway(&node));
        for set in &node.sets {
            statuses.listener_sets.insert(set.object.name.clone(), statuses::listener_set(set));
        }
        config.listeners.extend(listeners(node));
    }
    identities::give(&mut config, &mut policies, &identities);
    let traffic_policies = traffic.give(&mut config, &mut statuses);
    shadowed::check(&config.listeners, resources, &mut problems);
    let problems = problems.place(&resources.documents);
    (Translation { config, statuses, policies, traffic_policies, problems }, former)
}

/// The listeners of a Gateway and its sets that are served.
fn listeners(node: GatewayNode<'_>) -> impl Iterator<Item = Arc<Listener>> {
    let GatewayNode { fault, options, addresses, listeners, sets, .. } = node;
    let is_served = fault.is_none() && !addresses.is_empty();
    let sets = sets.into_iter().filter(|set| set.fault.is_none()).flat_map(|set| set.listeners);
    let all = listeners.into_iter().chain(sets);
    let without_http3 = Arc::new(ProxyOptions { http3: false, ..(*options).clone() });
    all.filter(move |listener| is_served && listener.is_valid()).filter_map(move |listener| {
        Some(Arc::new(Listener {
            protocol: spoken(listener.protocol?),
            key: listener.key,
            addresses: listener.addresses,
            hostname: listener.hostname,
            options: if listener.lacks_http3 { without_http3.clone() } else { options.clone() },
            tls: listener.tls,
            routes: listener.routes,
            stream_routes: listener.stream_routes,
        }))
    })
}

fn spoken(protocol: Protocol) -> ListenerProtocol {
    match protocol {
        Protocol::Http => ListenerProtocol::Http,
        Protocol::Https => ListenerProtocol::Https,
        Protocol::Tls => ListenerProtocol::Tls,
        Protocol::Tcp => ListenerProtocol::Tcp,
        Protocol::Udp => ListenerProtocol::Udp,
    }
}
