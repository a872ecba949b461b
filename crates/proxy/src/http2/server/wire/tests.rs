use super::super::control;
use super::*;
use crate::live::Shared;
use irongate_message::http2::frame::{FrameHeader, Kind};
use irongate_telemetry::Registry;

/// Runs a test on a connection on which nothing has come yet, with a stream whose request has a body.
fn check(test: impl FnOnce(&mut Wire, usize)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build_local(tokio::runtime::LocalOptions::default())
        .expect("a runtime without IO needs nothing from the system");
    runtime.block_on(async {
        let (probes, _received) = tokio::sync::mpsc::unbounded_channel();
        let (discard, _discarded) = std::sync::mpsc::channel();
        let core = Core::new(0, Shared::new(Registry::new(1), probes, 1, discard));
        let mut wire = Wire::new(core, 100, 64 << 10);
        wire.frames().clear();
        assert!(wire.streams.use_number(1));
        let place = wire.open(1, false, None);
        test(&mut wire, place);
    });
}

/// The frames that were written since this was last asked: kind, stream, and the first number in each.
fn written(wire: &mut Wire) -> Vec<(Kind, u32, u32)> {
    let bytes = std::mem::take(wire.frames());
    let mut rest = &bytes[..];
    let mut frames = Vec::new();
    while let Some((head, behind)) = rest.split_first_chunk::<HEADER>() {
        let FrameHeader { length, kind, stream, .. } = FrameHeader::parse(head);
        let (payload, next) = behind.split_at(length as usize);
        let number = payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        frames.push((kind, stream, number));
        rest = next;
    }
    frames
}

/// A client sends so much of a stream's body.
fn send(wire: &mut Wire, place: usize, length: u32) {
    assert!(wire.receive(length));
    let stream = &mut wire.streams[place];
    stream.allowed -= length;
    stream.push(&vec![0; length as usize]);
}

#[test]
fn a_stream_is_granted_more_when_half_its_window_is_consumed() {
    check(|wire, place| {
        send(wire, place, STREAM_WINDOW);
        wire.consume(place, STREAM_WINDOW / 2 - 1);
        assert_eq!(written(wire), []);
        wire.consume(place, 1);
        assert_eq!(written(wire), [(Kind::WINDOW_UPDATE, 1, STREAM_WINDOW / 2)]);
        assert_eq!(wire.streams[place].allowed, STREAM_WINDOW / 2);
        wire.consume(place, STREAM_WINDOW / 2);
        assert_eq!(written(wire), [(Kind::WINDOW_UPDATE, 1, STREAM_WINDOW / 2)]);
        assert_eq!(wire.streams[place].allowed, STREAM_WINDOW, "never more than at first");
    });
}

#[test]
fn a_stream_that_is_over_is_granted_nothing() {
    for ended in [true, false] {
        check(|wire, place| {
            send(wire, place, STREAM_WINDOW);
            if ended {
                wire.has_all(place);
            } else {
                wire.streams[place].fail(BodyFailure::Closed);
            }
            wire.consume(place, STREAM_WINDOW);
            assert_eq!(written(wire), []);
            assert_eq!(wire.owed, STREAM_WINDOW, "others may send it");
        });
    }
}

#[test]
fn a_connection_is_granted_more_when_half_its_window_is_given_back() {
    check(|wire, _| {
        assert!(wire.receive(CONNECTION_WINDOW));
        assert!(!wire.receive(1), "more than it may");
        wire.give_back(CONNECTION_WINDOW / 2 - 1);
        assert_eq!(written(wire), []);
        assert!(!wire.receive(1), "it was not told yet");
        wire.give_back(1);
        assert_eq!(written(wire), [(Kind::WINDOW_UPDATE, 0, CONNECTION_WINDOW / 2)]);
        assert!(wire.receive(CONNECTION_WINDOW / 2));
        assert!(!wire.receive(1));
    });
}

#[test]
fn what_nobody_took_of_a_body_is_given_back_with_its_stream() {
    check(|wire, place| {
        send(wire, place, 1000);
        wire.remove(place);
        assert_eq!(wire.owed, 1000);
        assert_eq!(written(wire), [(Kind::RST_STREAM, 1, ErrorCode::CANCEL.0)]);
    });
}

#[test]
fn windows_follow_the_last_setting_of_a_frame() {
    let settings = |sizes: &[u32]| {
        let mut bytes = Vec::new();
        let settings: Vec<_> = sizes.iter().map(|size| Setting::InitialWindowSize(*size)).collect();
        frame::write_settings(&mut bytes, &settings);
        bytes.split_off(HEADER)
    };
    for (sizes, before, after) in [
        (&[10][..], 0, Ok(10)),
        (&[0, 1 << 30, 20], 0, Ok(20)),
        (&[0], 1, Ok(1)),
        (&[MAX_WINDOW], 1, Err(ErrorCode::FLOW_CONTROL_ERROR)),
        (&[MAX_WINDOW + 1, 10], 0, Err(ErrorCode::FLOW_CONTROL_ERROR)),
    ] {
        check(|wire, place| {
            assert!(wire.widen_stream(place, before));
            let payload = settings(sizes);
            let header =
                FrameHeader { length: payload.len() as u32, kind: Kind::SETTINGS, flags: 0, stream: 0 };
            let result = control::settings(wire, header, &payload).map_err(|fault| fault.code);
            assert_eq!(result.map(|()| wire.streams[place].window), after, "{sizes:?}");
        });
    }
}

#[test]
fn a_client_is_never_told_of_a_later_last_stream() {
    check(|wire, _| {
        wire.heard(GOODBYE);
        wire.streams.use_number(3);
        wire.end(Some(ErrorCode::PROTOCOL_ERROR));
        assert_eq!(written(wire), [(Kind::GOAWAY, 0, 1), (Kind::GOAWAY, 0, 1)]);
    });
}
