//! Keys as they are compared. Pure.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq as _;

/// A key as it is compared: of one length whatever the key's.
pub(in crate::node) type KeyDigest = [u8; SHA256_OUTPUT_LEN];

/// The digest of a key.
#[must_use]
pub(in crate::node) fn digest_of(key: &[u8]) -> KeyDigest {
    let mut bytes = KeyDigest::default();
    // Of that length by definition.
    bytes.copy_from_slice(digest(&SHA256, key).as_ref());
    bytes
}

/// Compares without telling by its time where two keys differ, or how long they are.
#[must_use]
pub(super) fn is_key(given: &[u8], key: &KeyDigest) -> bool {
    digest_of(given).ct_eq(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        let key = digest_of(b"secret");
        assert!(is_key(b"secret", &key));
        for other in [&b"secre"[..], b"secretsecret", b"Secret", b"", b"secrets"] {
            assert!(!is_key(other, &key), "{other:?}");
        }
        assert!(!is_key(b"x", &digest_of(b"")));
    }
}
