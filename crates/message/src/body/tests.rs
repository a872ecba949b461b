use super::*;
use crate::{HeadError, Known};
use proptest::prelude::*;

/// The body, the framing left out; what follows it; and its trailers as written.
type Decoded = (Vec<u8>, Vec<u8>, Option<String>);

/// A decoder that has failed gives the same error for whatever comes, and never an end.
fn stays_failed(decoder: &mut BodyDecoder, error: BodyError) -> BodyError {
    for input in [&b""[..], b"0\r\n\r\n", b"\r\n0\r\n\r\n", b"\n", b"a"] {
        assert_eq!(decoder.decode(input), Err(error));
        assert_eq!(decoder.end_of_input(), Err(error));
    }
    assert!(!decoder.is_done() && decoder.take_trailers().is_none());
    error
}

/// Reads a body that comes in steps of `step` bytes, of which at most `take` body bytes are taken at once.
fn decode(length: BodyLength, input: &[u8], step: usize, take: usize) -> Result<Decoded, BodyError> {
    let mut decoder = BodyDecoder::with_limits(length, HeadLimits { bytes: 64, fields: 3, target: 0 });
    let (mut body, mut read, mut visible) = (Vec::new(), 0, 0);
    loop {
        let decoded = decoder.decode(&input[read..visible]);
        match decoded.map_err(|error| stays_failed(&mut decoder, error))? {
            Piece::Data { skip, length } => {
                read += skip;
                assert!(length > 0 && read + length <= visible);
                let taken = length.min(take);
                body.extend_from_slice(&input[read..read + taken]);
                decoder.advance(taken);
                read += taken;
            }
            Piece::More { skip } => {
                read += skip;
                if visible == input.len() {
                    let ended = decoder.end_of_input();
                    ended.map_err(|error| stays_failed(&mut decoder, error))?;
                } else {
                    visible = (visible + step).min(input.len());
                }
            }
            Piece::End { skip } => {
                read += skip;
                assert!(decoder.is_done());
                assert_eq!(decoder.end_of_input(), Ok(()));
                break;
            }
        }
    }
    let trailers = decoder.take_trailers().map(|fields| {
        let mut out = Vec::new();
        write_last_chunk(Some(&fields), &mut out);
        String::from_utf8_lossy(&out[3..]).into_owned()
    });
    assert!(decoder.take_trailers().is_none());
    Ok((body, input[read..].to_vec(), trailers))
}

/// Checks that the result does not depend on how the input comes and goes.
fn check(length: BodyLength, input: &[u8]) -> Result<Decoded, BodyError> {
    let whole = decode(length, input, input.len().max(1), usize::MAX);
    for (step, take) in [(1, 1), (1, 9), (2, 1), (3, 2), (7, 3), (16, 16)] {
        let split = decode(length, input, step, take);
        assert_eq!(split, whole, "{:?} by {step} and {take}", String::from_utf8_lossy(input));
    }
    whole
}

fn chunked(input: &str) -> Result<(String, String, Option<String>), BodyError> {
    let (body, rest, trailers) = check(BodyLength::Chunked, input.as_bytes())?;
    Ok((String::from_utf8(body).expect("text"), String::from_utf8(rest).expect("text"), trailers))
}

#[test]
fn lengths_and_closes() {
    let text = |input: &[u8]| input.to_vec();
    assert_eq!(check(BodyLength::Empty, b"next"), Ok((vec![], text(b"next"), None)));
    assert_eq!(check(BodyLength::Length(0), b"next"), Ok((vec![], text(b"next"), None)));
    assert_eq!(check(BodyLength::Length(3), b"abcnext"), Ok((text(b"abc"), text(b"next"), None)));
    assert_eq!(check(BodyLength::Length(4), b"abc"), Err(BodyError::Truncated));
    assert_eq!(check(BodyLength::UntilClose, b"abc"), Ok((text(b"abc"), vec![], None)));
    assert_eq!(check(BodyLength::UntilClose, b""), Ok((vec![], vec![], None)));
    let mut decoder = BodyDecoder::new(BodyLength::Length(u64::MAX));
    assert_eq!(decoder.decode(b"x"), Ok(Piece::Data { skip: 0, length: 1 }));
}

