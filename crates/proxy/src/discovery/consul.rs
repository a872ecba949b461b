//! Endpoints by Consul: `/v1/health/service/NAME`, asked by blocking queries.
//!
//! See <https://developer.hashicorp.com/consul/api-docs/health> and, for what the index means,
//! <https://developer.hashicorp.com/consul/api-docs/features/blocking>.

mod answer;
mod client;
mod index;

use super::dns::Resolvers;
use super::schedule::DENIAL_PAUSE;
use super::{News, Source, SourceError};
use client::{Client, Reply};
use index::Index;
use irongate_config::ConsulSource;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer may take beyond the time that Consul was given to wait (to which it adds a sixteenth by itself).
const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two answers that are read. A catalog in which something changes all the time would else keep a
/// thread busy.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// Reading answers takes one part of so many of a thread's time at most.
const SHARE: u32 = 10;
/// How soon one that does not tell its index is asked again: it does not wait for news.
const WITHOUT_INDEX: Duration = Duration::from_secs(5);

/// A service of Consul, and what is known of it so far.
pub(super) struct Consul {
    source: Arc<ConsulSource>,
    client: Client,
    index: Index,
    /// It said that there is no instance.
    is_denied: bool,
}

impl Consul {
    pub(super) fn new(source: Arc<ConsulSource>, resolvers: Arc<Resolvers>) -> Self {
        let client = Client::new(source.clone(), resolvers);
        Self { source, client, index: Index::default(), is_denied: false }
    }

    async fn ask(&mut self) -> Result<News, SourceError> {
        // Whether it still says that there is none has to be known soon.
        let wait = if self.is_denied { self.source.wait.min(DENIAL_PAUSE) } else { self.source.wait };
        let path = self.index.path(&self.source, wait);
        let reply = self.client.get(&path, wait + wait / 16 + PATIENCE).await;
        let read = async {
            let Reply { index, body } = reply?;
            let started = Instant::now();
            let includes_warning = self.source.includes_warning;
            // An answer with 10,000 instances takes a while to read: not on a thread that others wait for.
            let read = tokio::task::spawn_blocking(move || answer::read(&body, includes_warning)).await;
            let answer = read.map_err(|error| error.to_string())??;
            Ok((index, answer, started.elapsed()))
        };
        match read.await {
            Ok((index, answer, took)) => {
                self.index.note(index);
                self.is_denied = answer.endpoints.is_empty();
                let least = if index.is_some() { LEAST_PAUSE } else { WITHOUT_INDEX };
                let good_for = least.max(took * (SHARE - 1));
                Ok(News { endpoints: answer.endpoints, good_for, remark: answer.remark })
            }
            Err(text) => {
                // What follows is a whole list, wherever it comes from.
                self.index = Index::default();
                Err(SourceError(text))
            }
        }
    }
}

impl Source for Consul {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<News, SourceError>> + Send + '_>> {
        Box::pin(self.ask())
    }
}
