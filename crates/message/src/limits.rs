//! Bounds on what a peer may send in a head.

use crate::error::HeadError;

/// Bounds on a head, and on a trailer section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head, its blank line included; for HTTP/2 the list size of RFC 9113 6.5.2 (names and
    /// values and 32 bytes a field). Default 64 KiB.
    pub bytes: usize,
    /// Field lines in the head. Default 256.
    pub fields: usize,
    /// Bytes of the request target. Default 16 KiB.
    pub target: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 64 << 10, fields: 256, target: 16 << 10 }
    }
}

impl HeadLimits {
    /// The account of an HTTP/2 field list.
    pub(crate) fn list_size(&self) -> ListSize {
        // Offsets are 32 bits wide.
        ListSize { bytes: self.bytes.min(1 << 28), fields: self.fields }
    }
}

/// What a field list may still hold.
pub(crate) struct ListSize {
    bytes: usize,
    fields: usize,
}

impl ListSize {
    /// Counts a field.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        self.fields = self.fields.checked_sub(1).ok_or(HeadError::TooManyFields)?;
        self.add_crumb(name, value)
    }

    /// Counts the bytes of a part of a cookie, which is no field of its own.
    pub(crate) fn add_crumb(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        // RFC 9113 6.5.2: 32 bytes of overhead a field.
        let bytes = name.len() + value.len() + 32;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(HeadError::TooLarge)?;
        Ok(())
    }
}
