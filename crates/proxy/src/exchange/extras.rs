//! What few rules ask for besides: CORS, mirrors and sessions. A request of any other rule carries nothing of it.

use crate::body::{Replay, Source};
use crate::connection::Client;
use crate::mirror::Waiting;
use crate::reply::{self, Reply};
use crate::snapshot::{ExtrasPlan, MirrorUse, PortFacts};
use irongate_message::{Known, RequestHead, ResponseHead};
use irongate_traffic::{CorsPolicy, SessionNote, SessionPlan};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::SystemTime;

/// What a request carries.
pub(crate) struct Extras {
    /// Whose page sent the request, as the client said it: filters may change the field.
    origin: Option<Box<[u8]>>,
    cors: Option<Arc<CorsPolicy>>,
    /// Copies that wait for the rest of the request.
    copies: SmallVec<[Waiting; 2]>,
    session: Option<SessionUse>,
    facts: Arc<PortFacts>,
}

/// The session of a request.
struct SessionUse {
    plan: Arc<SessionPlan>,
    /// What the request brought.
    found: Option<SessionNote>,
    /// The backend and the endpoint that it went to last.
    went: Option<(u64, u64)>,
    /// In seconds since 1970.
    now: u32,
}

impl Extras {
    pub(super) fn new(request: &RequestHead, facts: &Arc<PortFacts>) -> Box<Self> {
        let origin = request.fields.get(Known::Origin).map(Into::into);
        Box::new(Self { origin, cors: None, copies: SmallVec::new(), session: None, facts: facts.clone() })
    }

    /// Takes a policy, unless there is one: the rule's own comes first. Gives the answer to a preflight.
    pub(super) fn take_cors(
        &mut self,
        plan: &ExtrasPlan,
        request: &RequestHead,
        response: &mut ResponseHead,
    ) -> Option<Reply> {
        let policy = plan.cors.as_ref().filter(|_| self.cors.is_none())?;
        if policy.is_preflight(request) {
            return Some(reply::preflight(&policy.preflight(request), request, response));
        }
        self.cors = Some(policy.clone());
        None
    }

    /// Copies the request as it is now for those mirrors whose turn it is.
    pub(super) fn take_copies(&mut self, plan: &ExtrasPlan, client: &Client, request: &RequestHead) {
        for mirror in plan.mirrors.iter().filter(|mirror| mirror.is_drawn(client.core.random())) {
            let backend = client.core.backend(&mirror.backend);
            let most = self.facts.options.limits.replay_bytes;
            self.copies.extend(Waiting::new(client, backend, request, most));
        }
    }

    /// Looks for the session of a request, if sessions are wanted and it was not looked for before: the rule's own come
    /// first.
    pub(super) fn find_session(&mut self, plan: &ExtrasPlan, request: &RequestHead) {
        if let (Some(plan), None) = (&plan.session, &self.session) {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let now = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
            let found = plan.find(request, now);
            self.session = Some(SessionUse { plan: plan.clone(), found, went: None, now });
        }
    }

    /// The backend of the request's session.
    pub(super) fn session_backend(&self) -> Option<u32> {
        Some(self.session.as_ref()?.found?.backend)
    }

    /// The endpoint of the request's session, if this is its backend.
    pub(super) fn session_endpoint(&self, tag: u64) -> Option<u64> {
        self.session.as_ref()?.found?.endpoint(tag)
    }

    /// The request goes to an endpoint of a backend.
    pub(super) fn goes_to(&mut self, tag: u64, endpoint: Option<u64>) {
        if let Some(session) = &mut self.session {
            session.went = endpoint.map(|endpoint| (tag, endpoint));
        }
    }

    /// Notes in an endpoint's answer where its session is, if that is news.
    pub(super) fn note_session(&self, head: &mut ResponseHead, is_secure: bool) {
        if let Some(SessionUse { plan, found, went: Some(went), now }) = &self.session {
            plan.answer(head, *found, *went, *now, is_secure);
        }
    }

    /// Says in an answer who may read it.
    pub(super) fn answer(&self, head: &mut ResponseHead) {
        if let Some(policy) = &self.cors {
            policy.answer(self.origin.as_deref(), &mut head.fields);
        }
    }

    /// Has the request's body kept, if there are copies.
    pub(super) fn keep_body(&self, replay: &mut Replay) {
        if !self.copies.is_empty() {
            replay.want(self.facts.options.limits.replay_bytes);
        }
    }

    /// Whether copies of the request wait to be sent.
    pub(super) fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Sends the copies, if the body has ended and all of it was kept. They are not sent any more if it was not.
    pub(super) fn send_copies<S: Source>(&mut self, client: &Client, replay: &mut Replay, source: &S) {
        if !source.is_done() {
            return;
        }
        if let Some((body, trailers)) = replay.copy() {
            for copy in self.copies.drain(..) {
                copy.send(client, &self.facts, body, trailers);
            }
        }
        self.copies.clear();
        replay.unwant();
    }
}

impl MirrorUse {
    /// Whether a request is copied, by a random number: exactly numerator of denominator in the long run.
    fn is_drawn(&self, random: u64) -> bool {
        let place = (u128::from(random) * u128::from(self.denominator)) >> 64;
        place < u128::from(self.numerator)
    }
}
