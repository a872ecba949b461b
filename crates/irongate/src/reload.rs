//! From files to what runs, again and again: read what changed, translate, apply.

use crate::files::Files;
use crate::run::Gateway;
use crate::watch::Watch;
use irongate_config::{Config, Problem, Severity};
use irongate_proxy::Proxy;
use irongate_telemetry::ReloadPhases;
use irongate_translate::{Reader, translate};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

/// The configuration in files, and what has become of it so far.
pub(crate) struct Configuration {
    files: Files,
    watch: Watch,
    reader: Reader,
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
        Ok(Self { files, watch: Watch::new(), reader: Reader::default(), told: HashSet::new() })
    }

    /// Reads everything and applies it, changed or not.
    pub(crate) async fn load(&mut self, gateway: &mut Gateway) {
        self.apply(gateway, &HashSet::new(), true).await;
    }

    /// Waits for a change of the files and applies it.
    ///
    /// May be dropped while it waits, and not later: what it then does is not to be cut off.
    pub(crate) async fn changed(&self) -> HashSet<PathBuf> {
        self.watch.changed().await
    }

    /// Applies what changed. Files that somebody is `writing` stay as they were.
    pub(crate) async fn apply_changes(&mut self, gateway: &mut Gateway, writing: &HashSet<PathBuf>) {
        self.apply(gateway, writing, false).await;
    }

    async fn apply(&mut self, gateway: &mut Gateway, writing: &HashSet<PathBuf>, everything: bool) {
        let begin = Instant::now();
        let mut found = self.files.read(writing, everything);
        if self.watch.follow(self.files.paths(), self.files.links()) {
            // Between reading and watching something may have changed.
            let again = self.files.read(writing, false);
            found = crate::files::Found { sources: again.sources, is_new: found.is_new || again.is_new };
        }
        if !found.is_new && !everything {
            return;
        }
        let (resources, mut problems) = self.reader.read(&found.sources);
        let is_whole = problems.iter().all(|problem| problem.severity < Severity::Error);
        let read = Instant::now();
        let translation = translate(&resources);
        problems.extend(translation.problems.iter().cloned());
        let translated = Instant::now();
        problems.extend(gateway.apply(&translation.config).await);
        let phases =
            ReloadPhases { read: read - begin, translate: translated - read, apply: translated.elapsed() };
        gateway.metrics.config_phases(&phases);
        if !is_whole {
            gateway.metrics.config_failed();
        }
        self.tell(&problems);
        announce(&gateway.proxy, &translation.config, &phases);
        gateway.publish(resources, translation, problems);
    }

    fn tell(&mut self, problems: &[Problem]) {
        let mut told = HashSet::with_capacity(problems.len());
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
    let routes: usize = config.listeners.iter().map(|listener| listener.routes.len()).sum();
    let addresses: Vec<String> =
        proxy.addresses().iter().map(|address| format!("http://{address}")).collect();
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
