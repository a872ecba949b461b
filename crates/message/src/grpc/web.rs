//! gRPC-Web (PROTOCOL-WEB.md): what its heads become for a backend that speaks gRPC, and its answer's for the client.

use super::GrpcKind;
use crate::body::BodyLength;
use crate::fields::Fields;
use crate::name::{Known, KnownSet};
use crate::request::RequestHead;
use crate::response::ResponseHead;

const CONTENT_TYPE: KnownSet = KnownSet::of(&[Known::ContentType]);
/// The first byte of the frame that holds the trailers: not compressed.
const TRAILERS: u8 = 0x80;

impl RequestHead {
    /// Makes a request of gRPC of one of gRPC-Web; gives the kind that the answer is to be of. `None`, and nothing is
    /// done, if it is none.
    pub fn leave_grpc_web(&mut self) -> Option<GrpcKind> {
        let (kind, rest) = GrpcKind::of(self.fields.get(Known::ContentType)?)?;
        if !kind.is_web() {
            return None;
        }
        let rest = rest.to_vec();
        let wanted = self.fields.get(Known::Accept).and_then(GrpcKind::of).map(|(kind, _)| kind);
        self.fields.remove_all(CONTENT_TYPE);
        self.fields.append_line(b"content-type", Known::ContentType, &[b"application/grpc", &rest]);
        // Without it servers refuse: it says that trailers arrive.
        self.fields.remove_all(KnownSet::of(&[Known::Te]));
        self.fields.append_line(b"te", Known::Te, &[b"trailers"]);
        if kind == GrpcKind::WebText && self.body != BodyLength::Empty {
            self.body = BodyLength::Chunked;
        }
        Some(wanted.filter(|wanted| wanted.is_web()).unwrap_or(kind))
    }
}

impl ResponseHead {
    /// Makes an answer of gRPC-Web of one of gRPC. False, and nothing is done, if it is none: another program's page,
    /// say.
    pub fn enter_grpc_web(&mut self, kind: GrpcKind) -> bool {
        let content_type = self.fields.get(Known::ContentType).and_then(GrpcKind::of);
        let Some((GrpcKind::Native, rest)) = content_type else { return false };
        let rest = rest.to_vec();
        let name: &[u8] = match kind {
            GrpcKind::Native => b"application/grpc",
            GrpcKind::Web => b"application/grpc-web",
            GrpcKind::WebText => b"application/grpc-web-text",
        };
        self.fields.remove_all(CONTENT_TYPE);
        self.fields.append_line(b"content-type", Known::ContentType, &[name, &rest]);
        self.fields.remove_all(KnownSet::of(&[Known::Trailer]));
        if self.fields.get(Known::GrpcStatus).is_none() && self.body != BodyLength::Empty {
            // The trailers will follow.
            self.body = BodyLength::Chunked;
        }
        true
    }
}

impl Fields {
    /// Appends the frame that ends an answer of gRPC-Web: trailers as lines, names in lower case.
    pub fn write_grpc_web(&self, out: &mut Vec<u8>) {
        out.push(TRAILERS);
        let length = out.len();
        out.extend_from_slice(&[0; 4]);
        for (name, value) in self.iter() {
            out.extend(name.iter().map(u8::to_ascii_lowercase));
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        // Far below 4 GiB: trailers are bounded as heads are.
        let written = u32::try_from(out.len() - length - 4).unwrap_or(u32::MAX);
        out[length..length + 4].copy_from_slice(&written.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HeadLimits, Method};

    fn request(content_type: &str, accept: Option<&str>) -> RequestHead {
        let mut head = RequestHead::new();
        let fields =
            [("content-type", Some(content_type)), ("accept", accept), ("content-length", Some("8"))];
        let fields = fields.iter().filter_map(|(name, value)| Some((name.as_bytes(), (*value)?.as_bytes())));
        let limits = HeadLimits::default();
        head.from_parts(b"POST", b"http", Some(b"test"), b"/a.B/C", false, fields, &limits).expect("valid");
        head
    }

    #[test]
    fn requests() {
        for (content_type, accept, kind, becomes, length) in [
            (
                "application/grpc-web+proto",
                None,
                GrpcKind::Web,
                "application/grpc+proto",
                BodyLength::Length(8),
            ),
            ("application/grpc-web-text", None, GrpcKind::WebText, "application/grpc", BodyLength::Chunked),
            (
                "application/grpc-web",
                Some("application/grpc-web-text"),
                GrpcKind::WebText,
                "application/grpc",
                BodyLength::Length(8),
            ),
            ("application/grpc-web", Some("*/*"), GrpcKind::Web, "application/grpc", BodyLength::Length(8)),
        ] {
            let mut head = request(content_type, accept);
            assert_eq!(head.leave_grpc_web(), Some(kind), "{content_type}");
            assert_eq!(head.fields.get(Known::ContentType), Some(becomes.as_bytes()));
            assert_eq!(head.fields.get(Known::Te), Some(&b"trailers"[..]));
            assert_eq!(head.body(), length);
            assert_eq!(head.grpc(), Some(GrpcKind::Native));
        }
        assert_eq!(request("application/grpc", None).leave_grpc_web(), None);
        assert_eq!(request("text/plain", None).leave_grpc_web(), None);
    }

    fn response(content_type: &str, status: Option<&str>) -> ResponseHead {
        let mut head = ResponseHead::new();
        let fields = [("content-type", Some(content_type)), ("grpc-status", status)];
        let fields = fields.iter().filter_map(|(name, value)| Some((name.as_bytes(), (*value)?.as_bytes())));
        head.from_parts(200, status.is_some(), Method::Post, fields, &HeadLimits::default()).expect("valid");
        head
    }

    #[test]
    fn answers() {
        let mut head = response("application/grpc+proto", None);
        assert!(head.enter_grpc_web(GrpcKind::WebText));
        assert_eq!(head.fields.get(Known::ContentType), Some(&b"application/grpc-web-text+proto"[..]));
        assert_eq!(head.body(), BodyLength::Chunked);
        let mut head = response("application/grpc", Some("5"));
        assert!(head.enter_grpc_web(GrpcKind::Web));
        assert_eq!(head.body(), BodyLength::Length(0));
        assert!(!response("text/html", None).enter_grpc_web(GrpcKind::Web));
    }

    #[test]
    fn trailers_become_a_frame() {
        let mut out = Vec::new();
        let mut fields = Fields::new();
        fields.push(b"Grpc-Status", b"0").expect("valid");
        fields.write_grpc_web(&mut out);
        assert_eq!(out, b"\x80\0\0\0\x10grpc-status: 0\r\n");
        out.clear();
        Fields::new().write_grpc_web(&mut out);
        assert_eq!(out, b"\x80\0\0\0\0");
    }
}
