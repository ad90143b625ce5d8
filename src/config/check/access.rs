//! What must hold for `[token]`, `[client]` and `[api]`. Reads the key files that the settings
//! name; no error repeats a key.

use std::fs;

use jsonwebtoken::DecodingKey;

use super::rules::{check_origin, check_url};
use crate::config::{
    channels::Channels,
    errors::Errors,
    raw_settings::RawSettings,
    settings::{ClientSettings, PersonalChannel},
};

/// Largest body that the API can be told to take.
const BODY_BYTES_MAX: usize = 256 << 20;

pub(super) fn check_access(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> ClientSettings {
    for (index, key) in raw.token.public_keys.iter().enumerate() {
        if let Err(what) = check_public_key(key) {
            raw.refuse(
                errors,
                "token.public_keys",
                format!("key {}: {what}", index + 1),
            );
        }
    }
    if let Some(Err(what)) = raw.token.jwks_url.as_deref().map(check_url) {
        raw.refuse(errors, "token.jwks_url", what);
    }
    for origin in raw.client.origins.iter().flatten() {
        if let Err(what) = check_origin(origin) {
            raw.refuse(errors, "client.origins", what);
        }
    }
    if raw.client.connect_timeout.is_zero() {
        raw.refuse(errors, "client.connect_timeout", "expected a time above 0");
    }
    if raw.api.body_bytes > BODY_BYTES_MAX {
        raw.refuse(
            errors,
            "api.body_bytes",
            "a body is held in memory as a whole; expected at most 256MiB",
        );
    }
    if raw.api.body_bytes == 0 {
        raw.refuse(
            errors,
            "api.body_bytes",
            "0 would take nothing; expected at least 1",
        );
    }
    ClientSettings {
        anonymous: raw.client.anonymous.unwrap_or(!raw.has_token_keys()),
        origins: raw.client.origins.clone(),
        connect_timeout: raw.client.connect_timeout,
        personal_channel: check_personal_channel(raw, channels, errors),
    }
}

fn check_personal_channel(
    raw: &RawSettings,
    channels: &Channels,
    errors: &mut Errors,
) -> Option<PersonalChannel> {
    let client = &raw.client;
    let namespace = client
        .personal_channel_namespace
        .clone()
        .unwrap_or_default();
    let needing = [
        ("namespace", !namespace.is_empty()),
        (
            "single_connection",
            client.personal_channel_single_connection,
        ),
    ];
    for (name, is_set) in needing {
        let path = format!("client.personal_channel.{name}");
        if is_set && !client.personal_channel_enabled {
            raw.refuse(errors, &path, "needs client.personal_channel.enabled");
        }
    }
    if !namespace.is_empty() && !channels.namespaces.contains_key(&namespace) {
        let what = format!("there is no [[namespace]] {namespace:?}");
        raw.refuse(errors, "client.personal_channel.namespace", what);
    }
    client.personal_channel_enabled.then_some(PersonalChannel {
        namespace,
        single_connection: client.personal_channel_single_connection,
    })
}

/// The rule for public keys: a PEM text, or the path of a file with one.
fn check_public_key(key: &str) -> Result<(), String> {
    const MARK: &str = "-----BEGIN ";
    let pem = if key.contains(MARK) {
        key.to_string()
    } else {
        fs::read_to_string(key)
            .map_err(|error| format!("is no PEM text, and as a file cannot be read: {error}"))?
    };
    if !pem.contains(MARK) {
        return Err("the file holds no PEM text (-----BEGIN PUBLIC KEY-----)".to_string());
    }
    if pem.contains("PRIVATE KEY-----") {
        return Err(
            "is a private key, which belongs to who makes the tokens; expected the public one"
                .to_string(),
        );
    }
    let bytes = pem.as_bytes();
    let readers = [
        DecodingKey::from_rsa_pem,
        DecodingKey::from_ec_pem,
        DecodingKey::from_ed_pem,
    ];
    if readers.iter().any(|read| read(bytes).is_ok()) {
        Ok(())
    } else {
        Err("is no public key for RS, PS, ES or EdDSA in PEM".to_string())
    }
}
