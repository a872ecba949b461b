//! A client that keeps to RFC 9113, and checks that the gateway does.

use crate::world::{Peer, World, turns};
use fastrand::Rng;
use irongate_message::http2::frame::{
    DEFAULT_FRAME, DEFAULT_TABLE, DEFAULT_WINDOW, ErrorCode, FrameHeader, HEADER, Kind, MAX_WINDOW, PREFACE,
    Setting, data_payload, flags, ping_payload, reset_payload, window_update_payload, write_headers,
    write_ping, write_reset, write_settings, write_settings_ack, write_window_update,
};
use irongate_message::http2::hpack::{Decoder, Encoder, FieldBlock};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What the requests have in common; `:path` comes behind.
pub(super) const REQUEST: [(&[u8], &[u8]); 3] =
    [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"h")];
/// Streams that it has open at once.
const OPEN: usize = 12;
/// Streams that it gives up.
const GIVEN_UP: usize = 8;

pub(super) struct Client {
    peer: Peer,
    rng: Rng,
    seed: u64,
    /// What is to be sent.
    out: Vec<u8>,
    decoder: Decoder,
    /// A header block that has begun: its stream, whether that ends with it, what came so far.
    begun: Option<(u32, bool, Vec<u8>)>,
    streams: BTreeMap<u32, Stream>,
    next: u32,
    given_up: usize,
    /// Questions that were not answered yet.
    pings: VecDeque<[u8; 8]>,
    /// What the gateway may send in all, and what a stream may get: the size that it has acknowledged, then those that it
    /// has not. Until then either may hold.
    window: i64,
    sizes: VecDeque<i64>,
    /// The sizes of its table for header blocks in the same manner; and what the gateway makes use of. When that is too much,
    /// the next block has to say that it uses less (RFC 7541 4.2).
    tables: VecDeque<u32>,
    table: u32,
    /// What it takes of us.
    their_window: i64,
    their_size: i64,
    their_streams: usize,
}

#[derive(Default)]
struct Stream {
    /// What is left of the body, whether trailers follow, and whether all of it was sent.
    left: Vec<u8>,
    trailers: bool,
    sent: bool,
    given_up: bool,
    /// Beside the sizes above: what was granted, less what came; and the same of what we send.
    window: i64,
    their_window: i64,
    status: Option<u16>,
    body: Vec<u8>,
    ended: bool,
    expected: (u16, Vec<u8>),
}

impl Client {
    pub(super) async fn open(world: &World, rng: Rng, seed: u64) -> Self {
        let mut client = Self {
            peer: world.client(),
            rng,
            seed,
            out: PREFACE.to_vec(),
            decoder: Decoder::new(DEFAULT_TABLE),
            begun: None,
            streams: BTreeMap::new(),
            next: 1,
            given_up: 0,
            pings: VecDeque::new(),
            window: i64::from(DEFAULT_WINDOW),
            sizes: [i64::from(DEFAULT_WINDOW)].into(),
            tables: [DEFAULT_TABLE as u32].into(),
            table: DEFAULT_TABLE as u32,
            their_window: i64::from(DEFAULT_WINDOW),
            their_size: i64::from(DEFAULT_WINDOW),
            their_streams: 1,
        };
        client.set();
        client.flush().await;
        client
    }

    /// Says something, and listens.
    pub(super) async fn step(&mut self) {
        match self.rng.u8(..16) {
            0..4 => self.begin(),
            4..9 => self.continue_body(),
            9 | 10 => self.grant(),
            11 => self.set(),
            12 => {
                let payload = self.rng.u64(..).to_be_bytes();
                self.pings.push_back(payload);
                write_ping(&mut self.out, false, payload);
            }
            13 => self.say_nothing(),
            14 => self.give_up(),
            _ => turns(self.rng.usize(..50)).await,
        }
        if self.rng.bool() {
            self.flush().await;
        }
    }

    /// Makes its table smaller while the body of an answer waits for room, and trailers behind that.
    pub(super) async fn shrink_table_before_trailers(&mut self) {
        self.set_to(&[Setting::InitialWindowSize(0)], 0, DEFAULT_TABLE as u32);
        write_headers(&mut self.out, self.next, true, DEFAULT_FRAME, |out| {
            REQUEST.iter().for_each(|(name, value)| Encoder::field(out, name, value));
            Encoder::field(out, b":path", b"/");
            Encoder::field(out, b"x-new", b"1");
        });
        let stream = Stream { sent: true, expected: (200, b"hello".to_vec()), ..Stream::default() };
        self.streams.insert(self.next, stream);
        self.flush().await;
        assert_eq!(self.streams[&self.next].status, Some(200));
        self.set_to(&[Setting::HeaderTableSize(0)], 0, 0);
        self.flush().await;
    }

