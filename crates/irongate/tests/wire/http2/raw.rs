//! HTTP/2 frames by hand, for what no library lets one send.

use irongate_testkit::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered.
    Status(u16),
    /// Its stream was reset with this code.
    Reset(u32),
    /// The connection was ended with this code.
    GoAway(u32),
    /// The connection was ended without a word.
    Closed,
}

/// Sends one request with these fields, encoded as they are, and with this body.
pub(super) fn outcome(address: SocketAddr, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
    let mut connection = Connection::open(address);
    let end = if body.is_none() { END_STREAM } else { 0 };
    connection.send(HEADERS, END_HEADERS | end, 1, &encode(fields));
    if let Some(body) = body {
        connection.send(DATA, END_STREAM, 1, body);
    }
    await_outcome(&mut connection)
}

/// Reads what becomes of stream 1.
pub(super) fn await_outcome<S: Read + Write>(connection: &mut Connection<S>) -> Outcome {
    await_outcome_of(connection, 1)
}

/// Reads what becomes of a stream.
pub(super) fn await_outcome_of<S: Read + Write>(connection: &mut Connection<S>, number: u32) -> Outcome {
    loop {
        let Some((kind, flags, stream, payload)) = connection.frame() else { return Outcome::Closed };
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        match kind {
            HEADERS if stream == number => return Outcome::Status(status(&payload)),
            RST_STREAM if stream == number => return Outcome::Reset(code(0)),
            GOAWAY => return Outcome::GoAway(code(4)),
            SETTINGS if flags & ACK == 0 => connection.send(SETTINGS, ACK, 0, &[]),
            _ => {}
        }
    }
}

/// Reads until the gateway ends the connection; gives the code that it ends with.
pub(super) fn await_goaway(connection: &mut Connection) -> Option<u32> {
    loop {
        if let (GOAWAY, _, _, payload) = connection.frame()? {
            return payload[4..8].try_into().ok().map(u32::from_be_bytes);
        }
    }
}

/// Opens streams and resets each at once (CVE-2023-44487). True: the gateway ends the connection.
pub(super) fn rapid_resets(address: SocketAddr, count: u32) -> bool {
    let mut connection = Connection::open(address);
    let fields =
        encode(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/rapid")]);
    for number in 0..count {
        let stream = 2 * number + 1;
        let mut both = frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields);
        both.extend_from_slice(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        if connection.stream.write_all(&both).is_err() {
            return true;
        }
    }
    while let Some((kind, ..)) = connection.frame() {
        if kind == GOAWAY {
            return true;
        }
    }
    true
}

/// Opens streams and resets each once the gateway has seen it; ten at a time, so that a machine that is busy is not slower
/// than what may be reset in the long run. The code of the GOAWAY that ends this.
pub(super) fn slow_resets(address: SocketAddr, count: u32) -> Option<u32> {
    let mut connection = Connection::open(address);
    let fields =
        encode(&[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/slow")]);
    for first in (0..count).step_by(10) {
        let streams = (first..first + 10).map(|number| 2 * number + 1);
        let opened =
            streams.clone().flat_map(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields));
        connection.write(&opened.chain(frame(PING, 0, 0, &[0; 8])).collect::<Vec<_>>());
        loop {
            match connection.frame()? {
                (PING, ACK, ..) => break,
                (SETTINGS, 0, ..) => connection.send(SETTINGS, ACK, 0, &[]),
                (GOAWAY, _, _, payload) => return payload[4..8].try_into().ok().map(u32::from_be_bytes),
                _ => {}
            }
        }
        let reset = streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        connection.write(&reset.collect::<Vec<_>>());
    }
    None
}

pub(super) struct Connection<S = TcpStream> {
    pub(super) stream: S,
}

impl Connection {
    /// One on which nothing was sent.
    pub(super) fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("PATIENCE is not zero");
        stream.set_nodelay(true).expect("a TCP socket has the option");
        Self { stream }
    }

    pub(super) fn open(address: SocketAddr) -> Self {
        Self::over(Self::plain(address).stream)
    }
}

impl<S: Read + Write> Connection<S> {
    /// Begins the protocol.
    pub(super) fn over(stream: S) -> Self {
        let mut connection = Self { stream };
        connection.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("the gateway takes it");
        connection.send(SETTINGS, 0, 0, &[]);
        connection
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let _ended_already = self.stream.write_all(bytes);
    }

    /// Whether the gateway ends the connection in time, whatever comes before.
    pub(super) fn reads_to_end(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let _ended_already = self.stream.write_all(&frame(kind, flags, stream, payload));
    }

    /// The next frame; `None`: the connection has ended.
    pub(super) fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        if let Err(error) = self.stream.read_exact(&mut head) {
            let waited =
                matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            assert!(!waited, "no frame in time");
            return None;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// HPACK without a table: each field literal, never indexed, not compressed (RFC 7541 §6.2.2).
pub(super) fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("a short text"));
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// The status at the beginning of a header block: indexed (RFC 7541 Appendix A, 8 to 14), or literal.
fn status(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x89 => 204,
        0x8a => 206,
        0x8b => 304,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        _ => literal_status(block),
    }
}

/// A literal with the indexed name `:status`: three digits, plain or in Huffman's code of RFC 7541 Appendix B.
fn literal_status(block: &[u8]) -> u16 {
    // A table size update may come first.
    let block = if block[0] & 0xe0 == 0x20 { &block[1..] } else { block };
    if block[0] & 0x80 != 0 {
        return status(block);
    }
    let (huffman, length) = (block[1] & 0x80 != 0, usize::from(block[1] & 0x7f));
    let value = &block[2..2 + length];
    if !huffman {
        return std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).expect("digits");
    }
    let mut bits: Vec<bool> = Vec::new();
    for byte in value {
        bits.extend((0..8).rev().map(|bit| byte >> bit & 1 == 1));
    }
    let mut number = 0;
    let mut at = 0;
    for _ in 0..3 {
        let take =
            |count: usize| bits[at..at + count].iter().fold(0_u16, |sum, bit| sum * 2 + u16::from(*bit));
        // '0', '1', '2' are 00000, 00001, 00010; '3' to '9' are 011001 to 011111.
        let (digit, length) = if take(5) < 3 { (take(5), 5) } else { (take(6) - 22, 6) };
        number = number * 10 + digit;
        at += length;
    }
    number
}
