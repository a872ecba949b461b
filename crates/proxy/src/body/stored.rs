//! A request's body, or its beginning, in memory.

use crate::core::Core;
use irongate_message::Fields;
use std::rc::Rc;

/// What the bodies of one core may take together, in bytes.
const MOST_OF_CORE: usize = 64 << 20;

/// Bytes that were read of a body.
pub(crate) struct Stored {
    pub(super) bytes: Vec<u8>,
    pub(super) trailers: Option<Fields>,
    pub(super) memory: Memory,
}

/// So much memory of a core's for bodies; given back when it is dropped.
pub(crate) struct Memory {
    core: Rc<Core>,
    bytes: usize,
}

impl Stored {
    /// Nothing yet.
    pub(crate) fn new(core: &Rc<Core>) -> Self {
        let memory = Memory { core: core.clone(), bytes: 0 };
        Self { bytes: Vec::new(), trailers: None, memory }
    }

    /// How much was read, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Takes the next bytes. False: there is no memory for them.
    pub(crate) fn take(&mut self, data: &[u8]) -> bool {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            // As a vector grows, but that it is known before.
            let grown = needed.max(2 * self.bytes.capacity());
            if !self.memory.grow(grown) {
                return false;
            }
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        true
    }

    /// The body has ended, with these trailers.
    pub(crate) fn end(&mut self, trailers: Option<Fields>) {
        self.trailers = trailers.filter(|trailers| !trailers.is_empty());
    }

    pub(crate) fn has_trailers(&self) -> bool {
        self.trailers.is_some()
    }
}

impl Memory {
    fn grow(&mut self, to: usize) -> bool {
        let stored = &self.core.stored;
        let of_core = stored.get() - self.bytes + to;
        if of_core > MOST_OF_CORE {
            return false;
        }
        stored.set(of_core);
        self.bytes = to;
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let stored = &self.core.stored;
        stored.set(stored.get().saturating_sub(self.bytes));
    }
}
