//! Explains a token: what it says, which key made it or why none did, whether it counts now, and
//! what it grants. It shows the claims even of a token that no key verifies, and says so; it must
//! not show keys. It knows the settings alone, not what a running server was told to block or
//! revoke.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    config::TokenSettings,
    subscription::ServerSubscription,
    token::{
        ConnectionClaims, SubscriptionClaims, TokenError, Tokens, jws::CompactJws, read_claims,
    },
    unix_time::since_epoch,
};

/// What there is to say of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Lines for a person, each with its end.
    pub text: String,
    /// Whether a server with these settings would take it.
    pub is_valid: bool,
}

/// Explains a token under these settings.
pub async fn explain(settings: &TokenSettings, token: &str, now: SystemTime) -> Explanation {
    let mut text = String::new();
    let verdict = describe(settings, token, now, &mut text).await;
    let is_valid = verdict.is_ok();
    match verdict {
        Ok(()) => text.push_str("valid\n"),
        Err(why) => line(&mut text, "NOT VALID", &why),
    }
    Explanation { text, is_valid }
}

async fn describe(
    settings: &TokenSettings,
    token: &str,
    now: SystemTime,
    text: &mut String,
) -> Result<(), String> {
    let envelope = CompactJws::split(token)?;
    line(text, "header", &pretty(&envelope.header_text()?));
    let payload = envelope.claims_text()?;
    line(text, "claims", &pretty(&payload));
    describe_times(&payload, settings.leeway, now, text);
    let tokens = Tokens::new(settings).map_err(|error| error.to_string())?;
    if !tokens.is_configured() {
        return Err(
            "the settings have no key for tokens (token.hmac_secret, token.public_keys, \
             token.jwks_url)"
                .to_string(),
        );
    }
    let verified = match tokens.verify(token, now).await {
        Ok(verified) => verified,
        Err(error) => {
            line(text, "key", "none verifies it, so nothing above is proven");
            return Err(reason(error));
        }
    };
    line(text, "key", &format!("verified by {}", verified.key));
    for (name, demand) in [("aud", &settings.audience), ("iss", &settings.issuer)] {
        if let Some(demand) = demand {
            line(text, name, &format!("must be {demand:?}"));
        }
    }
    if read_claims::is_subscription(&payload) {
        let grant =
            read_claims::subscription(&payload, &tokens.requirements, now).map_err(reason)?;
        describe_subscription(&grant, text);
    } else {
        let grant = read_claims::connection(&payload, &tokens.requirements, now).map_err(reason)?;
        describe_connection(&grant, text);
    }
    Ok(())
}

fn reason(error: TokenError) -> String {
    match error {
        TokenError::Invalid(why) => why,
        other => other.to_string(),
    }
}

/// Says how the token stands in time, as far as it says so itself.
fn describe_times(payload: &str, leeway: Duration, now: SystemTime, text: &mut String) {
    let Ok(Value::Object(claims)) = serde_json::from_str(payload) else {
        return;
    };
    let now = since_epoch(now).as_secs();
    for (name, before, after) in [
        ("iat", "issued in the future, in", "issued"),
        ("nbf", "counts only in", "counts since"),
        ("exp", "valid for", "EXPIRED since"),
        (
            "expire_at",
            "the session may last",
            "the session is over since",
        ),
    ] {
        let Some(at) = claims.get(name).and_then(Value::as_f64) else {
            continue;
        };
        // Above it there are no dates; what is below is told when the claims are read.
        if !(0.0..1e11).contains(&at) {
            continue;
        }
        let at = at as u64;
        let said = if name == "expire_at" && at == 0 {
            "0: the session may last for ever".to_string()
        } else {
            let span = humantime::format_duration(Duration::from_secs(at.abs_diff(now)));
            let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at));
            if now < at {
                format!("{before} {span} ({date})")
            } else if name == "iat" {
                format!("{after} {span} ago ({date})")
            } else {
                format!("{after} {span} ({date})")
            }
        };
        line(text, name, &said);
    }
    if !claims.contains_key("exp") {
        line(text, "exp", "none: the token never expires");
    }
    if !leeway.is_zero() {
        let leeway = humantime::format_duration(leeway);
        line(text, "leeway", &format!("{leeway} (token.leeway)"));
    }
}

fn describe_connection(grant: &ConnectionClaims, text: &mut String) {
    let who = match grant.user.as_str() {
        "" => "a connection without a user (anonymous)".to_string(),
        user => format!("a connection as user {user:?}"),
    };
    line(text, "grants", &who);
    for channel in &grant.channels {
        line(text, "", &format!("subscribed to {channel:?}"));
    }
    for subscription in &grant.subs {
        let channel = &subscription.channel;
        let with = if *subscription == ServerSubscription::to(channel.clone()) {
            ""
        } else {
            ", with options of its own"
        };
        line(text, "", &format!("subscribed to {channel:?}{with}"));
    }
}

fn describe_subscription(grant: &SubscriptionClaims, text: &mut String) {
    let user = match grant.user.as_str() {
        "" => "clients without a user".to_string(),
        user => format!("user {user:?}"),
    };
    let client = match &grant.client {
        Some(client) => format!(", only for client {client:?}"),
        None => String::new(),
    };
    let what = format!("a subscription to {:?} for {user}{client}", grant.channel);
    line(text, "grants", &what);
}

/// JSON on one line; other text in quotes.
fn pretty(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => shown(&value.to_string()),
        Err(_) => format!("{text:?}"),
    }
}

/// Without characters that a terminal might obey; JSON escapes only those below U+0020.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn line(text: &mut String, name: &str, what: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:<10} {what}");
}