#[test]
fn chunks() {
    for (input, body, rest) in [
        ("0\r\n\r\n", "", ""),
        ("3\r\nabc\r\n0\r\n\r\nnext", "abc", "next"),
        ("1\r\na\r\n00000000000000Aa\r\n", "", ""),
        ("0A\r\n0123456789\r\n000\r\n\r\n", "0123456789", ""),
        ("1;x\r\na\r\n1;y=\"z\" \r\nb\r\n0;z\r\n\r\n", "ab", ""),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""),
    ] {
        let result = chunked(input);
        if rest.is_empty() && body.is_empty() && input.len() > 5 {
            assert_eq!(result, Err(BodyError::Truncated), "{input}");
        } else {
            assert_eq!(result, Ok((body.into(), rest.into(), None)), "{input}");
        }
    }
    let longest = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(255));
    assert!(chunked(&longest).is_ok());
    assert_eq!(chunked("ffffffffffffffff\r\na"), Err(BodyError::Truncated));
}

#[test]
fn broken_chunks_are_refused() {
    use BodyError::{ChunkEnd, ChunkExtension, ChunkSize, Truncated};
    let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(256));
    for (input, error) in [
        ("\r\n", ChunkSize),
        (";a\r\n", ChunkSize),
        ("+1\r\na\r\n", ChunkSize),
        ("-1\r\na\r\n", ChunkSize),
        ("0x1\r\na\r\n", ChunkSize),
        (" 1\r\na\r\n", ChunkSize),
        ("1 \r\na\r\n", ChunkSize),
        ("1 ;a\r\na\r\n", ChunkSize),
        ("1_0\r\n", ChunkSize),
        ("g\r\n", ChunkSize),
        ("1\n", ChunkSize),
        ("00000000000000001\r\na\r\n", ChunkSize),
        ("10000000000000000\r\na\r\n", ChunkSize),
        ("\u{661}\r\n", ChunkSize),
        ("1\r\ra\r\n", ChunkEnd),
        ("1;x\n", ChunkExtension),
        ("1;x\0\r\n", ChunkExtension),
        ("1;x\ry\r\n", ChunkEnd),
        (long.as_str(), ChunkExtension),
        ("1\r\nab\r\n", ChunkEnd),
        ("1\r\na\n", ChunkEnd),
        ("1\r\na0\r\n\r\n", ChunkEnd),
        ("1\r\na\r0", ChunkEnd),
        ("0\r\n\rx", ChunkEnd),
        ("0\r\n\n", BodyError::Trailers(HeadError::BareLineFeed)),
        ("", Truncated),
        ("1", Truncated),
        ("1\r\n", Truncated),
        ("1\r\na", Truncated),
        ("1\r\na\r\n", Truncated),
        ("1\r\na\r\n0\r\n", Truncated),
        ("1\r\na\r\n0\r\n\r", Truncated),
        ("0\r\nA: b\r\n", Truncated),
    ] {
        assert_eq!(chunked(input), Err(error), "{input:?}");
    }
}

