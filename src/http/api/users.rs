//! `block_user`, `unblock_user`, `revoke_token` and `invalidate_user_tokens`: what is taken back
//! before it expires.
//!
//! The lists stand with the tokens ([`crate::token`]), which bound them: a full list is error 106.
//! Without `state.dir` this node forgets them when it ends; with it each is on the disk before it
//! is answered, and one that the disk does not take counts all the same and is error 100.

use super::{
    answer::{ApiResult, DONE, bad_request},
    call::ApiCall,
    form, request as r,
};
use crate::{node::revoke::TokenInvalidation, protocol::ReplyError, token::RevocationError};

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
        RevocationError::NotKept => ReplyError {
            message: error.to_string().into(),
            ..ReplyError::INTERNAL
        },
    }
}

/// `block_user`: no session of the user's from now on, and those that are there end with 3503.
pub(super) async fn block_user(call: &ApiCall<'_>, request: r::BlockUser) -> ApiResult {
    named(&request.user, "user")?;
    let until = form::moment("expire_at", request.expire_at)?;
    let blocked = call.node.block_user(&request.user, until).await;
    blocked.map_err(refused)?;
    Ok(DONE.to_string())
}

/// `unblock_user`.
pub(super) async fn unblock_user(call: &ApiCall<'_>, request: r::UnblockUser) -> ApiResult {
    named(&request.user, "user")?;
    call.node
        .unblock_user(&request.user)
        .await
        .map_err(refused)?;
    Ok(DONE.to_string())
}

/// `revoke_token`: the token opens nothing any more. Sessions that it has opened already are the
/// caller's to disconnect.
pub(super) async fn revoke_token(call: &ApiCall<'_>, request: r::RevokeToken) -> ApiResult {
    named(&request.uid, "uid")?;
    let until = form::moment("expire_at", request.expire_at)?;
    let revoked = call.node.revoke_token(&request.uid, until).await;
    revoked.map_err(refused)?;
    Ok(DONE.to_string())
}

/// `invalidate_user_tokens`: tokens issued before a moment (now, unless said) count no more. The
/// user's sessions end with 3005, or, for one channel, leave it with 2501, and come back with a
/// newer token.
pub(super) async fn invalidate_user_tokens(
    call: &ApiCall<'_>,
    request: r::InvalidateUserTokens,
) -> ApiResult {
    named(&request.user, "user")?;
    let channel = match request.channel.as_str() {
        "" => None,
        name => Some(call.channel(name)?.0),
    };
    let invalidated = call.node.invalidate_tokens(TokenInvalidation {
        user: &request.user,
        issued_before: form::moment("issued_before", request.issued_before)?,
        channel,
        until: form::moment("expire_at", request.expire_at)?,
    });
    invalidated.await.map_err(refused)?;
    Ok(DONE.to_string())
}
