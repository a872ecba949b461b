//! What a client's frames do (RFC 9113 6).

use super::streams::Waits;
use super::watch::Watch;
use super::wire::Wire;
use super::{Shared, control};
use crate::body::BodyFailure;
use crate::failure::Failure;
use crate::http2::resets::Resets;
use crate::share::NoRoom;
use irongate_message::http2::frame::{
    DEFAULT_TABLE, ErrorCode, FrameHeader, Kind, data_payload, flags, headers_payload, reset_payload,
    window_update_payload,
};
use irongate_message::http2::hpack::{Decoder, FieldBlock};
use irongate_message::{BodyLength, Fields};
use irongate_telemetry::Reason;
use irongate_traffic::Time;
use std::rc::Rc;

/// A header block is at most so much longer, in bytes, than the fields in it may be.
const BESIDE_FIELDS: usize = 16 << 10;
/// Memory of joined fragments up to this is used again.
const KEPT: usize = 16 << 10;
/// What a stream fails with that the client has done wrong.
const AT_FAULT: BodyFailure = BodyFailure::Malformed("http2_protocol");

/// Why a connection ends: the code that the client is told, and the reason that is counted.
pub(super) struct Fault {
    pub(super) code: ErrorCode,
    pub(super) reason: Option<&'static str>,
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        let reason = match code {
            ErrorCode::FRAME_SIZE_ERROR => Some("http2_frame_size"),
            ErrorCode::ENHANCE_YOUR_CALM => Some("http2_flood"),
            _ => None,
        };
        Self { code, reason }
    }
}

/// The reading side of a connection.
pub(super) struct Frames {
    decoder: Decoder,
    block: FieldBlock,
    /// The header block that has begun and not ended, and its fragments.
    head: Option<Begun>,
    joined: Vec<u8>,
    pub(super) watch: Watch,
    resets: Resets,
    /// The client has sent its settings, which come first.
    has_settings: bool,
    /// A stream has been opened.
    pub(super) is_used: bool,
    /// The client has said that it goes.
    pub(super) client_leaves: bool,
}

#[derive(Clone, Copy)]
struct Begun {
    stream: u32,
    end_stream: bool,
    is_new: bool,
}

