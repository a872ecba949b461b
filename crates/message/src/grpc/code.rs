//! Statuses of gRPC.

/// A status of gRPC: 0 to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcCode(u8);

impl GrpcCode {
    /// All went well.
    pub const OK: Self = Self(0);
    /// The caller gave up.
    pub const CANCELLED: Self = Self(1);
    /// Nobody knows.
    pub const UNKNOWN: Self = Self(2);
    /// The caller's time was over.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// The caller may not.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// A bound was passed.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// There is no such method.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// What came breaks the protocol.
    pub const INTERNAL: Self = Self(13);
    /// Nobody is there at present.
    pub const UNAVAILABLE: Self = Self(14);
    /// The caller did not say who it is.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// How many there are.
    pub const COUNT: usize = 17;

    /// The status of a number, 0 to 16; [`GrpcCode::UNKNOWN`] for others.
    #[must_use]
    pub const fn of_number(number: u8) -> Self {
        if (number as usize) < Self::COUNT { Self(number) } else { Self::UNKNOWN }
    }

    /// Reads the value of a `grpc-status`. What is no status is [`GrpcCode::UNKNOWN`], as clients take it.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let number = match value {
            [digit @ b'0'..=b'9'] => digit - b'0',
            [b'1', digit @ b'0'..=b'6'] => 10 + (digit - b'0'),
            _ => return Self::UNKNOWN,
        };
        Self(number)
    }

    /// What a failure that HTTP tells by a status is in gRPC. As the gRPC project's table for answers of other
    /// programs, but that 404 is said for a method that there is not, and that what is over a bound, late, or not
    /// offered is told as such.
    #[must_use]
    pub fn of_http(status: u16) -> Self {
        match status {
            200 => Self::OK,
            400 => Self::INTERNAL,
            401 => Self::UNAUTHENTICATED,
            403 => Self::PERMISSION_DENIED,
            404 | 405 | 501 => Self::UNIMPLEMENTED,
            408 | 504 => Self::DEADLINE_EXCEEDED,
            413 | 414 | 429 | 431 => Self::RESOURCE_EXHAUSTED,
            500 | 502 | 503 => Self::UNAVAILABLE,
            508 => Self::INTERNAL,
            _ => Self::UNKNOWN,
        }
    }

    /// What a stream's reset says, by its code (PROTOCOL-HTTP2.md, "Errors").
    #[must_use]
    pub fn of_reset(code: u32) -> Self {
        match code {
            7 => Self::UNAVAILABLE,
            8 => Self::CANCELLED,
            11 => Self::RESOURCE_EXHAUSTED,
            12 => Self::PERMISSION_DENIED,
            _ => Self::INTERNAL,
        }
    }

    /// The number.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether it tells that the endpoint is in trouble: unknown, deadline exceeded, resource exhausted, internal,
    /// unavailable, data loss. The others say something about the request.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self.0, 2 | 4 | 8 | 13 | 14 | 15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, number) in
            [("0", 0), ("9", 9), ("10", 10), ("16", 16), ("17", 2), ("", 2), ("-1", 2), ("007", 2), ("1x", 2)]
        {
            assert_eq!(GrpcCode::parse(text.as_bytes()).number(), number, "{text}");
        }
    }

    #[test]
    fn what_gateway_api_asks_for() {
        assert_eq!(GrpcCode::of_http(404), GrpcCode::UNIMPLEMENTED);
        assert_eq!(GrpcCode::of_http(500), GrpcCode::UNAVAILABLE);
        assert_eq!(GrpcCode::of_http(503), GrpcCode::UNAVAILABLE);
        assert_eq!(GrpcCode::of_http(504), GrpcCode::DEADLINE_EXCEEDED);
    }

    #[test]
    fn failures_of_endpoints() {
        let failures: Vec<u8> = (0..=16).filter(|&number| GrpcCode(number).is_failure()).collect();
        assert_eq!(failures, [2, 4, 8, 13, 14, 15]);
    }
}
