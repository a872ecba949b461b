//! Heads between the `http` crate's types, which `h2` speaks, and ours.

use bytes::{Bytes, BytesMut};
use h2::ext::Protocol;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version as HttpVersion, header,
};
use irongate_message::{
    BodyLength, Fields, HeadError, HeadLimits, RequestHead, ResponseHead, Version, WEBSOCKET,
};

/// Fields as name and value.
pub(crate) fn fields(map: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    map.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
}

/// Fills a request's head from what came on a stream.
pub(crate) fn read_request(
    from: &http::request::Parts,
    end_of_stream: bool,
    limits: &HeadLimits,
    into: &mut RequestHead,
) -> Result<(), HeadError> {
    let uri = &from.uri;
    let websocket = from.extensions.get::<Protocol>().is_some_and(|it| it.as_str().as_bytes() == WEBSOCKET);
    into.from_parts(
        // What else an extended CONNECT may ask for is refused as any CONNECT is.
        if websocket { b"GET" } else { from.method.as_str().as_bytes() },
        // The crate has checked that there is one, and drops it where there is no `:authority`.
        uri.scheme_str().unwrap_or("http").as_bytes(),
        uri.authority().map(|authority| authority.as_str().as_bytes()),
        uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes(),
        end_of_stream || websocket,
        fields(&from.headers),
        limits,
    )?;
    if websocket {
        into.set_upgrade(WEBSOCKET);
    }
    Ok(())
}

/// Whether a request's head breaks the protocol, so that its stream is reset (RFC 9113 §8.1.1); otherwise it is only
/// one that we do not serve, and is told so.
pub(crate) fn is_malformed(error: HeadError) -> bool {
    let served_to_no_one = matches!(error, HeadError::Path(_) | HeadError::HostMissing);
    error.status() == 400 && !served_to_no_one
}

/// The request as it goes to an origin; `host` names it where the client did not. `None` for a target that this
/// protocol's library cannot carry.
pub(crate) fn write_request(head: &RequestHead, host: &str, is_secure: bool) -> Option<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method_text()).ok()?;
    *request.version_mut() = HttpVersion::HTTP_2;
    let authority = match head.authority() {
        [] => Authority::try_from(host).ok()?,
        authority => Authority::try_from(authority).ok()?,
    };
    let mut target = BytesMut::with_capacity(head.path().len() + 1 + head.query().map_or(0, <[u8]>::len));
    target.extend_from_slice(head.path());
    if let Some(query) = head.query() {
        target.extend_from_slice(b"?");
        target.extend_from_slice(query);
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if is_secure { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target.freeze()).ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.headers_mut() = write_fields(&head.fields, length(head.body()), |_| true)?;
    Some(request)
}

/// Fills an answer's head from what came on a stream.
pub(crate) fn read_response<T>(
    from: &Response<T>,
    end_of_stream: bool,
    request_method: irongate_message::Method,
    limits: &HeadLimits,
    into: &mut ResponseHead,
) -> Result<(), HeadError> {
    into.from_parts(from.status().as_u16(), end_of_stream, request_method, fields(from.headers()), limits)
}

/// The answer as it goes to a client. `None` if it cannot be said in HTTP/2.
pub(crate) fn write_response(head: &ResponseHead) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.status()).ok()?;
    *response.version_mut() = HttpVersion::HTTP_2;
    let length = match head.body() {
        // The origin's stream ended with its head, which says as much as a length: gRPC sends such answers.
        BodyLength::Length(0) if head.version() == Version::Http2 => None,
        body => length(body),
    };
    // `TE` means nothing in an answer, and the crate refuses to send it.
    *response.headers_mut() = write_fields(&head.fields, length, |name| *name != header::TE)?;
    Some(response)
}

/// Makes the request an extended `CONNECT` (RFC 8441 §4).
pub(crate) fn make_websocket(request: &mut Request<()>) {
    *request.method_mut() = Method::CONNECT;
    request.headers_mut().remove(header::SEC_WEBSOCKET_KEY);
    request.extensions_mut().insert(Protocol::from_static("websocket"));
}

