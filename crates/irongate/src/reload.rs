//! From files to what runs, again and again: read what changed, translate, apply.

use crate::files::{Files, Found};
use crate::run::Gateway;
use crate::watch::Watch;
use irongate_config::{Config, Listener, ListenerProtocol, Problem, Severity};
use irongate_proxy::Proxy;
use irongate_telemetry::ReloadPhases;
use irongate_translate::{Reader, Translator};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a reload waits at most for files that are being written.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often it looks at them meanwhile.
const LOOK: Duration = Duration::from_millis(5);

/// The configuration in files, and what has become of it so far.
pub(crate) struct Configuration {
    files: Files,
    watch: Watch,
    reader: Reader,
    translator: Translator,
    /// When the files are to be looked at again, though nothing may have changed by then.
    again: Option<tokio::time::Instant>,
    /// Problems that were told: nobody wants to read them again with each change elsewhere.
    told: HashSet<String>,
}

impl Configuration {
    /// The configuration in these files and folders.
    ///
    /// # Errors
    /// A path that is not there.
    pub(crate) fn new(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let files = Files::new(paths);
        files.require()?;
        Ok(Self {
            files,
            watch: Watch::new(),
            reader: Reader::default(),
            translator: Translator::default(),
            again: None,
            told: HashSet::new(),
        })
    }

    /// Reads everything and applies it, changed or not.
    pub(crate) async fn load(&mut self, gateway: &mut Gateway) {
        self.apply(gateway, true).await;
    }

    /// Waits for a change of the files.
    pub(crate) async fn changed(&self) {
        let again = async {
            match self.again {
                Some(again) => tokio::time::sleep_until(again).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.watch.changed() => {}
            () = again => {}
        }
    }

    /// Applies what changed.
    pub(crate) async fn apply_changes(&mut self, gateway: &mut Gateway) {
        self.apply(gateway, false).await;
    }

    /// Reads the files; those that are being written until they are whole, for a while.
    async fn find(&mut self, everything: bool) -> Found {
        let latest = Instant::now() + PATIENCE;
        let mut is_new = false;
        loop {
            let mut found = self.files.read(&self.watch.writing(), everything, SystemTime::now());
            is_new |= found.is_new;
            if self.watch.follow(self.files.paths(), self.files.links()) {
                // Between reading and watching something may have changed.
                found = self.files.read(&self.watch.writing(), false, SystemTime::now());
                is_new |= found.is_new;
            }
            if !found.is_restless || Instant::now() >= latest {
                self.again = found.again.map(|again| tokio::time::Instant::now() + again.max(PATIENCE));
                return Found { is_new, ..found };
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn apply(&mut self, gateway: &mut Gateway, everything: bool) {
        let begin = Instant::now();
        let found = self.find(everything).await;
        if !found.is_new && !everything {
            return;
        }
        let (resources, mut problems) = self.reader.read(&found.sources);
        let is_whole = problems.iter().all(|problem| problem.severity < Severity::Error);
        let read = Instant::now();
        let translation = self.translator.translate(&resources);
        problems.extend(translation.problems.iter().cloned());
        let translated = Instant::now();
        problems.extend(gateway.apply(&translation.config).await);
        let phases =
            ReloadPhases { read: read - begin, translate: translated - read, apply: translated.elapsed() };
        gateway.metrics.config_phases(&phases);
        if !is_whole {
            gateway.metrics.config_failed();
        }
        let unopened = gateway.unopened(&resources);
        self.tell(problems.iter().chain(&unopened));
        announce(&gateway.proxy, &translation.config, &phases);
        gateway.publish(resources, translation, problems);
    }

    fn tell<'p>(&mut self, problems: impl Iterator<Item = &'p Problem>) {
        let mut told = HashSet::new();
        for problem in problems {
            let text = problem.to_string();
            if !self.told.contains(&text) {
                match problem.severity {
                    Severity::Warning => tracing::warn!("{text}"),
                    Severity::Error => tracing::error!("{text}"),
                }
            }
            told.insert(text);
        }
        for text in self.files.lacks() {
            if !self.told.contains(&text) {
                tracing::warn!("{text}");
            }
            told.insert(text);
        }
        self.told = told;
    }
}

fn announce(proxy: &Proxy, config: &Config, phases: &ReloadPhases) {
    let count = |listener: &Arc<Listener>| listener.routes.len() + listener.stream_routes.len();
    let routes: usize = config.listeners.iter().map(count).sum();
    let open = proxy.addresses();
    let all = config.listeners.iter().flat_map(|listener| {
        let scheme = match listener.protocol {
            ListenerProtocol::Http => "http",
            ListenerProtocol::Https => "https",
            ListenerProtocol::Tls => "tls",
            ListenerProtocol::Tcp => "tcp",
            ListenerProtocol::Udp => "udp",
        };
        let more = if listener.options.http3 && scheme == "https" { " (HTTP/3, too)" } else { "" };
        listener.addresses.iter().map(move |address| (*address, scheme, more))
    });
    // Each once, in order; listeners share addresses.
    let places: BTreeSet<_> = all.filter(|(address, ..)| open.contains(address)).collect();
    let addresses: Vec<String> =
        places.into_iter().map(|(address, scheme, more)| format!("{scheme}://{address}{more}")).collect();
    if addresses.is_empty() {
        tracing::warn!("no listener is open: nothing is served");
    } else {
        let took = phases.read + phases.translate + phases.apply;
        tracing::info!(
            routes,
            backends = config.backends.len(),
            ?took,
            "listening on {}",
            addresses.join(", ")
        );
    }
}