    /// Sends all that is left, takes all that is left, and looks whether everything came.
    pub(super) async fn finish(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "seed {}: something never comes", self.seed);
            let open: Vec<u32> = self.open_streams().collect();
            if open.is_empty() && self.pings.is_empty() && self.sizes.len() == 1 && self.begun.is_none() {
                break;
            }
            for number in open {
                self.send_some(number);
                self.grant_to(number, 5_000);
            }
            self.grant_to(0, 5_000);
            self.flush().await;
        }
        let seed = self.seed;
        for (number, stream) in &self.streams {
            if !stream.given_up {
                let (status, body) = &stream.expected;
                assert_eq!(stream.status, Some(*status), "seed {seed}, stream {number}");
                assert!(*status != 200 || stream.body == *body, "seed {seed}, stream {number}");
            }
        }
    }

    fn open_streams(&self) -> impl Iterator<Item = u32> {
        let is_open = |stream: &Stream| !(stream.given_up || stream.sent && stream.ended);
        self.streams.iter().filter(move |(_, stream)| is_open(stream)).map(|(number, _)| *number)
    }
}

/// What it says.
impl Client {
    fn begin(&mut self) {
        if self.open_streams().count() >= OPEN.min(self.their_streams) {
            return;
        }
        let number = self.next;
        self.next += 2;
        let rng = &mut self.rng;
        let mut body = vec![0; if rng.bool() { 0 } else { rng.usize(..9_000) }];
        rng.fill(&mut body);
        let moved = rng.u8(..5) == 0;
        let trailers = rng.u8(..4) == 0;
        let ends = body.is_empty() && !trailers && rng.bool();
        let declared = rng.bool() && !ends;
        // Not in more pieces than an honest client would make.
        let most = if rng.u8(..4) == 0 { rng.usize(25..60) } else { DEFAULT_FRAME };
        write_headers(&mut self.out, number, ends, most, |out| {
            if rng.u8(..10) == 0 {
                // A change of the table's size.
                out.push(0x20);
            }
            REQUEST.iter().for_each(|(name, value)| Encoder::field(out, name, value));
            Encoder::field(out, b":path", if moved { b"/moved" } else { b"/" });
            if rng.bool() {
                // Into the table.
                out.extend_from_slice(b"\x40\x05x-new\x01");
                out.push(rng.u8(b'a'..=b'z'));
            }
            if declared {
                Encoder::field(out, b"content-length", body.len().to_string().as_bytes());
            }
        });
        let answer = if body.is_empty() { b"hello".to_vec() } else { body.clone() };
        let expected = (if moved { 302 } else { 200 }, answer);
        let stream = Stream { left: body, trailers, sent: ends, expected, ..Stream::default() };
        self.streams.insert(number, stream);
    }

    fn continue_body(&mut self) {
        let open: Vec<u32> = self.open_streams().collect();
        if let Some(&number) = self.rng.choice(&open) {
            self.send_some(number);
        }
    }

    /// Sends a piece of a stream's body, as far as the windows allow, or its end.
    fn send_some(&mut self, number: u32) {
        let stream = self.streams.get_mut(&number).expect("it was opened");
        if stream.sent {
            return;
        }
        let rng = &mut self.rng;
        if stream.left.is_empty() && stream.trailers {
            write_headers(&mut self.out, number, true, rng.usize(5..50), |out| {
                Encoder::field(out, b"x-trailer", b"1");
            });
            stream.sent = true;
            return;
        }
        let padding = if rng.u8(..4) == 0 { rng.usize(1..=256) } else { 0 };
        let room = self.their_window.min(self.their_size + stream.their_window).min(DEFAULT_FRAME as i64);
        let Some(room) = usize::try_from(room).ok().and_then(|room| room.checked_sub(padding)) else {
            return;
        };
        let length = rng.usize(..=stream.left.len()).min(room);
        let piece: Vec<u8> = stream.left.drain(..length).collect();
        stream.sent = stream.left.is_empty() && !stream.trailers;
        let end = if stream.sent { flags::END_STREAM } else { 0 };
        let length = length + padding;
        let flags = end | if padding > 0 { flags::PADDED } else { 0 };
        FrameHeader { length: length as u32, kind: Kind::DATA, flags, stream: number }.write(&mut self.out);
        if padding > 0 {
            self.out.push((padding - 1) as u8);
        }
        self.out.extend(piece);
        self.out.resize(self.out.len() + padding.saturating_sub(1), 0);
        stream.their_window -= length as i64;
        self.their_window -= length as i64;
    }

