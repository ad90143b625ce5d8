//! `X-Fanfare-Signature`: how a backend knows that a call is fanfare's and not old.
//!
//! Pure. The value is `t=<unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>" in lower-case hex>`; it
//! covers time and body, not the headers. It must not show its key.

use std::fmt::{self, Write};

use ring::hmac;

use crate::config::Secret;

/// Name of the header.
pub(super) const SIGNATURE_HEADER: &str = "x-fanfare-signature";

/// Signs with `hooks.secret`.
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// A signer with this key.
    #[must_use]
    pub(crate) fn new(secret: &Secret) -> Self {
        let key = secret.expose().as_bytes();
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The header's value for a body that leaves at `unix_seconds`.
    #[must_use]
    pub(crate) fn sign(&self, unix_seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(unix_seconds.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        let mut value = format!("t={unix_seconds},v1=");
        for byte in context.sign().as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(value, "{byte:02x}");
        }
        value
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let signer = Signer::new(&Secret::new("secret"));
        assert_eq!(
            signer.sign(1_700_000_000, br#"{"a":1}"#),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }

    #[test]
    fn time_and_body_both_count() {
        let signer = Signer::new(&Secret::new("secret"));
        let first = signer.sign(1, b"2.x");
        assert_ne!(first, signer.sign(2, b"2.x"));
        assert_ne!(first, signer.sign(1, b"2.y"));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", Signer::new(&Secret::new("k"))), "Signer");
    }
}
