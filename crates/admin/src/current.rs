//! The configuration that runs, as the binary tells it.

use irongate_config::{Config, Problem};
use irongate_proxy::{Proxy, Unopened};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

/// A configuration that was put into use.
pub struct Applied {
    /// Counts up with every one.
    pub version: u64,
    /// When that was.
    pub at: SystemTime,
    /// What was meant.
    pub config: Arc<Config>,
    /// What was found wrong with it, by whoever read it and by whoever put it into use; but for addresses that cannot be
    /// opened, which the data plane tells.
    pub problems: Vec<Problem>,
    /// What only the binary knows.
    pub knowledge: Box<dyn Knowledge>,
}

/// What this crate cannot know by itself: it has nothing to do with resources and their translation.
pub trait Knowledge: Send + Sync {
    /// A problem as JSON.
    fn problem(&self, problem: &Problem) -> Value;

    /// What is wrong with an address that cannot be opened, as JSON.
    fn unopened(&self, unopened: &Unopened) -> Value;

    /// What became of each object, as JSON; the listeners of those addresses are not programmed.
    fn statuses(&self, unopened: &[Unopened]) -> Value;

    /// What would become of a request, as JSON.
    ///
    /// # Errors
    /// A sentence, where the question is none.
    fn explain(&self, question: &Question, config: &Config) -> Result<Value, String>;
}

/// The request that `/api/explain` is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `GET` where none is said.
    pub method: String,
    /// `http://host[:port]/path?query`.
    pub url: String,
    /// Header fields, `name: value` each.
    pub headers: Vec<String>,
}

/// The gateway as the admin API sees it, shared with the binary, which keeps it current.
#[derive(Default)]
pub struct Current {
    proxy: Mutex<Weak<Proxy>>,
    applied: Mutex<Option<Arc<Applied>>>,
}

impl Current {
    /// The data plane has started. It is not kept alive.
    pub fn set_proxy(&self, proxy: &Arc<Proxy>) {
        *self.proxy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(proxy);
    }

    /// A configuration was put into use.
    pub fn set_applied(&self, applied: Applied) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(applied));
    }

    pub(crate) fn proxy(&self) -> Option<Arc<Proxy>> {
        self.proxy.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    /// The addresses that could not be opened.
    pub(crate) fn unopened(&self) -> Vec<Unopened> {
        self.proxy().map(|proxy| proxy.unopened()).unwrap_or_default()
    }

    pub(crate) fn applied(&self) -> Option<Arc<Applied>> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}