impl Frames {
    pub(super) fn new(now: Time) -> Self {
        Self {
            decoder: Decoder::new(DEFAULT_TABLE),
            block: FieldBlock::new(),
            head: None,
            joined: Vec::new(),
            watch: Watch::new(now),
            resets: Resets::new(now),
            has_settings: false,
            is_used: false,
            client_leaves: false,
        }
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn is_in_head(&self) -> bool {
        self.head.is_some()
    }

    /// Gives memory back: nothing is going on.
    pub(super) fn release(&mut self) {
        self.decoder.shrink();
        self.block = FieldBlock::new();
        if self.head.is_none() {
            self.joined = Vec::new();
        }
    }

    /// Does what a frame says; gives the work that it was, as bytes of a body that would be as much.
    pub(super) fn take(
        &mut self,
        shared: &Rc<Shared>,
        wire: &mut Wire,
        header: FrameHeader,
        payload: &[u8],
        now: Time,
    ) -> Result<usize, Fault> {
        let work = self.watch.note(header);
        let is_first = !std::mem::replace(&mut self.has_settings, true);
        if is_first && (header.kind != Kind::SETTINGS || header.has(flags::ACK)) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        let continues = header.kind == Kind::CONTINUATION;
        if self.head.map(|head| head.stream) != continues.then_some(header.stream) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        match header.kind {
            Kind::DATA => self.data(wire, header, payload, now),
            Kind::HEADERS => self.headers(shared, wire, header, payload, now),
            Kind::CONTINUATION => self.continuation(shared, wire, header, payload, now),
            Kind::RST_STREAM => self.reset(wire, header, payload, now),
            Kind::WINDOW_UPDATE => self.window_update(wire, header, payload, now),
            Kind::SETTINGS => control::settings(wire, header, payload),
            Kind::PING => control::ping(wire, header, payload),
            Kind::GOAWAY => control::goaway(header, payload).map(|()| self.client_leaves = true),
            Kind::PRIORITY => control::priority(header, payload),
            // We have said nothing of push; a client never may (RFC 9113 8.4).
            Kind::PUSH_PROMISE => Err(ErrorCode::PROTOCOL_ERROR.into()),
            _ => Ok(()),
        }?;
        if self.watch.is_flooded() {
            return Err(ErrorCode::ENHANCE_YOUR_CALM.into());
        }
        if self.resets.are_too_many() {
            return Err(Fault { code: ErrorCode::ENHANCE_YOUR_CALM, reason: Some("http2_resets") });
        }
        Ok(work)
    }

    /// Ends a stream by the client's fault.
    fn fail(&mut self, wire: &mut Wire, place: usize, code: ErrorCode, now: Time) {
        self.resets.note(now);
        wire.reset(place, code, AT_FAULT);
    }

    fn data(&mut self, wire: &mut Wire, header: FrameHeader, payload: &[u8], now: Time) -> Result<(), Fault> {
        let FrameHeader { length, stream: id, .. } = header;
        if wire.streams.is_idle(id) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        if !wire.receive(length) {
            return Err(ErrorCode::FLOW_CONTROL_ERROR.into());
        }
        let data = data_payload(header.flags, payload)?;
        let Some(place) = wire.streams.find(id) else {
            wire.give_back(length);
            if !wire.streams.was_reset(id) {
                self.watch.count();
                wire.refuse(id, ErrorCode::STREAM_CLOSED);
            }
            return Ok(());
        };
        let ends = header.has(flags::END_STREAM);
        let stream = &mut wire.streams[place];
        let fault = if stream.has_all {
            Some(ErrorCode::STREAM_CLOSED)
        } else if length > stream.allowed {
            Some(ErrorCode::FLOW_CONTROL_ERROR)
        } else if !keeps_length(&mut stream.expected, data.len(), ends) {
            Some(ErrorCode::PROTOCOL_ERROR)
        } else {
            None
        };
        if let Some(code) = fault {
            wire.give_back(length);
            self.fail(wire, place, code, now);
            return Ok(());
        }
        stream.allowed -= length;
        stream.push(data);
        let padding = length - data.len() as u32;
        if data.is_empty() && padding > 0 && !ends {
            self.watch.count_empty();
        }
        if ends {
            wire.has_all(place);
        } else if !data.is_empty() {
            stream.wake(Waits::BODY);
        }
        if padding > 0 {
            wire.consume(place, padding);
        }
        Ok(())
    }

    fn headers(
        &mut self,
        shared: &Rc<Shared>,
        wire: &mut Wire,
        header: FrameHeader,
        payload: &[u8],
        now: Time,
    ) -> Result<(), Fault> {
        let stream = header.stream;
        if stream.is_multiple_of(2) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        let fragment = headers_payload(header.flags, payload, stream)?.fragment;
        let is_new = wire.streams.use_number(stream);
        let begun = Begun { stream, end_stream: header.has(flags::END_STREAM), is_new };
        if header.has(flags::END_HEADERS) {
            return self.whole_block(shared, wire, begun, fragment, now);
        }
        self.joined.clear();
        self.joined.extend_from_slice(fragment);
        self.head = Some(begun);
        Ok(())
    }

    #[cold]
    fn continuation(
        &mut self,
        shared: &Rc<Shared>,
        wire: &mut Wire,
        header: FrameHeader,
        payload: &[u8],
        now: Time,
    ) -> Result<(), Fault> {
        if self.joined.len() + payload.len() > shared.facts.head_limits.bytes + BESIDE_FIELDS {
            return Err(ErrorCode::ENHANCE_YOUR_CALM.into());
        }
        self.joined.extend_from_slice(payload);
        if !header.has(flags::END_HEADERS) {
            return Ok(());
        }
        let Some(begun) = self.head.take() else { return Err(ErrorCode::PROTOCOL_ERROR.into()) };
        let joined = std::mem::take(&mut self.joined);
        let result = self.whole_block(shared, wire, begun, &joined, now);
        if joined.capacity() <= KEPT {
            self.joined = joined;
        }
        result
    }

    /// A header block has come: a request's head, or trailers.
    fn whole_block(
        &mut self,
        shared: &Rc<Shared>,
        wire: &mut Wire,
        begun: Begun,
        block: &[u8],
        now: Time,
    ) -> Result<(), Fault> {
        let most = shared.facts.head_limits.bytes;
        self.decoder.decode(block, &mut self.block, most).map_err(|_| ErrorCode::COMPRESSION_ERROR)?;
        self.watch.count_head(self.block.size(), most);
        if begun.is_new {
            self.request(shared, wire, begun, now);
            return Ok(());
        }
        match wire.streams.find(begun.stream) {
            Some(place) => self.trailers(shared, wire, place, begun.end_stream, now),
            None if wire.streams.was_reset(begun.stream) => {}
            None => return Err(ErrorCode::STREAM_CLOSED.into()),
        }
        Ok(())
    }

    fn request(&mut self, shared: &Rc<Shared>, wire: &mut Wire, begun: Begun, now: Time) {
        let Begun { stream: id, end_stream, .. } = begun;
        let Shared { client, facts, .. } = &**shared;
        let streams = facts.options.limits.streams.max(1) as usize;
        if wire.final_stream.is_some_and(|last| id > last) {
            // The client was told that it is not served (RFC 9113 6.8).
            return wire.streams.remember(id);
        }
        // Tasks of streams that were reset may still be there.
        if wire.streams.count() >= streams || wire.streams.tasks() >= 2 * streams {
            return wire.refuse(id, ErrorCode::REFUSED_STREAM);
        }
        self.is_used = true;
        let mut scratch = client.core.take_scratch();
        let read = scratch.request.from_block(&self.block, end_stream, &facts.head_limits);
        let read = match read.map(|()| client.hold_head(&mut scratch.request)) {
            Ok(Ok(held)) => Ok(held),
            Ok(Err(NoRoom)) => {
                self.watch.opened();
                client.metrics.refused(Reason::new("http2_heads"));
                client.core.give_scratch(scratch);
                return wire.refuse(id, ErrorCode::REFUSED_STREAM);
            }
            Err(error) => {
                client.metrics.refused(Failure::Head(error).reason());
                if self.block.is_over() || error.is_malformed_http2() {
                    self.resets.note(now);
                }
                if error.is_malformed_http2() {
                    client.core.give_scratch(scratch);
                    return wire.refuse(id, ErrorCode::PROTOCOL_ERROR);
                }
                Err((error, self.block.iter().any(|field| field == (b":method", b"HEAD"))))
            }
        };
        if !self.block.is_over() {
            self.watch.opened();
        }
        let expected = match (&read, scratch.request.body()) {
            (Ok(_), BodyLength::Length(length)) => Some(length),
            _ => None,
        };
        let place = wire.open(id, end_stream, expected);
        super::spawn(shared, place, scratch, read);
    }

    fn trailers(&mut self, shared: &Rc<Shared>, wire: &mut Wire, place: usize, end_stream: bool, now: Time) {
        let stream = &mut wire.streams[place];
        if stream.has_all {
            return self.fail(wire, place, ErrorCode::STREAM_CLOSED, now);
        }
        if !end_stream || stream.expected.is_some_and(|left| left > 0) {
            return self.fail(wire, place, ErrorCode::PROTOCOL_ERROR, now);
        }
        match Fields::from_trailer_block(&self.block, &shared.facts.head_limits) {
            Ok(trailers) => {
                stream.trailers = trailers.map(Box::new);
                wire.has_all(place);
            }
            Err(error) if error.is_malformed_http2() => {
                self.fail(wire, place, ErrorCode::PROTOCOL_ERROR, now)
            }
            Err(error) => {
                self.resets.note(now);
                wire.reset(place, ErrorCode::ENHANCE_YOUR_CALM, BodyFailure::Malformed(error.reason()));
            }
        }
    }

    fn reset(
        &mut self,
        wire: &mut Wire,
        header: FrameHeader,
        payload: &[u8],
        now: Time,
    ) -> Result<(), Fault> {
        let code = reset_payload(payload)?;
        if wire.streams.is_idle(header.stream) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        if let Some(place) = wire.streams.find(header.stream) {
            self.resets.note(now);
            wire.streams[place].fail(BodyFailure::Reset(code.0));
            wire.streams.close(place);
        } else {
            // Of one that is over already: once is usual.
            self.watch.count();
        }
        Ok(())
    }

    fn window_update(
        &mut self,
        wire: &mut Wire,
        header: FrameHeader,
        payload: &[u8],
        now: Time,
    ) -> Result<(), Fault> {
        let bytes = window_update_payload(payload);
        if header.stream == 0 {
            return if wire.widen(bytes?) { Ok(()) } else { Err(ErrorCode::FLOW_CONTROL_ERROR.into()) };
        }
        if bytes == Err(ErrorCode::FRAME_SIZE_ERROR) {
            return Err(ErrorCode::FRAME_SIZE_ERROR.into());
        }
        if wire.streams.is_idle(header.stream) {
            return Err(ErrorCode::PROTOCOL_ERROR.into());
        }
        let Some(place) = wire.streams.find(header.stream) else { return Ok(()) };
        match bytes {
            Ok(bytes) if wire.widen_stream(place, bytes) => {}
            Ok(_) => self.fail(wire, place, ErrorCode::FLOW_CONTROL_ERROR, now),
            Err(code) => self.fail(wire, place, code, now),
        }
        Ok(())
    }
}

/// Whether a piece of a body is within the length that its head has told, and its end is where it should be
/// (RFC 9113 8.1.1).
#[inline]
fn keeps_length(expected: &mut Option<u64>, length: usize, ends: bool) -> bool {
    let Some(left) = expected else { return true };
    match left.checked_sub(length as u64) {
        Some(rest) if !ends || rest == 0 => {
            *left = rest;
            true
        }
        _ => false,
    }
}
