//! What a request says about its way: `X-Forwarded-*`, `X-Real-IP`, `Forwarded`, `Via`.

use crate::bytes::list;
use crate::error::HeadError;
use crate::fields::Fields;
use crate::method::Version;
use crate::name::{FORWARDING, Known};
use crate::request::RequestHead;

/// What [`RequestHead::forward`] tells the origin.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The peer's address as text, without port; IPv6 without brackets.
    pub client: &'a [u8],
    /// Whether the peer is a proxy whose own forwarding fields are believed.
    pub trusted: bool,
    /// `http` or `https`: how the peer spoke to us.
    pub scheme: &'a [u8],
    /// The port that the peer spoke to, in decimal.
    pub port: &'a [u8],
    /// Our pseudonym in `Via`, the same for all requests of this process and of no other: a token.
    pub via: &'a [u8],
    /// A number of the connection that no other has whose requests come into the same head, or 0. All that is told
    /// here is the same for its requests, so that it is written once and copied from then on.
    pub connection: u64,
}

/// The lines that were told of a connection last, in a version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    of: Option<(u64, Version)>,
    fields: Fields,
}

impl RequestHead {
    /// Says where the request came from; called once, after routing and before the filters' edits.
    ///
    /// Untrusted peers: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `-Prefix`, `X-Real-IP` and `Forwarded`
    /// are removed, then all but `-Prefix` and `Forwarded` are set. Trusted peers: what is there is kept,
    /// `X-Forwarded-For` is extended by the peer, and what is missing is set; `Forwarded` is kept as it came, not
    /// extended, and never written by us. `Via` is extended either way.
    ///
    /// # Errors
    /// [`HeadError::Loop`] if our pseudonym is already in `Via`.
    pub fn forward(&mut self, forwarding: &Forwarding<'_>) -> Result<(), HeadError> {
        if self.fields.present.has(Known::Via) && has_passed(&self.fields, forwarding.via) {
            return Err(HeadError::Loop);
        }
        if self.fields.present.meets(FORWARDING) {
            match forwarding.trusted {
                true => self.extend_forwarded_for(forwarding.client),
                false => self.fields.remove_all(FORWARDING),
            }
        }
        if self.fields.present.meets(FORWARDING) {
            tell(&mut self.fields, forwarding, self.version);
        } else {
            let of = Some((forwarding.connection, self.version));
            if forwarding.connection == 0 || self.told.of != of {
                self.told.of = of;
                self.told.fields.clear();
                tell(&mut self.told.fields, forwarding, self.version);
            }
            self.fields.append_all(&self.told.fields);
        }
        if self.fields.get(Known::XForwardedHost).is_none() && self.authority.length() > 0 {
            self.fields.append_stored(b"X-Forwarded-Host: ", Known::XForwardedHost, self.authority);
        }
        Ok(())
    }

    /// Makes one list of all `X-Forwarded-For` fields and the client: many origins read only one of them.
    fn extend_forwarded_for(&mut self, client: &[u8]) {
        let mut chain = Vec::new();
        for line in
            self.fields.lines.iter().filter(|line| line.known == Known::XForwardedFor && line.is_kept())
        {
            let value = self.fields.bytes(line.value());
            if !value.is_empty() {
                chain.extend_from_slice(value);
                chain.extend_from_slice(b", ");
            }
        }
        self.fields.remove(&Known::XForwardedFor.into());
        self.fields.append_line(b"X-Forwarded-For", Known::XForwardedFor, &[&chain, client]);
    }
}

/// Appends what is missing of what the same client's requests have in common.
fn tell(fields: &mut Fields, forwarding: &Forwarding<'_>, version: Version) {
    let missing = |fields: &Fields, name| fields.get(name).is_none();
    if missing(fields, Known::XForwardedFor) {
        fields.append_ours(b"X-Forwarded-For: ", Known::XForwardedFor, forwarding.client);
    }
    if missing(fields, Known::XForwardedProto) {
        fields.append_ours(b"X-Forwarded-Proto: ", Known::XForwardedProto, forwarding.scheme);
    }
    if missing(fields, Known::XForwardedPort) {
        fields.append_ours(b"X-Forwarded-Port: ", Known::XForwardedPort, forwarding.port);
    }
    if missing(fields, Known::XRealIp) {
        fields.append_ours(b"X-Real-IP: ", Known::XRealIp, forwarding.client);
    }
    match version {
        Version::Http10 => fields.append_ours(b"Via: 1.0 ", Known::Via, forwarding.via),
        Version::Http11 => fields.append_ours(b"Via: 1.1 ", Known::Via, forwarding.via),
        Version::Http2 => fields.append_ours(b"Via: 2.0 ", Known::Via, forwarding.via),
        Version::Http3 => fields.append_ours(b"Via: 3.0 ", Known::Via, forwarding.via),
    }
}

/// Whether `Via` names us: `[protocol-name "/"] version SP received-by [comment]` (RFC 9110 7.6.3).
fn has_passed(fields: &Fields, pseudonym: &[u8]) -> bool {
    fields
        .lines
        .iter()
        .filter(|line| line.known == Known::Via && line.is_kept())
        .flat_map(|line| list(fields.bytes(line.value())))
        .filter_map(|element| {
            element.split(|&byte| byte == b' ' || byte == b'\t').filter(|word| !word.is_empty()).nth(1)
        })
        .any(|received_by| received_by.eq_ignore_ascii_case(pseudonym))
}

#[cfg(test)]
mod tests;
