//! Frames that are about the connection, or nothing (RFC 9113 6.3, 6.5, 6.7, 6.8).

use super::frames::Fault;
use super::wire::Wire;
use irongate_message::http2::frame::{
    self, ErrorCode, FrameHeader, Setting, flags, goaway_payload, ping_payload, priority_payload,
};

/// Takes what the client says of itself.
pub(super) fn settings(wire: &mut Wire, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
    if header.stream != 0 {
        return Err(ErrorCode::PROTOCOL_ERROR.into());
    }
    if header.has(flags::ACK) {
        return if payload.is_empty() { Ok(()) } else { Err(ErrorCode::FRAME_SIZE_ERROR.into()) };
    }
    let mut initial = None;
    for setting in Setting::read_all(payload) {
        match setting? {
            Setting::InitialWindowSize(bytes) => initial = Some(bytes),
            Setting::HeaderTableSize(bytes) => wire.set_table(bytes),
            // We push nothing, open no streams, and send no frame that is larger than all take.
            _ => {}
        }
    }
    // Each stream is looked at for it, and a frame has room for 2730: nothing happens between them, so the last one counts.
    if initial.is_some_and(|bytes| !wire.set_initial(bytes)) {
        return Err(ErrorCode::FLOW_CONTROL_ERROR.into());
    }
    frame::write_settings_ack(wire.frames());
    Ok(())
}

/// Answers a PING, or takes the answer to ours.
pub(super) fn ping(wire: &mut Wire, header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
    let payload = ping_payload(payload)?;
    if header.stream != 0 {
        return Err(ErrorCode::PROTOCOL_ERROR.into());
    }
    if header.has(flags::ACK) {
        wire.heard(payload);
    } else {
        frame::write_ping(wire.frames(), true, payload);
    }
    Ok(())
}

/// Deprecated: only what could not be a frame at all is an error (RFC 9113 5.3, 6.3).
pub(super) fn priority(header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
    if header.stream == 0 {
        return Err(ErrorCode::PROTOCOL_ERROR.into());
    }
    match priority_payload(payload, header.stream) {
        Err(ErrorCode::FRAME_SIZE_ERROR) => Err(ErrorCode::FRAME_SIZE_ERROR.into()),
        _ => Ok(()),
    }
}

/// The client says that it goes: whether what it says is right.
pub(super) fn goaway(header: FrameHeader, payload: &[u8]) -> Result<(), Fault> {
    if header.stream != 0 {
        return Err(ErrorCode::PROTOCOL_ERROR.into());
    }
    goaway_payload(payload)?;
    Ok(())
}
