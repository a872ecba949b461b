//! What a connection's task and the tasks of its streams share: the bytes that go out, the windows, the streams.
//!
//! Streams write their frames where they wait to be sent, as far as the windows and the bound on what waits allow; the
//! connection's task sends all of it once a turn, and then looks after those that found no room.

use super::outgoing::Outgoing;
use super::streams::{Stream, Streams, Waits};
use crate::body::BodyFailure;
use crate::core::Core;
use crate::http2::STREAM_WINDOW;
use irongate_message::http2::frame::{
    self, DEFAULT_TABLE, DEFAULT_WINDOW, ErrorCode, HEADER, MAX_WINDOW, Setting,
};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// How much of its requests' bodies a client may send ahead on all streams together.
const CONNECTION_WINDOW: u32 = 512 << 10;
/// What may wait to be sent when another head is read from an origin.
const MOST_WITH_HEADS: usize = 256 << 10;
/// Less room than this is none, unless the client's window leaves no more: frames are not to become tiny.
pub(super) const LEAST: usize = 1 << 10;
/// Those who wait for room get at least so much, one after the other.
const GRANT: usize = 16 << 10;
/// What a head takes at first.
pub(super) const HEAD: usize = 256;
/// What is asked by PING when the client was told to go (RFC 9113 6.8).
const GOODBYE: [u8; 8] = *b"goodbye.";

/// See [the module](self).
pub(super) struct Wire {
    pub(super) core: Rc<Core>,
    pub(super) out: Outgoing,
    pub(super) streams: Streams,
    /// What we may send on all streams together.
    pub(super) window: i64,
    /// And on a new one.
    initial: i64,
    /// What the client may send on all streams together, and what was consumed of that and not told yet.
    allowed: u32,
    owed: u32,
    /// The streams that found no room, in order; and those that wait with a head.
    pub(super) queue: VecDeque<usize>,
    heads: Vec<usize>,
    /// The connection's task, and whether it knows that there is something to do.
    waker: Option<Waker>,
    is_awake: bool,
    /// The client's table has shrunk below what it began with: the next head says that we use none (RFC 7541 4.2).
    pub(super) table: Table,
    /// The last stream that is served, once the client has been told.
    pub(super) final_stream: Option<u32>,
}

/// What the client knows of the table that we do not use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    AsItBegan,
    ToBeEmptied,
    Emptied,
}

