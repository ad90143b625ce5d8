//! Makes a token for trying things out: HS256 with the first secret of the settings, or with one
//! that is given. Pure; must not print the secret.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Map, Value, json};

use crate::{
    channel_name,
    config::{Secret, TokenSettings},
    token::TOKEN_BYTES_MAX,
    unix_time::since_epoch,
};

/// What the token is to claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSpec {
    /// The user; empty is anonymous.
    pub(crate) user: String,
    /// How long it counts; `None` is for ever.
    pub(crate) ttl: Option<Duration>,
    /// The channel of a subscription token.
    pub(crate) channel: Option<String>,
    /// Channels that a connection token subscribes to.
    pub(crate) channels: Vec<String>,
    /// Public information, as JSON.
    pub info: Option<String>,
    /// Further claims as `name=value`; the value is JSON, or else a text. They replace what is set
    /// by the others.
    pub(crate) claims: Vec<String>,
    /// The secret to use instead of the first of the settings.
    pub(crate) secret: Option<Secret>,
}

/// Makes a token that the settings accept.
///
/// # Errors
/// There is no secret to sign with, a claim is none that servers take, or the token is too long.
pub fn make(settings: &TokenSettings, make: &TokenSpec, now: SystemTime) -> Result<String, String> {
    let secret = make
        .secret
        .as_ref()
        .or(settings.hmac_secret.first())
        .ok_or(
            "the settings have no token.hmac_secret to sign with; set one, or give --secret S. \
             (Tokens for public keys and a JWKS are made by who has the private key.)",
        )?;
    if secret.expose().is_empty() {
        return Err("the secret is empty".to_string());
    }
    let claims = claims(settings, make, now)?;
    let header = json!({"alg": "HS256", "typ": "JWT"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&Value::Object(claims)));
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    let signature = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256)
        .map_err(|error| format!("it cannot be signed: {error}"))?;
    let token = format!("{signed}.{signature}");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(format!(
            "the token would have {} bytes; servers take {TOKEN_BYTES_MAX}",
            token.len()
        ));
    }
    Ok(token)
}

fn claims(
    settings: &TokenSettings,
    make: &TokenSpec,
    now: SystemTime,
) -> Result<Map<String, Value>, String> {
    for name in make.channel.iter().chain(&make.channels) {
        // No server would take it.
        channel_name::check(name).map_err(|why| format!("{name:?}: {why}"))?;
    }
    let now = since_epoch(now).as_secs();
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_string(), value);
    put("sub", json!(make.user));
    put("iat", json!(now));
    if let Some(ttl) = make.ttl {
        put("exp", json!(now.saturating_add(ttl.as_secs())));
    }
    if let Some(audience) = &settings.audience {
        put("aud", json!(audience));
    }
    if let Some(issuer) = &settings.issuer {
        put("iss", json!(issuer));
    }
    if let Some(channel) = &make.channel {
        put("channel", json!(channel));
    }
    if !make.channels.is_empty() {
        put("channels", json!(make.channels));
    }
    if let Some(info) = &make.info {
        let info = serde_json::from_str(info).map_err(|error| {
            format!("--info is no JSON: {error}; a text needs quotes of its own")
        })?;
        put("info", info);
    }
    for claim in &make.claims {
        let (name, value) = claim
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("--claim {claim:?} is not name=value"))?;
        put(
            name,
            serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
        );
    }
    Ok(claims)
}
