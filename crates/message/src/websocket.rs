//! WebSocket over every version of HTTP: HTTP/1.1 upgrades a `GET` (RFC 6455 §4), HTTP/2 has an extended `CONNECT`
//! (RFC 8441). Between the two only the head differs; inside, a request for one is a `GET` that upgrades, and its answer
//! is 101.

use crate::fields::Fields;
use crate::method::Version;
use crate::name::{FieldName, Known, KnownSet};
use crate::request::RequestHead;
use crate::response::ResponseHead;

/// The protocol's name, in `Upgrade` and in `:protocol`.
pub const WEBSOCKET: &[u8] = b"websocket";
const KEY: KnownSet = KnownSet::of(&[Known::SecWebsocketKey]);
pub(crate) const ACCEPT: &str = "sec-websocket-accept";

impl RequestHead {
    /// Makes the head of an extended `CONNECT`, read as a `GET` without a body, one that upgrades.
    pub fn set_upgrade(&mut self, protocol: &[u8]) {
        self.upgrade = Some(self.fields.store(protocol));
    }

    /// Whether the client asks for a WebSocket, in either way.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.upgrade().is_some_and(|protocol| protocol.eq_ignore_ascii_case(WEBSOCKET))
    }

    /// Whether the client asked by an extended `CONNECT`: an answer of 200 is then no page but a tunnel.
    #[must_use]
    pub fn is_extended_connect(&self) -> bool {
        self.version == Version::Http2 && self.upgrade.is_some()
    }

    /// What the client wants to see acknowledged, over HTTP/1.1.
    #[must_use]
    pub fn websocket_key(&self) -> Option<&[u8]> {
        self.fields.get(Known::SecWebsocketKey)
    }

    /// Sets it, for an origin that wants to see it.
    pub fn set_websocket_key(&mut self, key: &[u8]) {
        self.fields.remove_all(KEY);
        self.fields.append_line(b"sec-websocket-key", Known::SecWebsocketKey, &[key]);
    }

    /// Takes it away: HTTP/2 has none.
    pub fn remove_websocket_key(&mut self) {
        self.fields.remove_all(KEY);
    }
}

impl ResponseHead {
    /// Makes 101 of an origin's consent over HTTP/2; `accept` is for a client of HTTP/1.1.
    pub fn set_upgrade(&mut self, protocol: &[u8], accept: Option<&[u8]>) {
        let upgrade = self.fields.store(protocol);
        self.begin_upgrade(upgrade);
        if let (Some(accept), Ok(name)) = (accept, FieldName::new(ACCEPT)) {
            self.fields.set(&name, accept);
        }
    }
}

impl Fields {
    /// Takes away what only HTTP/1.1 has in the answer to a WebSocket's request.
    pub fn remove_websocket_accept(&mut self) {
        if let Ok(name) = FieldName::new(ACCEPT) {
            self.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BodyLength, ConnectionOption, HeadLimits, Method};

    #[test]
    fn an_extended_connect_becomes_an_upgrade() {
        let mut head = RequestHead::new();
        let fields = [(&b"sec-websocket-version"[..], &b"13"[..])].into_iter();
        let limits = HeadLimits::default();
        head.from_parts(b"GET", b"http", Some(b"test"), b"/chat", true, fields, &limits).expect("valid");
        assert!(!head.is_websocket());
        head.set_upgrade(WEBSOCKET);
        head.set_websocket_key(b"key");
        assert!(head.is_websocket() && head.is_extended_connect());
        let mut out = Vec::new();
        head.write_http1(head.body(), &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "GET /chat HTTP/1.1\r\nHost: test\r\nsec-websocket-version: 13\r\nsec-websocket-key: key\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
    }

    #[test]
    fn consent_over_http2_becomes_101() {
        let mut head = ResponseHead::new();
        let fields = [(&b"sec-websocket-protocol"[..], &b"chat"[..])].into_iter();
        head.from_parts(200, false, Method::Get, fields, &HeadLimits::default()).expect("valid");
        head.set_upgrade(WEBSOCKET, Some(b"yes"));
        assert_eq!((head.status(), head.body(), head.upgrade()), (101, BodyLength::Empty, Some(WEBSOCKET)));
        let mut out = Vec::new();
        head.write_http1(Version::Http11, BodyLength::Empty, ConnectionOption::Upgrade, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: chat\r\nsec-websocket-accept: yes\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        );
        head.fields.remove_websocket_accept();
        assert_eq!(head.fields.iter().count(), 1);
    }
}
