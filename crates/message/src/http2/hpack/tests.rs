use super::block::FieldClass;
use super::huffman::tests::encode as huffman;
use super::*;
use crate::http2::frame::DEFAULT_TABLE;
use naive::{Naive, fields};
use proptest::prelude::*;

mod naive;
mod rfc;

/// The fields of a block that a new decoder reads.
fn decode(block: &[u8]) -> Result<Vec<(String, String)>, HpackError> {
    let (mut decoder, mut into) = (Decoder::new(DEFAULT_TABLE), FieldBlock::new());
    decoder.decode(block, &mut into, usize::MAX)?;
    assert!(!into.is_over());
    Ok(fields(&into))
}

#[test]
fn numbers() {
    // RFC 7541 C.1, and what lies at the borders.
    for (prefix, full, number, expected) in [
        (0, 0x1f, 10, &[0x0a][..]),
        (0, 0x1f, 1337, &[0x1f, 0x9a, 0x0a]),
        (0, 0xff, 42, &[0x2a]),
        (0x80, 0x7f, 126, &[0xfe]),
        (0x80, 0x7f, 127, &[0xff, 0]),
        (0x40, 0x3f, 63 + 127, &[0x7f, 0x7f]),
        (0x40, 0x3f, 63 + 128, &[0x7f, 0x80, 1]),
    ] {
        let mut out = Vec::new();
        integer::write(prefix, full, number, &mut out);
        assert_eq!(out, expected, "{number}");
        assert_eq!(integer::read(out[0] & full, full, &out[1..]), Ok((number, &b""[..])));
        for length in 1..out.len() {
            assert_eq!(integer::read(out[0] & full, full, &out[1..length]), Err(HpackError::Truncated));
        }
    }
    let zeros = [0x80, 0x80, 0x80, 0x80, 0x80, 0];
    assert_eq!(integer::read(31, 31, &zeros), Err(HpackError::Integer));
    assert_eq!(integer::read(31, 31, &zeros[1..]), Ok((31, &b""[..])));
    assert_eq!(integer::read(31, 31, &[0xff; 9]), Err(HpackError::Integer));
}

#[test]
fn blocks_that_cannot_be_read() {
    for (block, error) in [
        (&b"\x80"[..], HpackError::Index),
        (b"\xbe", HpackError::Index),
        (b"\xff\x00", HpackError::Index),
        (b"\xff\xff\xff\xff\xff\x0f", HpackError::Index),
        (b"\xff\xff\xff\xff\xff\xff\x0f", HpackError::Integer),
        (b"\xff", HpackError::Truncated),
        (b"\x7f\x00\x00", HpackError::Index),
        (b"\x0f\x2f\x00", HpackError::Index),
        (b"\x40", HpackError::Truncated),
        (b"\x40\x01", HpackError::Truncated),
        (b"\x40\x01a", HpackError::Truncated),
        (b"\x40\x01a\x01", HpackError::Truncated),
        (b"\x41", HpackError::Truncated),
        (b"\x41\x7f\xff\xff\xff\xff\x0f", HpackError::Integer),
        (b"\x41\x7f\x80\x80\x01", HpackError::Truncated),
        (b"\x41\x81\x00", HpackError::Huffman),
        (b"\x41\x84\xff\xff\xff\xff", HpackError::Huffman),
        (b"\x3f\xe2\x1f", HpackError::TableSize),
        (b"\x82\x20", HpackError::TableSize),
        (b"\x20\x82\x20", HpackError::TableSize),
        (b"\x3f", HpackError::Truncated),
    ] {
        assert_eq!(decode(block), Err(error), "{}", block.escape_ascii());
    }
    for (block, count) in [(&b""[..], 0), (b"\x20", 0), (b"\x20\x3f\xe1\x1f\x82", 1), (b"\x40\0\0", 1)] {
        assert_eq!(decode(block).map(|fields| fields.len()), Ok(count), "{}", block.escape_ascii());
    }
}

