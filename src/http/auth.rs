//! The administrator's key: `Authorization: Bearer <admin.key>`, compared in constant time.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq as _;

use crate::{config::Secret, node::Node};

/// Lets the administrator in. While no key is set, what needs it does not exist (404).
///
/// # Errors
/// The answer to give instead.
pub(super) fn admin(request: &HttpRequest, node: &Node) -> Result<(), Box<HttpResponse>> {
    let Some(key) = &node.settings.admin.key else {
        return Err(Box::new(
            HttpResponse::NotFound()
                .content_type("text/plain; charset=utf-8")
                .body("not served while no admin.key is set\n"),
        ));
    };
    if brings(request, key) {
        return Ok(());
    }
    Err(Box::new(
        HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"fanfare admin\""))
            .content_type("text/plain; charset=utf-8")
            .body("needs the header Authorization: Bearer <admin.key>\n"),
    ))
}

/// Whether a request brings the administrator's key; never while none is set.
#[must_use]
pub(super) fn is_admin(request: &HttpRequest, node: &Node) -> bool {
    let key = node.settings.admin.key.as_ref();
    key.is_some_and(|key| brings(request, key))
}

fn brings(request: &HttpRequest, key: &Secret) -> bool {
    bearer(request.headers()).is_some_and(|given| same(given, key.expose().as_bytes()))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
}

/// A key as it is compared: of one length whatever the key's.
pub(super) type KeyDigest = [u8; SHA256_OUTPUT_LEN];

/// The digest of a key.
pub(super) fn digest_of(key: &[u8]) -> KeyDigest {
    let mut bytes = KeyDigest::default();
    // Of that length by definition.
    bytes.copy_from_slice(digest(&SHA256, key).as_ref());
    bytes
}

/// Compares without telling by its time where two keys differ, or how long they are.
fn same(given: &[u8], key: &[u8]) -> bool {
    digest_of(given).ct_eq(&digest_of(key)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_is_the_key() {
        assert!(same(b"secret", b"secret"));
        for other in [&b"secre"[..], b"secretsecret", b"Secret", b"", b"secrets"] {
            assert!(!same(other, b"secret"), "{other:?}");
        }
        assert!(!same(b"x", b""));
    }
}
