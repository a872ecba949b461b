//! Answers, written where they wait to be sent.

use super::streams::Waits;
use super::wire::{HEAD, LEAST, Table, Wire};
use irongate_message::http2::frame::{self, DEFAULT_FRAME, HEADER, flags};
use irongate_message::http2::{encode_consent, encode_response, encode_trailers};
use irongate_message::{Fields, ResponseHead};
use std::task::{Context, Poll};

/// At the beginning of a header block: a table of no bytes (RFC 7541 6.3).
const EMPTY_TABLE: u8 = 0x20;

/// The stream is over: nothing more goes out on it.
#[derive(Debug)]
pub(super) struct Over;

impl Wire {
    /// Appends an answer's head. `ended`: there is no body.
    pub(super) fn write_head(&mut self, place: usize, head: &ResponseHead, ended: bool) -> Result<(), Over> {
        self.write_block(place, ended, |out| encode_response(head, out))
    }

    /// Appends the head that makes a tunnel of the stream.
    pub(super) fn write_consent(&mut self, place: usize, head: &ResponseHead) -> Result<(), Over> {
        self.write_block(place, false, |out| encode_consent(head, out))
    }

    #[inline]
    fn write_block(
        &mut self,
        place: usize,
        ended: bool,
        block: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Over> {
        let stream = &mut self.streams[place];
        if stream.broken.is_some() || stream.has_answered {
            return Err(Over);
        }
        let empties = self.table == Table::ToBeEmptied;
        if empties {
            self.table = Table::Emptied;
        }
        stream.last_frame = Some(self.out.place());
        let out = self.out.frames(&self.core, HEAD);
        frame::write_headers(out, stream.id, ended, DEFAULT_FRAME, |out| {
            if empties {
                out.push(EMPTY_TABLE);
            }
            block(out);
        });
        if ended {
            self.answered(place);
        }
        self.notify();
        Ok(())
    }

    /// Appends as much of an answer's body as there is room for.
    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        place: usize,
        data: &[u8],
    ) -> Poll<Result<usize, Over>> {
        let stream = &mut self.streams[place];
        if stream.broken.is_some() || stream.has_answered {
            return Poll::Ready(Err(Over));
        }
        let room = self.out.room().min(stream.quota);
        let windows = stream.window.min(self.window);
        let most = usize::try_from(windows).unwrap_or(0).min(room).min(data.len());
        if most == 0 || most < data.len() && room < LEAST && room == most {
            stream.wait(cx, Waits::ROOM);
            // Who waits for its own window alone is woken when that grows.
            if stream.window > 0 && !std::mem::replace(&mut stream.is_queued, true) {
                self.queue.push_back(place);
                self.notify();
            }
            return Poll::Pending;
        }
        for piece in data[..most].chunks(DEFAULT_FRAME) {
            stream.last_frame = Some(self.out.place());
            let out = self.out.frames(&self.core, HEADER + piece.len());
            frame::write_data(out, stream.id, false, piece);
        }
        stream.quota -= most;
        stream.window -= most as i64;
        self.window -= most as i64;
        self.notify();
        Poll::Ready(Ok(most))
    }

    /// Ends an answer: by its last frame, if nothing of that was sent, or by one of its own.
    pub(super) fn finish(&mut self, place: usize, trailers: Option<&Fields>) -> Result<(), Over> {
        let stream = &mut self.streams[place];
        if stream.broken.is_some() || stream.has_answered {
            return Err(Over);
        }
        let begin = self.out.place();
        let mut has_trailers = false;
        if let Some(trailers) = trailers {
            let empties = self.table == Table::ToBeEmptied;
            let out = self.out.frames(&self.core, HEAD);
            frame::write_headers(out, stream.id, true, DEFAULT_FRAME, |out| {
                if empties {
                    out.push(EMPTY_TABLE);
                }
                has_trailers = encode_trailers(trailers, out);
            });
            if !has_trailers {
                self.out.take_back(begin);
            } else if empties {
                self.table = Table::Emptied;
            }
        }
        let is_marked = |last| self.out.set_flag(last, flags::END_STREAM);
        if !has_trailers && !stream.last_frame.is_some_and(is_marked) {
            let out = self.out.frames(&self.core, HEADER);
            frame::write_data(out, stream.id, true, &[]);
        }
        self.answered(place);
        self.notify();
        Ok(())
    }

    fn answered(&mut self, place: usize) {
        let stream = &mut self.streams[place];
        stream.has_answered = true;
        if stream.has_all {
            self.streams.close(place);
        }
    }
}
