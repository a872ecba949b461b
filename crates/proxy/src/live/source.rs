//! Where a live backend's endpoints come from.

use super::LiveBackend;
use crate::discovery::{FollowRequest, Following, SourceReport};
use irongate_config::Endpoints;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc::UnboundedSender;

impl LiveBackend {
    /// Sees to it that the endpoints are what this source says. Those that are there stay until it has said something.
    pub(super) fn follow(self: &Arc<Self>, origin: &Endpoints, followers: &UnboundedSender<FollowRequest>) {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if following.as_ref().is_some_and(|known| known.is_of(origin)) {
            return;
        }
        let new = Following::new(origin);
        let request = FollowRequest { backend: Arc::downgrade(self), following: Arc::downgrade(&new) };
        *following = Some(new);
        // Failing means that the process ends.
        let _ = followers.send(request);
    }

    /// Its endpoints stand in the configuration.
    pub(super) fn follow_no_more(&self) {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// How its source is followed, if it has one.
    pub(crate) fn following(&self) -> Option<Arc<Following>> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its endpoints come from, and how that goes.
    pub(crate) fn source(&self) -> SourceReport {
        match self.following() {
            Some(following) => following.report(),
            None => SourceReport::configured(self.settings().plan.members().len()),
        }
    }
}
