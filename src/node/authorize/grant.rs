//! What a token, the backend or the rules grant, in one form, and what the backend makes of a
//! publication. Plain data.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    broker::{PublishRequest, Version},
    hooks::{PublishAnswer, SubscribeAnswer},
    publication::Payload,
    subscription::{ServerSubscription, SubscriptionOverrides},
    token,
};

/// How long beyond its end a token that the client renews is still good.
pub(crate) const GRACE_SECS: u64 = 25;

/// What whoever let a client into a channel said of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Grant {
    /// Public information of the client in the channel, as JSON; empty for none.
    pub info: Bytes,
    /// Given to the client with the subscription.
    pub(crate) data: Bytes,
    /// When it ends unless it is renewed, in Unix seconds.
    pub(crate) expire_at: Option<u64>,
    /// Other rules than the channel's.
    pub(crate) overrides: SubscriptionOverrides,
    /// A token of the channel renews it.
    pub(crate) by_token: bool,
    /// Seconds beyond its end for which it still holds: the client renews it when it ends.
    pub(crate) grace: u64,
    /// What the client may do beside, in the backend's words (`publish`, `history`, `presence`).
    pub(crate) allow: Vec<String>,
}

impl From<&ServerSubscription> for Grant {
    fn from(given: &ServerSubscription) -> Self {
        Self {
            info: given.info.clone(),
            data: given.data.clone(),
            expire_at: given.expire_at,
            overrides: given.overrides,
            by_token: false,
            grace: 0,
            allow: Vec::new(),
        }
    }
}

impl From<SubscribeAnswer> for Grant {
    fn from(answer: SubscribeAnswer) -> Self {
        Self {
            info: answer.info,
            data: answer.data,
            expire_at: answer.expire_at,
            overrides: answer.overrides,
            by_token: false,
            grace: 0,
            allow: answer.allow,
        }
    }
}

impl From<token::SubscriptionClaims> for Grant {
    fn from(claims: token::SubscriptionClaims) -> Self {
        Self {
            info: claims.info,
            data: Bytes::new(),
            expire_at: claims.expire_at,
            overrides: claims.overrides,
            by_token: true,
            grace: GRACE_SECS,
            allow: Vec::new(),
        }
    }
}

/// Puts what the backend wants of a publication into it. `as_bytes`: its sender publishes bytes,
/// whatever they are.
pub(super) fn apply(answer: PublishAnswer, request: &mut PublishRequest, as_bytes: bool) {
    if let Some(data) = answer.data {
        request.payload = match as_bytes {
            true => Payload::Binary(data),
            false => Payload::guess(data),
        };
    }
    if answer.skip_history {
        request.history = None;
    }
    request.delta |= answer.delta;
    request.tags = (!answer.tags.is_empty()).then(|| Arc::new(answer.tags.into()));
    if !answer.idempotency_key.is_empty() {
        request.idempotency_key = Some(answer.idempotency_key.into());
    }
    if answer.version > 0 {
        request.version = Some(Box::new(Version {
            number: answer.version,
            epoch: answer.version_epoch,
        }));
    }
}
