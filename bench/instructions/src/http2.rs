//! Header blocks of HTTP/2: a request's read into a head, an answer's head written.

use crate::{Case, heads};
use irongate_message::http2::frame::{DEFAULT_TABLE, write_headers};
use irongate_message::http2::hpack::{Decoder, FieldBlock};
use irongate_message::http2::{encode_response, frame};
use irongate_message::{HeadLimits, RequestHead, ResponseHead};
use std::hint::black_box;

/// What a browser puts into the table with its first request: an index of the static table, and the value.
const KEPT: [(u8, &[u8]); 6] = [
    (1, b"shop.example.com"),
    (58, b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (19, b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (17, b"en-US,en;q=0.5"),
    (51, b"http://shop.example.com/app0/"),
    (32, b"session=0123456789abcdef; theme=dark"),
];

/// Its later requests: method and scheme of the static table, `/app0/v1/items?page=3&sort=name` in Huffman code, five
/// fields of the table, `accept-encoding`, and a cookie.
const REQUEST: &[u8] = b"\x82\x87\x04\x97\x60\x75\xd6\x06\x3b\x85\x83\x24\xb4\xa3\xfc\xac\x73\x16\x06\x7e\x10\x7b\x13\x05\x43\xa4\xbf\
    \xc3\xc2\xc1\xc0\xbf\x90\xbe";

pub(crate) const CASES: &[Case] = &[
    Case { name: "http2/request/read", times: 1000, prepare: read_request },
    Case { name: "http2/response/write", times: 1000, prepare: write_response },
];

fn read_request() -> Box<dyn FnMut()> {
    let limits = HeadLimits::default();
    let (mut decoder, mut block) = (Decoder::new(DEFAULT_TABLE), FieldBlock::new());
    let first: Vec<u8> = KEPT
        .iter()
        .flat_map(|(index, value)| [&[0x40 | index, value.len() as u8], *value].concat())
        .collect();
    decoder.decode(&first, &mut block, limits.bytes).expect("a block");
    let mut head = RequestHead::new();
    Box::new(move || {
        decoder.decode(black_box(REQUEST), &mut block, limits.bytes).expect("a block");
        head.from_block(&block, true, &limits).expect("a request");
        black_box(&head);
    })
}

fn write_response() -> Box<dyn FnMut()> {
    let mut head = ResponseHead::new();
    heads::response(&mut head);
    let mut out = Vec::with_capacity(4096);
    Box::new(move || {
        out.clear();
        write_headers(&mut out, 1, false, frame::DEFAULT_FRAME, |out| encode_response(black_box(&head), out));
        black_box(&out);
    })
}
