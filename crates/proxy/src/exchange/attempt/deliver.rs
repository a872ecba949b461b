//! From the head of an answer to its end.

use super::verdict::blame;
use super::{Attempts, Downstream, End, Upstream};
use crate::backend::Load;
use crate::body::{Coder, Pump};
use crate::exchange::duplex::{Duplex, Presence, Upload};
use irongate_traffic::Time;

impl<'a, D: Downstream> Attempts<'a, D> {
    /// Sends the answer on.
    pub(super) async fn deliver<U: Upstream>(
        &mut self,
        upstream: &mut U,
        upload: &mut Upload,
        presence: &mut Presence,
        load: &mut Load,
        answered: Time,
    ) -> (End, bool) {
        let client = self.client;
        let core = &*client.core;
        let mut coder = self.start(upstream, upload);
        self.replay.stop(upload.pump.is_done());
        self.outcome.status = self.scratch.response.status();
        self.outcome.answered = answered;
        let is_tunnel = self.outcome.status == 101;
        let mut download = Pump::default();
        let mut duplex = Duplex {
            core,
            timer: self.timer,
            timeouts: &self.facts.options.timeouts,
            stream_idle: self.stream_idle,
            downstream: &mut *self.downstream,
            upstream,
            replay: &mut self.replay,
            coder: coder.as_deref_mut(),
            upload,
            presence,
            paces: self.scratch.flow.as_mut().and_then(|flow| flow.paces.as_deref_mut()),
        };
        let (relayed, now) = if is_tunnel {
            // Boxed, since few requests come to this.
            Box::pin(duplex.tunnel(&mut download)).await
        } else {
            duplex.relay(&mut download, self.deadlines.request, answered).await
        };
        let (is_sent, sent) = (duplex.upload.pump.is_done(), duplex.upload.pump.moved);
        self.outcome.request_bytes = sent;
        self.outcome.response_bytes = coder.map_or(download.moved, |coder| coder.record());
        self.outcome.ended = now;
        if let Err(failure) = relayed {
            self.outcome.failure = Some(failure);
            self.outcome.grpc = self.grpc.as_ref().map(|_| failure.grpc_code());
            if !self.end_by_status(failure) {
                self.downstream.break_off();
            }
            load.end(now, blame(failure));
            return (End::Over, false);
        }
        self.end_load(load, now, &download);
        (End::Over, !is_tunnel && is_sent)
    }

    /// Queues the answer's head for the client. Gives what compresses the body, if that is wanted.
    fn start<U: Upstream>(&mut self, upstream: &mut U, upload: &Upload) -> Option<Box<Coder<'a>>> {
        let response = &mut self.scratch.response;
        // Before the filters, which may remove it.
        response.complete_date(&self.client.core.date.get());
        if let Some(filters) = self.rule.backend_filters(self.work.drawn) {
            filters.response(response);
        }
        self.rule.filters.response(response);
        if let Some(extras) = &self.scratch.extras {
            extras.answer(response);
            extras.note_session(response, self.client.tls.is_some());
        }
        // After the filters, which may say what must not be changed.
        let flow = self.scratch.flow.as_ref();
        let coder = flow.and_then(|flow| {
            flow.answer(response);
            flow.encode(self.rule, self.client, &self.scratch.request, response)
        });
        self.facts.announce(response);
        if response.status() == 101 {
            self.downstream.start_tunnel(response);
            upstream.begin_tunnel();
            return None;
        }
        // The drain may have begun since the request came.
        if self.client.core.draining.get() {
            self.downstream.end_after();
        }
        if !upload.pump.is_done()
            && (upload.is_refused() || !response.keep_alive() || response.status() >= 300)
        {
            // The origin has decided without the rest of the body. One that answers while it reads goes on reading,
            // and its client's connection goes on too.
            self.downstream.end_after_long_body();
        }
        self.downstream.adapt(response);
        self.downstream.start(response);
        coder
    }
}
