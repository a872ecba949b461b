//! What is wrong with a message, and what its sender is told.

/// Why a head is refused. The same errors serve requests, where [`HeadError::status`] is the answer, and answers of
/// origins, where the proxy makes 502 of all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A line feed without a carriage return before it.
    #[error("a line ends in a bare line feed")]
    BareLineFeed,
    /// The request line is not `method SP target SP HTTP-version`.
    #[error("the request line is malformed")]
    RequestLine,
    /// The status line is not `HTTP-version SP status SP reason`.
    #[error("the status line is malformed")]
    StatusLine,
    /// A version of HTTP that is neither 1.0 nor 1.1.
    #[error("the HTTP version is not supported")]
    Version,
    /// A method that is longer than any in use, or `CONNECT`.
    #[error("the method is not implemented")]
    Method,
    /// The target has bytes that it must not have, or no form that fits the method.
    #[error("the request target is malformed")]
    Target,
    /// The target's path is refused; see [`crate::path`].
    #[error("the path is refused: {0}")]
    Path(#[from] crate::path::PathError),
    /// The target is longer than the limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The head is longer than the limit.
    #[error("the head is too large")]
    TooLarge,
    /// More fields than the limit.
    #[error("the head has too many fields")]
    TooManyFields,
    /// A line that continues the one before (obsolete folding), or white space before the first field.
    #[error("a field line begins with white space")]
    Folding,
    /// White space between a field's name and the colon.
    #[error("white space before a colon")]
    SpaceBeforeColon,
    /// An empty field name, one that is no token, or a line without a colon.
    #[error("a field name is malformed")]
    FieldName,
    /// A control character in a field's value: a bare carriage return, NUL and the like.
    #[error("a field value holds a control character")]
    FieldValue,
    /// `Content-Length` that is no plain number of up to 18 digits.
    #[error("Content-Length is malformed")]
    ContentLength,
    /// More than one `Content-Length`; in an answer: different ones.
    #[error("Content-Length is repeated")]
    RepeatedContentLength,
    /// `Content-Length` beside `Transfer-Encoding`.
    #[error("both Content-Length and Transfer-Encoding")]
    AmbiguousLength,
    /// `Transfer-Encoding` that is not `chunked` alone and once, or any in HTTP/1.0.
    #[error("Transfer-Encoding is malformed")]
    TransferEncoding,
    /// A transfer coding that is not implemented.
    #[error("the transfer coding is not implemented")]
    TransferCoding,
    /// HTTP/1.1 without `Host`.
    #[error("Host is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("Host is repeated")]
    HostRepeated,
    /// `Host`, or the authority of the target, is no host.
    #[error("the host is malformed: {0}")]
    Host(#[from] crate::host::HostError),
    /// HTTP/2: `host` differs from `:authority`.
    #[error("host differs from :authority")]
    HostDiffers,
    /// `Connection` lists more names than any honest client does.
    #[error("Connection lists too many names")]
    ConnectionOptions,
    /// An `Expect` other than `100-continue`.
    #[error("the expectation is not supported")]
    Expectation,
    /// HTTP/2: a field that belongs to HTTP/1.1 connections, or `te` other than `trailers`.
    #[error("a connection-specific field in HTTP/2")]
    ConnectionField,
    /// HTTP/2: pseudo-fields that make no request, or an end of the stream that belies `content-length`.
    #[error("the HTTP/2 head is malformed")]
    Malformed,
    /// The request has passed through here before: our own name is in its `Via`.
    #[error("the request loops")]
    Loop,
}

impl HeadError {
    /// The status that tells the client; for answers of origins it is 502 whatever this says.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::TooLarge | Self::TooManyFields => 431,
            Self::Method | Self::TransferCoding => 501,
            Self::Version => 505,
            Self::Loop => 508,
            _ => 400,
        }
    }

    /// Whether a request's head breaks HTTP/2 itself, so that its stream is reset with PROTOCOL_ERROR (RFC 9113 8.1.1);
    /// otherwise it is only one that we do not serve, and its client is told so by [`HeadError::status`].
    #[must_use]
    pub fn is_malformed_http2(self) -> bool {
        let is_served_to_no_one = matches!(self, Self::Path(_) | Self::HostMissing);
        self.status() == 400 && !is_served_to_no_one
    }

    /// A stable token for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare_line_feed",
            Self::RequestLine => "request_line",
            Self::StatusLine => "status_line",
            Self::Version => "http_version",
            Self::Method => "method_not_implemented",
            Self::Target => "target",
            Self::Path(_) => "path",
            Self::TargetTooLong => "target_too_long",
            Self::TooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
            Self::Folding => "obsolete_folding",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::ContentLength => "content_length",
            Self::RepeatedContentLength => "repeated_content_length",
            Self::AmbiguousLength => "ambiguous_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferCoding => "transfer_coding",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::Host(_) => "host",
            Self::HostDiffers => "host_differs",
            Self::ConnectionOptions => "connection_options",
            Self::Expectation => "expectation",
            Self::ConnectionField => "connection_field",
            Self::Malformed => "malformed",
            Self::Loop => "loop",
        }
    }
}

/// Why a body is refused. Where the body is a request's, 400 can still be said if no answer has begun; where it
/// is an answer's, the client's connection must be broken, so that it sees that the answer is not whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The peer closed before the end of the body.
    #[error("the body is truncated")]
    Truncated,
    /// A chunk size that is no plain hexadecimal number of up to 16 digits.
    #[error("a chunk size is malformed")]
    ChunkSize,
    /// A chunk extension of more than 256 bytes, or with control characters.
    #[error("a chunk extension is too long or malformed")]
    ChunkExtension,
    /// Something else than CRLF at the end of a chunk's line or data.
    #[error("a chunk does not end in CRLF")]
    ChunkEnd,
    /// The trailer section breaks the rules or the limits of heads.
    #[error("the trailers are refused: {0}")]
    Trailers(HeadError),
}

impl BodyError {
    /// The status that tells the client, where one can be told: of requests.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Trailers(error) => error.status(),
            _ => 400,
        }
    }

    /// A stable token for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "body_truncated",
            Self::ChunkSize => "chunk_size",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkEnd => "chunk_end",
            Self::Trailers(_) => "trailers",
        }
    }
}
