use super::*;
use proptest::prelude::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

/// The frames of a text, which has to be whole.
fn frames(mut text: &[u8]) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, rest)) = text.split_first_chunk::<HEADER>() {
        let header = FrameHeader::parse(header);
        let (payload, rest) = rest.split_at(header.length as usize);
        frames.push((header, payload.to_vec()));
        text = rest;
    }
    assert!(text.is_empty());
    frames
}

#[test]
fn headers_of_frames() {
    let header = FrameHeader::parse(b"\x01\x02\x03\x00\x09\xff\x00\x00\x07");
    let expected = FrameHeader { length: 0x01_02_03, kind: Kind::DATA, flags: 9, stream: 0x7f00_0007 };
    assert_eq!(header, expected);
    assert!(header.has(flags::END_STREAM | flags::PADDED) && !header.has(flags::END_HEADERS));
    assert_eq!(written(|out| header.write(out)), b"\x01\x02\x03\x00\x09\x7f\x00\x00\x07");
}

#[test]
fn frames_that_are_sent() {
    for (found, expected) in [
        (written(|out| write_data(out, 3, true, b"ab")), &b"\0\0\x02\0\x01\0\0\0\x03ab"[..]),
        (written(write_settings_ack), b"\0\0\0\x04\x01\0\0\0\0"),
        (written(|out| write_ping(out, true, *b"12345678")), b"\0\0\x08\x06\x01\0\0\0\x0012345678"),
        (
            written(|out| write_window_update(out, 5, 0x7fff_ffff)),
            b"\0\0\x04\x08\0\0\0\0\x05\x7f\xff\xff\xff",
        ),
        (written(|out| write_reset(out, 5, ErrorCode::CANCEL)), b"\0\0\x04\x03\0\0\0\0\x05\0\0\0\x08"),
        (
            written(|out| write_goaway(out, 7, ErrorCode::ENHANCE_YOUR_CALM)),
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x07\0\0\0\x0b",
        ),
        (
            written(|out| write_settings(out, &[Setting::MaxFrameSize(16_384), Setting::EnablePush(false)])),
            b"\0\0\x0c\x04\0\0\0\0\0\0\x05\0\0\x40\0\0\x02\0\0\0\0",
        ),
        (
            written(|out| write_headers(out, 1, true, 10, |out| out.push(0x82))),
            b"\0\0\x01\x01\x05\0\0\0\x01\x82",
        ),
    ] {
        assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

#[test]
fn settings() {
    let check = |payload: &[u8], expected: Result<Setting, ErrorCode>| {
        assert_eq!(Setting::read_all(payload).collect::<Vec<_>>(), [expected], "{}", payload.escape_ascii());
    };
    check(b"\0\x01\0\0\x10\0", Ok(Setting::HeaderTableSize(4096)));
    check(b"\0\x02\0\0\0\x01", Ok(Setting::EnablePush(true)));
    check(b"\0\x02\0\0\0\x02", Err(ErrorCode::PROTOCOL_ERROR));
    check(b"\0\x03\0\0\0\0", Ok(Setting::MaxConcurrentStreams(0)));
    check(b"\0\x04\x7f\xff\xff\xff", Ok(Setting::InitialWindowSize(MAX_WINDOW)));
    check(b"\0\x04\x80\0\0\0", Err(ErrorCode::FLOW_CONTROL_ERROR));
    check(b"\0\x05\0\0\x3f\xff", Err(ErrorCode::PROTOCOL_ERROR));
    check(b"\0\x05\0\0\x40\0", Ok(Setting::MaxFrameSize(16_384)));
    check(b"\0\x05\0\xff\xff\xff", Ok(Setting::MaxFrameSize(0xff_ffff)));
    check(b"\0\x05\x01\0\0\0", Err(ErrorCode::PROTOCOL_ERROR));
    check(b"\0\x06\0\0\0\x09", Ok(Setting::MaxHeaderListSize(9)));
    check(b"\0\x08\0\0\0\x01", Ok(Setting::EnableConnectProtocol(true)));
    check(b"\0\x08\0\0\x01\0", Err(ErrorCode::PROTOCOL_ERROR));
    check(b"\xff\xff\0\0\x01\0", Ok(Setting::Unknown(0xffff, 256)));
    check(b"\0\x03\0\0\0", Err(ErrorCode::FRAME_SIZE_ERROR));
    check(b"\0\x03\0\0\0\0\0", Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(Setting::read_all(b"").count(), 0);
    let all =
        [Setting::InitialWindowSize(1), Setting::MaxHeaderListSize(2), Setting::EnableConnectProtocol(true)];
    let text = written(|out| write_settings(out, &all));
    assert!(Setting::read_all(&text[HEADER..]).eq(all.map(Ok)));
}

#[test]
fn payloads() {
    assert_eq!(data_payload(0, b"\x09a"), Ok(&b"\x09a"[..]));
    for (payload, expected) in [
        (&b"\0ab"[..], Ok(&b"ab"[..])),
        (b"\x01ab", Ok(b"a")),
        (b"\x02ab", Ok(b"")),
        (b"\x03ab", Err(ErrorCode::PROTOCOL_ERROR)),
        (b"\xff", Err(ErrorCode::PROTOCOL_ERROR)),
        (b"\0", Ok(b"")),
        (b"", Err(ErrorCode::FRAME_SIZE_ERROR)),
    ] {
        assert_eq!(data_payload(flags::PADDED, payload), expected, "{}", payload.escape_ascii());
    }
    let headers = |flags, payload: &'static [u8]| {
        headers_payload(flags, payload, 3).map(|payload| (payload.fragment, payload.depends_on_itself))
    };
    assert_eq!(headers(0, b"abcdef"), Ok((&b"abcdef"[..], false)));
    assert_eq!(headers(flags::PRIORITY, b"\0\0\0\x01\xffa"), Ok((&b"a"[..], false)));
    assert_eq!(headers(flags::PRIORITY, b"\x80\0\0\x03\xffa"), Ok((&b"a"[..], true)));
    assert_eq!(headers(flags::PRIORITY, b"\0\0\0\x01"), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(headers(flags::PRIORITY | flags::PADDED, b"\x01\0\0\0\x01\0ab"), Ok((&b"a"[..], false)));
    assert_eq!(
        headers(flags::PRIORITY | flags::PADDED, b"\x03\0\0\0\x01\0ab"),
        Err(ErrorCode::FRAME_SIZE_ERROR)
    );
    assert_eq!(priority_payload(b"\x80\0\0\x01\0", 3), Ok(1));
    assert_eq!(priority_payload(b"\x80\0\0\x03\0", 3), Err(ErrorCode::PROTOCOL_ERROR));
    assert_eq!(priority_payload(b"\x80\0\0\x03", 3), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(reset_payload(b"\0\0\0\x08"), Ok(ErrorCode::CANCEL));
    assert_eq!(reset_payload(b"\0\0\0"), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(ping_payload(b"12345678"), Ok(*b"12345678"));
    assert_eq!(ping_payload(b"123456789"), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(goaway_payload(b"\x80\0\0\x05\0\0\0\0why"), Ok((5, ErrorCode::NO_ERROR)));
    assert_eq!(goaway_payload(b"\x80\0\0\x05\0\0\0"), Err(ErrorCode::FRAME_SIZE_ERROR));
    assert_eq!(window_update_payload(b"\x80\0\0\x05"), Ok(5));
    assert_eq!(window_update_payload(b"\x80\0\0\0"), Err(ErrorCode::PROTOCOL_ERROR));
    assert_eq!(window_update_payload(b"\0\0\0\0\x01"), Err(ErrorCode::FRAME_SIZE_ERROR));
}

#[test]
fn codes_have_names() {
    let names =
        [ErrorCode::NO_ERROR, ErrorCode::HTTP_1_1_REQUIRED, ErrorCode(0x1f)].map(|code| code.to_string());
    assert_eq!(names, ["NO_ERROR", "HTTP_1_1_REQUIRED", "error code 0x1f"]);
}

proptest! {
    #[test]
    fn frames_read_back(length in 0u32..1 << 24, kind: u8, flags: u8, stream in 0u32..1 << 31) {
        let header = FrameHeader { length, kind: Kind(kind), flags, stream };
        prop_assert_eq!(FrameHeader::parse(&header.bytes()), header);
    }

    /// However a block is split, its fragments make it again, and only the last one says that it ends.
    #[test]
    fn blocks_are_split(block: Vec<u8>, before: Vec<u8>, most in 1usize..40, end_stream: bool) {
        let mut out = before.clone();
        write_headers(&mut out, 7, end_stream, most, |out| out.extend_from_slice(&block));
        prop_assert!(out.starts_with(&before));
        let frames = frames(&out[before.len()..]);
        let mut joined = Vec::new();
        for (index, (header, payload)) in frames.iter().enumerate() {
            joined.extend_from_slice(payload);
            prop_assert!(payload.len() <= most && header.stream == 7);
            prop_assert_eq!(header.kind, if index == 0 { Kind::HEADERS } else { Kind::CONTINUATION });
            prop_assert_eq!(header.has(flags::END_HEADERS), index + 1 == frames.len());
            prop_assert_eq!(header.has(flags::END_STREAM), index == 0 && end_stream);
        }
        prop_assert_eq!(joined, block);
        prop_assert!(frames.iter().skip(1).all(|(_, payload)| !payload.is_empty()));
    }
}
