//! Copies of the request, for mirrors.

use super::{Attempts, Downstream};

impl<D: Downstream> Attempts<'_, D> {
    #[inline]
    pub(super) fn begin_copies(&mut self) {
        if let Some(extras) = &self.scratch.extras {
            extras.keep_body(&mut self.replay);
            self.send_copies();
        }
    }

    /// Sends those that wait, if all of the request is there now.
    #[inline]
    pub(super) fn send_copies(&mut self) {
        if let Some(extras) = &mut self.scratch.extras
            && extras.has_copies()
        {
            extras.send_copies(self.client, &mut self.replay, self.downstream.source());
        }
    }
}
