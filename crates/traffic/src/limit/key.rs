//! What tells requests apart that a limit counts apart.

use crate::route::query;
use foldhash::quality::FixedState;
use irongate_config::RateLimitKey;
use irongate_message::{FieldName, Known, RequestHead};
use smallvec::SmallVec;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

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
}

impl LimitKey {
    /// A key of these parts. Names that can be no field's are left out; reading the configuration has refused them.
    pub(super) fn new(parts: &[RateLimitKey], seed: u64) -> Self {
        let part = |part: &RateLimitKey| match part {
            RateLimitKey::Client { ipv4_bits, ipv6_bits } => Some(Part::Client {
                ipv4: u32::MAX.checked_shl(32 - u32::from(*ipv4_bits).min(32)).unwrap_or(0),
                ipv6: u128::MAX.checked_shl(128 - u32::from(*ipv6_bits).min(128)).unwrap_or(0),
            }),
            RateLimitKey::Header(name) => FieldName::new(name).ok().map(Part::Header),
            RateLimitKey::Query(name) => Some(Part::Query(name.as_bytes().into())),
            RateLimitKey::Path => Some(Part::Path),
            RateLimitKey::Method => Some(Part::Method),
        };
        Self { parts: parts.iter().filter_map(part).collect(), hasher: FixedState::with_seed(seed) }
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
        }
    }
}

/// Bytes with their number, so that two texts never look like one, parted elsewhere.
fn text(bytes: &[u8], hasher: &mut impl Hasher) {
    hasher.write(bytes);
    hasher.write_usize(bytes.len());
}
