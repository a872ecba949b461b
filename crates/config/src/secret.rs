//! Bytes that nobody may see: private keys, passwords.

use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Secret bytes. They cannot be printed or serialized, clones share them, and they are cleared when the last clone
/// is dropped.
///
/// The text of the file that they were read from is not cleared. Comparing takes a time that depends on the bytes:
/// it is for finding out what changed in a configuration, never for checking what a peer sent.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Arc<Zeroizing<Vec<u8>>>);

impl SecretBytes {
    /// Takes the bytes over. The vector should have been made with its full capacity: what it left behind while
    /// it grew is not cleared.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes. They must not go into a text, a log or a problem.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::SecretBytes;

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = SecretBytes::new(b"hunter2".to_vec());
        assert_eq!(
            format!("{secret:?} {:#?}", vec![secret.clone()]),
            "SecretBytes(…) [\n    SecretBytes(…),\n]"
        );
        assert_eq!((secret.expose(), secret.len(), secret.is_empty()), (&b"hunter2"[..], 7, false));
    }
}