impl Wire {
    /// The beginning of a connection on which so many streams may be open at once, with heads of so many bytes.
    pub(super) fn new(core: Rc<Core>, streams: u32, head_bytes: usize) -> Self {
        let mut out = Outgoing::default();
        let bytes = out.frames(&core, HEAD);
        let settings = [
            Setting::MaxConcurrentStreams(streams),
            Setting::InitialWindowSize(STREAM_WINDOW),
            Setting::MaxHeaderListSize(u32::try_from(head_bytes).unwrap_or(u32::MAX)),
            // WebSocket over streams (RFC 8441).
            Setting::EnableConnectProtocol(true),
        ];
        frame::write_settings(bytes, &settings);
        frame::write_window_update(bytes, 0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        Self {
            core,
            out,
            streams: Streams::default(),
            window: i64::from(DEFAULT_WINDOW),
            initial: i64::from(DEFAULT_WINDOW),
            allowed: CONNECTION_WINDOW,
            owed: 0,
            queue: VecDeque::new(),
            heads: Vec::new(),
            waker: None,
            is_awake: true,
            table: Table::AsItBegan,
            final_stream: None,
        }
    }

    /// Where control frames are appended.
    pub(super) fn frames(&mut self) -> &mut Vec<u8> {
        self.out.frames(&self.core, HEADER + 8)
    }

    /// The connection's task begins a turn.
    pub(super) fn begin_turn(&mut self, cx: &Context<'_>) {
        self.is_awake = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// The turn is over, and has sent what the client takes: those who wait for room are looked after.
    pub(super) fn end_turn(&mut self) {
        self.is_awake = false;
        if !self.heads.is_empty() && self.out.left() <= MOST_WITH_HEADS {
            for place in std::mem::take(&mut self.heads) {
                if let Some(stream) = self.streams.get_mut(place) {
                    stream.wake(Waits::HEADS);
                }
            }
        }
        let room = self.out.room().min(usize::try_from(self.window).unwrap_or(0));
        if self.queue.is_empty() || room == 0 || room < LEAST && self.out.left() > 0 {
            return;
        }
        let count = (room / GRANT).clamp(1, self.queue.len());
        let quota = (room / count).max(LEAST);
        for place in self.queue.drain(..count) {
            if let Some(stream) = self.streams.get_mut(place).filter(|stream| stream.is_queued) {
                stream.is_queued = false;
                stream.quota = quota;
                stream.wake(Waits::ROOM);
            }
        }
    }

    /// There is something for the connection's task to do.
    #[inline]
    pub(super) fn notify(&mut self) {
        if !std::mem::replace(&mut self.is_awake, true)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Ready when there is room for another head.
    pub(super) fn poll_head_room(&mut self, cx: &Context<'_>, place: usize) -> Poll<()> {
        if self.out.left() <= MOST_WITH_HEADS {
            return Poll::Ready(());
        }
        self.streams[place].wait(cx, Waits::HEADS);
        if !self.heads.contains(&place) {
            self.heads.push(place);
        }
        Poll::Pending
    }

    /// All of the request has come.
    pub(super) fn has_all(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        stream.has_all = true;
        stream.wake(Waits::BODY);
        if stream.has_answered {
            self.streams.close(place);
        }
    }

    /// Gives more of a request's body in place of `data`, which is done with. `Ok(false)`: there is no more.
    pub(super) fn poll_body(
        &mut self,
        cx: &Context<'_>,
        place: usize,
        data: &mut Vec<u8>,
    ) -> Poll<Result<bool, BodyFailure>> {
        /// Memory up to this is used again.
        const KEPT: usize = 1 << 10;
        let stream = &mut self.streams[place];
        data.clear();
        if data.capacity() > KEPT {
            *data = Vec::new();
        }
        if !stream.body.is_empty() {
            std::mem::swap(data, &mut stream.body);
            return Poll::Ready(Ok(true));
        }
        if let Some(failure) = stream.broken {
            return Poll::Ready(Err(failure));
        }
        if stream.has_all {
            return Poll::Ready(Ok(false));
        }
        stream.wait(cx, Waits::BODY);
        Poll::Pending
    }

    /// So much of a request's body, or of what is beside it, is done with: the client may send as much anew.
    pub(super) fn consume(&mut self, place: usize, length: u32) {
        let stream = &mut self.streams[place];
        stream.owed += length;
        if !stream.has_all && stream.broken.is_none() && stream.owed >= STREAM_WINDOW / 2 {
            let owed = std::mem::take(&mut stream.owed);
            stream.allowed += owed;
            let id = stream.id;
            frame::write_window_update(self.frames(), id, owed);
            self.notify();
        }
        self.give_back(length);
    }

    /// The client may send so much anew, on any stream.
    pub(super) fn give_back(&mut self, length: u32) {
        self.owed += length;
        if self.owed >= CONNECTION_WINDOW / 2 {
            let owed = std::mem::take(&mut self.owed);
            self.allowed += owed;
            frame::write_window_update(self.frames(), 0, owed);
            self.notify();
        }
    }

    /// Takes note of so much that the client sent. False: it is more than it may.
    pub(super) fn receive(&mut self, length: u32) -> bool {
        let left = self.allowed.checked_sub(length);
        self.allowed = left.unwrap_or(self.allowed);
        left.is_some()
    }

    /// Adds a stream.
    pub(super) fn open(&mut self, id: u32, has_all: bool, expected: Option<u64>) -> usize {
        self.streams.open(Stream::new(id, self.initial, STREAM_WINDOW, has_all, expected))
    }

    /// Ends a stream before its time, unless it is over.
    pub(super) fn reset(&mut self, place: usize, code: ErrorCode, failure: BodyFailure) {
        let stream = &mut self.streams[place];
        if stream.broken.is_some() || stream.has_all && stream.has_answered {
            return;
        }
        stream.fail(failure);
        let id = stream.id;
        self.streams.close(place);
        self.refuse(id, code);
    }

    /// Ends a stream that has no task.
    pub(super) fn refuse(&mut self, id: u32, code: ErrorCode) {
        self.streams.remember(id);
        frame::write_reset(self.frames(), id, code);
        self.notify();
    }

    /// The task of a stream is done with it.
    pub(super) fn remove(&mut self, place: usize) {
        let code = match self.streams[place].has_answered {
            // The rest of the request is not wanted (RFC 9113 8.1).
            true => ErrorCode::NO_ERROR,
            false if std::thread::panicking() => ErrorCode::INTERNAL_ERROR,
            false => ErrorCode::CANCEL,
        };
        self.reset(place, code, BodyFailure::Closed);
        let stream = self.streams.remove(place);
        if stream.is_queued {
            self.queue.retain(|queued| *queued != place);
        }
        self.heads.retain(|waiting| *waiting != place);
        self.give_back(stream.unread);
        if self.streams.count() == 0 {
            // The connection's task looks when it was last at work.
            self.notify();
        }
    }

    /// The client lets us send so much more on all streams. False: that is too much (RFC 9113 6.9.1).
    pub(super) fn widen(&mut self, bytes: u32) -> bool {
        self.window += i64::from(bytes);
        self.window <= i64::from(MAX_WINDOW)
    }

    /// And on one. False: that is too much.
    pub(super) fn widen_stream(&mut self, place: usize, bytes: u32) -> bool {
        let stream = &mut self.streams[place];
        stream.window += i64::from(bytes);
        if stream.window > 0 && !stream.is_queued {
            stream.wake(Waits::ROOM);
        }
        stream.window <= i64::from(MAX_WINDOW)
    }

    /// What we may send on each stream, open ones included, is this now. False: that is too much (RFC 9113 6.9.2).
    pub(super) fn set_initial(&mut self, initial: u32) -> bool {
        let change = i64::from(initial) - self.initial;
        self.initial += change;
        let mut fits = true;
        for stream in self.streams.each_open() {
            stream.window += change;
            fits &= stream.window <= i64::from(MAX_WINDOW);
            if stream.window > 0 && !stream.is_queued {
                stream.wake(Waits::ROOM);
            }
        }
        fits
    }

    /// The client's table for our heads is of this size now.
    pub(super) fn set_table(&mut self, bytes: u32) {
        if (bytes as usize) < DEFAULT_TABLE && self.table == Table::AsItBegan {
            self.table = Table::ToBeEmptied;
        }
    }

    /// Tells the client to open no more streams. Which were the last is said when it has heard that (RFC 9113 6.8).
    pub(super) fn say_goodbye(&mut self) {
        let out = self.frames();
        frame::write_goaway(out, MAX_WINDOW, ErrorCode::NO_ERROR);
        frame::write_ping(out, false, GOODBYE);
    }

    /// The client has answered a PING.
    pub(super) fn heard(&mut self, payload: [u8; 8]) {
        if payload == GOODBYE && self.final_stream.is_none() {
            let last = self.streams.last();
            self.final_stream = Some(last);
            frame::write_goaway(self.frames(), last, ErrorCode::NO_ERROR);
        }
    }

    /// The connection is over: all streams are. With a code, the client is told why.
    pub(super) fn end(&mut self, code: Option<ErrorCode>) {
        for stream in self.streams.each() {
            stream.fail(BodyFailure::Closed);
        }
        if let Some(code) = code {
            // What was said before must not become more: what came later was not served (RFC 9113 6.8).
            let last = self.final_stream.unwrap_or(self.streams.last());
            frame::write_goaway(self.frames(), last, code);
        }
    }

    /// Gives memory back: nothing is going on.
    pub(super) fn release(&mut self) {
        self.out.release(&self.core);
        self.streams.release();
        self.queue.shrink_to_fit();
        self.heads.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests;
