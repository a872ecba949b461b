//! Fields out of header blocks of HTTP/2 (RFC 9113 8.2).

use super::{Fields, Line};
use crate::error::HeadError;
use crate::http2::hpack::{Entry, FieldBlock, FieldClass, Pseudo};
use crate::limits::HeadLimits;
use crate::name::{Known, KnownSet};

impl Fields {
    /// Makes trailers of a header block; `None` if there are none, or none left after what frames, routes, authorizes or
    /// describes a message was dropped (RFC 9110 6.5.1). They are never merged into a head.
    ///
    /// # Errors
    /// [`HeadError`] if a field is malformed (RFC 9113 8.2), pseudo-fields included, or a limit is passed.
    pub fn from_trailer_block(block: &FieldBlock, limits: &HeadLimits) -> Result<Option<Self>, HeadError> {
        if block.is_over() || block.size() > limits.bytes {
            return Err(HeadError::TooLarge);
        }
        if block.entries.len() > limits.fields {
            return Err(HeadError::TooManyFields);
        }
        let mut trailers = Self::new();
        trailers.take(&block.arena);
        for field in &block.entries {
            check_entry(field.class)?;
            let is_te = field.class.known == Known::Te;
            if CONNECTION_SPECIFIC.has(field.class.known)
                || is_te && !trailers.bytes(field.value()).eq_ignore_ascii_case(b"trailers")
            {
                return Err(HeadError::ConnectionField);
            }
            trailers.push_entry(field);
        }
        Ok(trailers.without_forbidden())
    }

    /// Adds a field whose line lies in the arena already. One whose name passes for one that we rely on is left out.
    #[inline]
    pub(crate) fn push_entry(&mut self, field: &Entry) {
        let (name, value, class) = (field.name(), field.value(), field.class);
        let mut line = Line::written(name.start as usize, name.length(), value.range(), class.known);
        if !class.is_plain() {
            if class.is_lookalike() {
                return;
            }
            line.mark_underscored();
        }
        self.lines.push(line);
        self.present.insert(class.known);
    }
}

/// Fields of HTTP/1.1's connections (RFC 9113 8.2.2).
pub(crate) const CONNECTION_SPECIFIC: KnownSet = KnownSet::of(&[
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::TransferEncoding,
    Known::Upgrade,
]);

/// Refuses what breaks the rules of fields (RFC 9113 8.2.1), and pseudo-fields where none may be (8.3).
pub(crate) fn check_entry(class: FieldClass) -> Result<(), HeadError> {
    if class.pseudo != Pseudo::None {
        Err(HeadError::Malformed)
    } else if class.has_bad_name() {
        Err(HeadError::FieldName)
    } else if class.has_bad_value() {
        Err(HeadError::FieldValue)
    } else {
        Ok(())
    }
}
