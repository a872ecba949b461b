//! Requests out of header blocks of HTTP/2 (RFC 9113 8.3.1).

use super::http2::{join_crumb, length_of_body, normal};
use super::{METHOD_BYTES, RequestHead};
use crate::bytes::{has_bad_target_byte, is_token};
use crate::connection::Framing;
use crate::error::HeadError;
use crate::fields::{CONNECTION_SPECIFIC, Span, check_entry};
use crate::http2::hpack::{Entry, FieldBlock, Pseudo};
use crate::limits::HeadLimits;
use crate::method::{Method, Version};
use crate::name::{Known, KnownSet};
use crate::target::Target;
use crate::websocket::WEBSOCKET;
use std::ops::Range;

impl RequestHead {
    /// Fills the head from a request's header block. An extended `CONNECT` for a WebSocket becomes a `GET` that
    /// upgrades (RFC 8441); any other `CONNECT` is refused with [`HeadError::Method`]. Crumbs of cookies are joined
    /// (RFC 9113 8.2.3).
    ///
    /// # Errors
    /// [`HeadError`] if the request is malformed (RFC 9113 8.1.1, 8.2, 8.3), refused or over a limit, which a block that
    /// [is over](FieldBlock::is_over) is; the head is then empty. [`HeadError::is_malformed_http2`] tells which of these
    /// end the stream.
    pub fn from_block(
        &mut self,
        block: &FieldBlock,
        end_of_stream: bool,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        self.clear();
        let filled = self.fill_from_block(block, end_of_stream, limits);
        if filled.is_err() {
            self.clear();
        }
        filled
    }

    fn fill_from_block(
        &mut self,
        block: &FieldBlock,
        end_of_stream: bool,
        limits: &HeadLimits,
    ) -> Result<(), HeadError> {
        if block.is_over() || block.size() > limits.bytes {
            return Err(HeadError::TooLarge);
        }
        self.version = Version::Http2;
        self.keep_alive = true;
        let count = block.entries.iter().take_while(|entry| entry.class.pseudo != Pseudo::None).count();
        let (pseudo, fields) = block.entries.split_at(count);
        self.fields.take(&block.arena);
        let pseudo = PseudoFields::read(pseudo)?;
        self.take_pseudo_fields(&pseudo, limits)?;
        let special = self.take_fields(fields, limits)?;
        self.body = length_of_body(special.framing.length, end_of_stream || self.upgrade.is_some())?;
        self.forget_idle_expectation();
        self.count_forward()?;
        self.take_authority_or_host(pseudo.get(Pseudo::Authority), special.host)
    }

    fn take_pseudo_fields(&mut self, pseudo: &PseudoFields, limits: &HeadLimits) -> Result<(), HeadError> {
        self.take_method(pseudo)?;
        let scheme = self.fields.bytes(pseudo.require(Pseudo::Scheme)?);
        if !(scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https")) {
            return Err(HeadError::Malformed);
        }
        let place = pseudo.require(Pseudo::Path)?;
        let path = self.fields.bytes(place);
        if path.len() > limits.target {
            return Err(HeadError::TargetTooLong);
        }
        if has_bad_target_byte(path) {
            return Err(HeadError::Target);
        }
        let within = |range: Range<usize>| Span {
            start: place.start + range.start as u32,
            end: place.start + range.end as u32,
        };
        match Target::parse(path)? {
            Target::Origin { path, query } => {
                self.query = query.map(within);
                self.take_path(within(path))
            }
            Target::Asterisk if self.method == Method::Options => {
                self.path = place;
                Ok(())
            }
            _ => Err(HeadError::Target),
        }
    }

    /// Which requests there are: any with `:scheme` and `:path`; `CONNECT` without both (RFC 9113 8.5), which is not served;
    /// and `CONNECT` with them and `:protocol` (RFC 8441 4).
    fn take_method(&mut self, pseudo: &PseudoFields) -> Result<(), HeadError> {
        self.method_text = pseudo.require(Pseudo::Method)?;
        self.method = Method::from_text(self.method_text());
        let protocol = pseudo.get(Pseudo::Protocol);
        if self.method == Method::Connect {
            pseudo.require(Pseudo::Authority)?;
            let Some(protocol) = protocol else {
                let is_plain = pseudo.get(Pseudo::Scheme).or(pseudo.get(Pseudo::Path)).is_none();
                return Err(if is_plain { HeadError::Method } else { HeadError::Malformed });
            };
            pseudo.require(Pseudo::Scheme)?;
            pseudo.require(Pseudo::Path)?;
            if self.fields.bytes(protocol) != WEBSOCKET {
                return Err(HeadError::Method);
            }
            self.upgrade = Some(protocol);
            self.method = Method::Get;
            self.method_text = self.fields.store(b"GET");
            return Ok(());
        }
        if protocol.is_some() || !is_token(self.method_text()) {
            return Err(HeadError::Malformed);
        }
        if self.method_text.length() > METHOD_BYTES { Err(HeadError::Method) } else { Ok(()) }
    }

