//! The key of a request, for algorithms that go by one.

use crate::route::query;
use crate::{session, stable};
use irongate_config::{HashKey, Hashing};
use irongate_message::RequestHead;
use std::net::IpAddr;

/// The hash of the first key that a request has; `None` if it has none of them. Connections and datagrams have only an
/// address: `request` is `None`.
#[must_use]
pub fn hash_key(hashing: &Hashing, request: Option<&RequestHead>, client: IpAddr) -> Option<u64> {
    hashing.keys.iter().find_map(|key| match (key, request) {
        (HashKey::SourceAddress, _) => Some(stable::of_address(client)),
        (_, None) => None,
        (HashKey::Header(name), Some(request)) => {
            let mut fields = request.fields.iter();
            let value = fields.find(|(one, _)| one.eq_ignore_ascii_case(name.as_bytes()))?.1;
            Some(stable::hash(value))
        }
        (HashKey::Cookie(name), Some(request)) => session::cookie(request, name.as_bytes()).map(stable::hash),
        (HashKey::QueryParameter(name), Some(request)) => {
            let raw = query::first_value(request.query()?, name.as_bytes())?;
            if query::is_plain(raw) {
                return Some(stable::hash(raw));
            }
            Some(stable::hash(&query::decode(raw).collect::<Vec<u8>>()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use irongate_message::{HeadLimits, HeadParser, Parsed};

    #[test]
    fn the_first_key_that_is_there_counts() {
        let hashing = |keys: &[HashKey]| Hashing { keys: keys.to_vec(), max_load: None };
        let mut head = RequestHead::new();
        let text =
            b"GET /?u=a%62&u=c HTTP/1.1\r\nHost: a\r\nX-User: me\r\nx-user: you\r\nCookie: id=7\r\n\r\n";
        let parsed = HeadParser::new().request(text, &HeadLimits::default(), &mut head);
        assert!(matches!(parsed, Ok(Parsed::Head { .. })), "{parsed:?}");
        let client: IpAddr = "192.0.2.1".parse().expect("an address");
        let check = |keys: &[HashKey], expected: Option<&[u8]>| {
            let found = hash_key(&hashing(keys), Some(&head), client);
            assert_eq!(expected.map(stable::hash), found, "{keys:?}");
        };
        check(&[HashKey::Header("x-user".into())], Some(b"me"));
        check(&[HashKey::Cookie("id".into())], Some(b"7"));
        check(&[HashKey::QueryParameter("u".into())], Some(b"ab"));
        check(&[HashKey::SourceAddress], Some(&[192, 0, 2, 1]));
        check(&[HashKey::Header("x".into()), HashKey::Cookie("id".into())], Some(b"7"));
        check(&[HashKey::Header("x".into()), HashKey::QueryParameter("x".into())], None);
        let both = [HashKey::Header("x-user".into()), HashKey::SourceAddress];
        assert_eq!(Some(stable::of_address(client)), hash_key(&hashing(&both), None, client));
        assert_eq!(None, hash_key(&hashing(&both[..1]), None, client));
    }
}
