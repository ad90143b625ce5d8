//! `subscribe`, `unsubscribe`, `disconnect` and `refresh`: commands to sessions of a user, or to
//! one session.
//!
//! A user who has no session here is no error: the command found nobody. Commands reach sessions of
//! any kind. A raw or streamed session gets `data` and what it missed as messages of the channel,
//! and ends when what it was given ends, since it can be told of neither.

use super::{
    answer::{ApiResult, DONE, bad_request},
    call::ApiCall,
    form, request as r,
};
use crate::{
    close::{Close, Unsubscribe},
    id::{Epoch, StreamPosition},
    node::control::NamedSelector,
    protocol::ReplyError,
    shard::ServerCommand,
    subscription::{ServerSubscription, SubscriptionOverrides},
};

/// Sessions that a disconnect can spare.
const EXCEPT_MAX: usize = 1000;

/// Whom a command is for; names that are empty are not given.
fn named(user: String, client: String, session: String) -> Result<NamedSelector, ReplyError> {
    let given = |name: String| Some(name).filter(|name| !name.is_empty());
    let named = NamedSelector {
        user: given(user),
        client: given(client),
        session: given(session),
        except: Vec::new(),
    };
    if !named.is_named() {
        return Err(bad_request(
            "bad request: user or client is expected".to_string(),
        ));
    }
    Ok(named)
}

async fn send_command(
    call: &ApiCall<'_>,
    named: &NamedSelector,
    command: ServerCommand,
) -> ApiResult {
    call.node.command(named, command).await;
    Ok(DONE.to_string())
}

/// `subscribe`.
pub(super) async fn subscribe(call: &ApiCall<'_>, request: r::Subscribe) -> ApiResult {
    let named = named(request.user, request.client, request.session)?;
    let (channel, _) = call.channel(&request.channel)?;
    let set = &request.r#override;
    let subscription = ServerSubscription {
        channel: channel.to_string(),
        info: form::optional(request.info, &request.b64info)?,
        data: form::optional(request.data, &request.b64data)?,
        expire_at: form::moment("expire_at", request.expire_at)?,
        recover_since: request.recover_since.map(|since| StreamPosition {
            offset: since.offset,
            // A stream that was never ours has no position to recover from.
            epoch: Epoch::parse(&since.epoch).unwrap_or(Epoch::NONE),
        }),
        overrides: SubscriptionOverrides {
            presence: set.presence.value,
            join_leave: set.join_leave.value,
            force_recovery: set.force_recovery.value,
            force_positioning: set.force_positioning.value,
            force_push_join_leave: set.force_push_join_leave.value,
        },
    };
    send_command(call, &named, ServerCommand::Subscribe(subscription)).await
}

/// `unsubscribe`.
pub(super) async fn unsubscribe(call: &ApiCall<'_>, request: r::Unsubscribe) -> ApiResult {
    let named = named(request.user, request.client, request.session)?;
    let (channel, _) = call.channel(&request.channel)?;
    send_command(
        call,
        &named,
        ServerCommand::Unsubscribe {
            channel,
            why: Unsubscribe::SERVER,
        },
    )
    .await
}

/// `disconnect`.
pub(super) async fn disconnect(call: &ApiCall<'_>, request: r::Disconnect) -> ApiResult {
    let mut named = named(request.user, request.client, request.session)?;
    if request.whitelist.len() > EXCEPT_MAX {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    named.except = request.whitelist;
    let close = close_of(request.disconnect)?;
    send_command(call, &named, ServerCommand::Disconnect(close)).await
}

fn close_of(wish: r::CloseWith) -> Result<Close, ReplyError> {
    if wish.code == 0 {
        return Ok(Close::FORCE_DISCONNECT);
    }
    Close::asked_for(wish.code, wish.reason)
        .map_err(|error| bad_request(format!("bad request: {error}")))
}

/// `refresh`.
pub(super) async fn refresh(call: &ApiCall<'_>, request: r::Refresh) -> ApiResult {
    let named = named(request.user, request.client, request.session)?;
    let info = match &request.info {
        Some(_) => Some(form::optional(request.info, "")?).filter(|info| !info.is_empty()),
        None => None,
    };
    let command = ServerCommand::Refresh {
        expired: request.expired,
        expire_at: form::moment("expire_at", request.expire_at)?,
        info,
    };
    send_command(call, &named, command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_nobody_is_an_error() {
        let named = |user: &str, session: &str| named(user.into(), String::new(), session.into());
        assert!(named("", "").is_err());
        assert!(named("42", "").is_ok() && named("", "s").is_ok());
    }

    #[test]
    fn a_close_has_a_code_that_clients_understand() {
        let wish = |code, reason: &str| {
            close_of(r::CloseWith {
                code,
                reason: reason.to_string(),
            })
        };
        assert_eq!(wish(0, "ignored").map(|close| close.code), Ok(3503));
        assert_eq!(wish(4001, "bye"), Ok(Close::new(4001, "bye")));
        for code in [1, 1000, 2999, 5000, u16::MAX] {
            assert!(wish(code, "").is_err(), "{code}");
        }
        assert!(wish(4000, &"x".repeat(124)).is_err());
    }
}
