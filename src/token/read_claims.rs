//! What tokens claim (protocol page, part 15): the claims of a payload whose signature has been
//! verified, checked against the settings and the clock that the caller passes in.
//!
//! Pure. Bounds: the token's own, [`TOKEN_BYTES_MAX`](super::TOKEN_BYTES_MAX), and [`LATEST`]. An
//! error names the claim and what is wrong with it, and never repeats its value. A claim that is
//! `null` counts as absent, since that is how many backends write it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    claims::{ConnectionClaims, SubscriptionClaims},
    error::TokenError,
};
use crate::{
    protocol::without_newlines,
    subscription::{ServerSubscription, SubscriptionOverrides},
    unix_time::{LATEST, since_epoch},
};

/// What the settings ask of every token.
#[derive(Clone, Debug, Default)]
pub(super) struct Requirements {
    pub(super) audience: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) leeway: Duration,
}

/// Claims as they stand in the payload, each still as text, so that a fault can be named.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    sub: RawClaim<'a>,
    #[serde(borrow)]
    exp: RawClaim<'a>,
    #[serde(borrow)]
    nbf: RawClaim<'a>,
    #[serde(borrow)]
    iat: RawClaim<'a>,
    #[serde(borrow)]
    jti: RawClaim<'a>,
    #[serde(borrow)]
    aud: RawClaim<'a>,
    #[serde(borrow)]
    iss: RawClaim<'a>,
    #[serde(borrow)]
    info: RawClaim<'a>,
    #[serde(borrow)]
    b64info: RawClaim<'a>,
    #[serde(borrow)]
    meta: RawClaim<'a>,
    #[serde(borrow)]
    channels: RawClaim<'a>,
    #[serde(borrow)]
    subs: RawClaim<'a>,
    #[serde(borrow)]
    expire_at: RawClaim<'a>,
    #[serde(borrow)]
    channel: RawClaim<'a>,
    #[serde(borrow)]
    client: RawClaim<'a>,
    #[serde(borrow, rename = "override")]
    overrides: RawClaim<'a>,
}

type RawClaim<'a> = Option<&'a RawValue>;

/// Reads the claims of a connection token.
pub(super) fn connection(
    payload: &str,
    requirements: &Requirements,
    now: SystemTime,
) -> Result<ConnectionClaims, TokenError> {
    let claims = Claims::read(payload)?;
    if claims.channel.is_some() {
        // Handed out for one channel; it must not open a session.
        return Err(invalid(
            "it has the claim channel, so it is a subscription token",
        ));
    }
    let times = claims.times(requirements)?;
    let subs: BTreeMap<String, Option<SubClaims>> = value("subs", claims.subs)?.unwrap_or_default();
    let connection = ConnectionClaims {
        user: value("sub", claims.sub)?.unwrap_or_default(),
        expire_at: times.expire_at,
        token_exp: times.exp,
        issued_at: times.issued_at,
        id: value("jti", claims.jti)?,
        info: info("", claims.info, claims.b64info)?,
        meta: json(claims.meta),
        channels: value("channels", claims.channels)?.unwrap_or_default(),
        subs: subs
            .into_iter()
            .map(|(channel, claims)| claims.unwrap_or_default().subscription(channel))
            .collect::<Result<_, TokenError>>()?,
    };
    times.check(now)?;
    Ok(connection)
}

/// Reads the claims of a subscription token.
pub(super) fn subscription(
    payload: &str,
    requirements: &Requirements,
    now: SystemTime,
) -> Result<SubscriptionClaims, TokenError> {
    let claims = Claims::read(payload)?;
    let times = claims.times(requirements)?;
    let channel: String = value("channel", claims.channel)?
        .filter(|channel: &String| !channel.is_empty())
        .ok_or_else(|| invalid("the claim channel is missing, so it is no subscription token"))?;
    let subscription = SubscriptionClaims {
        user: value("sub", claims.sub)?.unwrap_or_default(),
        channel,
        client: value("client", claims.client)?.filter(|client: &String| !client.is_empty()),
        expire_at: times.expire_at,
        token_exp: times.exp,
        issued_at: times.issued_at,
        id: value("jti", claims.jti)?,
        info: info("", claims.info, claims.b64info)?,
        overrides: value::<OverrideClaims>("override", claims.overrides)?
            .unwrap_or_default()
            .into(),
    };
    times.check(now)?;
    Ok(subscription)
}

/// Whether these claims are those of a subscription token.
pub(super) fn is_subscription(payload: &str) -> bool {
    Claims::read(payload).is_ok_and(|claims| claims.channel.is_some())
}

/// When a token ends and what follows from it, in Unix seconds.
struct Times {
    /// Since when it counts.
    start: Option<Duration>,
    /// The token's end to the nanosecond, which [`exp`](Self::exp) rounds.
    end: Option<Duration>,
    /// How far before its start and beyond its end the token counts.
    leeway: Duration,
    exp: Option<u64>,
    expire_at: Option<u64>,
    issued_at: Option<u64>,
}

