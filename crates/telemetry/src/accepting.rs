//! Why a connection that a client has opened is not accepted yet.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why accepting had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptPause {
    /// As many client connections are open as may be.
    Connections,
    /// The process, or the system, has no more file descriptors.
    Files,
    /// Anything else that the system says, such as memory for sockets.
    System,
}

impl AcceptPause {
    pub(crate) const ALL: [Self; 3] = [Self::Connections, Self::Files, Self::System];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Files => "files",
            Self::System => "system",
        }
    }
}

/// How often accepting had to wait, for all cores. Written on no request's path.
#[derive(Debug, Default)]
pub(crate) struct AcceptPauses([AtomicU64; AcceptPause::ALL.len()]);

impl AcceptPauses {
    pub(crate) fn note(&self, pause: AcceptPause) {
        self.0[pause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, pause: AcceptPause) -> u64 {
        self.0[pause as usize].load(Ordering::Relaxed)
    }
}
