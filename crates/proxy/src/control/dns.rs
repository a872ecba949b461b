//! Backends that are found by name: looked up again and again; the last good answer is kept.

use crate::live::{LiveBackend, Shared};
use irongate_config::{Config, Endpoint, Endpoints};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

/// How long an answer is used before the name is looked up again. The system's resolver does not tell how long
/// an answer is good for.
const REFRESH: Duration = Duration::from_secs(5);
/// How soon names that are new are looked up.
const LOOK: Duration = Duration::from_millis(100);
/// How long one look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a new configuration waits for the addresses of names that are new in it.
const FIRST: Duration = Duration::from_secs(2);
/// Addresses of one name that are used.
const MOST: usize = 1024;

/// Runs for as long as the proxy does.
pub(super) async fn run(shared: Weak<Shared>) {
    loop {
        let Some(live) = shared.upgrade().map(|shared| shared.registry.all()) else { return };
        for backend in live {
            if name_of(&backend).is_some() && !backend.followed.swap(true, Ordering::Relaxed) {
                tokio::spawn(follow(Arc::downgrade(&backend)));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks up the names of backends that have no endpoints yet, together, and waits a little for the answers. What is
/// given keeps them until they are published.
pub(super) async fn resolve(shared: &Shared, config: &Config) -> Vec<Arc<LiveBackend>> {
    let named = config.backends.values().filter(|backend| matches!(backend.endpoints, Endpoints::Dns { .. }));
    let mut live: Vec<_> = named.map(|backend| shared.registry.backend(backend)).collect();
    live.retain(|backend| backend.settings().plan.members().is_empty());
    let look_ups: Vec<_> =
        live.iter().cloned().map(|backend| tokio::spawn(async move { look_up(&backend).await })).collect();
    let all = async {
        for look_up in look_ups {
            // One that fails is tried again, and said, by the one who follows the name.
            let _ = look_up.await;
        }
    };
    // Not for ever: what can be served should not wait for what cannot.
    let _ = tokio::time::timeout(FIRST, all).await;
    live
}

/// Sets the endpoints to what the name says now.
async fn look_up(backend: &LiveBackend) -> Option<io::Result<()>> {
    let (name, port) = name_of(backend)?;
    let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((&*name, port))).await;
    let addresses = match looked_up {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Some(Err(error)),
        Err(_) => return Some(Err(io::ErrorKind::TimedOut.into())),
    };
    let mut endpoints: Vec<_> = addresses.take(MOST).map(|address| Endpoint::new(address, 1)).collect();
    endpoints.sort_by_key(|endpoint| endpoint.address);
    endpoints.dedup_by_key(|endpoint| endpoint.address);
    if !endpoints.is_empty() {
        backend.set_endpoints(&endpoints);
    }
    Some(Ok(()))
}

fn name_of(backend: &LiveBackend) -> Option<(Arc<str>, u16)> {
    backend.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Lets somebody else follow a name, however following it ended.
struct Following(Weak<LiveBackend>);

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(live) = self.0.upgrade() {
            live.followed.store(false, Ordering::Relaxed);
        }
    }
}

/// Keeps one backend's endpoints what its name says.
async fn follow(backend: Weak<LiveBackend>) {
    let _following = Following(backend.clone());
    let mut failing = false;
    loop {
        let Some(live) = backend.upgrade() else { return };
        let Some(looked_up) = look_up(&live).await else { return };
        match looked_up {
            Ok(()) => failing = false,
            Err(_) if failing => {}
            Err(error) => {
                failing = true;
                let backend = &live.label;
                tracing::warn!(%backend, %error, "a backend's name cannot be looked up; its last addresses are kept");
            }
        }
        drop(live);
        tokio::time::sleep(REFRESH).await;
    }
}