impl<'a> Claims<'a> {
    fn read(payload: &'a str) -> Result<Self, TokenError> {
        serde_json::from_str(payload).map_err(|error| {
            invalid(&format!(
                "the claims are no JSON object with each name once (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// Checks whom the token is for; leaves to [`Times::check`] whether it counts now, so that a
    /// token which is wrong as well as expired counts as wrong.
    fn times(&self, requirements: &Requirements) -> Result<Times, TokenError> {
        if let Some(audience) = &requirements.audience {
            let claimed: Option<Audience> = value("aud", self.aud)?;
            if !claimed.is_some_and(|claimed| claimed.contains(audience)) {
                return Err(invalid("the claim aud does not contain token.audience"));
            }
        }
        if let Some(issuer) = &requirements.issuer {
            let claimed: Option<String> = value("iss", self.iss)?;
            if claimed.as_ref() != Some(issuer) {
                return Err(invalid("the claim iss is not token.issuer"));
            }
        }
        let leeway = requirements.leeway;
        let end = time("exp", self.exp)?;
        let session = match time("expire_at", self.expire_at)? {
            None => end.map(|end| end.saturating_add(leeway)),
            Some(Duration::ZERO) => None,
            at => at,
        };
        // Rounded up, or a session would end before its token.
        let up = |time: Duration| {
            time.as_secs()
                .saturating_add(u64::from(time.subsec_nanos() > 0))
        };
        Ok(Times {
            start: time("nbf", self.nbf)?,
            end,
            leeway,
            exp: end.map(up),
            expire_at: session.map(up),
            issued_at: time("iat", self.iat)?.map(|time| time.as_secs()),
        })
    }
}

impl Times {
    /// RFC 7519, section 4.1.4: on or after its time a token no longer counts. A session that would
    /// be over at once is as expired as its token. Section 4.1.5: before its start it does not yet.
    fn check(&self, now: SystemTime) -> Result<(), TokenError> {
        let now = since_epoch(now);
        let is_early = self
            .start
            .is_some_and(|start| now.saturating_add(self.leeway) < start);
        if is_early {
            return Err(TokenError::NotYet);
        }
        let is_token_over = self
            .end
            .is_some_and(|end| now >= end.saturating_add(self.leeway));
        let is_session_over = self.expire_at.is_some_and(|at| now.as_secs() >= at);
        if is_token_over || is_session_over {
            return Err(TokenError::Expired);
        }
        Ok(())
    }
}

fn invalid(why: &str) -> TokenError {
    TokenError::Invalid(why.to_string())
}

fn value<T: DeserializeOwned>(name: &str, raw: RawClaim<'_>) -> Result<Option<T>, TokenError> {
    raw.map(|raw| {
        serde_json::from_str(raw.get())
            .map_err(|_| invalid(&format!("the claim {name} has a wrong form")))
    })
    .transpose()
}

/// A time in Unix seconds, whole or not (RFC 7519, section 2, NumericDate).
fn time(name: &str, raw: RawClaim<'_>) -> Result<Option<Duration>, TokenError> {
    let Some(seconds) = value::<f64>(name, raw)? else {
        return Ok(None);
    };
    if seconds > LATEST as f64 {
        return Err(TokenError::NotSeconds(name.to_string()));
    }
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| {
        invalid(&format!(
            "the claim {name} is no time in seconds since 1970"
        ))
    })
}

/// JSON as it stands, without the line breaks between its tokens, since the client protocol frames
/// by them; inside a text JSON has none.
fn json(raw: RawClaim<'_>) -> Bytes {
    match without_newlines(raw.map_or("", RawValue::get).as_bytes()) {
        Cow::Borrowed(text) => Bytes::copy_from_slice(text),
        Cow::Owned(text) => text.into(),
    }
}

/// JSON, or the bytes of its base64 form, which goes before.
fn info(prefix: &str, raw: RawClaim<'_>, base64: RawClaim<'_>) -> Result<Bytes, TokenError> {
    let name = format!("{prefix}b64info");
    let Some(text) = value::<String>(&name, base64)?.filter(|text| !text.is_empty()) else {
        return Ok(json(raw));
    };
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(&text).ok())
        .map(Bytes::from)
        .ok_or_else(|| invalid(&format!("the claim {name} is not base64")))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// One entry of `subs`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SubClaims {
    info: Option<Box<RawValue>>,
    b64info: Option<Box<RawValue>>,
    data: Option<Box<RawValue>>,
    b64data: Option<Box<RawValue>>,
    #[serde(rename = "override")]
    overrides: Option<OverrideClaims>,
}

impl SubClaims {
    fn subscription(self, channel: String) -> Result<ServerSubscription, TokenError> {
        Ok(ServerSubscription {
            info: info("subs.", self.info.as_deref(), self.b64info.as_deref())?,
            data: info("subs.", self.data.as_deref(), self.b64data.as_deref())?,
            overrides: self.overrides.unwrap_or_default().into(),
            ..ServerSubscription::to(channel)
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OverrideClaims {
    presence: Option<Switch>,
    join_leave: Option<Switch>,
    force_recovery: Option<Switch>,
    force_positioning: Option<Switch>,
    force_push_join_leave: Option<Switch>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Switch {
    value: Option<bool>,
}

impl From<OverrideClaims> for SubscriptionOverrides {
    fn from(claims: OverrideClaims) -> Self {
        let is_on = |switch: Option<Switch>| switch.and_then(|switch| switch.value);
        Self {
            presence: is_on(claims.presence),
            join_leave: is_on(claims.join_leave),
            force_recovery: is_on(claims.force_recovery),
            force_positioning: is_on(claims.force_positioning),
            force_push_join_leave: is_on(claims.force_push_join_leave),
        }
    }
}