    fn grant(&mut self) {
        let mut numbers: Vec<u32> = self.open_streams().collect();
        numbers.push(0);
        let number = *self.rng.choice(&numbers).expect("the connection is there");
        let bytes = self.rng.u32(1..3_000);
        self.grant_to(number, bytes);
    }

    fn grant_to(&mut self, number: u32, bytes: u32) {
        let window = match self.streams.get_mut(&number) {
            Some(stream) => &mut stream.window,
            None => &mut self.window,
        };
        // With any size that may come no window grows beyond its bound.
        if *window < i64::from(MAX_WINDOW / 2) {
            *window += i64::from(bytes);
            write_window_update(&mut self.out, number, bytes);
        }
    }

    fn set(&mut self) {
        let size = self.rng.u32(..5_000);
        let frame = self.rng.u32(16_384..20_000);
        // It may say less than what the decoder would take, and more again.
        let table = self.rng.choice([0, 100, DEFAULT_TABLE as u32]).expect("three");
        let table = if self.rng.bool() { self.tables[self.tables.len() - 1] } else { table };
        let settings = [
            Setting::HeaderTableSize(table),
            Setting::EnablePush(false),
            Setting::Unknown(0x2a2a, self.rng.u32(..)),
            Setting::MaxFrameSize(frame),
            Setting::InitialWindowSize(size),
        ];
        let first = if table == self.tables[self.tables.len() - 1] { self.rng.usize(..5) } else { 0 };
        self.set_to(&settings[first..], size, table);
    }

    /// Sends settings after which the sizes are these.
    fn set_to(&mut self, settings: &[Setting], size: u32, table: u32) {
        self.sizes.push_back(i64::from(size));
        self.tables.push_back(table);
        write_settings(&mut self.out, settings);
    }

    /// Frames that mean nothing.
    fn say_nothing(&mut self) {
        let stream = self.rng.u32(..30);
        let mut payload = vec![0; self.rng.usize(..30)];
        self.rng.fill(&mut payload);
        let frame =
            |length: usize, kind, flags, stream| FrameHeader { length: length as u32, kind, flags, stream };
        if self.rng.bool() {
            frame(payload.len(), Kind(self.rng.u8(16..)), self.rng.u8(..), stream).write(&mut self.out);
        } else {
            let stream = stream | 1;
            payload = vec![0x80, 0, 0, if stream == 3 { 5 } else { 3 }, self.rng.u8(..)];
            frame(5, Kind::PRIORITY, 0, stream).write(&mut self.out);
        }
        self.out.extend(payload);
    }

    fn give_up(&mut self) {
        let open: Vec<u32> = self.open_streams().collect();
        if self.given_up < GIVEN_UP
            && let Some(&number) = self.rng.choice(&open)
        {
            self.given_up += 1;
            self.streams.get_mut(&number).expect("it was opened").given_up = true;
            write_reset(&mut self.out, number, ErrorCode::CANCEL);
        }
    }

    /// Sends what there is in pieces, and takes what comes between them.
    async fn flush(&mut self) {
        while !self.out.is_empty() {
            let piece = self.rng.usize(1..=self.out.len().min(8_000));
            let sent = self.peer.try_send_for(Duration::from_millis(1), &self.out[..piece]).await;
            self.out.drain(..sent);
            if self.rng.bool() || sent < piece {
                self.listen().await;
            }
        }
        self.listen().await;
    }
}

/// What it hears.
impl Client {
    /// Takes frames until nobody has anything to do.
    async fn listen(&mut self) {
        while let Ok(taken) = tokio::time::timeout(Duration::from_millis(1), self.peer.take(HEADER)).await {
            assert!(taken.is_ok(), "seed {}: {taken:?}", self.seed);
            let bytes = taken.expect("it was looked at");
            let header = FrameHeader::parse(&bytes.try_into().expect("that many were asked for"));
            assert!(header.length as usize <= DEFAULT_FRAME, "seed {}: {header:?}", self.seed);
            let payload = self.peer.take(header.length as usize).await.expect("a whole frame");
            self.hear(header, &payload);
        }
    }

