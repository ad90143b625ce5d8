//! Tests of tokens as the rest of the server uses them. Here: signers of every family, which the
//! files below share. The RSA keys in `testdata` exist for these tests alone.

mod claims;
mod command;
mod endpoint;
mod hostile;
mod jwks;
mod keys;
mod revocations;

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::config::Secret;

const RSA_PRIVATE: &str = include_str!("../testdata/rsa.pem");
const RSA_PUBLIC: &str = include_str!("../testdata/rsa.pub.pem");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What stands before the raw key in a SubjectPublicKeyInfo (RFC 5480, RFC 8410).
const P256_PREFIX: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
  \x03\x42\x00";
const P384_PREFIX: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// One who makes tokens.
struct Signer {
    algorithms: &'static [Algorithm],
    private: EncodingKey,
    /// PEM of the public key; of an HMAC signer the secret.
    public: String,
    /// Members of its JWK, but for `kid`.
    jwk: Value,
}

impl Signer {
    fn hmac(secret: &str) -> Self {
        Self {
            algorithms: &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
            private: EncodingKey::from_secret(secret.as_bytes()),
            public: secret.to_string(),
            jwk: json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret)}),
        }
    }

    fn rsa() -> Self {
        let key = jsonwebtoken::DecodingKey::from_rsa_pem(RSA_PUBLIC.as_bytes()).unwrap();
        let jwk = jsonwebtoken::jwk::Jwk::from_decoding_key(&key, None).unwrap();
        Self {
            algorithms: &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
                Algorithm::PS384,
                Algorithm::PS512,
            ],
            private: EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(),
            public: RSA_PUBLIC.to_string(),
            jwk: serde_json::to_value(jwk).unwrap(),
        }
    }

    fn ec(algorithm: Algorithm) -> Self {
        let (curve, name, algorithms, prefix): (
            &'static EcdsaSigningAlgorithm,
            _,
            &'static [Algorithm],
            _,
        ) = match algorithm {
            Algorithm::ES256 => (
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                "P-256",
                &[Algorithm::ES256],
                P256_PREFIX,
            ),
            _ => (
                &ECDSA_P384_SHA384_FIXED_SIGNING,
                "P-384",
                &[Algorithm::ES384],
                P384_PREFIX,
            ),
        };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(curve, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(point.len() / 2);
        Self {
            algorithms,
            private: EncodingKey::from_ec_der(document.as_ref()),
            public: pem(prefix, point),
            jwk: json!({
                "kty": "EC", "crv": name,
                "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
            }),
        }
    }

    fn ed() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let key = pair.public_key().as_ref();
        Self {
            algorithms: &[Algorithm::EdDSA],
            private: EncodingKey::from_ed_der(document.as_ref()),
            public: pem(ED_PREFIX, key),
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key)}),
        }
    }

    /// A token with this header beside `alg`.
    fn sign(&self, algorithm: Algorithm, mut header: Value, claims: &str) -> String {
        header["alg"] = json!(algorithm);
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(&header.to_string()), part(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.private, algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(self.algorithms[0], json!({}), &claims.to_string())
    }

    fn token_of(&self, kid: &str, claims: &Value) -> String {
        self.sign(self.algorithms[0], json!({"kid": kid}), &claims.to_string())
    }

    /// The key for a JWKS.
    fn jwk(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    }
}

/// One signer of every family that has public keys; made once, since keys take time.
fn public_signers() -> &'static [Signer] {
    static SIGNERS: OnceLock<Vec<Signer>> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        vec![
            Signer::rsa(),
            Signer::ec(Algorithm::ES256),
            Signer::ec(Algorithm::ES384),
            Signer::ed(),
        ]
    })
}

fn pem(prefix: &[u8], key: &[u8]) -> String {
    let body = STANDARD.encode([prefix, key].concat());
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// An hour in November 2023.
const NOW: u64 = 1_700_000_000;

fn now() -> SystemTime {
    at(NOW)
}

fn with_secret(secret: &str) -> TokenSettings {
    TokenSettings {
        hmac_secret: vec![Secret::new(secret)],
        ..TokenSettings::default()
    }
}

fn with_key(signer: &Signer) -> TokenSettings {
    TokenSettings {
        public_keys: vec![signer.public.clone()],
        ..TokenSettings::default()
    }
}

/// Runs a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn connect(settings: &TokenSettings, token: &str) -> Result<ConnectionClaims, TokenError> {
    let tokens = Tokens::new(settings).unwrap();
    ready(tokens.connection(token, now()))
}

fn subscribe(settings: &TokenSettings, token: &str) -> Result<SubscriptionClaims, TokenError> {
    let tokens = Tokens::new(settings).unwrap();
    ready(tokens.subscription(token, now()))
}

/// Why a token is invalid.
#[track_caller]
fn why<T: fmt::Debug>(outcome: Result<T, TokenError>) -> String {
    match outcome {
        Err(TokenError::Invalid(why)) => why,
        Err(error @ TokenError::NotSeconds(_)) => error.to_string(),
        other => panic!("not invalid: {other:?}"),
    }
}
