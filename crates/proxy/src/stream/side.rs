//! One side of a connection that is passed on: its bytes are counted as they leave.

use crate::body::{BodyFailure, Source};
use crate::failure::Failure;
use crate::http1::{Reader, Writer};
use crate::transport::Transport;
use irongate_message::{BodyLength, Fields};
use irongate_telemetry::StreamMetrics;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The client's side or the instance's. Dropped without [`close`](Side::close), it is reset.
pub(super) struct Side {
    transport: Rc<Transport>,
    pub(super) source: Counted,
    pub(super) sink: Writer,
    is_whole: bool,
}

/// What comes from one side.
pub(super) struct Counted {
    reader: Reader,
    metrics: Arc<StreamMetrics>,
    count: fn(&StreamMetrics, u64),
}

impl Side {
    /// `reader` has what was read already; `count` is told of what is passed on of it.
    pub(super) fn new(
        transport: Rc<Transport>,
        mut reader: Reader,
        metrics: Arc<StreamMetrics>,
        count: fn(&StreamMetrics, u64),
    ) -> Self {
        reader.begin(BodyLength::UntilClose);
        let mut sink = Writer::new(transport.clone(), Vec::new());
        sink.begin_tunnel();
        Self { transport, source: Counted { reader, metrics, count }, sink, is_whole: false }
    }

    pub(super) fn metrics(&self) -> &Arc<StreamMetrics> {
        &self.source.metrics
    }

    /// Nothing was cut short: it ends with a plain close.
    pub(super) fn close(&mut self) {
        self.is_whole = true;
    }
}

impl Side {
    /// Nothing was passed on, and nothing will be: a plain close.
    pub(super) fn refuse(mut self, failure: Failure) -> Result<(), Failure> {
        self.close();
        Err(failure)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        if !self.is_whole {
            self.transport.reset_on_drop();
        }
    }
}

impl Source for Counted {
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, BodyFailure>> {
        self.reader.poll_fill(cx)
    }

    fn data(&self) -> &[u8] {
        self.reader.data()
    }

    fn consume(&mut self, length: usize) {
        self.reader.consume(length);
        (self.count)(&self.metrics, length as u64);
    }

    fn take_trailers(&mut self) -> Option<Fields> {
        None
    }

    fn is_done(&self) -> bool {
        self.reader.is_done()
    }
}
