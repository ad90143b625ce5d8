//! One key that verifies tokens: an HMAC secret, or a public key from a PEM text or a JWK. A key
//! knows its own family of algorithms and verifies nothing else (RFC 8725, section 3.1), so that a
//! public key can never serve as an HMAC secret.
//!
//! Pure, owned by [`super::Tokens`] or the cache of the JWKS. Bounds: RSA keys of [`RSA_BITS`].
//! Keys are checked when they are made; a faulty one never reaches a token. Its debug form and its
//! errors never show what it is made of.

use std::{fmt, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, crypto,
    jwk::{AlgorithmParameters, Jwk},
};
use serde::Deserialize;

/// Sizes of RSA keys: shorter ones can be broken (RFC 7518, section 3.3), longer ones make a token
/// too costly to verify.
const RSA_BITS: RangeInclusive<usize> = 2048..=4096;

/// The family of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyFamily {
    Hmac,
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl KeyFamily {
    fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Hmac => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
            Self::Rsa => &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            Self::P256 => &[Algorithm::ES256],
            Self::P384 => &[Algorithm::ES384],
            Self::Ed25519 => &[Algorithm::EdDSA],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hmac => "HMAC",
            Self::Rsa => "RSA",
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// A key that verifies.
#[derive(Clone)]
pub(super) struct VerificationKey {
    name: String,
    family: KeyFamily,
    /// The only algorithm that it may be used with, where its JWK says one.
    only: Option<Algorithm>,
    decoding: DecodingKey,
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.family.name())
    }
}

impl VerificationKey {
    /// An HMAC secret.
    pub(super) fn from_secret(name: String, secret: &str) -> Result<Self, String> {
        if secret.is_empty() {
            return Err("the secret is empty".to_string());
        }
        let decoding = DecodingKey::from_secret(secret.as_bytes());
        Self::check(name, KeyFamily::Hmac, None, decoding)
    }

