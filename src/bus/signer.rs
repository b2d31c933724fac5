//! Checksums and signatures of frames.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::bus::TAG_LEN;

/// Signs frames, and knows those that are signed with the same key.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

impl Signer {
    /// A signer with this key, which may have any length.
    pub fn new(key: &[u8]) -> Option<Signer> {
        Hmac::new_from_slice(key).ok().map(Signer)
    }

    /// The tag of these bytes.
    pub fn sign(&self, bytes: &[u8]) -> [u8; TAG_LEN] {
        self.0
            .clone()
            .chain_update(bytes)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Whether this is their tag; takes the same time wherever it differs.
    pub fn check(&self, bytes: &[u8], tag: &[u8; TAG_LEN]) -> bool {
        let mac = self.0.clone().chain_update(bytes);
        mac.verify_slice(tag).is_ok()
    }
}

/// CRC-32 (IEEE).
pub fn sum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn tags_are_those_of_the_standard() {
        let signer = Signer::new(b"Jefe").unwrap();
        let tag = signer.sign(b"what do ya want for nothing?");
        let hex: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(signer.check(b"what do ya want for nothing?", &tag));
        assert!(!signer.check(b"what do ya want for something?", &tag));
    }

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(sum(b"123456789"), 0xcbf4_3926);
    }
}