/// The trailers as they go out, if there are any.
pub(crate) fn trailers(fields: &Fields) -> Option<HeaderMap> {
    write_fields(fields, None, |name| *name != header::TE).filter(|fields| !fields.is_empty())
}

fn length(body: BodyLength) -> Option<u64> {
    if let BodyLength::Length(length) = body { Some(length) } else { None }
}

/// A head's values share one allocation up to this many bytes. The crate's table of fields that it has sent keeps single
/// values: of a large head each has its own, so that a short one that is kept does not keep them all.
const SHARED_VALUES: usize = 4 << 10;

/// The kept fields, none of which belongs to a connection.
fn write_fields(
    fields: &Fields,
    length: Option<u64>,
    keep: impl Fn(&HeaderName) -> bool,
) -> Option<HeaderMap> {
    let (count, bytes) =
        fields.iter().fold((0, 0), |(count, bytes), (_, value)| (count + 1, bytes + value.len()));
    let mut values = BytesMut::with_capacity(if bytes <= SHARED_VALUES { bytes } else { 0 });
    let mut map = HeaderMap::with_capacity(count + 1);
    for (name, value) in fields.iter() {
        let name = HeaderName::from_bytes(name).ok()?;
        if !keep(&name) {
            continue;
        }
        let value = if bytes <= SHARED_VALUES {
            values.extend_from_slice(value);
            values.split().freeze()
        } else {
            Bytes::copy_from_slice(value)
        };
        map.try_append(name, HeaderValue::from_maybe_shared(value).ok()?).ok()?;
    }
    if let Some(length) = length {
        map.try_insert(header::CONTENT_LENGTH, HeaderValue::from(length)).ok()?;
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use irongate_message::{HeadParser, Parsed};

    fn parsed(text: &str) -> RequestHead {
        let mut head = RequestHead::new();
        let parsed = HeadParser::new().request(text.as_bytes(), &HeadLimits::default(), &mut head);
        assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
        head
    }

    #[test]
    fn requests_lose_what_belongs_to_the_connection() {
        let head = parsed(
            "POST /a?b=[c] HTTP/1.1\r\nHost: Test:8080\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Kept: 2\r\n\
             TE: trailers\r\nContent-Length: 3\r\n\r\n",
        );
        let request = write_request(&head, "other", false).expect("a request");
        assert_eq!(request.uri(), "http://test:8080/a?b=[c]");
        let mut seen: Vec<_> =
            request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        seen.sort();
        assert_eq!(seen, ["content-length: \"3\"", "te: \"trailers\"", "x-kept: \"2\""]);
    }

    #[test]
    fn a_request_without_a_host_gets_the_origins() {
        let head = parsed("GET / HTTP/1.0\r\n\r\n");
        let request = write_request(&head, "127.0.0.1:80", true).expect("a request");
        assert_eq!(request.uri(), "https://127.0.0.1:80/");
    }

    #[test]
    fn answers_keep_their_length_only_where_it_says_something() {
        let mut head = ResponseHead::new();
        let limits = HeadLimits::default();
        let method = irongate_message::Method::Get;
        let fields = || [(&b"te"[..], &b"trailers"[..]), (b"a", b"b")].into_iter();
        head.from_parts(200, true, method, fields(), &limits).expect("a head");
        let response = write_response(&head).expect("a response");
        assert_eq!((response.headers().len(), &response.headers()["a"]), (1, &HeaderValue::from_static("b")));
        let with_length = fields().chain([(&b"content-length"[..], &b"7"[..])]);
        head.from_parts(200, false, method, with_length, &limits).expect("a head");
        let response = write_response(&head).expect("a response");
        assert_eq!(response.headers()["content-length"], "7");
    }

    #[test]
    fn what_is_malformed_is_told_from_what_is_not_served() {
        for (error, malformed) in [
            (HeadError::FieldName, true),
            (HeadError::ConnectionField, true),
            (HeadError::HostDiffers, true),
            (HeadError::HostMissing, false),
            (HeadError::TargetTooLong, false),
            (HeadError::Method, false),
        ] {
            assert_eq!(is_malformed(error), malformed, "{error}");
        }
    }
}
