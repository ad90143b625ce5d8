//! Who a client is: verifies the tokens (JWT, RFC 7519) that backends hand to their clients, and
//! knows which of them were taken back.
//!
//! One [`Tokens`] a node, shared in an `Arc` by all workers. Bounds: tokens of [`TOKEN_BYTES_MAX`]
//! bytes, [`KEYS_MAX`] keys in the settings, and those of the JWKS and of [`Revocations`]. Only an
//! unknown key of a JWKS is ever waited for. It decides nothing about channels or sessions, and no
//! token, key or claimed value ever stands in its errors.

mod claims;
pub mod command;
mod error;
mod jwks;
mod jwks_source;
mod jws;
mod key;
mod read_claims;
mod revocations;

use std::{fmt, fs::File, io::Read as _, sync::Arc, time::SystemTime};

pub use self::{
    claims::{ConnectionClaims, SubscriptionClaims},
    error::{TokenError, TokenSetupError},
    jws::TOKEN_BYTES_MAX,
    revocations::{RevocationError, Revocations},
};
use self::{
    jwks::Jwks,
    jws::{CompactJws, JwsHeader},
    key::VerificationKey,
    read_claims::Requirements,
    revocations::TokenFacts,
};
use crate::{config::TokenSettings, unix_time::since_epoch};

/// Secrets and public keys that settings may name together. Two of a kind are enough to rotate;
/// each costs a bad token's sender nothing and us a verification.
pub(crate) const KEYS_MAX: usize = 32;

/// Largest PEM file of one key.
const PEM_BYTES_MAX: u64 = 64 << 10;

/// A payload that a key has verified.
struct Verified {
    claims: String,
    /// Which key did.
    key: String,
}

/// Verifies tokens by the keys of `[token]` and of `token.jwks_url`. One for the process.
pub(crate) struct Tokens {
    keys: Vec<VerificationKey>,
    jwks: Option<Jwks>,
    requirements: Requirements,
    revocations: Arc<Revocations>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("keys", &self.keys)
            .field("has_jwks", &self.jwks.is_some())
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the keys that the settings name; a JWKS is fetched when the first token needs it.
    ///
    /// # Errors
    /// There are too many keys, or one cannot be read; the error names its setting.
    pub(crate) fn new(settings: &TokenSettings) -> Result<Self, TokenSetupError> {
        let error = |setting: &str, why: String| TokenSetupError {
            setting: setting.to_string(),
            why,
        };
        let count = settings.hmac_secret.len() + settings.public_keys.len();
        if count > KEYS_MAX {
            let why = format!("{count} secrets and public keys; at most {KEYS_MAX} are tried");
            return Err(error("token", why));
        }
        let mut keys = Vec::with_capacity(count);
        for (index, secret) in settings.hmac_secret.iter().enumerate() {
            let name = format!("token.hmac_secret {}", index + 1);
            let key = VerificationKey::from_secret(name.clone(), secret.expose());
            keys.push(key.map_err(|why| error(&name, why))?);
        }
        for (index, entry) in settings.public_keys.iter().enumerate() {
            let name = format!("token.public_keys {}", index + 1);
            let key =
                read_pem(entry).and_then(|text| VerificationKey::from_pem(name.clone(), &text));
            keys.push(key.map_err(|why| error(&name, why))?);
        }
        let jwks = settings.jwks_url.as_deref().map(Jwks::new).transpose();
        Ok(Self {
            keys,
            jwks: jwks.map_err(|why| error("token.jwks_url", why))?,
            requirements: Requirements {
                audience: settings.audience.clone(),
                issuer: settings.issuer.clone(),
                leeway: settings.leeway,
            },
            revocations: Arc::default(),
        })
    }

    /// Whether there is anything to verify a token with.
    #[must_use]
    pub(crate) fn is_configured(&self) -> bool {
        !self.keys.is_empty() || self.jwks.is_some()
    }