#[test]
fn a_field_may_push_out_the_one_that_it_takes_its_name_from() {
    let (mut decoder, mut into) = (Decoder::new(64), FieldBlock::new());
    // `name: 1`, then twice index 62 as the name, each time the only one there is.
    decoder.decode(b"\x40\x04name\x011\x7e\x012\x7e\x013", &mut into, 1000).expect("a block");
    let expected = ["1", "2", "3"].map(|value| ("name".to_owned(), value.to_owned()));
    assert_eq!(fields(&into), expected);
    assert_eq!(decoder.table().fill(), (1, 37));
    // Larger than the table: it is given, and the table is empty then.
    decoder.decode(&[&b"\x7e\x40"[..], &[b'x'; 64]].concat(), &mut into, 1000).expect("a block");
    assert_eq!((into.len(), decoder.table().fill()), (1, (0, 0)));
    assert_eq!(decoder.decode(b"\xbe", &mut into, 1000), Err(HpackError::Index));
}

#[test]
fn a_list_that_is_too_long_still_fills_the_table() {
    let (mut decoder, mut into) = (Decoder::new(DEFAULT_TABLE), FieldBlock::new());
    let block = b"\x82\x40\x01a\x0812345678\x40\x01b\x01c\x82";
    for (most, kept) in [(200, 4), (159, 4), (158, 3), (117, 3), (116, 2), (82, 1), (41, 0), (0, 0)] {
        decoder = Decoder::new(DEFAULT_TABLE);
        decoder.decode(block, &mut into, most).expect("a block");
        assert_eq!((into.len(), into.size(), into.is_over()), (kept, 159, most < 159), "{most}");
        assert_eq!(decoder.table().fill(), (2, 41 + 34));
    }
    decoder.decode(b"\xbf\xbe", &mut into, 1000).expect("a block");
    assert_eq!(fields(&into)[0], ("a".to_owned(), "12345678".to_owned()));
}

#[test]
fn memory_is_bounded_and_given_back() {
    let (mut decoder, mut into) = (Decoder::new(DEFAULT_TABLE), FieldBlock::new());
    assert_eq!((decoder.memory(), into.memory()), (0, 0));
    // Empty fields: the most entries that fit.
    let tiny = b"\x40\0\0".repeat(5000);
    decoder.decode(&tiny, &mut into, 64 << 10).expect("a block");
    assert_eq!(decoder.table().fill(), (128, 4096));
    assert!(decoder.memory() <= 12 << 10 && into.memory() <= 96 << 10);
    // One field as large as the table, and then each byte is one more.
    let large = [b"\x40\x7f\xe0\x1e", &[b'x'; 4063][..], b"\0", &[0xbe; 1000]].concat();
    decoder.decode(&large, &mut into, 64 << 10).expect("a block");
    assert_eq!((into.len(), into.size(), into.is_over()), (16, 1001 * 4095, true));
    assert!(decoder.memory() <= 12 << 10 && into.memory() <= 160 << 10, "{}", into.memory());
    decoder.decode(b"\x20", &mut into, 1000).expect("a block");
    decoder.shrink();
    assert_eq!((decoder.memory(), decoder.table().fill()), (0, (0, 0)));
    assert!(into.memory() <= 1 << 10);
}

#[test]
fn what_the_encoder_writes() {
    let check = |name: &str, value: &str, expected: &[u8]| {
        let mut out = Vec::new();
        Encoder::field(&mut out, name.as_bytes(), value.as_bytes());
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
    };
    check("Content-Type", "a", b"\x0f\x10\x01a");
    check("Set-Cookie", "a", b"\x1f\x28\x01a");
    check("authorization", "", b"\x1f\x08\x00");
    check("X-Api-Key", "k", b"\x10\x09x-api-key\x01k");
    check("X-Some", "\u{e9}", b"\x00\x06x-some\x02\xc3\xa9");
    check(":path", "/", b"\x00\x05:path\x01/");
    let long = "x".repeat(128);
    check("etag", &long, &[b"\x0f\x13\x7f\x01", long.as_bytes()].concat());
    check(&long, "", &[b"\x00\x7f\x01", long.as_bytes(), b"\0"].concat());
    for status in 100..1000 {
        let mut out = Vec::new();
        Encoder::status(&mut out, status);
        assert_eq!(decode(&out), Ok(vec![(":status".to_owned(), status.to_string())]));
    }
}

/// One representation in a block.
#[derive(Clone, Debug)]
enum Op {
    Indexed(usize),
    /// The first byte's pattern and full prefix; the name by index or as text, the value.
    Literal(bool, u8, Result<usize, Vec<u8>>, Vec<u8>, bool),
    Resize(usize),
    Raw(Vec<u8>),
}

