//! Backends that are found by name: looked up again and again; the last good answer is kept.

use crate::live::{LiveBackend, Shared};
use irongate_config::Endpoint;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// How long an answer is used before the name is looked up again. The system's resolver does not tell how long
/// an answer is good for.
const REFRESH: Duration = Duration::from_secs(5);
/// How soon names that are new are looked up.
const LOOK: Duration = Duration::from_millis(100);
/// How long one look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses of one name that are used.
const MOST: usize = 1024;

/// Runs for as long as the proxy does.
pub(super) async fn run(shared: Weak<Shared>) {
    let mut followed: HashSet<usize> = HashSet::new();
    loop {
        let Some(live) = shared.upgrade().map(|shared| shared.registry.all()) else { return };
        let mut seen = HashSet::new();
        for backend in live {
            let id = Arc::as_ptr(&backend) as usize;
            if name_of(&backend).is_some() {
                seen.insert(id);
                if followed.insert(id) {
                    tokio::spawn(follow(Arc::downgrade(&backend)));
                }
            }
        }
        followed.retain(|id| seen.contains(id));
        tokio::time::sleep(LOOK).await;
    }
}

fn name_of(backend: &LiveBackend) -> Option<(Arc<str>, u16)> {
    backend.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Keeps one backend's endpoints what its name says.
async fn follow(backend: Weak<LiveBackend>) {
    let mut failing = false;
    loop {
        let Some(live) = backend.upgrade() else { return };
        let Some((name, port)) = name_of(&live) else { return };
        let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((&*name, port))).await;
        match looked_up {
            Ok(Ok(addresses)) => {
                let mut endpoints: Vec<_> =
                    addresses.take(MOST).map(|address| Endpoint { address, weight: 1 }).collect();
                endpoints.sort_by_key(|endpoint| endpoint.address);
                endpoints.dedup_by_key(|endpoint| endpoint.address);
                if !endpoints.is_empty() {
                    live.set_endpoints(&endpoints);
                }
                failing = false;
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                tracing::warn!(backend = %live.label, %name, %error, "a name cannot be looked up; its last addresses are kept");
            }
            Err(_) if !failing => {
                failing = true;
                tracing::warn!(backend = %live.label, %name, "looking up a name takes too long; its last addresses are kept");
            }
            Ok(Err(_)) | Err(_) => {}
        }
        drop(live);
        tokio::time::sleep(REFRESH).await;
    }
}