#[test]
fn trailers() {
    for (lines, expected) in [
        ("A: b\r\nc:d\r\n", Some("A: b\r\nc:d\r\n\r\n")),
        ("Grpc-Status: 0\r\n", Some("Grpc-Status: 0\r\n\r\n")),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\n", None),
        ("A: b\r\nAuthorization: c\r\nCookie: d\r\n", Some("A: b\r\n\r\n")),
        ("X-Forwarded-For: c\r\nA: b\r\nX_Real_IP: d\r\n", Some("A: b\r\n\r\n")),
        ("X-Api-Key: c\r\nIf-None-Match: d\r\nA: b\r\n", Some("A: b\r\n\r\n")),
        ("Connection: A\r\nTrailer: A\r\nA: b\r\n", Some("A: b\r\n\r\n")),
    ] {
        let result = chunked(&format!("0\r\n{lines}\r\nnext")).expect("good trailers");
        assert_eq!(result, (String::new(), "next".into(), expected.map(Into::into)), "{lines}");
    }
    for (lines, error) in [
        ("A: b\n", HeadError::BareLineFeed),
        (" A: b\r\n", HeadError::Folding),
        ("A : b\r\n", HeadError::SpaceBeforeColon),
        ("A: b\0\r\n", HeadError::FieldValue),
        ("A\r\n", HeadError::FieldName),
        ("A: b\r\nA: b\r\nA: b\r\nA: b\r\n", HeadError::TooManyFields),
        (
            "A: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n",
            HeadError::TooLarge,
        ),
    ] {
        assert_eq!(chunked(&format!("0\r\n{lines}\r\n")), Err(BodyError::Trailers(error)), "{lines}");
    }
    let mut decoder = BodyDecoder::new(BodyLength::Chunked);
    assert_eq!(decoder.decode(b"0\r\nDate: x\r\nServer: y\r\n\r\n"), Ok(Piece::End { skip: 25 }));
    let fields = decoder.take_trailers().expect("trailers");
    assert_eq!((fields.get(Known::Date), fields.get(Known::Server)), (None, Some(&b"y"[..])));
}

#[test]
fn trailers_of_http2() {
    let limits = HeadLimits { bytes: 200, fields: 3, target: 0 };
    let read = |fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        Fields::from_trailers(fields, &limits).map(|fields| fields.map(|fields| format!("{fields:?}")))
    };
    assert_eq!(read(&[]), Ok(None));
    assert_eq!(
        read(&[("grpc-status", "0"), ("host", "a"), ("content-length", "1")]),
        Ok(Some(r#"["grpc-status"]"#.into()))
    );
    assert_eq!(read(&[("cookie", "a")]), Ok(None));
    for (fields, error) in [
        (&[(":status", "200")][..], HeadError::FieldName),
        (&[("A", "b")], HeadError::FieldName),
        (&[("a", "b\n")], HeadError::FieldValue),
        (&[("connection", "a")], HeadError::ConnectionField),
        (&[("a", ""), ("a", ""), ("a", ""), ("a", "")], HeadError::TooManyFields),
    ] {
        assert_eq!(read(fields), Err(error), "{fields:?}");
    }
}

fn write(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks {
        write_chunk_size(chunk.len(), &mut out);
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    write_last_chunk(None, &mut out);
    out
}

#[test]
fn sizes_are_written_in_hexadecimal() {
    for (length, expected) in
        [(1, "1\r\n"), (31, "1f\r\n"), (65536, "10000\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
    {
        let mut out = Vec::new();
        write_chunk_size(length, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}

proptest! {
    #[test]
    fn written_chunks_are_read_back(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6),
        step in 1usize..40,
        take in 1usize..40,
    ) {
        let input = write(&chunks);
        let expected = Ok((chunks.concat(), Vec::new(), None));
        prop_assert_eq!(&decode(BodyLength::Chunked, &input, step, take), &expected);
        prop_assert_eq!(decode(BodyLength::Chunked, &input, usize::MAX >> 1, usize::MAX), expected);
        // Cut anywhere, it is never taken for whole.
        for end in 0..input.len() {
            prop_assert_eq!(
                decode(BodyLength::Chunked, &input[..end], input.len(), take).err(),
                Some(BodyError::Truncated)
            );
        }
    }

    #[test]
    fn any_split_of_any_chunks(input in "([0-2aF]|\r\n|\r|\n|;|a: b|x|0\r\n\r\n|1\r\na\r\n){0,12}") {
        let _ = check(BodyLength::Chunked, input.as_bytes());
    }
}