    /// A public key in PEM.
    pub(super) fn from_pem(name: String, text: &str) -> Result<Self, String> {
        let mut labels = text
            .split("-----BEGIN ")
            .skip(1)
            .map(|rest| rest.split("-----").next().unwrap_or_default());
        let label = labels.next().ok_or("there is no PEM block")?;
        if labels.next().is_some() {
            return Err("there are several PEM blocks; list each key by itself".to_string());
        }
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
            "CERTIFICATE" => {
                return Err(
                    "it is a certificate; `openssl x509 -pubkey -noout` prints its key".to_string(),
                );
            }
            label if label.ends_with("PRIVATE KEY") => {
                return Err(
                    "it is a private key, which has no business here; `openssl pkey -pubout` \
                     prints the public one"
                        .to_string(),
                );
            }
            _ => return Err("it is no PUBLIC KEY".to_string()),
        }
        let bytes = text.as_bytes();
        if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
            return Self::check(name, KeyFamily::Rsa, None, key);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
            return Self::check(name, KeyFamily::Ed25519, None, key);
        }
        let key = DecodingKey::from_ec_pem(bytes)
            .map_err(|_| "it is no RSA, P-256, P-384 or Ed25519 key")?;
        // An uncompressed point (SEC 1, section 2.3.3) is 1 byte and two coordinates.
        let family = match key.try_get_as_bytes().map(<[u8]>::len) {
            Ok(65) => KeyFamily::P256,
            Ok(97) => KeyFamily::P384,
            _ => {
                return Err(
                    "its curve is neither P-256 nor P-384, or its point is compressed".to_string(),
                );
            }
        };
        Self::check(name, family, None, key)
    }

    /// A key of a JWKS (RFC 7517), with its id; `Err` says why it is of no use here. Symmetric keys
    /// have no place in a document that anyone can fetch.
    pub(super) fn from_jwk(text: &str) -> Result<(Option<String>, Self), String> {
        let jwk: RawJwk = serde_json::from_str(text).map_err(|_| "it is no JWK")?;
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err("it is not for signatures".to_string());
        }
        let verifies = |operations: &Vec<String>| operations.iter().any(|op| op == "verify");
        if jwk.key_ops.as_ref().is_some_and(|ops| !verifies(ops)) {
            return Err("it is not for verifying".to_string());
        }
        let number = |member: &Option<String>| {
            let text = member.as_deref().ok_or("a number is missing")?;
            // Some issuers pad, against RFC 7515, section 2.
            URL_SAFE_NO_PAD
                .decode(text.trim_end_matches('='))
                .map_err(|_| "a number is not base64url")
        };
        let coordinate = |member: &Option<String>, length: usize| {
            let bytes = number(member)?;
            if bytes.len() == length {
                Ok(bytes)
            } else {
                Err("a coordinate has a wrong length")
            }
        };
        let point = |length| {
            let (x, y) = (coordinate(&jwk.x, length)?, coordinate(&jwk.y, length)?);
            Ok::<_, &str>(DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat()))
        };
        let (family, key) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_raw_components(&number(&jwk.n)?, &number(&jwk.e)?);
                (KeyFamily::Rsa, key)
            }
            ("EC", Some("P-256")) => (KeyFamily::P256, point(32)?),
            ("EC", Some("P-384")) => (KeyFamily::P384, point(48)?),
            ("OKP", Some("Ed25519")) => {
                let key = DecodingKey::from_ed_der(&coordinate(&jwk.x, 32)?);
                (KeyFamily::Ed25519, key)
            }
            _ => return Err("its kind is not known".to_string()),
        };
        let only = match jwk.alg.as_deref() {
            None => None,
            // RFC 9864 gives EdDSA with this curve a name of its own.
            Some("Ed25519") => Some(Algorithm::EdDSA),
            Some(name) => Some(name.parse().map_err(|_| "its algorithm is not known")?),
        };
        let name = match &jwk.kid {
            Some(id) => format!("key {id:?} of the JWKS"),
            None => "a key of the JWKS without an id".to_string(),
        };
        let key = Self::check(name, family, only, key)?;
        Ok((jwk.kid, key))
    }

    /// The gate through which every key comes: sizes, and whether the library takes the key at all.
    /// Its verifier of EdDSA would panic on a short key.
    fn check(
        name: String,
        family: KeyFamily,
        only: Option<Algorithm>,
        decoding: DecodingKey,
    ) -> Result<Self, String> {
        if only.is_some_and(|only| !family.algorithms().contains(&only)) {
            return Err("its algorithm does not fit its kind".to_string());
        }
        match family {
            KeyFamily::Rsa => check_rsa(&decoding)?,
            KeyFamily::Ed25519 if decoding.try_get_as_bytes().map(<[u8]>::len) != Ok(32) => {
                return Err("an Ed25519 key has 32 bytes".to_string());
            }
            _ => {}
        }
        let algorithm = family.algorithms()[0];
        if crypto::verify("AA", b"", &decoding, algorithm).is_err() {
            return Err(format!("it is no {} key", family.name()));
        }
        Ok(Self {
            name,
            family,
            only,
            decoding,
        })
    }

    /// Whether tokens with this algorithm are this key's to verify.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        self.family.algorithms().contains(&algorithm)
            && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether this key made the signature; never where it does not accept the algorithm.
    pub(super) fn verifies(&self, signed: &str, signature: &str, algorithm: Algorithm) -> bool {
        self.accepts(algorithm)
            && crypto::verify(signature, signed.as_bytes(), &self.decoding, algorithm)
                .unwrap_or(false)
    }
}

fn check_rsa(key: &DecodingKey) -> Result<(), String> {
    let faulty = "its numbers cannot be read";
    let jwk = Jwk::from_decoding_key(key, None).map_err(|_| faulty)?;
    let AlgorithmParameters::RSA(numbers) = jwk.algorithm else {
        return Err(faulty.to_string());
    };
    let number = |text: &str| -> Result<Vec<u8>, &str> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| faulty)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(bytes[zeros..].to_vec())
    };
    let (n, e) = (number(&numbers.n)?, number(&numbers.e)?);
    let bits = n
        .first()
        .map_or(0, |top| n.len() * 8 - top.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err(format!(
            "it has {bits} bits; RSA keys have {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        ));
    }
    let is_odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
    // The usual exponents are 3 and 65537; the library takes none above 33 bits.
    if !is_odd(&n) || !is_odd(&e) || e.len() > 4 || e == [1] {
        return Err(faulty.to_string());
    }
    Ok(())
}

#[derive(Deserialize)]
struct RawJwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Whether an algorithm signs with a shared secret.
pub(super) fn is_symmetric(algorithm: Algorithm) -> bool {
    KeyFamily::Hmac.algorithms().contains(&algorithm)
}
