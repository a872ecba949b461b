//! Payloads of frames. Each error is the code of RFC 9113 6; whether it ends a stream or the connection is said with
//! each function.

use super::{ErrorCode, STREAM, flags};

/// The data of a DATA frame, without padding. The whole payload counts in the windows.
///
/// # Errors
/// PROTOCOL_ERROR of the connection if the padding is as long as the payload or longer, FRAME_SIZE_ERROR of the
/// connection if its length is missing (RFC 9113 6.1, 4.2).
#[inline]
pub fn data_payload(flags: u8, payload: &[u8]) -> Result<&[u8], ErrorCode> {
    if flags & flags::PADDED == 0 { Ok(payload) } else { without_padding(payload) }
}

/// The fragment of a header block in a HEADERS frame, without padding and priority.
///
/// # Errors
/// As [`data_payload`]; FRAME_SIZE_ERROR of the connection if the priority is cut short.
#[inline]
pub fn headers_payload(flags: u8, payload: &[u8], stream: u32) -> Result<HeadersPayload<'_>, ErrorCode> {
    let payload = data_payload(flags, payload)?;
    if flags & flags::PRIORITY == 0 {
        return Ok(HeadersPayload { fragment: payload, depends_on_itself: false });
    }
    let (priority, fragment) = payload.split_first_chunk::<5>().ok_or(ErrorCode::FRAME_SIZE_ERROR)?;
    Ok(HeadersPayload { fragment, depends_on_itself: dependency(*priority) == stream })
}

/// What a HEADERS frame brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadersPayload<'a> {
    /// The header block, or its beginning.
    pub fragment: &'a [u8],
    /// The stream is to depend on itself: a stream error PROTOCOL_ERROR (RFC 7540 5.3.1), once the block was decoded.
    pub depends_on_itself: bool,
}

/// The stream on which a PRIORITY frame lets its own depend.
///
/// # Errors
/// Of the stream: FRAME_SIZE_ERROR if it is not 5 bytes long (RFC 9113 6.3), PROTOCOL_ERROR if it is itself
/// (RFC 7540 5.3.1).
pub fn priority_payload(payload: &[u8], stream: u32) -> Result<u32, ErrorCode> {
    let priority = payload.try_into().map_err(|_| ErrorCode::FRAME_SIZE_ERROR)?;
    match dependency(priority) {
        itself if itself == stream => Err(ErrorCode::PROTOCOL_ERROR),
        other => Ok(other),
    }
}

/// Why the peer resets a stream.
///
/// # Errors
/// FRAME_SIZE_ERROR of the connection if it is not 4 bytes long (RFC 9113 6.4).
pub fn reset_payload(payload: &[u8]) -> Result<ErrorCode, ErrorCode> {
    word(payload).map(ErrorCode)
}

/// What a PING carries.
///
/// # Errors
/// FRAME_SIZE_ERROR of the connection if it is not 8 bytes long (RFC 9113 6.7).
pub fn ping_payload(payload: &[u8]) -> Result<[u8; 8], ErrorCode> {
    payload.try_into().map_err(|_| ErrorCode::FRAME_SIZE_ERROR)
}

/// The last stream that the peer of a GOAWAY will look at, and why.
///
/// # Errors
/// FRAME_SIZE_ERROR of the connection if it is shorter than 8 bytes (RFC 9113 6.8).
pub fn goaway_payload(payload: &[u8]) -> Result<(u32, ErrorCode), ErrorCode> {
    let (last, rest) = payload.split_at_checked(4).ok_or(ErrorCode::FRAME_SIZE_ERROR)?;
    let code = rest.get(..4).ok_or(ErrorCode::FRAME_SIZE_ERROR)?;
    Ok((word(last)? & STREAM, ErrorCode(word(code)?)))
}

/// Bytes that a WINDOW_UPDATE adds: 1 to 2^31 - 1.
///
/// # Errors
/// FRAME_SIZE_ERROR of the connection if it is not 4 bytes long; PROTOCOL_ERROR, of the stream or of the connection
/// whichever it is for, if it adds nothing (RFC 9113 6.9).
#[inline]
pub fn window_update_payload(payload: &[u8]) -> Result<u32, ErrorCode> {
    match word(payload)? & STREAM {
        0 => Err(ErrorCode::PROTOCOL_ERROR),
        bytes => Ok(bytes),
    }
}

#[cold]
fn without_padding(payload: &[u8]) -> Result<&[u8], ErrorCode> {
    let (&padding, rest) = payload.split_first().ok_or(ErrorCode::FRAME_SIZE_ERROR)?;
    let length = rest.len().checked_sub(usize::from(padding)).ok_or(ErrorCode::PROTOCOL_ERROR)?;
    Ok(&rest[..length])
}

/// Without the bit for an exclusive dependency; the weight is of no interest.
fn dependency(priority: [u8; 5]) -> u32 {
    let [on @ .., _weight] = priority;
    u32::from_be_bytes(on) & STREAM
}

#[inline]
fn word(payload: &[u8]) -> Result<u32, ErrorCode> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| ErrorCode::FRAME_SIZE_ERROR)
}