    /// Tokens and users that were taken back.
    #[must_use]
    pub(crate) fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    /// Reads a connection token.
    ///
    /// # Errors
    /// The token is not signed by a key of the settings, says something wrong, does not count now,
    /// or was taken back.
    pub(crate) async fn connection(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<ConnectionClaims, TokenError> {
        let verified = self.verify(token, now).await?;
        let connection = read_claims::connection(&verified.claims, &self.requirements, now)?;
        let facts = TokenFacts {
            user: &connection.user,
            channel: None,
            id: connection.id.as_deref(),
            issued_at: connection.issued_at,
        };
        self.revocations.check(&facts, since_epoch(now).as_secs())?;
        Ok(connection)
    }

    /// Reads a subscription token.
    ///
    /// # Errors
    /// As of a [connection token](Self::connection).
    pub(crate) async fn subscription(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<SubscriptionClaims, TokenError> {
        let verified = self.verify(token, now).await?;
        let subscription = read_claims::subscription(&verified.claims, &self.requirements, now)?;
        let facts = TokenFacts {
            user: &subscription.user,
            channel: Some(&subscription.channel),
            id: subscription.id.as_deref(),
            issued_at: subscription.issued_at,
        };
        self.revocations.check(&facts, since_epoch(now).as_secs())?;
        Ok(subscription)
    }

    /// Finds a key that verifies the signature: those of the settings in their order, then those of
    /// the JWKS.
    async fn verify(&self, token: &str, now: SystemTime) -> Result<Verified, TokenError> {
        let envelope = CompactJws::split(token).map_err(TokenError::Invalid)?;
        let header = envelope.header().map_err(TokenError::Invalid)?;
        let key = match self.find(&envelope, &header) {
            Ok(key) => key.to_string(),
            Err(why) => self.find_in_jwks(&envelope, &header, now, why).await?,
        };
        let claims = envelope.claims_text().map_err(TokenError::Invalid)?;
        Ok(Verified { claims, key })
    }

    fn find(
        &self,
        envelope: &CompactJws<'_>,
        header: &JwsHeader,
    ) -> Result<&VerificationKey, String> {
        let algorithm = header.algorithm;
        let mut fitting = self.keys.iter().filter(|key| key.accepts(algorithm));
        let verifies =
            |key: &&VerificationKey| key.verifies(envelope.signed, envelope.signature, algorithm);
        if let Some(key) = fitting.clone().find(verifies) {
            return Ok(key);
        }
        Err(if self.keys.is_empty() {
            "the settings name no key".to_string()
        } else if fitting.next().is_none() {
            format!("no key of the settings is for {algorithm:?}")
        } else {
            format!("no key of the settings for {algorithm:?} made its signature")
        })
    }

    async fn find_in_jwks(
        &self,
        envelope: &CompactJws<'_>,
        header: &JwsHeader,
        now: SystemTime,
        why: String,
    ) -> Result<String, TokenError> {
        let algorithm = header.algorithm;
        let jwks = match &self.jwks {
            // No JWKS has a key for these, so that none need be fetched.
            Some(jwks) if !key::is_symmetric(algorithm) => jwks,
            _ => return Err(TokenError::Invalid(why)),
        };
        let keys = jwks
            .keys(header.key_id.as_deref(), algorithm, now)
            .await
            .map_err(|fault| TokenError::Invalid(format!("{why}; {fault}")))?;
        keys.iter()
            .find(|key| key.verifies(envelope.signed, envelope.signature, algorithm))
            .map(ToString::to_string)
            .ok_or_else(|| TokenError::Invalid(format!("{why}; nor did the JWKS's key of its id")))
    }
}

/// A public key of the settings: the PEM text itself, or the path of a file.
fn read_pem(entry: &str) -> Result<String, String> {
    if entry.contains("-----BEGIN ") {
        return Ok(entry.to_string());
    }
    let mut text = String::new();
    let file = File::open(entry).map_err(|error| format!("{entry}: {error}"))?;
    file.take(PEM_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| format!("{entry}: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests;
