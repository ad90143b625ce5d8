//! `block_user`, `unblock_user`, `revoke_token` and `invalidate_user_tokens`: what is taken back before it expires.
//!
//! The lists stand with the tokens ([`crate::token`]), which bound them: a full list is error 106. This node forgets them when it
//! ends.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{
    ApiCall,
    answer::{Answer, DONE, bad_request},
    form, request as r,
    sessions::force_disconnect,
};
use crate::{
    close::{Close, Unsubscribe},
    protocol::ReplyError,
    shard::{Selector, ServerCommand},
    token::RevocationError,
};

fn named(value: &str, field: &str) -> Result<(), ReplyError> {
    if value.is_empty() {
        return Err(bad_request(format!("bad request: {field} is missing")));
    }
    Ok(())
}

fn refused(error: RevocationError) -> ReplyError {
    match error {
        RevocationError::Full => ReplyError::LIMIT_EXCEEDED,
        RevocationError::Empty | RevocationError::TooLong => {
            bad_request(format!("bad request: {error}"))
        }
    }
}

fn of_user(user: &str) -> Selector {
    Selector {
        user: Some(user.into()),
        ..Selector::default()
    }
}

/// `block_user`: no session of the user's from now on, and those that are there end with 3503.
pub(super) async fn block_user(call: &ApiCall<'_>, request: r::BlockUser) -> Answer {
    named(&request.user, "user")?;
    let node = &call.node;
    let until = form::moment(request.expire_at);
    let blocked = node.tokens.revocations().block_user(&request.user, until);
    blocked.map_err(refused)?;
    node.send_command(
        of_user(&request.user),
        ServerCommand::Disconnect(force_disconnect()),
    )
    .await;
    Ok(DONE.to_string())
}

/// `unblock_user`.
pub(super) async fn unblock_user(call: &ApiCall<'_>, request: r::UnblockUser) -> Answer {
    named(&request.user, "user")?;
    call.node.tokens.revocations().unblock_user(&request.user);
    Ok(DONE.to_string())
}

/// `revoke_token`: the token opens nothing any more. Sessions that it has opened already are the caller's to disconnect.
pub(super) async fn revoke_token(call: &ApiCall<'_>, request: r::RevokeToken) -> Answer {
    named(&request.uid, "uid")?;
    let until = form::moment(request.expire_at);
    let revoked = call
        .node
        .tokens
        .revocations()
        .revoke_token(&request.uid, until);
    revoked.map_err(refused)?;
    Ok(DONE.to_string())
}

/// `invalidate_user_tokens`: tokens issued before a moment (now, unless said) count no more. The user's sessions end with 3005, or,
/// for one channel, leave it with 2501, and come back with a newer token.
pub(super) async fn invalidate_user_tokens(
    call: &ApiCall<'_>,
    request: r::InvalidateUserTokens,
) -> Answer {
    named(&request.user, "user")?;
    let channel = match request.channel.as_str() {
        "" => None,
        name => Some(call.channel(name)?.0),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let issued_before = form::moment(request.issued_before).unwrap_or(now);
    let node = &call.node;
    let invalidated = node.tokens.revocations().invalidate_user_tokens(
        &request.user,
        issued_before,
        channel.as_deref().map(ToString::to_string),
        form::moment(request.expire_at),
    );
    invalidated.map_err(refused)?;
    let command = match channel {
        None => ServerCommand::Disconnect(Close::EXPIRED),
        Some(channel) => ServerCommand::Unsubscribe {
            channel,
            why: Unsubscribe::TOKEN_EXPIRED,
        },
    };
    node.send_command(of_user(&request.user), command).await;
    Ok(DONE.to_string())
}
