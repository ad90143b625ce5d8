//! Who lets a client into a channel, and what they say of it: a token for the channel, the rules, or the backend.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;

use crate::{
    close::Close,
    config::Namespace,
    hooks::HookContext,
    node::{
        Action, Node, Permission,
        auth::{AuthError, Identity},
    },
    protocol::{ReplyError, SubscribeRequest},
    shard::Overrides,
    token::TokenError,
};

/// What whoever decided about a subscription said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Grant {
    pub(super) info: Bytes,
    pub(super) data: Bytes,
    pub(super) expire_at: Option<u64>,
    pub(super) overrides: Overrides,
    pub(super) by_token: bool,
    pub(super) allow: Vec<String>,
}

/// Why a subscription is refused.
pub(super) enum Refusal {
    Error(ReplyError),
    Close(Close),
}

impl From<AuthError> for Refusal {
    fn from(why: AuthError) -> Self {
        match why {
            AuthError::Refused {
                code,
                message,
                temporary,
            } => Self::Error(ReplyError {
                code,
                message: message.into(),
                temporary,
            }),
            AuthError::Disconnected(close) => Self::Close(close),
            AuthError::Expired => Self::Error(ReplyError::TOKEN_EXPIRED),
            AuthError::Unavailable(_) => Self::Error(ReplyError::INTERNAL),
            AuthError::Invalid(_) | AuthError::Missing => {
                Self::Error(ReplyError::PERMISSION_DENIED)
            }
        }
    }
}

/// Whether a client may subscribe: by a token of its own for the channel, by the rules, or by the backend.
pub(super) async fn decide(
    node: Arc<Node>,
    rules: Arc<Namespace>,
    identity: Identity,
    hook_context: HookContext,
    request: SubscribeRequest,
) -> Result<Grant, Refusal> {
    let SubscribeRequest {
        channel,
        token,
        data,
        ..
    } = request;
    if !token.is_empty() && rules.allow_subscribe.token && node.tokens.is_configured() {
        return authenticate_token(
            &node,
            &identity.user,
            &hook_context.client,
            &channel,
            &token,
        )
        .await;
    }
    match node.permission(Action::Subscribe, &channel, &rules, &identity, false) {
        Permission::Granted => Ok(Grant::default()),
        Permission::Denied => Err(Refusal::Error(ReplyError::PERMISSION_DENIED)),
        Permission::AskHook => {
            let answer = node
                .hooks
                .subscribe(&hook_context, &channel, &token, data)
                .await;
            let answer = answer.map_err(|failure| Refusal::from(AuthError::from(failure)))?;
            Ok(Grant {
                info: answer.info,
                data: answer.data,
                expire_at: answer.expire_at,
                overrides: answer.overrides.into(),
                by_token: false,
                allow: answer.allow,
            })
        }
    }
}

/// What a subscription token grants.
pub(super) async fn authenticate_token(
    node: &Node,
    user: &str,
    client: &str,
    channel: &str,
    token: &str,
) -> Result<Grant, Refusal> {
    let claims = match node.tokens.subscription(token, SystemTime::now()).await {
        Ok(claims) => claims,
        Err(TokenError::Expired | TokenError::Invalidated) => {
            return Err(Refusal::Error(ReplyError::TOKEN_EXPIRED));
        }
        Err(TokenError::Blocked) => return Err(Refusal::Close(Close::BLOCKED)),
        Err(error) => {
            log::info!("a token for {channel} is refused: {error}");
            return Err(Refusal::Error(ReplyError::PERMISSION_DENIED));
        }
    };
    let other_client = claims.client.as_deref().is_some_and(|of| of != client);
    if claims.channel != channel || claims.user != user || other_client {
        return Err(Refusal::Close(
            Close::INVALID_TOKEN.because("it is for another"),
        ));
    }
    Ok(Grant {
        info: claims.info,
        data: Bytes::new(),
        expire_at: claims.expire_at,
        overrides: claims.overrides.into(),
        by_token: true,
        allow: Vec::new(),
    })
}