    fn hear(&mut self, header: FrameHeader, payload: &[u8]) {
        let context = format!("seed {}: {header:?} {}", self.seed, payload.escape_ascii());
        let is_continued = header.kind == Kind::CONTINUATION
            && self.begun.as_ref().is_some_and(|(stream, ..)| *stream == header.stream);
        assert_eq!(self.begun.is_some(), is_continued, "{context}");
        match header.kind {
            Kind::DATA => self.hear_data(header, payload, &context),
            Kind::HEADERS | Kind::CONTINUATION => {
                let mut begun =
                    self.begun.take().unwrap_or((header.stream, header.has(flags::END_STREAM), Vec::new()));
                begun.2.extend_from_slice(payload);
                match header.has(flags::END_HEADERS) {
                    true => self.hear_head(begun.0, begun.1, &begun.2, &context),
                    false => self.begun = Some(begun),
                }
            }
            Kind::RST_STREAM => {
                let code = reset_payload(payload).expect(&context);
                let stream = self.streams.get_mut(&header.stream).expect(&context);
                // After an early answer nobody wants the rest of the request.
                assert!(stream.given_up || (code == ErrorCode::NO_ERROR && stream.ended), "{context}");
                stream.sent = true;
            }
            Kind::SETTINGS if header.has(flags::ACK) => {
                assert!(self.sizes.len() > 1 && payload.is_empty(), "{context}");
                self.sizes.pop_front();
                self.tables.pop_front();
            }
            Kind::SETTINGS => {
                for setting in Setting::read_all(payload) {
                    match setting.expect(&context) {
                        Setting::InitialWindowSize(bytes) => self.their_size = i64::from(bytes),
                        Setting::MaxConcurrentStreams(streams) => self.their_streams = streams as usize,
                        _ => {}
                    }
                }
                write_settings_ack(&mut self.out);
            }
            Kind::PING if header.has(flags::ACK) => {
                assert_eq!(ping_payload(payload).ok(), self.pings.pop_front(), "{context}");
            }
            Kind::PING => write_ping(&mut self.out, true, ping_payload(payload).expect(&context)),
            Kind::WINDOW_UPDATE => {
                let bytes = i64::from(window_update_payload(payload).expect(&context));
                match self.streams.get_mut(&header.stream) {
                    Some(stream) => stream.their_window += bytes,
                    None if header.stream == 0 => self.their_window += bytes,
                    None => unreachable!("{context}"),
                }
                assert!(self.their_window <= i64::from(MAX_WINDOW), "{context}");
            }
            _ => unreachable!("{context}"),
        }
    }

    fn hear_data(&mut self, header: FrameHeader, payload: &[u8], context: &str) {
        let stream = self.streams.get_mut(&header.stream).expect(context);
        let length = i64::from(header.length);
        self.window -= length;
        stream.window -= length;
        assert!(length == 0 || self.window >= 0, "{context}");
        if stream.given_up {
            return;
        }
        let size = self.sizes.iter().max().expect("the acknowledged one");
        assert!(length == 0 || size + stream.window >= 0, "{context}: {size} {}", stream.window);
        assert!(stream.status.is_some() && !stream.ended, "{context}");
        stream.body.extend_from_slice(data_payload(header.flags, payload).expect(context));
        stream.ended = header.has(flags::END_STREAM);
    }

    fn hear_head(&mut self, number: u32, ends: bool, text: &[u8], context: &str) {
        let mut block = FieldBlock::new();
        if text.first() == Some(&0x20) {
            self.table = 0;
        }
        assert!(self.table <= self.tables[0], "{context}: {:?}", self.tables);
        self.decoder.decode(text, &mut block, usize::MAX).expect(context);
        let stream = self.streams.get_mut(&number).expect(context);
        if stream.given_up {
            return;
        }
        if stream.status.is_some() {
            assert!(ends && !stream.ended && block.iter().eq([(&b"x-sum"[..], &b"1"[..])]), "{context}");
            stream.ended = true;
            return;
        }
        let (name, value) = block.iter().next().expect(context);
        assert!(name == b":status" && !stream.ended, "{context}");
        stream.status = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        stream.ended = ends;
    }
}