    /// Takes the fields behind the pseudo-fields.
    fn take_fields(&mut self, fields: &[Entry], limits: &HeadLimits) -> Result<Special, HeadError> {
        let mut special = Special::default();
        self.fields.lines.reserve(fields.len() + ADDED);
        for field in fields {
            let class = field.class;
            if !class.is_plain() || class.pseudo != Pseudo::None {
                check_entry(class)?;
            }
            if !SPECIAL.has(class.known) || self.take_special(field, &mut special)? {
                self.fields.push_entry(field);
            }
        }
        // Crumbs are one field, at the place of the first.
        if fields.len() - special.crumbs.saturating_sub(1) > limits.fields {
            return Err(HeadError::TooManyFields);
        }
        if special.crumbs > 1 {
            self.join_cookies(fields)?;
        }
        Ok(special)
    }

    /// Takes a field whose meaning is the connection's, the framing's or the target's; whether it stays a field.
    fn take_special(&mut self, field: &Entry, special: &mut Special) -> Result<bool, HeadError> {
        let value = self.fields.bytes(field.value());
        match field.class.known {
            Known::Cookie => {
                special.crumbs += 1;
                return Ok(special.crumbs == 1 && !value.is_empty());
            }
            Known::ContentLength => special.framing.read_length(value)?,
            Known::Host if special.host.is_some() => return Err(HeadError::HostRepeated),
            Known::Host => special.host = Some(field.value()),
            Known::Te if value.eq_ignore_ascii_case(b"trailers") => {
                return Ok(!self.fields.present.has(Known::Te));
            }
            Known::Expect if !value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(HeadError::Expectation);
            }
            Known::Expect => return Ok(!std::mem::replace(&mut self.expects_continue, true)),
            Known::Proxy | Known::Http2Settings => {}
            _ => return Err(HeadError::ConnectionField),
        }
        Ok(false)
    }

    /// Makes one cookie of all crumbs (RFC 9113 8.2.3).
    #[cold]
    fn join_cookies(&mut self, fields: &[Entry]) -> Result<(), HeadError> {
        let mut cookies = Vec::new();
        for crumb in fields.iter().filter(|field| field.class.known == Known::Cookie) {
            join_crumb(self.fields.bytes(crumb.value()), &mut cookies)?;
        }
        self.fields.remove_all(KnownSet::of(&[Known::Cookie]));
        if !cookies.is_empty() {
            self.fields.append_line(b"cookie", Known::Cookie, &[&cookies]);
        }
        Ok(())
    }

    /// `:authority`, or `host` in its place; where both are there they must mean the same (RFC 9113 8.3.1).
    fn take_authority_or_host(
        &mut self,
        authority: Option<Span>,
        host: Option<Span>,
    ) -> Result<(), HeadError> {
        let Some(main) = authority.or(host) else { return Err(HeadError::HostMissing) };
        if let (Some(_), Some(host)) = (authority, host) {
            let (main, host) = (self.fields.bytes(main), self.fields.bytes(host));
            if main != host && normal(main)? != normal(host)? {
                return Err(HeadError::HostDiffers);
            }
        }
        self.take_authority(main)
    }
}

/// Lines that are likely to be added on the way.
const ADDED: usize = 8;

/// What is read and not only kept.
const SPECIAL: KnownSet = CONNECTION_SPECIFIC.and(KnownSet::of(&[
    Known::Cookie,
    Known::ContentLength,
    Known::Host,
    Known::Te,
    Known::Expect,
    Known::Proxy,
    Known::Http2Settings,
]));

/// What the special fields say.
#[derive(Default)]
struct Special {
    framing: Framing,
    host: Option<Span>,
    /// Fields `cookie`.
    crumbs: usize,
}

/// The pseudo-fields of a request, each at most once.
struct PseudoFields {
    /// By number.
    spans: [Span; 8],
    /// A bit for each that is there.
    seen: u8,
}

impl PseudoFields {
    fn read(entries: &[Entry]) -> Result<Self, HeadError> {
        let mut all = Self { spans: [Span::EMPTY; 8], seen: 0 };
        for entry in entries {
            let pseudo = entry.class.pseudo;
            let refused = all.seen | Self::bit(Pseudo::Status) | Self::bit(Pseudo::Unknown);
            if refused & Self::bit(pseudo) != 0 {
                return Err(HeadError::Malformed);
            }
            all.seen |= Self::bit(pseudo);
            all.spans[pseudo as usize & 7] = entry.value();
        }
        Ok(all)
    }

    const fn bit(pseudo: Pseudo) -> u8 {
        1 << (pseudo as u8 & 7)
    }

    fn get(&self, pseudo: Pseudo) -> Option<Span> {
        (self.seen & Self::bit(pseudo) != 0).then(|| self.spans[pseudo as usize & 7])
    }

    fn require(&self, pseudo: Pseudo) -> Result<Span, HeadError> {
        self.get(pseudo).ok_or(HeadError::Malformed)
    }
}

#[cfg(test)]
mod tests;