impl Op {
    fn write(&self, out: &mut Vec<u8>) {
        let string = |text: &[u8], coded: bool, out: &mut Vec<u8>| {
            let code = if coded { huffman(text) } else { text.to_vec() };
            integer::write(if coded { 0x80 } else { 0 }, 0x7f, code.len(), out);
            out.extend_from_slice(&code);
        };
        match self {
            Self::Indexed(index) => integer::write(0x80, 0x7f, *index, out),
            Self::Literal(incremental, never, name, value, coded) => {
                let (pattern, full) = if *incremental { (0x40, 0x3f) } else { (never & 0x10, 0x0f) };
                match name {
                    Ok(index) => integer::write(pattern, full, *index, out),
                    Err(name) => {
                        out.push(pattern);
                        string(name, *coded, out);
                    }
                }
                string(value, *coded, out);
            }
            Self::Resize(size) => integer::write(0x20, 0x1f, *size, out),
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zA-Z0-9_ :-]{0,12}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "x{100,300}".prop_map(String::into_bytes),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let name = prop_oneof![2 => (0usize..75).prop_map(Ok), 1 => text().prop_map(Err)];
    prop_oneof![
        8 => (1usize..72).prop_map(Op::Indexed),
        12 => (any::<bool>(), any::<u8>(), name, text(), any::<bool>())
            .prop_map(|(table, never, name, value, coded)| Op::Literal(table, never, name, value, coded)),
        1 => (0usize..600).prop_map(Op::Resize),
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(Op::Raw),
    ]
}

/// Blocks of one connection; a change of the size comes first where it is allowed.
fn blocks() -> impl Strategy<Value = Vec<Vec<Op>>> {
    let block = prop::collection::vec(op(), 0..12).prop_map(|mut ops| {
        ops.sort_by_key(|op| !matches!(op, Op::Resize(_)));
        ops
    });
    prop::collection::vec(block, 1..8)
}

proptest! {
    /// Both decoders make the same of everything, and nothing depends on what a table has already looked at.
    #[test]
    fn as_a_simple_decoder_reads_it(blocks in blocks(), most in 0usize..2000) {
        let (mut decoder, mut naive) = (Decoder::new(500), Naive::new(500));
        let mut into = FieldBlock::new();
        for ops in blocks {
            let mut block = Vec::new();
            ops.iter().for_each(|op| op.write(&mut block));
            let decoded = decoder.decode(&block, &mut into, most);
            let expected = naive.decode(&block);
            prop_assert_eq!(decoded.is_ok(), expected.is_some(), "{:?}", decoded);
            let Some(expected) = expected else { break };
            let size = expected.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>();
            prop_assert_eq!((into.size(), into.is_over()), (size, size > most));
            let found: Vec<_> = into.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert!(expected.starts_with(&found) && (into.is_over() || found == expected));
            for (entry, (name, value)) in into.entries.iter().zip(&found) {
                prop_assert_eq!(entry.class, FieldClass::of_name(name).with_value(value));
            }
            prop_assert_eq!(decoder.table().fill(), naive.fill());
            prop_assert!(into.arena.len() <= most + 4 * into.len());
        }
    }

    #[test]
    fn nothing_panics(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6)) {
        let (mut decoder, mut naive) = (Decoder::new(300), Naive::new(300));
        let mut into = FieldBlock::new();
        for block in blocks {
            let decoded = decoder.decode(&block, &mut into, 1000);
            let expected = naive.decode(&block);
            prop_assert_eq!(decoded.is_ok(), expected.is_some(), "{:?}", decoded);
            if decoded.is_err() {
                break;
            }
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(list in prop::collection::vec((text(), text()), 0..12)) {
        let mut block = Vec::new();
        list.iter().for_each(|(name, value)| Encoder::field(&mut block, name, value));
        let mut into = FieldBlock::new();
        let mut decoder = Decoder::new(DEFAULT_TABLE);
        decoder.decode(&block, &mut into, usize::MAX).expect("what is written can be read");
        let found: Vec<_> = into.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let lower = |(name, value): (Vec<u8>, Vec<u8>)| (name.to_ascii_lowercase(), value);
        prop_assert_eq!(found, list.into_iter().map(lower).collect::<Vec<_>>());
        prop_assert_eq!(decoder.memory(), 0);
    }
}
