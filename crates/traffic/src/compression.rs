//! Whether an answer is compressed, and by which coding: what the client asks for, what the answer is, and what a policy
//! wants.

mod negotiate;
#[cfg(test)]
mod tests;

use irongate_config::{Compression, ContentCoding, MediaRange};
use irongate_message::{FieldName, Known, RequestHead, ResponseHead};
use negotiate::Accepted;

/// How answers are compressed, ready to be asked.
#[derive(Debug)]
pub struct CompressionPlan {
    codings: Box<[(ContentCoding, u8)]>,
    min_size: u64,
    types: Box<[MediaRange]>,
    weaken_etags: bool,
}

/// What a request says of the coding of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedCoding {
    /// The coding that the answer may get, and its level.
    coding: Option<(ContentCoding, u8)>,
    /// The client wants no answer without a coding.
    is_needed: bool,
}

impl CompressionPlan {
    /// What a policy asks for. `None`: it offers no coding.
    #[must_use]
    pub fn new(asked: &Compression) -> Option<Self> {
        let plan = Self {
            codings: asked.codings.as_slice().into(),
            min_size: asked.min_size,
            types: asked.types.as_slice().into(),
            weaken_etags: asked.weaken_etags,
        };
        (!plan.codings.is_empty()).then_some(plan)
    }

    /// Which coding a client's request asks for; to be asked before filters change the request.
    #[must_use]
    pub fn asked(&self, request: &RequestHead) -> AskedCoding {
        // RFC 9111 §5.2.1.6: it is a wish of the client, too.
        if request.fields.lists(Known::CacheControl, b"no-transform") {
            return AskedCoding::default();
        }
        let name = FieldName::of(Known::AcceptEncoding);
        let accepted = Accepted::read(request.fields.values(&name));
        let mut best = None;
        for &(coding, level) in &self.codings {
            let quality = accepted.quality(coding);
            if quality > best.map_or(0, |(_, best)| best) {
                best = Some(((coding, level), quality));
            }
        }
        // Whoever says that it likes the content as it is better gets it so.
        let coding =
            best.filter(|(_, quality)| accepted.identity.is_none_or(|identity| *quality >= identity));
        AskedCoding { coding: coding.map(|(coding, _)| coding), is_needed: accepted.refuses_identity() }
    }

    /// Brings an answer's head into its form; gives the coding that the body is to get, and its level.
    ///
    /// `room`: whether there is memory for it, asked last.
    pub fn answer(
        &self,
        asked: AskedCoding,
        request: &RequestHead,
        head: &mut ResponseHead,
        room: impl FnOnce(ContentCoding, u8, Option<u64>) -> bool,
    ) -> Option<(ContentCoding, u8)> {
        if head.status() == 304 {
            self.unchanged(request, head);
            return None;
        }
        if !self.is_compressible(head) {
            return None;
        }
        head.fields.vary_by("Accept-Encoding");
        let length = head.content_length();
        let (coding, level) = asked
            .coding
            .filter(|_| asked.is_needed || length.is_none_or(|length| length >= self.min_size))?;
        let has_body = head.body() != irongate_message::BodyLength::Empty;
        if has_body && !room(coding, level, length) {
            return None;
        }
        head.weaken_etag();
        head.set_content_coding(coding.as_str());
        has_body.then_some((coding, level))
    }

    /// Whether an answer would be compressed for a client that asks for it, if it is long enough.
    fn is_compressible(&self, head: &ResponseHead) -> bool {
        let fields = &head.fields;
        let Some(content_type) = fields.get(Known::ContentType) else { return false };
        let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        // 206 and 416 are about ranges of the content as it is, and 204 and 304 have none.
        !matches!(head.status(), 100..=199 | 204 | 206 | 304 | 416)
            && head.content_length() != Some(0)
            && fields.get(Known::ContentEncoding).is_none()
            && fields.get(Known::ContentRange).is_none()
            && self.types.iter().any(|range| range.fits(media_type))
            && !is_grpc(media_type)
            && !fields.lists(Known::CacheControl, b"no-transform")
            && !head.has_digest()
            && (self.weaken_etags || !head.has_strong_etag())
    }

    /// The client has what the origin would send. Where that is compressed, it knows it by the weak form of the tag:
    /// a strong one would be another's (RFC 9111 §4.3.4).
    fn unchanged(&self, request: &RequestHead, head: &mut ResponseHead) {
        let Some(tag) = head.fields.get(Known::Etag) else { return };
        let weak = [b"W/", tag].concat();
        if self.weaken_etags && head.has_strong_etag() && request.fields.lists(Known::IfNoneMatch, &weak) {
            head.fields.vary_by("Accept-Encoding");
            head.weaken_etag();
        }
    }
}

/// gRPC has a coding of its own for its messages, and its clients take no other.
fn is_grpc(media_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    media_type.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}
