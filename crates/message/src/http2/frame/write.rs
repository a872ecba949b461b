//! Frames as they are sent: each function appends to what is sent next.

use super::{ErrorCode, FrameHeader, HEADER, Kind, Setting, flags};

/// Appends a DATA frame with all of `data`, which is at most what the peer takes in a frame.
#[inline]
pub fn write_data(out: &mut Vec<u8>, stream: u32, end_stream: bool, data: &[u8]) {
    let flags = if end_stream { flags::END_STREAM } else { 0 };
    FrameHeader { length: data.len() as u32, kind: Kind::DATA, flags, stream }.write(out);
    out.extend_from_slice(data);
}

/// Appends a header block, which `block` appends: a HEADERS frame and, where it is longer than `most` bytes, as many
/// CONTINUATION frames as it takes. `most` is what the peer takes in a frame.
#[inline]
pub fn write_headers(
    out: &mut Vec<u8>,
    stream: u32,
    end_stream: bool,
    most: usize,
    block: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    block(out);
    let length = out.len() - start - HEADER;
    let end_stream = if end_stream { flags::END_STREAM } else { 0 };
    let first =
        FrameHeader { length: length.min(most) as u32, kind: Kind::HEADERS, flags: end_stream, stream };
    if length <= most {
        let whole = FrameHeader { flags: end_stream | flags::END_HEADERS, ..first };
        out[start..start + HEADER].copy_from_slice(&whole.bytes());
    } else {
        out[start..start + HEADER].copy_from_slice(&first.bytes());
        split(out, start + HEADER + most, stream, most);
    }
}

/// Makes CONTINUATION frames of the block from `start` to the end: from the back, each fragment goes to its place.
#[cold]
fn split(out: &mut Vec<u8>, start: usize, stream: u32, most: usize) {
    let most = most.max(1);
    let rest = out.len() - start;
    let frames = rest.div_ceil(most);
    let mut end = out.len();
    out.resize(end + frames * HEADER, 0);
    for frame in (0..frames).rev() {
        let from = start + frame * most;
        let to = from + (frame + 1) * HEADER;
        out.copy_within(from..end, to);
        let flags = if frame + 1 == frames { flags::END_HEADERS } else { 0 };
        let header = FrameHeader { length: (end - from) as u32, kind: Kind::CONTINUATION, flags, stream };
        out[to - HEADER..to].copy_from_slice(&header.bytes());
        end = from;
    }
}

/// Appends a SETTINGS frame.
pub fn write_settings(out: &mut Vec<u8>, settings: &[Setting]) {
    let length = settings.len() as u32 * 6;
    FrameHeader { length, kind: Kind::SETTINGS, flags: 0, stream: 0 }.write(out);
    for setting in settings {
        out.extend_from_slice(&setting.bytes());
    }
}

/// Appends the acknowledgement of the peer's SETTINGS.
pub fn write_settings_ack(out: &mut Vec<u8>) {
    FrameHeader { length: 0, kind: Kind::SETTINGS, flags: flags::ACK, stream: 0 }.write(out);
}

/// Appends a PING, or with `ack` the answer to one.
pub fn write_ping(out: &mut Vec<u8>, ack: bool, payload: [u8; 8]) {
    FrameHeader { length: 8, kind: Kind::PING, flags: if ack { flags::ACK } else { 0 }, stream: 0 }
        .write(out);
    out.extend_from_slice(&payload);
}

/// Appends a WINDOW_UPDATE by so many bytes, 1 to 2^31 - 1; stream 0 is the connection.
pub fn write_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    debug_assert!(bytes > 0, "an update by nothing is an error");
    FrameHeader { length: 4, kind: Kind::WINDOW_UPDATE, flags: 0, stream }.write(out);
    out.extend_from_slice(&bytes.to_be_bytes());
}

/// Appends a RST_STREAM.
pub fn write_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    FrameHeader { length: 4, kind: Kind::RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&code.0.to_be_bytes());
}

/// Appends a GOAWAY: streams above `last` are not looked at.
pub fn write_goaway(out: &mut Vec<u8>, last: u32, code: ErrorCode) {
    FrameHeader { length: 8, kind: Kind::GOAWAY, flags: 0, stream: 0 }.write(out);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}
