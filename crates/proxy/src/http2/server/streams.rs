//! The streams of one connection.

use crate::body::BodyFailure;
use irongate_message::Fields;
use slab::Slab;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::task::{Context, Waker};

use super::outgoing::Place;

/// Streams that we reset, remembered since frames for them may be under way (RFC 9113 5.1).
const REMEMBERED: usize = 128;
/// What a body grows by at least, in bytes, where it waits in small pieces.
const STEP: usize = 1 << 10;
/// What a stream may send before the others of its connection are looked after, in bytes.
const QUOTA: usize = 64 << 10;

/// What a stream's task waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Waits(u8);

impl Waits {
    /// More of the request's body, or its end.
    pub(super) const BODY: Self = Self(1);
    /// That the client's window for the stream, or the connection, takes more of the answer.
    pub(super) const ROOM: Self = Self(2);
    /// The end of the stream before its time.
    pub(super) const RESET: Self = Self(4);
    /// Room for another head.
    pub(super) const HEADS: Self = Self(8);
}

/// One stream, from its request's head until its task is done with it.
pub(super) struct Stream {
    pub(super) id: u32,
    /// What we may send; below zero where the client has made its windows smaller (RFC 9113 6.9.2).
    pub(super) window: i64,
    /// What of that may be sent before others have had their turn.
    pub(super) quota: usize,
    /// What the client may send.
    pub(super) allowed: u32,
    /// What was consumed of its body, and is not in `allowed` yet.
    pub(super) owed: u32,
    /// What has come of its body and was not consumed.
    pub(super) unread: u32,
    /// The part of that which the task has not taken.
    pub(super) body: Vec<u8>,
    /// How long the rest of the body is, where the head has said it.
    pub(super) expected: Option<u64>,
    pub(super) trailers: Option<Box<Fields>>,
    /// The client has ended its side.
    pub(super) has_all: bool,
    /// We have ended ours.
    pub(super) has_answered: bool,
    /// Why it ended before its time, if it did.
    pub(super) broken: Option<BodyFailure>,
    /// The last frame of the answer.
    pub(super) last_frame: Option<Place>,
    /// It stands in the connection's queue for room.
    pub(super) is_queued: bool,
    waits: u8,
    waker: Option<Waker>,
}

impl Stream {
    pub(super) fn new(id: u32, window: i64, allowed: u32, has_all: bool, expected: Option<u64>) -> Self {
        Self {
            id,
            window,
            quota: QUOTA,
            allowed,
            owed: 0,
            unread: 0,
            body: Vec::new(),
            expected,
            trailers: None,
            has_all,
            has_answered: false,
            broken: None,
            last_frame: None,
            is_queued: false,
            waits: 0,
            waker: None,
        }
    }

    /// Its task is to be woken when that has come which it waits for.
    #[inline]
    pub(super) fn wait(&mut self, cx: &Context<'_>, what: Waits) {
        self.waits |= what.0;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Wakes the task if that is what it waits for.
    #[inline]
    pub(super) fn wake(&mut self, what: Waits) {
        if self.waits & what.0 != 0 {
            self.waits &= !what.0;
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// Ends it before its time.
    pub(super) fn fail(&mut self, failure: BodyFailure) {
        self.broken.get_or_insert(failure);
        // Whatever it waits for.
        self.wake(Waits(u8::MAX));
    }

    /// More of its body has come. Small pieces are put together, so that they cost no more than their bytes.
    pub(super) fn push(&mut self, data: &[u8]) {
        if self.body.capacity() - self.body.len() < data.len() {
            self.body.reserve_exact(data.len().max(STEP).max(self.body.len() / 4));
        }
        self.body.extend_from_slice(data);
        self.unread += data.len() as u32;
    }
}

/// The streams, by the place that each has while its task is at work.
#[derive(Default)]
pub(super) struct Streams {
    all: Slab<Stream>,
    /// Those that are open, by number: number and place.
    open: Vec<(u32, usize)>,
    /// The highest number that the client has used.
    last: u32,
    reset: VecDeque<u32>,
}

impl Streams {
    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// How many tasks there are, those of streams that are over included.
    pub(super) fn tasks(&self) -> usize {
        self.all.len()
    }

    /// The highest number that was used.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Takes note of a number that the client uses; whether it is a new one.
    pub(super) fn use_number(&mut self, id: u32) -> bool {
        let is_new = id > self.last;
        self.last = self.last.max(id);
        is_new
    }

    /// Whether the client has never used it (RFC 9113 5.1.1).
    pub(super) fn is_idle(&self, id: u32) -> bool {
        id > self.last || id.is_multiple_of(2)
    }

    /// The open stream of this number.
    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let index = self.open.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.open[index].1)
    }

    /// Adds an open stream, whose number is higher than all before.
    pub(super) fn open(&mut self, stream: Stream) -> usize {
        let id = stream.id;
        let place = self.all.insert(stream);
        self.open.push((id, place));
        place
    }

    /// It is no longer open.
    pub(super) fn close(&mut self, place: usize) {
        let id = self.all[place].id;
        if let Ok(index) = self.open.binary_search_by_key(&id, |(id, _)| *id) {
            self.open.remove(index);
        }
    }

    /// Its task is done with it.
    pub(super) fn remove(&mut self, place: usize) -> Stream {
        self.close(place);
        self.all.remove(place)
    }

    /// We have reset it: what comes for it is ignored for a while.
    pub(super) fn remember(&mut self, id: u32) {
        if self.reset.len() == REMEMBERED {
            self.reset.pop_front();
        }
        self.reset.push_back(id);
    }

    /// Whether it is one of those.
    pub(super) fn was_reset(&self, id: u32) -> bool {
        self.reset.contains(&id)
    }

    /// All that are open.
    pub(super) fn each_open(&mut self) -> impl Iterator<Item = &mut Stream> {
        let open = &self.open;
        let all = &mut self.all;
        all.iter_mut()
            .filter(|(place, stream)| open.binary_search(&(stream.id, *place)).is_ok())
            .map(|(_, stream)| stream)
    }

    /// All whose tasks are at work.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut().map(|(_, stream)| stream)
    }

    /// Gives back what memory is not in use.
    pub(super) fn release(&mut self) {
        self.all.shrink_to_fit();
        self.open.shrink_to_fit();
        self.reset.shrink_to_fit();
    }

    /// The stream at a place, if its task is still at work.
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Stream> {
        self.all.get_mut(place)
    }
}

impl Index<usize> for Streams {
    type Output = Stream;

    fn index(&self, place: usize) -> &Stream {
        &self.all[place]
    }
}

impl IndexMut<usize> for Streams {
    fn index_mut(&mut self, place: usize) -> &mut Stream {
        &mut self.all[place]
    }
}
