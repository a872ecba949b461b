//! The cases of the h2spec tool, by its numbers (those of RFC 7540's sections), as raw frames. What RFC 9113 dropped is left
//! out: dependencies of a stream on itself (5.3.1). Expected codes are those that RFC 9113 names; where it leaves a choice, the case
//! says so.

use super::raw::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, encode, frame,
};
use crate::gateway_to;
use irongate_testkit::{Gateway, Origin};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const ACK: u8 = 1;
const PADDED: u8 = 8;
const WHOLE: u8 = END_HEADERS | END_STREAM;

const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
const CLOSED: &[u32] = &[STREAM_CLOSED];
const UNDECODED: &[u32] = &[COMPRESSION];

/// What has to come of the frames.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// Nothing is wrong: a PING that follows is answered.
    Fine,
    /// Stream 1 is answered.
    Answer,
    /// The connection ends with one of these codes.
    Connection(&'static [u32]),
    /// That, or the stream is reset with one of them.
    Either(&'static [u32]),
}
use Expected::{Answer, Connection as Ends, Either, Fine};

/// What came.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Pong,
    Answered,
    GoAway(u32),
    Reset(u32),
    Closed,
}

const REQUEST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "test"), (":path", "/")];

fn block() -> Vec<u8> {
    encode(&REQUEST)
}

/// A request's head on a stream, with these flags.
fn head(flags: u8, stream: u32) -> Vec<u8> {
    frame(HEADERS, flags, stream, &block())
}

/// A whole request whose fields are these besides the usual ones.
fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &encode(&[&REQUEST[..], fields].concat()))
}

/// A whole request of these fields alone.
fn only(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &encode(fields))
}

/// A whole request whose header block ends with these bytes.
fn ending(bytes: &[u8]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &[&block(), bytes].concat())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn all(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.concat()
}

/// Sends the frames and a PING behind them, and reads until it is clear what came of it.
fn run(gateway: &Gateway, frames: &[u8], after_answer: bool, expected: Expected) -> Seen {
    let mut connection = Connection::open(gateway.address());
    if after_answer {
        connection.send(HEADERS, WHOLE, 1, &block());
        let ended = |frame: &(u8, u8, u32, Vec<u8>)| matches!(frame, (DATA | HEADERS, flags, 1, _) if flags & END_STREAM != 0);
        while !connection.frame().as_ref().is_none_or(ended) {}
    }
    connection.write(frames);
    connection.send(PING, 0, 0, b"spec-end");
    let mut first = None;
    loop {
        let Some((kind, flags, stream, payload)) = connection.frame() else {
            return first.unwrap_or(Seen::Closed);
        };
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
        let seen = match kind {
            GOAWAY => return Seen::GoAway(code(4)),
            RST_STREAM => Seen::Reset(code(0)),
            HEADERS if stream == 1 && !after_answer => Seen::Answered,
            PING if flags & ACK != 0 && payload == b"spec-end" => Seen::Pong,
            _ => continue,
        };
        match (expected, &seen) {
            (Fine, Seen::Pong) | (Answer, Seen::Answered) => return seen,
            (Either(_), Seen::Reset(_)) => return seen,
            // The connection may go on and end a moment later.
            (_, Seen::Reset(_)) => first = Some(seen),
            _ => {}
        }
        if matches!((expected, kind), (Either(_), HEADERS)) {
            return Seen::Answered;
        }
        if matches!(expected, Ends(_)) && kind == PING {
            return first.unwrap_or(Seen::Pong);
        }
    }
}

