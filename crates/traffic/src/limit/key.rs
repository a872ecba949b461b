//! What tells requests apart that a limit counts apart.

use crate::route::query;
use foldhash::quality::FixedState;
use irongate_config::RateLimitKey;
use irongate_message::{FieldName, Known, RequestHead};
use smallvec::SmallVec;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The parts of a request by which a limit counts, ready to be hashed.
#[derive(Debug)]
pub struct LimitKey {
    parts: Box<[Part]>,
    hasher: FixedState,
}

#[derive(Debug)]
enum Part {
    Client { ipv4: u32, ipv6: u128 },
    Header(FieldName),
    Query(Box<[u8]>),
    Path,
    Method,
    Constant(Box<[u8]>),
}

impl LimitKey {
    /// A key of these parts. Names that can be no field's are left out; reading the configuration has refused them.
    #[must_use]
    pub fn new(parts: &[RateLimitKey], seed: u64) -> Self {
        let part = |part: &RateLimitKey| match part {
            RateLimitKey::Client { ipv4_bits, ipv6_bits } => Some(Part::Client {
                ipv4: u32::MAX.checked_shl(32 - u32::from(*ipv4_bits).min(32)).unwrap_or(0),
                ipv6: u128::MAX.checked_shl(128 - u32::from(*ipv6_bits).min(128)).unwrap_or(0),
            }),
            RateLimitKey::Header(name) => FieldName::new(name).ok().map(Part::Header),
            RateLimitKey::Query(name) => Some(Part::Query(name.as_bytes().into())),
            RateLimitKey::Path => Some(Part::Path),
            RateLimitKey::Method => Some(Part::Method),
            RateLimitKey::Constant(text) => Some(Part::Constant(text.as_bytes().into())),
        };
        Self { parts: parts.iter().filter_map(part).collect(), hasher: FixedState::with_seed(seed) }
    }

    /// Whether nothing that clients send is in it but their addresses and methods: what it says is short, and no secret.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let is_plain = |part: &Part| matches!(part, Part::Client { .. } | Part::Method | Part::Constant(_));
        self.parts.iter().all(is_plain)
    }

    /// What a request says of each part, in order, as a text; `None`: it lacks the part. Lines of a field are joined as RFC 9110
    /// §5.3 has it. The same for the same request in every process.
    pub fn each(&self, request: &RequestHead, client: IpAddr, mut take: impl FnMut(Option<&[u8]>)) {
        for part in &self.parts {
            part.say(request, client, &mut take);
        }
    }

    /// The key of a request, as a number.
    pub(super) fn of(&self, request: &RequestHead, client: IpAddr) -> u64 {
        if self.parts.is_empty() {
            return 0;
        }
        let mut hasher = self.hasher.build_hasher();
        for part in &self.parts {
            part.add(request, client, &mut hasher);
        }
        hasher.finish()
    }
}

impl Part {
    fn add(&self, request: &RequestHead, client: IpAddr, hasher: &mut impl Hasher) {
        match self {
            Self::Client { ipv4, ipv6 } => match client {
                IpAddr::V4(address) => hasher.write_u32(address.to_bits() & ipv4),
                IpAddr::V6(address) => hasher.write_u128(address.to_bits() & ipv6),
            },
            Self::Header(name) if name.known() == Known::Host => text(request.authority(), hasher),
            // Every line counts: a client cannot get a bucket of its own by adding another.
            Self::Header(name) => {
                let mut lines = 0_u32;
                for value in request.fields.values(name) {
                    text(value, hasher);
                    lines += 1;
                }
                hasher.write_u32(lines);
            }
            Self::Query(name) => match query::first_value(request.query().unwrap_or_default(), name) {
                Some(raw) if query::is_plain(raw) => text(raw, hasher),
                Some(raw) => {
                    let decoded: SmallVec<[u8; 256]> = query::decode(raw).collect();
                    text(&decoded, hasher);
                }
                None => hasher.write_u32(u32::MAX),
            },
            Self::Path => text(request.path(), hasher),
            Self::Method => text(request.method_text(), hasher),
            Self::Constant(_) => {}
        }
    }

    fn say(&self, request: &RequestHead, client: IpAddr, take: &mut impl FnMut(Option<&[u8]>)) {
        match self {
            Self::Client { ipv4, ipv6 } => take(Some(network(client, *ipv4, *ipv6).as_bytes())),
            Self::Header(name) if name.known() == Known::Host => take(Some(request.authority())),
            Self::Header(name) => {
                let lines: SmallVec<[&[u8]; 4]> = request.fields.values(name).collect();
                match lines.as_slice() {
                    [] => take(None),
                    [line] => take(Some(line)),
                    lines => take(Some(&lines.join(&b", "[..]))),
                }
            }
            Self::Query(name) => match query::first_value(request.query().unwrap_or_default(), name) {
                Some(raw) if query::is_plain(raw) => take(Some(raw)),
                Some(raw) => take(Some(&query::decode(raw).collect::<SmallVec<[u8; 256]>>())),
                None => take(None),
            },
            Self::Path => take(Some(request.path())),
            Self::Method => take(Some(request.method_text())),
            Self::Constant(text) => take(Some(text)),
        }
    }
}

/// A client's address, or where bits of it do not count its network: `192.0.2.0/24`.
fn network(client: IpAddr, ipv4: u32, ipv6: u128) -> String {
    match client {
        IpAddr::V4(address) if ipv4 == u32::MAX => address.to_string(),
        IpAddr::V6(address) if ipv6 == u128::MAX => address.to_string(),
        IpAddr::V4(address) => {
            format!("{}/{}", Ipv4Addr::from_bits(address.to_bits() & ipv4), ipv4.leading_ones())
        }
        IpAddr::V6(address) => {
            format!("{}/{}", Ipv6Addr::from_bits(address.to_bits() & ipv6), ipv6.leading_ones())
        }
    }
}

/// Bytes with their number, so that two texts never look like one, parted elsewhere.
fn text(bytes: &[u8], hasher: &mut impl Hasher) {
    hasher.write(bytes);
    hasher.write_usize(bytes.len());
}
