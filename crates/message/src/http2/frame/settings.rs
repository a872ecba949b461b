//! Parameters of a connection (RFC 9113 6.5).

use super::{DEFAULT_FRAME, ErrorCode, MAX_FRAME, MAX_WINDOW};

/// A parameter that a peer sets for what it will receive (RFC 9113 6.5.2, RFC 8441 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Bytes of its decoder's table.
    HeaderTableSize(u32),
    /// Whether it takes PUSH_PROMISE.
    EnablePush(bool),
    /// Streams that it lets the other side have open at once.
    MaxConcurrentStreams(u32),
    /// The window of new streams; a change is a change of all open ones, whose windows may then be negative
    /// (RFC 9113 6.9.2). At most [`MAX_WINDOW`].
    InitialWindowSize(u32),
    /// Bytes of a frame's payload that it takes: [`DEFAULT_FRAME`] to [`MAX_FRAME`].
    MaxFrameSize(u32),
    /// Bytes of a field list that it takes, at 32 more a field.
    MaxHeaderListSize(u32),
    /// Whether it takes an extended `CONNECT` (RFC 8441).
    EnableConnectProtocol(bool),
    /// Any other, to be ignored.
    Unknown(u16, u32),
}

impl Setting {
    /// Reads the payload of a SETTINGS frame that is no acknowledgement. A payload that is no whole number of
    /// parameters gives one error and nothing else.
    pub fn read_all(payload: &[u8]) -> impl Iterator<Item = Result<Self, ErrorCode>> {
        let (parameters, rest) = payload.as_chunks::<6>();
        let (parameters, ragged) = match rest {
            [] => (parameters, None),
            _ => (&[][..], Some(Err(ErrorCode::FRAME_SIZE_ERROR))),
        };
        ragged.into_iter().chain(parameters.iter().map(Self::read))
    }

    fn read(parameter: &[u8; 6]) -> Result<Self, ErrorCode> {
        let [a, b, value @ ..] = *parameter;
        let value = u32::from_be_bytes(value);
        let flag = || if value > 1 { Err(ErrorCode::PROTOCOL_ERROR) } else { Ok(value == 1) };
        Ok(match u16::from_be_bytes([a, b]) {
            1 => Self::HeaderTableSize(value),
            2 => Self::EnablePush(flag()?),
            3 => Self::MaxConcurrentStreams(value),
            4 if value > MAX_WINDOW => return Err(ErrorCode::FLOW_CONTROL_ERROR),
            4 => Self::InitialWindowSize(value),
            5 if !(DEFAULT_FRAME..=MAX_FRAME).contains(&(value as usize)) => {
                return Err(ErrorCode::PROTOCOL_ERROR);
            }
            5 => Self::MaxFrameSize(value),
            6 => Self::MaxHeaderListSize(value),
            8 => Self::EnableConnectProtocol(flag()?),
            id => Self::Unknown(id, value),
        })
    }

    /// The parameter as it is sent.
    pub(super) fn bytes(self) -> [u8; 6] {
        let (id, value) = match self {
            Self::HeaderTableSize(bytes) => (1, bytes),
            Self::EnablePush(enabled) => (2, u32::from(enabled)),
            Self::MaxConcurrentStreams(streams) => (3, streams),
            Self::InitialWindowSize(bytes) => (4, bytes),
            Self::MaxFrameSize(bytes) => (5, bytes),
            Self::MaxHeaderListSize(bytes) => (6, bytes),
            Self::EnableConnectProtocol(enabled) => (8, u32::from(enabled)),
            Self::Unknown(id, value) => (id, value),
        };
        let ([a, b], [c, d, e, f]): ([u8; 2], [u8; 4]) = (u16::to_be_bytes(id), value.to_be_bytes());
        [a, b, c, d, e, f]
    }
}
