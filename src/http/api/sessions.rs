//! `subscribe`, `unsubscribe`, `disconnect` and `refresh`: commands to sessions of a user, or to one
//! session.
//!
//! A user who has no session here is no error: the command found nobody. Commands reach sessions of
//! any kind. A raw or streamed session gets `data` and what it missed as messages of the channel, and
//! ends when what it was given ends, since it can be told of neither.

use super::{
    answer::{Answer, DONE, bad_request},
    call::ApiCall,
    form, request as r,
};
use crate::{
    close::{Close, Unsubscribe},
    id::{Epoch, StreamPosition},
    node::order::Whom,
    protocol::ReplyError,
    shard::ServerCommand,
    subscription::{ServerSubscription, SubscriptionOverrides},
};

/// Longest reason of a Close (RFC 6455 §5.5.1).
const REASON_BYTES_MAX: usize = 123;
/// Sessions that a disconnect can spare.
const SPARED_MAX: usize = 1000;

/// Whom a command is for: a user's sessions, one session, or one session if it is that user's.
fn whom(user: String, client: String, session: String) -> Result<Whom, ReplyError> {
    let whom = Whom {
        user,
        client,
        session,
        except: Vec::new(),
    };
    if !whom.is_named() {
        return Err(bad_request(
            "bad request: user or client is expected".to_string(),
        ));
    }
    Ok(whom)
}

async fn send_command(call: &ApiCall<'_>, whom: &Whom, command: ServerCommand) -> Answer {
    call.node.command(whom, command).await;
    Ok(DONE.to_string())
}

/// `subscribe`.
pub(super) async fn subscribe(call: &ApiCall<'_>, request: r::Subscribe) -> Answer {
    let whom = whom(request.user, request.client, request.session)?;
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
    send_command(call, &whom, ServerCommand::Subscribe(subscription)).await
}

/// `unsubscribe`.
pub(super) async fn unsubscribe(call: &ApiCall<'_>, request: r::Unsubscribe) -> Answer {
    let whom = whom(request.user, request.client, request.session)?;
    let (channel, _) = call.channel(&request.channel)?;
    send_command(
        call,
        &whom,
        ServerCommand::Unsubscribe {
            channel,
            why: Unsubscribe::SERVER,
        },
    )
    .await
}

/// `disconnect`.
pub(super) async fn disconnect(call: &ApiCall<'_>, request: r::Disconnect) -> Answer {
    let mut whom = whom(request.user, request.client, request.session)?;
    if request.whitelist.len() > SPARED_MAX {
        return Err(ReplyError::LIMIT_EXCEEDED);
    }
    whom.except = request.whitelist;
    let close = close_of(request.disconnect)?;
    send_command(call, &whom, ServerCommand::Disconnect(close)).await
}

fn close_of(wish: r::CloseWith) -> Result<Close, ReplyError> {
    match wish.code {
        0 => Ok(force_disconnect()),
        3000..=4999 if wish.reason.len() <= REASON_BYTES_MAX => {
            Ok(Close::new(wish.code, wish.reason))
        }
        3000..=4999 => Err(bad_request(
            "bad request: reason has more than 123 bytes".to_string(),
        )),
        _ => Err(bad_request(
            "bad request: code is not between 3000 and 4999".to_string(),
        )),
    }
}

/// The close of who is sent away; the client does not come back by itself.
pub(super) fn force_disconnect() -> Close {
    Close::FORCE_DISCONNECT
}

/// `refresh`.
pub(super) async fn refresh(call: &ApiCall<'_>, request: r::Refresh) -> Answer {
    let whom = whom(request.user, request.client, request.session)?;
    let info = match &request.info {
        Some(_) => Some(form::optional(request.info, "")?).filter(|info| !info.is_empty()),
        None => None,
    };
    let command = ServerCommand::Refresh {
        expired: request.expired,
        expire_at: form::moment("expire_at", request.expire_at)?,
        info,
    };
    send_command(call, &whom, command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_nobody_is_an_error() {
        let named = |user: &str, session: &str| whom(user.into(), String::new(), session.into());
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