/// Runs cases, each with its number; a case that begins with `+` comes after an answer on stream 1.
#[track_caller]
fn check(cases: Vec<(&str, Vec<u8>, Expected)>) {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut failed = Vec::new();
    for (name, frames, expected) in cases {
        let seen = run(&gateway, &frames, name.starts_with('+'), expected);
        let fits = match (expected, &seen) {
            (Fine, Seen::Pong) | (Answer, Seen::Answered) => true,
            (Ends(codes), Seen::GoAway(code)) => codes.contains(code),
            (Either(codes), Seen::GoAway(code) | Seen::Reset(code)) => codes.contains(code),
            _ => false,
        };
        if !fits {
            failed.push(format!("{name}: {expected:?}, but {seen:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(gateway.get("/").status, 200, "the gateway goes on");
}

#[test]
#[rustfmt::skip] // One case a line.
fn frames_and_header_blocks() {
    check(vec![
        ("generic 2/1 WINDOW_UPDATE on a half-closed stream", all(&[head(WHOLE, 1), window(1, 1)]), Fine),
        ("generic 2/2 PRIORITY on a half-closed stream", all(&[head(WHOLE, 1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])]), Fine,),
        ("generic 2/3 RST_STREAM on a half-closed stream", all(&[head(WHOLE, 1), reset(1)]), Fine),
        ("generic 3.1/2 DATA in pieces", all(&[head(END_HEADERS, 1), frame(DATA, 0, 1, b"a"), frame(DATA, END_STREAM, 1, b"b")]), Answer,),
        ("generic 3.1/3 padded DATA", all(&[head(END_HEADERS, 1), frame(DATA, END_STREAM | PADDED, 1, b"\x02abc\0\0")]), Answer,),
        ("generic 3.2/3 padded HEADERS", frame(HEADERS, WHOLE | PADDED, 1, &[&[2][..], &block(), &[0, 0]].concat()), Answer,),
        ("generic 3.2/4 HEADERS with a priority", frame(HEADERS, WHOLE | 0x20, 1, &[&[0, 0, 0, 0, 9][..], &block()].concat()), Answer,),
        ("generic 3.3/1 PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), Fine),
        ("generic 4/4 trailers", all(&[head(END_HEADERS, 1), frame(DATA, 0, 1, b"a"), frame(HEADERS, WHOLE, 1, &encode(&[("x-t", "1")]))]), Answer,),
        ("4.1/1 an unknown kind", frame(22, 0, 0, &[0; 8]), Fine),
        ("4.1/2 undefined flags", frame(PING, 0x16, 0, &[0; 8]), Fine),
        ("4.1/3 the reserved bit", frame(PING, 0, 0x8000_0000, &[0; 8]), Fine),
        ("4.2/1 the largest DATA", all(&[head(END_HEADERS, 1), frame(DATA, END_STREAM, 1, &[0; 16_384])]), Answer,),
        ("4.2/2 DATA beyond that", all(&[head(END_HEADERS, 1), frame(DATA, END_STREAM, 1, &[0; 16_385])]), Either(&[FRAME_SIZE]),),
        ("4.2/3 HEADERS beyond that", frame(HEADERS, WHOLE, 1, &[0; 16_385]), Ends(&[FRAME_SIZE])),
        ("4.3/1 a broken header block", frame(HEADERS, WHOLE, 1, &[0x40]), Ends(UNDECODED)),
        ("4.3/2 PRIORITY within a header block", all(&[head(END_STREAM, 1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])]), Ends(&[PROTOCOL]),),
        ("4.3/3 HEADERS within another's block", all(&[head(END_STREAM, 1), head(WHOLE, 3)]), Ends(&[PROTOCOL]),),
        ("5.5/1 an unknown extension", frame(0xf0, 0, 1, b"anything"), Fine),
        ("5.5/2 an extension within a header block", all(&[head(END_STREAM, 1), frame(0xf0, 0, 1, b"a")]), Ends(&[PROTOCOL]),),
    ]);
}

#[test]
#[rustfmt::skip] // One case a line.
fn states_of_streams() {
    check(vec![
        ("5.1/1 idle: DATA", frame(DATA, END_STREAM, 1, b"a"), Ends(&[PROTOCOL])),
        ("5.1/2 idle: RST_STREAM", reset(1), Ends(&[PROTOCOL])),
        ("5.1/3 idle: WINDOW_UPDATE", window(1, 100), Ends(&[PROTOCOL])),
        ("5.1/4 idle: CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &block()), Ends(&[PROTOCOL])),
        ("5.1/5 half-closed: DATA", all(&[head(WHOLE, 1), frame(DATA, END_STREAM, 1, b"a")]), Either(CLOSED),),
        ("5.1/6 half-closed: HEADERS", all(&[head(WHOLE, 1), head(WHOLE, 1)]), Either(CLOSED)),
        ("5.1/7 half-closed: CONTINUATION", all(&[head(WHOLE, 1), frame(CONTINUATION, END_HEADERS, 1, &block())]), Ends(&[STREAM_CLOSED, PROTOCOL]),),
        ("5.1/8 reset: DATA", all(&[head(END_HEADERS, 1), reset(1), frame(DATA, END_STREAM, 1, b"a")]), Either(&[STREAM_CLOSED]),),
        ("5.1/9 reset: HEADERS", all(&[head(END_HEADERS, 1), reset(1), head(WHOLE, 1)]), Either(CLOSED),),
        ("5.1/10 reset: CONTINUATION", all(&[head(END_HEADERS, 1), reset(1), frame(CONTINUATION, END_HEADERS, 1, &block())]), Ends(&[STREAM_CLOSED, PROTOCOL]),),
        ("+5.1/11 closed: DATA", frame(DATA, END_STREAM, 1, b"a"), Either(&[STREAM_CLOSED])),
        ("+5.1/12 closed: HEADERS", head(WHOLE, 1), Either(&[STREAM_CLOSED, PROTOCOL])),
        ("+5.1/13 closed: CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, &block()), Ends(&[STREAM_CLOSED, PROTOCOL]),),
        ("5.1.1/1 an even number", head(WHOLE, 2), Ends(&[PROTOCOL])),
        ("5.1.1/2 a number below an earlier one", all(&[head(WHOLE, 5), head(WHOLE, 3)]), Ends(&[PROTOCOL, STREAM_CLOSED]),),
        ("8.1/1 a second HEADERS that does not end", all(&[head(END_HEADERS, 1), head(END_HEADERS, 1)]), Either(&[PROTOCOL]),),
        ("8.2/1 PUSH_PROMISE", all(&[head(END_HEADERS, 1), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block()].concat())]), Ends(&[PROTOCOL]),),
    ]);
}

#[test]
#[rustfmt::skip] // One case a line.
fn kinds_of_frames() {
    let open = || head(END_HEADERS, 1);
    check(vec![
        ("6.1/1 DATA on stream 0", frame(DATA, 0, 0, b"a"), Ends(&[PROTOCOL])),
        ("6.1/3 DATA with too much padding", all(&[open(), frame(DATA, END_STREAM | PADDED, 1, b"\x09abc")]), Ends(&[PROTOCOL]),),
        ("6.2/3 HEADERS on stream 0", head(WHOLE, 0), Ends(&[PROTOCOL])),
        ("6.2/4 HEADERS with too much padding", frame(HEADERS, WHOLE | PADDED, 1, &[&[0xff][..], &block()].concat()), Ends(&[PROTOCOL]),),
        ("6.3/1 PRIORITY on stream 0", frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 9]), Ends(&[PROTOCOL])),
        ("6.3/2 PRIORITY of a wrong length", all(&[open(), frame(PRIORITY, 0, 1, &[0; 4])]), Either(&[FRAME_SIZE]),),
        ("6.4/1 RST_STREAM on stream 0", reset(0), Ends(&[PROTOCOL])),
        ("6.4/2 RST_STREAM of an idle stream", reset(7), Ends(&[PROTOCOL])),
        ("6.4/3 RST_STREAM of a wrong length", all(&[open(), frame(RST_STREAM, 0, 1, &[0; 3])]), Ends(&[FRAME_SIZE]),),
        ("6.5/1 SETTINGS with ACK and a payload", frame(SETTINGS, ACK, 0, &[0]), Ends(&[FRAME_SIZE])),
        ("6.5/2 SETTINGS on a stream", frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9]), Ends(&[PROTOCOL])),
        ("6.5/3 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, &[0, 3, 0]), Ends(&[FRAME_SIZE])),
        ("6.5.2/1 ENABLE_PUSH", setting(2, 2), Ends(&[PROTOCOL])),
        ("6.5.2/2 INITIAL_WINDOW_SIZE", setting(4, 0x8000_0000), Ends(&[FLOW_CONTROL])),
        ("6.5.2/3 MAX_FRAME_SIZE below its least", setting(5, 16_383), Ends(&[PROTOCOL])),
        ("6.5.2/4 MAX_FRAME_SIZE above its most", setting(5, 16_777_216), Ends(&[PROTOCOL])),
        ("6.5.2/5 an unknown setting", setting(0xff, 1), Fine),
        ("6.7/2 PING with ACK", frame(PING, ACK, 0, b"anything"), Fine),
        ("6.7/3 PING on a stream", frame(PING, 0, 1, &[0; 8]), Ends(&[PROTOCOL])),
        ("6.7/4 PING of a wrong length", frame(PING, 0, 0, &[0; 6]), Ends(&[FRAME_SIZE])),
        ("6.8/1 GOAWAY on a stream", frame(GOAWAY, 0, 1, &[0; 8]), Ends(&[PROTOCOL])),
        ("6.9/1 WINDOW_UPDATE of nothing", window(0, 0), Ends(&[PROTOCOL])),
        ("6.9/2 the same for a stream", all(&[open(), window(1, 0)]), Either(&[PROTOCOL])),
        ("6.9/3 WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), Ends(&[FRAME_SIZE])),
        ("6.9.1/2 a connection's window beyond its most", window(0, 0x7fff_ffff), Ends(&[FLOW_CONTROL])),
        ("6.9.1/3 a stream's window beyond its most", all(&[open(), window(1, 0x7fff_ffff)]), Either(&[FLOW_CONTROL]),),
        ("6.9.2/3 settings that make a window too large", all(&[open(), window(1, 0x7fff_0000), setting(4, 0x7fff_ffff)]), Either(&[FLOW_CONTROL]),),
        ("6.10/1 CONTINUATION twice", all(&[head(END_STREAM, 1), frame(CONTINUATION, 0, 1, &encode(&[("a", "b")])), frame(CONTINUATION, END_HEADERS, 1, &encode(&[("c", "d")]))]), Answer,),
        ("6.10/2 CONTINUATION, then DATA", all(&[head(0, 1), frame(CONTINUATION, 0, 1, &encode(&[("a", "b")])), frame(DATA, END_STREAM, 1, b"a")]), Ends(&[PROTOCOL]),),
        ("6.10/3 CONTINUATION on stream 0", all(&[head(END_STREAM, 1), frame(CONTINUATION, END_HEADERS, 0, &encode(&[("a", "b")]))]), Ends(&[PROTOCOL]),),
        ("6.10/4 CONTINUATION behind a whole head", all(&[open(), frame(CONTINUATION, END_HEADERS, 1, &encode(&[("a", "b")]))]), Ends(&[PROTOCOL]),),
        ("6.10/6 CONTINUATION behind DATA", all(&[open(), frame(DATA, 0, 1, b"a"), frame(CONTINUATION, END_HEADERS, 1, &encode(&[("a", "b")]))]), Ends(&[PROTOCOL]),),
        ("7/2 RST_STREAM of an unknown code", all(&[open(), frame(RST_STREAM, 0, 1, &0xff_u32.to_be_bytes())]), Fine,),
    ]);
}

#[test]
#[rustfmt::skip] // One case a line.
fn fields_of_requests() {
    let [method, scheme, authority, path] = REQUEST;
    let mut cases = vec![
        ("8.1.2/1 an upper-case name", with(&[("X-Test", "a")]), Either(&[PROTOCOL])),
        ("8.1.2.1/1 an unknown pseudo-field", with(&[(":test", "a")]), Either(&[PROTOCOL])),
        ("8.1.2.1/2 a pseudo-field of answers", with(&[(":status", "200")]), Either(&[PROTOCOL])),
        ("8.1.2.1/3 a pseudo-field in trailers", all(&[head(END_HEADERS, 1), frame(DATA, 0, 1, b"a"), frame(HEADERS, WHOLE, 1, &encode(&[method]))]), Either(&[PROTOCOL]),),
        ("8.1.2.1/4 a pseudo-field behind others", only(&[method, scheme, ("a", "b"), authority, path]), Either(&[PROTOCOL]),),
        ("8.1.2.2/1 a field of the connection", with(&[("connection", "keep-alive")]), Either(&[PROTOCOL])),
        ("8.1.2.2/2 TE but for trailers", with(&[("te", "trailers, deflate")]), Either(&[PROTOCOL])),
        ("8.1.2.3/1 an empty path", only(&[method, scheme, authority, (":path", "")]), Either(&[PROTOCOL])),
        ("8.1.2.3/2 no method", only(&[scheme, authority, path]), Either(&[PROTOCOL])),
        ("8.1.2.3/3 no scheme", only(&[method, authority, path]), Either(&[PROTOCOL])),
        ("8.1.2.3/4 no path", only(&[method, scheme, authority]), Either(&[PROTOCOL])),
        ("8.1.2.3/5 two methods", only(&[method, method, scheme, authority, path]), Either(&[PROTOCOL])),
        ("8.1.2.3/6 two schemes", only(&[method, scheme, scheme, authority, path]), Either(&[PROTOCOL])),
        ("8.1.2.3/7 two paths", only(&[method, scheme, authority, path, path]), Either(&[PROTOCOL])),
    ];
    let length =
        frame(HEADERS, END_HEADERS, 1, &encode(&[&REQUEST[..], &[("content-length", "1")]].concat()));
    cases.extend([
        ("8.1.2.6/1 more than the length", all(&[length.clone(), frame(DATA, END_STREAM, 1, b"test")]), Either(&[PROTOCOL]),),
        ("8.1.2.6/2 the same in pieces", all(&[length, frame(DATA, 0, 1, b"te"), frame(DATA, END_STREAM, 1, b"st")]), Either(&[PROTOCOL]),),
    ]);
    check(cases);
}

#[test]
#[rustfmt::skip] // One case a line.
fn header_compression() {
    check(vec![
        ("generic 5/1 an indexed field", frame(HEADERS, WHOLE, 1, &[0x82, 0x86, 0x84, 0x01, 4, b't', b'e', b's', b't']), Answer,),
        ("generic 5/13 Huffman's code", frame(HEADERS, WHOLE, 1, &[0x82, 0x86, 0x84, 0x41, 0x83, 0x49, 0x50, 0x9f]), Answer,),
        ("generic 5/15 a smaller table", frame(HEADERS, WHOLE, 1, &[&[0x20][..], &block()].concat()), Answer),
        ("hpack 2.3.3/1 an index beyond both tables", ending(&[0xff, 0x80, 0x01]), Ends(UNDECODED)),
        ("hpack 4.2/1 a table's size at the end", ending(&[0x21]), Ends(UNDECODED)),
        ("hpack 5.2/1 padding of more than 7 bits", ending(&[0, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff]), Ends(UNDECODED),),
        ("hpack 5.2/2 padding of zeros", ending(&[0, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90]), Ends(UNDECODED),),
        ("hpack 5.2/3 the end of string within", ending(&[0, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x88, 0x49, 0x52, 0x7f, 0xff, 0xff, 0xfa, 0xff, 0xff]), Ends(UNDECODED),),
        ("hpack 6.1/1 index 0", ending(&[0x80]), Ends(UNDECODED)),
        ("hpack 6.3/1 a table larger than allowed", frame(HEADERS, WHOLE, 1, &[&[0x3f, 0xe2, 0x1f][..], &block()].concat()), Ends(UNDECODED),),
    ]);
}

#[test]
fn what_takes_more_than_one_step() {
    let origin = Origin::echoing();
    let gateway = gateway_to(&origin);
    let mut connection = Connection::open(gateway.address());
    // 3.5/1, 6.5.3/2: the gateway's settings come first, then the ACK of ours; 6.7/1: a PING comes back.
    assert_eq!(connection.frame().map(|(kind, flags, ..)| (kind, flags)), Some((SETTINGS, 0)));
    connection.send(PING, 0, 0, b"abcdefgh");
    let mut acknowledged = false;
    loop {
        match connection.frame().expect("a frame") {
            (SETTINGS, ACK, 0, payload) => acknowledged = payload.is_empty(),
            (PING, ACK, 0, payload) => break assert_eq!(payload, b"abcdefgh"),
            _ => {}
        }
    }
    assert!(acknowledged);
    // 6.9.1/1, 6.5.3/1, 6.9.2/1 and /2: the last of several sizes counts, for streams that are there too; it may fall below zero.
    let mut connection = Connection::open(gateway.address());
    let sizes = [0, 4, 0, 0, 0, 100, 0, 4, 0, 0, 0, 1];
    connection.send(SETTINGS, 0, 0, &sizes);
    connection.send(HEADERS, WHOLE, 1, &block());
    let data = |connection: &mut Connection| loop {
        if let (DATA, flags, 1, payload) = connection.frame().expect("a frame") {
            break (flags, payload.len());
        }
    };
    assert_eq!(data(&mut connection), (0, 1), "of POST / 0");
    connection.write(&setting(4, 3));
    assert_eq!(data(&mut connection), (0, 2));
    connection.write(&setting(4, 1));
    connection.write(&window(1, 2));
    connection.write(&window(1, 5));
    let mut left = 8 - 3;
    while left > 0 {
        let (flags, length) = data(&mut connection);
        left -= length;
        assert_eq!(flags & END_STREAM != 0, left == 0);
    }
    // 3.5/2: what is no preface gets no HTTP/2.
    let mut connection = Connection::plain(gateway.address());
    connection.write(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert!(connection.reads_to_end());
    // 5.4.1/1: after an error comes GOAWAY, then the end.
    let mut connection = Connection::open(gateway.address());
    connection.write(&frame(PING, 0, 0, &[0; 6]));
    assert_eq!(super::raw::await_goaway(&mut connection), Some(FRAME_SIZE));
    assert!(connection.reads_to_end());
}
