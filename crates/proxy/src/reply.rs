//! The one place where a refusal or a failure becomes an answer.

use crate::failure::Failure;
use irongate_message::{Fields, GrpcKind, HeadLimits, Known, Method, RequestHead, ResponseHead};
use irongate_traffic::filter::{PreflightField, Redirection};
use smallvec::{SmallVec, smallvec};

/// An answer of our own: a head, and a body that fits in one write.
pub(crate) struct Reply {
    pub(crate) body: Vec<u8>,
}

/// The fields of an answer of our own, but for its length.
type ReplyFields<'a> = SmallVec<[(&'a [u8], &'a [u8]); 4]>;

/// The header that tells a trusted client why a request failed.
const REASON_FIELD: &[u8] = b"x-irongate-reason";

/// Writes the answer to a failure into `head`.
///
/// The text says what happened and nothing of how the inside looks; `trusted` clients get the reason's name. Who speaks
/// gRPC gets a head that says it all ("trailers-only"), with the status of gRPC.
pub(crate) fn failure(
    failure: Failure,
    request: Option<&RequestHead>,
    grpc: Option<GrpcKind>,
    trusted: bool,
    head: &mut ResponseHead,
) -> Reply {
    if let Some(kind) = grpc {
        return grpc_failure(failure, kind, trusted, head);
    }
    let status = failure.status();
    let wants_json = request.is_some_and(accepts_json);
    let mut body = Vec::new();
    if wants_json {
        body.extend_from_slice(b"{\"status\":");
        body.extend_from_slice(status.to_string().as_bytes());
        body.extend_from_slice(b",\"message\":\"");
        // The messages are ours: they hold nothing that JSON would have escaped.
        body.extend_from_slice(failure.message().as_bytes());
        body.extend_from_slice(b"\"}\n");
    } else {
        body.extend_from_slice(failure.message().as_bytes());
        body.push(b'\n');
    }
    let kind: &[u8] = if wants_json { b"application/json" } else { b"text/plain; charset=utf-8" };
    let mut fields: ReplyFields<'_> = smallvec![(&b"content-type"[..], kind)];
    if matches!(
        failure,
        Failure::Overloaded
            | Failure::LimitUnanswered
            | Failure::NoEndpoint
            | Failure::ConnectFailed
            | Failure::ConnectTimeout
            | Failure::Limit(_)
    ) {
        fields.push((b"retry-after", b"1"));
    }
    if trusted {
        fields.push((REASON_FIELD, failure.reason().as_str().as_bytes()));
    }
    compose(head, status, request, &fields, body)
}

fn grpc_failure(failure: Failure, kind: GrpcKind, trusted: bool, head: &mut ResponseHead) -> Reply {
    let status = Fields::grpc_status(failure.grpc_code(), failure.message()).unwrap_or_default();
    let reason = trusted.then_some((REASON_FIELD, failure.reason().as_str().as_bytes()));
    let fields =
        std::iter::once((&b"content-type"[..], kind.content_type())).chain(status.iter()).chain(reason);
    // The names are ours, and the values are short: nothing can fail.
    let _ = head.from_parts(200, true, Method::Post, fields, &HeadLimits::default());
    Reply { body: Vec::new() }
}

/// Writes a redirect into `head`.
pub(crate) fn redirect(redirection: &Redirection, request: &RequestHead, head: &mut ResponseHead) -> Reply {
    let fields = [(&b"location"[..], &redirection.location[..])];
    compose(head, redirection.status, Some(request), &fields, Vec::new())
}

/// Writes the answer to a preflight into `head`. 200 and no other status: some old browsers take no 204 for it.
pub(crate) fn preflight(
    fields: &[PreflightField<'_>],
    request: &RequestHead,
    head: &mut ResponseHead,
) -> Reply {
    let fields: ReplyFields<'_> = fields.iter().map(|&(name, value)| (name, value)).collect();
    compose(head, 200, Some(request), &fields, Vec::new())
}

/// Writes the answer to `OPTIONS *` into `head` (RFC 9110 §9.3.7).
pub(crate) fn options(request: &RequestHead, head: &mut ResponseHead) -> Reply {
    let fields = [(&b"allow"[..], &b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"[..])];
    compose(head, 204, Some(request), &fields, Vec::new())
}

/// An answer with these fields and this body; `HEAD` is told its length only.
fn compose(
    head: &mut ResponseHead,
    status: u16,
    request: Option<&RequestHead>,
    fields: &[(&[u8], &[u8])],
    mut body: Vec<u8>,
) -> Reply {
    let method = request.map_or(Method::Get, RequestHead::method);
    let length = body.len().to_string();
    let length = (status != 204).then_some((&b"content-length"[..], length.as_bytes()));
    let fields = fields.iter().copied().chain(length);
    let composed = head.from_parts(status, false, method, fields, &HeadLimits::default());
    if composed.is_err() || method == Method::Head || status == 204 {
        body.clear();
    }
    Reply { body }
}

fn accepts_json(request: &RequestHead) -> bool {
    let Some(accept) = request.fields.get(Known::Accept) else { return false };
    let mut parts = accept.split(|&byte| byte == b',');
    parts.any(|part| {
        let kind = part.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        kind.eq_ignore_ascii_case(b"application/json")
            || kind.eq_ignore_ascii_case(b"application/problem+json")
    })
}
